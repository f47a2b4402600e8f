//! Requests that a function sends.
//!
//! A function reaches the servers that its artifact names, and of those what the machine's operator allows. Names are
//! resolved here, the addresses judged, and exactly a judged one is connected to. What a server answers is passed on as
//! it is: nobody follows redirects but the function, by another request that is judged like the first.

mod address;
mod body;

use super::{
    given::Given,
    log::Log,
    meter::{Aside, Meter},
};
use crate::{
    Config,
    config::{self, Limits},
    control::Source,
    settings::Origin,
};
use address::resolve;
use body::Counted;
use http_body_util::BodyExt as _;
use hyper::{
    HeaderMap, Method, Request, Response, Uri,
    client::conn::http1,
    header::{HeaderName, HeaderValue},
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_rustls::TlsConnector;
use wasmtime_wasi::runtime;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

/// Names who a request came through, so that one that goes in a circle ends (RFC 8586).
const LOOP: HeaderName = HeaderName::from_static("cdn-loop");

/// Ours in [`LOOP`].
const NAME: &str = "marketplace-plus";

/// How often a request may have come through functions.
const HOPS: usize = 8;

/// Headers of one answer.
const HEADER_LINES: usize = 100;

/// The least that the client's reader of headers takes.
const LEAST_HEADER_BYTES: usize = 8 << 10;

/// A response and what drives its connection.
pub(super) type Sent = (
    Response<WasiBody>,
    Box<dyn Future<Output = Result<(), Error>> + Send>,
);

/// What all requests of a worker share.
pub(super) struct Outbound {
    allowed: Vec<Origin>,
    rule: config::Outbound,
    limits: Limits,
    places: Arc<Semaphore>,
    tls: TlsConnector,
    log: Arc<Log>,
}

/// What one request of a client may still send.
pub(super) struct Sender {
    outbound: Arc<Outbound>,
    left: u32,
    /// What the client's request came through.
    path: HeaderMap,
    aside: Aside,
}

/// Whether a client's request has come through functions too often.
pub(super) fn is_circle(headers: &HeaderMap) -> bool {
    let values = headers.get_all(LOOP).into_iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    let entries = texts.flat_map(|text| text.split(','));
    entries.filter(|entry| entry.trim() == NAME).count() >= HOPS
}

/// The authorities that browsers trust, by Mozilla's list.
fn roots() -> RootCertStore {
    RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.into(),
    }
}

fn connector(roots: RootCertStore) -> Result<TlsConnector, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

impl Outbound {
    /// What one function may ask on this machine.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub(super) fn new(
        config: &Config,
        given: &Given,
        log: &Arc<Log>,
    ) -> Result<Arc<Self>, rustls::Error> {
        let limits = config.limits.clone();
        Ok(Arc::new(Self {
            allowed: given.outbound.clone(),
            rule: config.outbound,
            places: Arc::new(Semaphore::new(limits.outbound_in_flight as usize)),
            limits,
            tls: connector(roots())?,
            log: log.clone(),
        }))
    }

    /// Whether the function may ask anybody.
    pub(super) fn asks(&self) -> bool {
        !self.allowed.is_empty() && self.rule != config::Outbound::None
    }

    /// The server that a request is for, if the function may ask it at all.
    fn admit(&self, uri: &Uri, method: &Method) -> Result<Origin, Error> {
        let authority = uri
            .authority()
            .ok_or(Error::HttpRequestUriInvalid)?
            .as_str();
        let scheme = uri.scheme_str().ok_or(Error::HttpRequestUriInvalid)?;
        let origin = Origin::new(scheme, authority);
        let listed = origin.filter(|origin| self.allowed.contains(origin));
        let why = match listed {
            Some(_) if self.rule == config::Outbound::None => "this machine lets nobody ask",
            Some(origin) if method != Method::CONNECT => return Ok(origin),
            _ => "not in the plan",
        };
        let line = format!("a request to {scheme}://{authority} is denied: {why}");
        self.log.push(Source::Worker, line.as_bytes());
        Err(Error::HttpRequestDenied)
    }

    /// Connects to a server at an address that was judged.
    async fn connect<P: Send + 'static>(
        &self,
        origin: &Origin,
        place: P,
    ) -> Result<(Box<dyn Stream>, P), Error> {
        let found = resolve(origin, self.rule, place).await;
        let (addresses, place) = found.inspect_err(|error| {
            let line = format!("a request to {origin} does not leave: {error}");
            self.log.push(Source::Worker, line.as_bytes());
        })?;
        let mut failure = Error::DestinationNotFound;
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok((self.secure(origin, stream).await?, place)),
                Err(error) => failure = Error::Connect(error),
            }
        }
        Err(failure)
    }

    async fn secure(&self, origin: &Origin, stream: TcpStream) -> Result<Box<dyn Stream>, Error> {
        stream.set_nodelay(true).map_err(Error::Connect)?;
        if !origin.is_secure {
            return Ok(Box::new(stream));
        }
        let name = ServerName::try_from(origin.host.clone());
        let name = name.map_err(|_| Error::HttpRequestUriInvalid)?;
        let stream = self.tls.connect(name, stream).await.map_err(Error::Tls)?;
        Ok(Box::new(stream))
    }

    /// Sends an admitted request. The place is given back when the connection ends.
    async fn send(
        self: Arc<Self>,
        origin: Origin,
        request: Request<WasiBody>,
        options: RequestOptions,
        place: OwnedSemaphorePermit,
        aside: Aside,
    ) -> Result<Sent, Error> {
        let most = Duration::from_millis(self.limits.outbound_connect_ms);
        let patience = options
            .connect_timeout
            .map_or(most, |wanted| wanted.min(most));
        let connected = timeout(patience, self.connect(&origin, place)).await;
        let (stream, place) = connected.map_err(|_| Error::ConnectionTimeout)??;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size((self.limits.header_bytes as usize).max(LEAST_HEADER_BYTES))
            .max_headers(HEADER_LINES)
            .handshake(TokioIo::new(stream))
            .await?;
        // Ends with whoever waits for the response or reads its body, at the latest with the store.
        let driving = runtime::spawn(aside.metered(async move {
            let ended = connection.await;
            drop(place);
            ended
        }));
        let most = self.limits.outbound_body_bytes;
        let meter = aside.meter();
        let request =
            request.map(|body| Counted::new(body, most, Error::HttpRequestBodySize, meter));
        let answering = sender.send_request(request);
        let response = match options.first_byte_timeout {
            Some(patience) => timeout(patience, answering)
                .await
                .map_err(|_| Error::ConnectionReadTimeout)??,
            None => answering.await?,
        };
        let pause = options.between_bytes_timeout;
        let response = response.map(|body| {
            let body = Counted::new(body, most, Error::HttpResponseBodySize, meter);
            body.within(pause).boxed_unsync()
        });
        Ok((response, Box::new(async { Ok(driving.await?) })))
    }
}

impl Sender {
    pub(super) fn new(outbound: Arc<Outbound>, meter: Arc<Meter>) -> Self {
        Self {
            left: outbound.limits.outbound_requests,
            outbound,
            path: HeaderMap::new(),
            aside: Aside::new(meter),
        }
    }

    /// Where the time goes that requests take beside the function.
    pub(super) fn aside(&self) -> &Aside {
        &self.aside
    }

    /// Remembers what the client's request came through: all that is sent for it says so.
    pub(super) fn came_through(&mut self, headers: &HeaderMap) {
        for value in headers.get_all(LOOP) {
            self.path.append(LOOP, value.clone());
        }
        self.path.append(LOOP, HeaderValue::from_static(NAME));
    }

    /// Sends a request, or says why not.
    pub(super) fn send(
        &mut self,
        mut request: Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        let begun = self.begin(&request);
        self.prepare(&mut request);
        let (outbound, aside) = (self.outbound.clone(), self.aside.clone());
        Box::new(self.aside.metered(async move {
            let (origin, place) = begun?;
            let options = options.unwrap_or_default();
            outbound.send(origin, request, options, place, aside).await
        }))
    }

    fn begin(
        &mut self,
        request: &Request<WasiBody>,
    ) -> Result<(Origin, OwnedSemaphorePermit), Error> {
        let origin = self.outbound.admit(request.uri(), request.method())?;
        let full = || Error::ConnectionLimitReached;
        self.left = self.left.checked_sub(1).ok_or_else(full)?;
        let place = self.outbound.places.clone().try_acquire_owned();
        let place = place.map_err(|_| full())?;
        self.aside.meter().outbound();
        Ok((origin, place))
    }

    /// As it goes over the wire: without what is not the function's to say.
    fn prepare(&self, request: &mut Request<WasiBody>) {
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
        let headers = request.headers_mut();
        let names = headers
            .keys()
            .filter(|name| name.as_str().starts_with("mp-"));
        for name in names.cloned().collect::<Vec<_>>() {
            headers.remove(name);
        }
        headers.remove(LOOP);
        headers.extend(self.path.clone());
    }
}

/// Bytes in both directions.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

#[cfg(test)]
mod tests;
