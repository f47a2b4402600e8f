//! The way to other deals of the same owner: through the peer, which knows where they run and whose they are.
//!
//! This process makes no connections of the machine's own, so it is the peer that makes them, a few at a time, and they wait
//! here until a function has something to ask. Each carries one request.

use crate::host::door::bind_unix;
use hyper::{HeaderMap, Response, header::HeaderName};
use std::{
    io::{self, ErrorKind, Read as _},
    path::Path,
};
use tokio::net::{UnixListener, UnixStream};
use wasmtime_wasi_http::Error;

/// The peer's word that it does not bring the request anywhere, and why.
const REFUSED: HeaderName = HeaderName::from_static("mp-refused");

/// Where the peer waits.
pub(super) struct Deals(UnixListener);

impl Deals {
    pub(super) fn open(socket: &Path) -> io::Result<Self> {
        UnixListener::from_std(bind_unix(socket)?).map(Self)
    }

    /// A connection at whose other end the peer waits for a request.
    pub(super) async fn connect(&self) -> Result<UnixStream, Error> {
        loop {
            let (stream, _) = self.0.accept().await.map_err(Error::Connect)?;
            let stream = stream.into_std().map_err(Error::Connect)?;
            match (&stream).read(&mut [0]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return UnixStream::from_std(stream).map_err(Error::Connect);
                }
                // Left by a peer that is no more; nobody speaks first at the other end.
                _ => {}
            }
        }
    }
}

/// Why the peer does not bring a request anywhere, if it says so.
pub(super) fn refusal<B>(response: &Response<B>) -> Option<&str> {
    said(response.headers())
}

fn said(headers: &HeaderMap) -> Option<&str> {
    headers.get(REFUSED)?.to_str().ok()
}
