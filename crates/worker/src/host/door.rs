//! The worker's door: one socket, whose connections are shared out among the units.

use super::{
    process,
    unit::{Phase, reached},
};
use crate::config::Listen;
use std::{fs, io, net, os::unix, path::Path, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, UnixListener},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
};

/// A bound socket.
pub(super) enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// A connection, between two threads.
pub(super) struct Connection {
    pub(super) stream: Stream,
    /// Its place among those that its unit may have open.
    pub(super) place: OwnedSemaphorePermit,
}

/// What a connection is made of.
pub(super) enum Stream {
    Unix(unix::net::UnixStream),
    Tcp(net::TcpStream),
}

/// The way to one unit.
pub(super) struct Way {
    places: Arc<Semaphore>,
    connections: mpsc::Sender<Connection>,
}

impl Way {
    /// A way to a unit with room for so many connections, and the unit's end of it.
    pub(super) fn new(room: usize) -> (Self, mpsc::Receiver<Connection>) {
        let (connections, unit) = mpsc::channel(room);
        let places = Arc::new(Semaphore::new(room));
        (
            Self {
                places,
                connections,
            },
            unit,
        )
    }
}

impl Listener {
    /// Binds the socket; a port that was left open is known afterwards.
    ///
    /// # Errors
    /// It is taken, or this user may not.
    pub(super) fn bind(listen: &Listen) -> io::Result<(Self, Listen)> {
        match listen {
            Listen::Unix(path) => {
                let listener = UnixListener::from_std(bind_unix(path)?)?;
                Ok((Self::Unix(listener), listen.clone()))
            }
            Listen::Tcp(address) => {
                let listener = net::TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                let bound = Listen::Tcp(listener.local_addr()?);
                Ok((Self::Tcp(TcpListener::from_std(listener)?), bound))
            }
        }
    }

    async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Unix(listener) => Ok(Stream::Unix(listener.accept().await?.0.into_std()?)),
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream.into_std()?))
            }
        }
    }
}

/// The lock is held, so what lies there is left over from a worker that did not end well.
pub(super) fn bind_unix(path: &Path) -> io::Result<unix::net::UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = unix::net::UnixListener::bind(path)?;
    process::private(path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Accepts until the worker drains. A connection goes to the unit that has the fewest; when all are
/// full it waits, and all after it.
pub(super) async fn share(listener: Listener, ways: Vec<Way>, phase: watch::Receiver<Phase>) {
    let accept = async {
        loop {
            match listener.accept().await {
                Ok(stream) => send(&ways, stream).await,
                // Out of descriptors, most likely: some will be closed.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    tokio::select! {
        () = accept => {}
        () = reached(phase, Phase::Draining) => {}
    }
}

async fn send(ways: &[Way], stream: Stream) {
    let widest = ways.iter().max_by_key(|way| way.places.available_permits());
    let Some(way) = widest else { return };
    let Ok(place) = way.places.clone().acquire_owned().await else {
        return;
    };
    // A unit that has ended takes none; the worker is about to end as well.
    let _ = way.connections.send(Connection { stream, place }).await;
}
