//! Clients that each ask again as soon as they have an answer, all on one thread.

use crate::http::PATIENCE;
use anyhow::{Context as _, Result, ensure};
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
    task::JoinSet,
    time::{sleep, timeout},
};

/// Where clients connect to.
#[derive(Clone)]
pub(crate) enum At {
    Tcp(String),
    Unix(PathBuf),
}

/// What came of keeping all connections busy for a while.
pub(crate) struct Load {
    pub(crate) requests: usize,
    pub(crate) per_s: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

/// Asks for `path` over so many connections.
pub(crate) fn run(at: &At, path: &str, connections: usize, time: Duration) -> Result<Load> {
    paced(at, path, connections, Duration::ZERO, time)
}

/// The same, with a pause after each answer.
pub(crate) fn paced(
    at: &At,
    path: &str,
    connections: usize,
    pause: Duration,
    time: Duration,
) -> Result<Load> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(ask_all(at, path, connections, pause, time))
}

async fn ask_all(
    at: &At,
    path: &str,
    connections: usize,
    pause: Duration,
    time: Duration,
) -> Result<Load> {
    let begin = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        let (at, path) = (at.clone(), path.to_owned());
        clients.spawn(async move {
            match at {
                At::Tcp(address) => {
                    let stream = TcpStream::connect(address).await?;
                    stream.set_nodelay(true)?;
                    client(stream, &path, pause, begin, time).await
                }
                At::Unix(file) => {
                    client(UnixStream::connect(file).await?, &path, pause, begin, time).await
                }
            }
        });
    }
    let mut samples = Vec::new();
    while let Some(client) = clients.join_next().await {
        samples.extend(client??);
    }
    let per_s = samples.len() as f64 / begin.elapsed().as_secs_f64();
    samples.sort_unstable();
    let last = samples
        .len()
        .checked_sub(1)
        .context("nothing was answered")?;
    let percentile = |percent: usize| samples[last * percent / 100].as_secs_f64() * 1e6;
    Ok(Load {
        requests: samples.len(),
        per_s,
        p50_us: percentile(50),
        p99_us: percentile(99),
    })
}

async fn client(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    path: &str,
    pause: Duration,
    begin: Instant,
    time: Duration,
) -> Result<Vec<Duration>> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n");
    let mut samples = Vec::new();
    let mut answer = Vec::new();
    while begin.elapsed() < time {
        let asked = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        answer.clear();
        timeout(PATIENCE, read(&mut stream, &mut answer)).await??;
        ensure!(
            answer.starts_with(b"HTTP/1.1 200"),
            "{path} is not answered with 200"
        );
        samples.push(asked.elapsed());
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }
    Ok(samples)
}

/// Reads one whole answer.
async fn read(stream: &mut (impl AsyncRead + Unpin), answer: &mut Vec<u8>) -> Result<()> {
    let mut whole = None;
    loop {
        let read = stream.read_buf(answer).await?;
        ensure!(read > 0, "the server closed the connection");
        if whole.is_none() {
            whole = length(answer)?;
        }
        let is_whole = match whole {
            Some(Some(length)) => answer.len() >= length,
            Some(None) => answer.ends_with(b"\r\n0\r\n\r\n"),
            None => false,
        };
        if is_whole {
            return Ok(());
        }
    }
}

/// Bytes of an answer whose head is there; an answer in chunks does not say how many.
fn length(answer: &[u8]) -> Result<Option<Option<usize>>> {
    let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&answer[..end])?.to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let length = length
        .map(|length| length.trim().parse::<usize>())
        .transpose()?;
    Ok(Some(length.map(|length| end + 4 + length)))
}
