//! A compute unit: a pinned thread with a runtime of its own, which serves HTTP/1.1.

use super::request::{self, Function};
use crate::control;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::{convert::Infallible, io, os::unix, pin::pin, sync::Arc, thread, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::{Semaphore, mpsc, oneshot, watch},
    task::JoinSet,
};

/// A connection may be silent so long before the headers of a request are complete.
const HEADERS: Duration = Duration::from_secs(60);

/// Headers of one request.
const HEADER_LINES: usize = 100;

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

/// A bound socket, not yet part of a runtime; all units accept from the same one.
pub(super) enum Listener {
    Unix(unix::net::UnixListener),
    Tcp(std::net::TcpListener),
}

impl Listener {
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Unix(listener) => Self::Unix(listener.try_clone()?),
            Self::Tcp(listener) => Self::Tcp(listener.try_clone()?),
        })
    }
}

/// Starts a unit's thread. It ends with the worker: at once when the phase is `Stopped`, and while
/// draining as soon as all connections are done. Then, or if it breaks, it sends to `ended`.
///
/// # Errors
/// No thread or runtime can be had.
pub(super) async fn start(
    function: Arc<Function>,
    listener: Listener,
    processors: Vec<u32>,
    phase: watch::Receiver<Phase>,
    ended: mpsc::UnboundedSender<()>,
) -> io::Result<control::Unit> {
    let (report, reported) = oneshot::channel();
    thread::Builder::new().name("unit".into()).spawn(move || {
        let _ended = Ended(ended);
        let pinned = pin(&processors);
        let unit = control::Unit { processors, pinned };
        match tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
        {
            Ok(runtime) => runtime.block_on(serve(function, listener, phase, report, unit)),
            // If nobody listens, the worker is not starting any more.
            Err(error) => drop(report.send(Err(error))),
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
    function: Arc<Function>,
    listener: Listener,
    phase: watch::Receiver<Phase>,
    report: oneshot::Sender<io::Result<control::Unit>>,
    unit: control::Unit,
) {
    let server = Server {
        places: Arc::new(Semaphore::new(function.limits.concurrency as usize)),
        function,
        phase: phase.clone(),
    };
    let bound = match Bound::new(listener) {
        Ok(bound) => bound,
        Err(error) => return drop(report.send(Err(error))),
    };
    // The worker does not start without it.
    if report.send(Ok(unit)).is_err() {
        return;
    }
    tokio::select! {
        () = server.run(&bound) => {}
        () = reached(phase, Phase::Stopped) => {}
    }
}

/// A socket in the runtime of a unit.
enum Bound {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// A connection.
enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Bound {
    fn new(listener: Listener) -> io::Result<Self> {
        Ok(match listener {
            Listener::Unix(listener) => Self::Unix(UnixListener::from_std(listener)?),
            Listener::Tcp(listener) => Self::Tcp(TcpListener::from_std(listener)?),
        })
    }

    async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Unix(listener) => Ok(Stream::Unix(listener.accept().await?.0)),
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
        }
    }
}

#[derive(Clone)]
struct Server {
    function: Arc<Function>,
    places: Arc<Semaphore>,
    phase: watch::Receiver<Phase>,
}

impl Server {
    /// Accepts until the worker drains, then waits for the connections to end.
    async fn run(&self, bound: &Bound) {
        let mut connections = JoinSet::new();
        let mut draining = pin!(reached(self.phase.clone(), Phase::Draining));
        let most = self.function.limits.connections as usize;
        loop {
            tokio::select! {
                () = draining.as_mut() => break,
                Some(_) = connections.join_next() => {}
                accepted = bound.accept(), if connections.len() < most => match accepted {
                    Ok(Stream::Unix(stream)) => drop(connections.spawn(self.clone().connection(stream))),
                    Ok(Stream::Tcp(stream)) => drop(connections.spawn(self.clone().connection(stream))),
                    // Out of descriptors, most likely: some will be closed.
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                },
            }
        }
        while connections.join_next().await.is_some() {}
    }

    /// Serves one connection until the client closes it or, once the worker drains, no request of
    /// it is left. What goes wrong on a connection is the client's business.
    async fn connection(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let answer = |request: hyper::Request<Incoming>| async {
            Ok::<_, Infallible>(request::answer(&self.function, &self.places, request).await)
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS)
            .max_headers(HEADER_LINES)
            .max_header_size(self.function.limits.header_bytes as usize)
            .serve_connection(TokioIo::new(stream), service_fn(answer));
        let mut connection = pin!(connection);
        tokio::select! {
            _ = connection.as_mut() => {}
            () = reached(self.phase.clone(), Phase::Draining) => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    }
}
