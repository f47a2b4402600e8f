//! A compute unit: a pinned thread with a runtime of its own, which serves HTTP/1.1.

use super::{
    door::{Connection, Stream},
    functions::Functions,
    instance::Instance,
    kept::Kept,
    request,
};
use crate::control;
use hyper::{
    body::Incoming,
    header::{CONNECTION, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::{convert::Infallible, io, pin::pin, sync::Arc, thread, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    sync::{Semaphore, mpsc, oneshot, watch},
    task::JoinSet,
    time::sleep,
};

/// A connection may be silent so long before the headers of a request are complete.
const HEADERS: Duration = Duration::from_secs(60);

/// Headers of one request.
const HEADER_LINES: usize = 100;

/// When the worker drains, a connection that nobody uses stays open so long: a request may be on its way, and whoever sends
/// it cannot know.
const LINGER: Duration = Duration::from_millis(500);

/// How far the worker is. Only ever goes forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Takes requests.
    Serving,
    /// Ends those that run.
    Draining,
    /// Ends at once.
    Stopped,
}

/// Waits until the worker is as far as `wanted`.
pub(super) async fn reached(mut phase: watch::Receiver<Phase>, wanted: Phase) {
    // Without a sender the worker is gone, and stays as it is until its threads are.
    if phase.wait_for(|phase| *phase >= wanted).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Waits until the worker drains, and a moment longer.
async fn lingered(phase: watch::Receiver<Phase>) {
    reached(phase, Phase::Draining).await;
    sleep(LINGER).await;
}

/// Starts a unit's thread, which serves the connections it is sent. It ends with the worker: at
/// once when the phase is `Stopped`, else when no connection can come any more and all are done.
/// Then, or if it breaks, it sends to `ended`.
///
/// # Errors
/// No thread or runtime can be had.
pub(super) async fn start(
    functions: Arc<Functions>,
    processors: Vec<u32>,
    connections: mpsc::Receiver<Connection>,
    phase: watch::Receiver<Phase>,
    ended: mpsc::UnboundedSender<()>,
) -> io::Result<control::Unit> {
    let (report, reported) = oneshot::channel();
    thread::Builder::new().name("unit".into()).spawn(move || {
        let _ended = Ended(ended);
        let pinned = pin(&processors);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let (runtime, outcome) = match runtime {
            Ok(runtime) => (Some(runtime), Ok(control::Unit { processors, pinned })),
            Err(error) => (None, Err(error)),
        };
        // If nobody listens, the worker is not starting any more.
        if report.send(outcome).is_ok()
            && let Some(runtime) = runtime
        {
            runtime.block_on(serve(functions, connections, phase));
        }
    })?;
    reported
        .await
        .map_err(|_| io::Error::other("a unit has ended"))?
}

/// Says that a thread has ended, also when it panics.
struct Ended(mpsc::UnboundedSender<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        // Nobody cares when the process ends as well.
        let _ = self.0.send(());
    }
}

/// Whether the kernel holds this thread on these processors, at least one.
fn pin(processors: &[u32]) -> bool {
    let mut set = CpuSet::new();
    for processor in processors {
        let processor = *processor as usize;
        if processor >= CpuSet::MAX_CPU {
            return false;
        }
        set.set(processor);
    }
    !processors.is_empty() && sched_setaffinity(None, &set).is_ok()
}

async fn serve(
    functions: Arc<Functions>,
    connections: mpsc::Receiver<Connection>,
    phase: watch::Receiver<Phase>,
) {
    let concurrency = functions.limits.concurrency as usize;
    let kept = Arc::new(Kept::new(concurrency, functions.limits.memory_bytes));
    let server = Server {
        places: Arc::new(Semaphore::new(concurrency)),
        functions,
        kept: kept.clone(),
        phase: phase.clone(),
    };
    tokio::select! {
        () = server.run(connections) => {}
        () = reached(phase, Phase::Stopped) => {}
        () = kept.watch() => {}
    }
    // They hold what holds them.
    kept.clear();
}

#[derive(Clone)]
struct Server {
    functions: Arc<Functions>,
    places: Arc<Semaphore>,
    kept: Arc<Kept<Instance>>,
    phase: watch::Receiver<Phase>,
}

impl Server {
    /// Serves connections until no more can come, and those to their end.
    async fn run(&self, mut connections: mpsc::Receiver<Connection>) {
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                connection = connections.recv() => match connection {
                    Some(connection) => drop(open.spawn(self.clone().accept(connection))),
                    None => break,
                },
                Some(_) = open.join_next() => {}
            }
        }
        while open.join_next().await.is_some() {}
    }

    async fn accept(self, connection: Connection) {
        let _place = connection.place;
        // A socket that this thread cannot watch is closed.
        match connection.stream {
            Stream::Unix(stream) => {
                if let Ok(stream) = UnixStream::from_std(stream) {
                    self.connection(stream).await;
                }
            }
            Stream::Tcp(stream) => {
                if let Ok(stream) = TcpStream::from_std(stream) {
                    self.connection(stream).await;
                }
            }
        }
    }

    /// Serves one connection until the client closes it or, once the worker drains, no request of
    /// it is left. What goes wrong on a connection is the client's business.
    async fn connection(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let answer = |request: hyper::Request<Incoming>| async {
            let Self {
                functions,
                places,
                kept,
                ..
            } = &self;
            let mut response = request::answer(functions, places, kept, request).await;
            if *self.phase.borrow() >= Phase::Draining {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
            Ok::<_, Infallible>(response)
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS)
            .max_headers(HEADER_LINES)
            .max_header_size(self.functions.limits.header_bytes as usize)
            .serve_connection(TokioIo::new(stream), service_fn(answer));
        let mut connection = pin!(connection);
        tokio::select! {
            _ = connection.as_mut() => return,
            () = lingered(self.phase.clone()) => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}
