//! Pages over HTTP for whoever watches the machine: figures for Prometheus, and whether all is well.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, header, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::sleep,
};

/// Connections at once; more wait.
const CONNECTIONS: usize = 16;
/// Somebody who asks for nothing is let go of after this.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause after a connection that could not be taken.
const PAUSE: Duration = Duration::from_secs(1);

/// What is on a page.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
}

impl From<String> for Page {
    fn from(text: String) -> Self {
        let status = StatusCode::OK;
        Self { status, text }
    }
}

/// Where pages are served.
pub(crate) struct Pages(TcpListener);

impl Pages {
    pub(crate) async fn open(listen: SocketAddr) -> io::Result<Self> {
        Ok(Self(TcpListener::bind(listen).await?))
    }

    pub(crate) fn listens(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Serves what `page` has at a path, for as long as the process lives.
    pub(crate) async fn run(
        self,
        page: impl Fn(&str) -> Option<Page> + Clone + Send + Sync + 'static,
    ) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            // Never closed.
            let Ok(place) = places.clone().acquire_owned().await else {
                return;
            };
            match self.0.accept().await {
                Ok((stream, _)) => {
                    let page = page.clone();
                    tokio::spawn(async move {
                        serve(stream, page).await;
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

async fn serve(stream: TcpStream, page: impl Fn(&str) -> Option<Page> + Sync) {
    let answer = service_fn(|request: Request<Incoming>| {
        let response = answer(&request, &page);
        async move { Ok::<_, Infallible>(response) }
    });
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE);
    // Whoever asked may be gone.
    let _ = server.serve_connection(TokioIo::new(stream), answer).await;
}

fn answer(
    request: &Request<Incoming>,
    page: impl Fn(&str) -> Option<Page>,
) -> Response<Full<Bytes>> {
    let found = (request.method() == Method::GET).then(|| page(request.uri().path()));
    let found = found.flatten().unwrap_or_else(|| Page {
        status: StatusCode::NOT_FOUND,
        text: "see /metrics\n".into(),
    });
    let mut response = Response::new(found.text.into());
    *response.status_mut() = found.status;
    let kind = header::HeaderValue::from_static("text/plain; version=0.0.4");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
