//! Standard output and standard error of a function: lines for the [`Log`].

use super::log::{LINE_BYTES, Logger};
use crate::control::Source;
use std::{
    io,
    pin::Pin,
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

/// One of the two outputs of one request.
#[derive(Clone)]
pub(super) struct Output {
    pub(super) log: Logger,
    pub(super) source: Source,
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
    fn lines(&self) -> Lines {
        Lines {
            output: self.clone(),
            line: Vec::new(),
        }
    }
}

/// Cuts what is written into lines. The last one needs no end.
struct Lines {
    output: Output,
    /// The line that has not ended yet, as far as it will be kept.
    line: Vec<u8>,
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = part.strip_suffix(b"\n").unwrap_or(part);
            let room = LINE_BYTES - self.line.len();
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if text.len() < part.len() {
                self.end();
            }
        }
    }

    fn end(&mut self) {
        self.output.log.push(self.output.source, &self.line);
        self.line.clear();
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            self.end();
        }
    }
}

#[async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.take(&bytes);
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
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.take(bytes);
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
        let output = Output {
            log: Logger {
                log: log.clone(),
                function: None,
            },
            source: Source::Stdout,
        };
        let mut lines = output.lines();
        for part in [
            &b"on"[..],
            b"e\ntw",
            b"o\n\n",
            &[b'x'; 3 * LINE_BYTES],
            b"\nlast",
        ] {
            lines.take(part);
        }
        drop(lines);
        let texts: Vec<String> = log
            .read(0)
            .lines
            .into_iter()
            .map(|line| line.text)
            .collect();
        assert_eq!(texts, ["one", "two", "", &"x".repeat(LINE_BYTES), "last"]);
    }
}
