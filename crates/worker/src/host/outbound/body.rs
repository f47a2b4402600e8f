//! A body of a request that a function sends, or of the answer: counted and limited, or not silent for too long.

use super::super::meter::Meter;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep};
use wasmtime_wasi_http::Error;

/// A body of limited length.
pub(super) struct Counted<B> {
    body: B,
    left: u64,
    /// What is said when there is more.
    too_much: fn(Option<u64>) -> Error,
    meter: Arc<Meter>,
}

impl<B> Counted<B> {
    /// At most `most` bytes of `body`.
    pub(super) fn new(
        body: B,
        most: u64,
        too_much: fn(Option<u64>) -> Error,
        meter: &Arc<Meter>,
    ) -> Self {
        Self {
            body,
            left: most,
            too_much,
            meter: meter.clone(),
        }
    }

    fn take(&mut self, frame: &Frame<Bytes>) -> Result<(), Error> {
        let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
        self.meter.outbound_bytes(bytes);
        let left = self.left.checked_sub(bytes);
        self.left = left.ok_or_else(|| (self.too_much)(None))?;
        Ok(())
    }
}

impl<B> Body for Counted<B>
where
    B: Body<Data = Bytes, Error: Into<Error>> + Unpin,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(self.take(&frame).map(|()| frame))),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body with limited pauses between its parts.
pub(super) struct Paced<B> {
    body: B,
    pause: Option<(Duration, Pin<Box<Sleep>>)>,
}

impl<B> Paced<B> {
    pub(super) fn new(body: B, pause: Option<Duration>) -> Self {
        let pause = pause.map(|pause| (pause, Box::pin(sleep(pause))));
        Self { body, pause }
    }

    fn is_silent(&mut self, context: &mut Context<'_>) -> bool {
        let sleep = self.pause.as_mut().map(|(_, sleep)| sleep);
        sleep.is_some_and(|sleep| sleep.as_mut().poll(context).is_ready())
    }
}

impl<B: Body<Error = Error> + Unpin> Body for Paced<B> {
    type Data = B::Data;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_pending() && self.is_silent(context) {
            return Poll::Ready(Some(Err(Error::ConnectionReadTimeout)));
        }
        if let Some((pause, sleep)) = &mut self.pause
            && polled.is_ready()
        {
            sleep.as_mut().reset(Instant::now() + *pause);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
