//! How much streams hold that nobody reads, and how one ends that nobody wants to read. (O9)

use super::{Limits, endpoint::REQUEST};
use iroh::endpoint::{QuicTransportConfig, QuicTransportConfigBuilder, SendStream, VarInt};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::AsyncWrite;

/// Artifacts and logs that come from one peer at once without holding each other up.
const TRANSFERS: u32 = 8;

/// For connections that others make: they ask.
pub(super) fn for_askers(limits: &Limits) -> QuicTransportConfig {
    let streams = limits.streams_per_connection;
    bounded(limits, streams, limits.stream_bytes)
        .max_concurrent_bidi_streams(VarInt::from_u32(streams))
        .build()
}

/// For a connection to somebody who is asked, and so opens no streams.
pub(super) fn for_asking(protocol: &[u8], limits: &Limits) -> QuicTransportConfig {
    let builder = match protocol {
        REQUEST => bounded(limits, limits.streams_per_connection, limits.stream_bytes),
        _ => bounded(limits, TRANSFERS, limits.transfer_bytes),
    };
    builder
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .build()
}

/// A connection has room for what all of its streams may hold, so that those that nobody reads hold up no other. It has a quarter
/// more than that, because the other side hears of room only when an eighth of all has been read.
fn bounded(limits: &Limits, streams: u32, bytes: u32) -> QuicTransportConfigBuilder {
    let all = u64::from(streams) * u64::from(bytes);
    let room = VarInt::from_u64(all + all / 4).unwrap_or(VarInt::MAX);
    QuicTransportConfig::builder()
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(bytes))
        .receive_window(room)
        .send_window(limits.unacknowledged_bytes)
        .datagram_receive_buffer_size(None)
}

/// The half of a stream that sends. It breaks as soon as the other side wants no more.
///
/// Left alone, it would not hear of that while its connection has no room; and if it has none of its own either, never.
pub(super) struct Sending {
    stream: SendStream,
    stopped: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
}

impl Sending {
    pub(super) fn new(stream: SendStream) -> Self {
        Self {
            stream,
            stopped: None,
        }
    }

    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let stream = &self.stream;
        let stopped = self.stopped.get_or_insert_with(|| {
            let stopped = stream.stopped();
            Box::pin(async move {
                // Or the connection has broken.
                let _ = stopped.await;
            })
        });
        stopped.as_mut().poll(cx)
    }
}

impl AsyncWrite for Sending {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = AsyncWrite::poll_write(Pin::new(&mut self.stream), cx, bytes);
        if polled.is_pending() && self.poll_stopped(cx).is_ready() {
            self.stopped = None;
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
