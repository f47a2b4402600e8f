//! What goes back to the client: the function's answer on its way out, or the worker's own words.

use super::meter::Meter;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Full, combinators::UnsyncBoxBody};
use hyper::{
    Response, StatusCode,
    body::{Body as HttpBody, Frame},
    header::{CONTENT_LENGTH, HeaderName, HeaderValue, RETRY_AFTER, SERVER, TE, TRAILER},
};
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};
use tokio::task::{JoinError, JoinHandle};
use wasmtime_wasi_http::{Error, p2::body::HyperOutgoingBody};

/// The body of an answer.
pub(super) type Body = UnsyncBoxBody<Bytes, Error>;

/// What the function says to a request: a response, or an error in the words of its interface.
pub(super) type Said = Result<Response<HyperOutgoingBody>, String>;

/// On an answer of a worker whose function has not begun: the request may be sent elsewhere.
const NOT_STARTED: HeaderName = HeaderName::from_static("mp-not-started");

/// Whether it is a final response.
pub(super) fn is_answer(said: &Said) -> bool {
    said.as_ref()
        .is_ok_and(|response| !response.status().is_informational())
}

/// The response, or what is wrong with what the function said.
pub(super) fn acceptable(said: Said) -> Result<Response<HyperOutgoingBody>, String> {
    match said {
        Ok(response) if response.status().is_informational() => Err(format!(
            "it answered with status {}, below 200",
            response.status()
        )),
        Ok(response) => Ok(response),
        Err(code) => Err(format!("it answered with the error {code}")),
    }
}

/// The function's answer, as far as it may speak for the connection. `meter` counts what goes to a client.
pub(super) fn deliver(
    mut response: Response<HyperOutgoingBody>,
    is_head: bool,
    fate: Arc<Fate>,
    task: Watched,
    meter: Option<Arc<Meter>>,
) -> Response<Body> {
    let names = response.headers().keys().filter(|name| is_reserved(name));
    for name in names.cloned().collect::<Vec<HeaderName>>() {
        response.headers_mut().remove(name);
    }
    let length = response.headers().get(CONTENT_LENGTH);
    let left = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let status = response.status();
    let is_bare = is_head || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
    response.map(|body| {
        let answer = Answer {
            body,
            left,
            fate,
            task,
            meter,
        };
        if is_bare {
            discard(answer)
        } else {
            answer.boxed_unsync()
        }
    })
}

/// A body that HTTP has no place for: the function may write it all the same, and ends as usual.
fn discard(mut answer: Answer) -> Body {
    tokio::spawn(async move {
        while let Some(Ok(_)) = answer.body.frame().await {}
        answer.task.release();
    });
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// Headers about a connection, which is not the function's, and those that the worker and the
/// gateway speak through.
fn is_reserved(name: &HeaderName) -> bool {
    [SERVER, TE, TRAILER].contains(name) || name.as_str().starts_with("mp-")
}

/// The answer when all places are taken.
pub(super) fn busy() -> Response<Body> {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "the worker is busy\n");
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    headers.insert(NOT_STARTED, HeaderValue::from_static("true"));
    response
}

pub(super) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let body = Full::new(text.into()).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    response
}

/// Ends the function when nobody waits for it any more.
pub(super) struct Watched(Option<Task>);

/// A running function: its result is the answer to give if it has not given one itself.
type Task = JoinHandle<Result<(), Response<Body>>>;

impl Watched {
    pub(super) fn new(task: Task) -> Self {
        Self(Some(task))
    }

    /// Waits for its end.
    pub(super) async fn end(&mut self) -> Result<Result<(), Response<Body>>, JoinError> {
        match &mut self.0 {
            Some(task) => task.await,
            None => Ok(Ok(())),
        }
    }

    /// Lets it go on by itself, within its limits.
    pub(super) fn release(&mut self) {
        self.0 = None;
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// What the function and the reader of its answer know of each other.
#[derive(Default)]
pub(super) struct Fate {
    /// The function gave an answer.
    answered: AtomicBool,
    /// The function was ended in the middle.
    broken: AtomicBool,
}

impl Fate {
    /// The function gave an answer.
    pub(super) fn has_answer(&self) {
        self.answered.store(true, Ordering::Relaxed);
    }
}

/// Tells the reader of a body that it broke off, unless the function ended well: a store that is
/// dropped closes its body as if that were the end.
pub(super) struct End {
    fate: Arc<Fate>,
    is_well: bool,
}

impl End {
    pub(super) fn new(fate: Arc<Fate>) -> Self {
        let is_well = false;
        Self { fate, is_well }
    }

    pub(super) fn has_answer(&self) -> bool {
        self.fate.answered.load(Ordering::Relaxed)
    }

    pub(super) fn well(&mut self) {
        self.is_well = true;
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.fate.broken.store(!self.is_well, Ordering::Release);
    }
}

/// The body of a function's answer on its way out.
struct Answer {
    body: HyperOutgoingBody,
    /// Bytes to come, if the function said how many.
    left: Option<u64>,
    fate: Arc<Fate>,
    task: Watched,
    meter: Option<Arc<Meter>>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                if let Some(meter) = &self.meter {
                    meter.egress(bytes);
                }
                // Trailers are the end.
                self.left = if frame.is_trailers() {
                    Some(0)
                } else {
                    self.left.map(|left| left.saturating_sub(bytes as u64))
                };
            }
            Some(Err(_)) => {}
            None if self.fate.broken.load(Ordering::Acquire) => {
                return Poll::Ready(Some(Err(Error::HttpResponseIncomplete)));
            }
            None => self.left = Some(0),
        }
        Poll::Ready(frame)
    }
}

impl Drop for Answer {
    /// The client has all of it, or has left.
    fn drop(&mut self) {
        if self.left == Some(0) {
            self.task.release();
        }
    }
}
