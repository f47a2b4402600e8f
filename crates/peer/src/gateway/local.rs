//! The short way to workers of this machine: at their sockets, without their peer. (G16)

use crate::{
    daemon::served,
    overlay::{BoxStream, Dial, Error, Overlay, Route, connect},
};
use std::path::PathBuf;

/// Reaches workers of peers on this machine at their sockets, and all others over the overlay.
pub(super) struct Ways {
    pub(super) overlay: Overlay,
    /// Data folders of peers on this machine.
    pub(super) peers: Vec<PathBuf>,
}

impl Ways {
    /// A connection to the worker's own socket. Folders are named after workers, of which the chain has each once.
    async fn local(&self, route: &Route) -> Option<BoxStream> {
        for peer in &self.peers {
            if let Ok(stream) = connect(&served(peer, route.worker)).await {
                return Some(stream);
            }
        }
        None
    }
}

impl Dial for Ways {
    async fn dial(&self, route: &Route) -> Result<BoxStream, Error> {
        match self.local(route).await {
            Some(stream) => Ok(stream),
            None => self.overlay.dial(route).await,
        }
    }

    async fn probe(&self, route: &Route) -> Result<(), Error> {
        match self.local(route).await {
            Some(_) => Ok(()),
            None => self.overlay.probe(route).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Ways;
    use crate::{
        gateway::tests::route,
        overlay::{Dial as _, Error, Limits, Overlay, Store},
    };
    use std::sync::Arc;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::UnixListener,
        sync::watch,
    };

    /// (G16)
    #[tokio::test]
    async fn a_worker_of_this_machine_is_reached_without_its_peer() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("artifacts")).expect("a store");
        let (_nothing, served) = watch::channel(Arc::default());
        let listen = ([127, 0, 0, 1], 0).into();
        let opening = Overlay::open([1; 32], listen, Limits::default(), store, served);
        let ways = Ways {
            overlay: opening.await.expect("an endpoint"),
            peers: vec![folder.path().join("p1"), folder.path().join("p2")],
        };
        let worker = folder.path().join("p2/workers/3");
        std::fs::create_dir_all(&worker).expect("a folder");
        let socket = UnixListener::bind(worker.join("http.sock")).expect("a socket");
        ways.probe(&route(7, 3)).await.expect("it is there");
        let mut stream = ways.dial(&route(7, 3)).await.expect("a stream");
        stream.write_all(b"ping").await.expect("sent");
        // The first is the probe's.
        socket.accept().await.expect("a connection");
        let (mut came, _) = socket.accept().await.expect("a connection");
        let mut said = [0; 4];
        came.read_exact(&mut said).await.expect("asked");
        assert_eq!(&said, b"ping");
        for elsewhere in [
            ways.dial(&route(7, 4)).await.map(drop),
            ways.probe(&route(7, 4)).await,
        ] {
            assert!(matches!(elsewhere, Err(Error::Unreachable { .. })));
        }
    }
}
