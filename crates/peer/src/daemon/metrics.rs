//! What a peer says about its units over HTTP: `GET /metrics`, in the text that Prometheus reads.

use super::{Chains, prover::figures};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, header, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, io, net::SocketAddr, time::Duration};
use tokio::net::{TcpListener, TcpStream};
use tokio::{sync::Semaphore, time::sleep};

/// Connections at once; more wait.
const CONNECTIONS: usize = 16;
/// Somebody who asks for nothing is let go of after this.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause after a connection that could not be taken.
const PAUSE: Duration = Duration::from_secs(1);

/// Where the figures are served.
pub(super) struct Metrics {
    listener: TcpListener,
    chains: Chains,
}

impl Metrics {
    pub(super) async fn open(listen: SocketAddr, chains: Chains) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        Ok(Self { listener, chains })
    }

    pub(super) fn listens(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves for as long as the peer lives.
    pub(super) async fn run(self) {
        static PLACES: Semaphore = Semaphore::const_new(CONNECTIONS);
        loop {
            // Never closed.
            let Ok(place) = PLACES.acquire().await else {
                return;
            };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let chains = self.chains.clone();
                    tokio::spawn(async move {
                        serve(stream, chains).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "nobody can ask for figures now");
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

async fn serve(stream: TcpStream, chains: Chains) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let response = answer(&request, &chains);
        async move { Ok::<_, Infallible>(response) }
    });
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE);
    // Whoever asked may be gone.
    let _ = server.serve_connection(TokioIo::new(stream), answer).await;
}

fn answer(request: &Request<Incoming>, chains: &Chains) -> Response<Full<Bytes>> {
    if request.method() != Method::GET || request.uri().path() != "/metrics" {
        let mut response = Response::new("see /metrics\n".into());
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    }
    let mut response = Response::new(figures::text(&chains.figures()).into());
    let kind = header::HeaderValue::from_static("text/plain; version=0.0.4");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
