//! What goes back to the client: a worker's answer on its way, or the gateway's own words.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::{
    Response, StatusCode,
    body::{Body as HttpBody, Frame, Incoming, SizeHint},
    header::{self, HeaderValue},
};
use std::{
    pin::Pin,
    task::{Context, Poll},
};

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;
pub(super) type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A body that holds something until it has ended or is dropped. What it holds is told when it ends.
pub(super) struct Watched<Held: Hold> {
    pub(super) body: Incoming,
    pub(super) held: Held,
}

/// Who waits for the end of a body.
pub(super) trait Hold {
    /// So many bytes of the body leave.
    fn moves(&mut self, bytes: usize);
    /// The body has come to its end.
    fn ended(&mut self);
}

impl<Held: Hold + Unpin> HttpBody for Watched<Held> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.held.moves(bytes);
            }
            Poll::Ready(Some(Err(_))) => {}
            Poll::Ready(None) => self.held.ended(),
            Poll::Pending => {}
        }
        polled.map(|frame| frame.map(|frame| frame.map_err(BoxError::from)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<Held: Hold> Drop for Watched<Held> {
    fn drop(&mut self) {
        // One whose length is known is not asked for more.
        if self.body.is_end_stream() {
            self.held.ended();
        }
    }
}

/// Nobody can take the request now. (G4)
pub(super) fn busy() -> Response<Body> {
    let mut response = text(
        StatusCode::SERVICE_UNAVAILABLE,
        "no worker can take this now\n",
    );
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

pub(super) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let body = Full::new(text.into()).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
