//! Standard output and standard error of a function: lines for the [`Log`].

use super::log::{LINE_BYTES, Logger};
use crate::control::Source;
use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};
use tokio::io::AsyncWrite;
use wasmtime_wasi::{
    async_trait,
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamResult},
};

/// How much a function may write at once.
const WRITE_BYTES: usize = 4096;

/// One of the two outputs of a function, which cuts what is written into lines.
#[derive(Clone)]
pub(super) struct Output {
    log: Logger,
    source: Source,
    /// The line that has not ended yet, as far as it will be kept.
    line: Arc<Mutex<Vec<u8>>>,
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.lines())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.lines())
    }
}

impl Output {
    pub(super) fn new(log: Logger, source: Source) -> Self {
        Self {
            log,
            source,
            line: Arc::default(),
        }
    }

    fn lines(&self) -> Lines {
        Lines(self.clone())
    }

    fn take(&self, bytes: &[u8]) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = part.strip_suffix(b"\n").unwrap_or(part);
            let room = LINE_BYTES - line.len();
            line.extend_from_slice(&text[..text.len().min(room)]);
            if text.len() < part.len() {
                self.log.push(self.source, &line);
                line.clear();
            }
        }
    }

    /// The last line of a request needs no end.
    pub(super) fn end(&self) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if !line.is_empty() {
            self.log.push(self.source, &line);
            line.clear();
        }
    }
}

/// A stream to an output.
struct Lines(Output);

impl Drop for Lines {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.0.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES)
    }
}

impl AsyncWrite for Lines {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::log::Log, LINE_BYTES, Logger, Output, Source};
    use std::sync::Arc;

    #[test]
    fn lines_are_put_together_however_they_are_written() {
        let log = Arc::new(Log::new(u32::MAX));
        let logger = Logger {
            log: log.clone(),
            function: None,
        };
        let output = Output::new(logger, Source::Stdout);
        for part in [
            &b"on"[..],
            b"e\ntw",
            b"o\n\n",
            &[b'x'; 3 * LINE_BYTES],
            b"\nlast",
        ] {
            output.take(part);
        }
        output.end();
        let texts: Vec<String> = log
            .read(0)
            .lines
            .into_iter()
            .map(|line| line.text)
            .collect();
        assert_eq!(texts, ["one", "two", "", &"x".repeat(LINE_BYTES), "last"]);
    }
}
