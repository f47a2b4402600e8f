//! Workers that close a connection at the moment when the next request comes on it.

use super::{Limits, Manner, PATIENCE, Running, start, start_with, status};
use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    time::timeout,
};

/// Once an answer has come it takes so many bytes more, and breaks at the next: nobody who only reads notices that before.
pub(super) struct Leaving {
    stream: DuplexStream,
    takes: usize,
    has_answered: bool,
    broken: Arc<AtomicUsize>,
}

impl Leaving {
    pub(super) fn new(stream: DuplexStream, takes: usize, broken: &Arc<AtomicUsize>) -> Self {
        Self {
            stream,
            takes,
            has_answered: false,
            broken: broken.clone(),
        }
    }
}

impl AsyncRead for Leaving {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.has_answered |= buffer.filled().len() > before;
        polled
    }
}

impl AsyncWrite for Leaving {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.has_answered {
            return Pin::new(&mut self.stream).poll_write(cx, bytes);
        }
        let taken = bytes.len().min(self.takes);
        self.takes -= taken;
        Poll::Ready(match taken {
            0 => {
                self.broken.fetch_add(1, Ordering::SeqCst);
                Err(io::ErrorKind::BrokenPipe.into())
            }
            _ => Ok(taken),
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Sends a body that is to be worked on once.
async fn post(gateway: &Running) -> String {
    let lines = ["POST /7/ HTTP/1.1", "host: x", "content-length: 4"];
    gateway.send(&lines, "body").await
}

/// (G3, G8)
#[tokio::test]
async fn a_request_of_which_nothing_was_written_is_sent_over_another_connection() {
    let gateway = start(&[Manner::Leaving(0)], None).await;
    for _ in 0..5 {
        let answer = post(&gateway).await;
        assert!(answer.ends_with("body"), "{answer}");
    }
    // Each connection answers one request, so each was worked on once.
    assert_eq!(gateway.dialled(), 5);
}

/// (G3, G7)
#[tokio::test]
async fn a_request_of_which_nothing_was_written_goes_to_another_worker_first() {
    let gateway = start(&[Manner::Lost, Manner::Good], None).await;
    while gateway.workers.broken.load(Ordering::SeqCst) == 0 {
        let answer = timeout(PATIENCE, post(&gateway)).await;
        let answer = answer.expect("nobody waits for who is lost");
        assert!(answer.ends_with("body"), "{answer}");
    }
}

/// (G3)
#[tokio::test]
async fn a_request_of_which_a_byte_was_written_is_not_sent_again() {
    let gateway = start(&[Manner::Leaving(1)], None).await;
    for round in 1..4 {
        assert!(post(&gateway).await.ends_with("body"));
        assert_eq!(status(&post(&gateway).await), "502", "it may have begun");
        assert_eq!(gateway.dialled(), round);
    }
}

/// (G3)
#[tokio::test]
async fn a_body_that_was_not_kept_is_not_replaced_by_none() {
    let limits = Limits {
        replay_bytes: 3,
        ..Limits::default()
    };
    let gateway = start_with(&[Manner::Leaving(0)], None, limits).await;
    assert!(post(&gateway).await.ends_with("body"));
    assert_eq!(status(&post(&gateway).await), "502");
    assert_eq!(gateway.dialled(), 1);
}
