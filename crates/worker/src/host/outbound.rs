//! Requests that a function sends.
//!
//! A function reaches the servers that its artifact names, and of those what the machine's operator allows. Names are
//! resolved here, the addresses judged, and exactly a judged one is connected to. What a server answers is passed on as
//! it is: nobody follows redirects but the function, by another request that is judged like the first. Other functions of
//! its artifact it reaches inside the process (`inside`), other deals of the same owner through the peer (`deals`).

mod address;
mod body;
mod deals;
mod inside;
mod sender;

pub(super) use sender::Sender;

use super::{given::Given, log::Logger, request::Call};
use crate::{
    Config,
    config::{self, Limits},
    control::Source,
    settings::{Origin, inside},
};
use address::resolve;
use body::{Counted, Paced};
use deals::Deals;
use http_body_util::BodyExt as _;
use hyper::{HeaderMap, Request, Response, client::conn::http1, header::HeaderName};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use sender::Refused;
use std::{
    io,
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};
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
    /// The way to other deals, if there is one.
    deals: OnceLock<Deals>,
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
    pub(super) fn new(config: &Config, given: &Given) -> Result<Arc<Self>, rustls::Error> {
        let limits = config.limits.clone();
        Ok(Arc::new(Self {
            allowed: given.outbound.clone(),
            rule: config.outbound,
            places: Arc::new(Semaphore::new(limits.outbound_in_flight as usize)),
            limits,
            tls: connector(roots())?,
            deals: OnceLock::new(),
        }))
    }

    /// Opens the way to other deals: at this socket the peer waits to bring requests there.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub(super) fn open_deals(&self, socket: &Path) -> io::Result<()> {
        let deals = Deals::open(socket)?;
        self.deals
            .set(deals)
            .map_err(|_| io::ErrorKind::AlreadyExists.into())
    }

    /// Whether the function may ask any server.
    pub(super) fn asks(&self) -> bool {
        let mut servers = self.allowed.iter().filter(|origin| origin.deal().is_none());
        servers.next().is_some() && self.rule != config::Outbound::None
    }

    /// A place among the requests that are under way, if the function may ask this server at all.
    fn admit(&self, origin: &Origin) -> Result<OwnedSemaphorePermit, Refused> {
        if !self.allowed.contains(origin) {
            return Err(Refused::denied("not in the plan"));
        }
        match origin.deal() {
            None if inside(&origin.host).is_some() => {
                return Err(Refused::denied(
                    "deals are asked as http://DEAL.OWNER.internal/",
                ));
            }
            None if self.rule == config::Outbound::None => {
                return Err(Refused::denied("this machine lets nobody ask"));
            }
            Some(_) if self.deals.get().is_none() => {
                return Err(Refused::denied("no peer brings requests to other deals"));
            }
            _ => {}
        }
        let place = self.places.clone().try_acquire_owned();
        place.map_err(|_| Refused::too_many())
    }

    /// Connects to a server at an address that was judged, or to the peer for another deal.
    async fn connect<P: Send + 'static>(
        &self,
        origin: &Origin,
        place: P,
        log: &Logger,
    ) -> Result<(Box<dyn Stream>, P), Error> {
        if let (Some(_), Some(deals)) = (origin.deal(), self.deals.get()) {
            return Ok((Box::new(deals.connect().await?), place));
        }
        let found = resolve(origin, self.rule, place).await;
        let (addresses, place) = found.inspect_err(|error| {
            let line = format!("a request to {origin} does not leave: {error}");
            log.push(Source::Worker, line.as_bytes());
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
        &self,
        call: &Call,
        origin: Origin,
        place: OwnedSemaphorePermit,
        request: Request<WasiBody>,
        options: RequestOptions,
    ) -> Result<Sent, Error> {
        let most = Duration::from_millis(self.limits.outbound_connect_ms);
        let patience = options
            .connect_timeout
            .map_or(most, |wanted| wanted.min(most));
        let connected = timeout(patience, self.connect(&origin, place, &call.function.log)).await;
        let (stream, place) = connected.map_err(|_| Error::ConnectionTimeout)??;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size((self.limits.header_bytes as usize).max(LEAST_HEADER_BYTES))
            .max_headers(HEADER_LINES)
            .handshake(TokioIo::new(stream))
            .await?;
        // Ends with whoever waits for the response or reads its body, at the latest with the store.
        let driving = runtime::spawn(call.allowance.metered(async move {
            let ended = connection.await;
            drop(place);
            ended
        }));
        let most = self.limits.outbound_body_bytes;
        let meter = &call.functions.meter;
        let request =
            request.map(|body| Counted::new(body, most, Error::HttpRequestBodySize, meter));
        let answering = sender.send_request(request);
        let response = match options.first_byte_timeout {
            Some(patience) => timeout(patience, answering)
                .await
                .map_err(|_| Error::ConnectionReadTimeout)??,
            None => answering.await?,
        };
        if let Some(why) = origin.deal().and_then(|_| deals::refusal(&response)) {
            let line = format!("a request to {origin} is denied: {why}");
            call.function.log.push(Source::Worker, line.as_bytes());
            return Err(Error::HttpRequestDenied);
        }
        let pause = options.between_bytes_timeout;
        let response = response.map(|body| {
            let body = Counted::new(body, most, Error::HttpResponseBodySize, meter);
            Paced::new(body, pause).boxed_unsync()
        });
        Ok((response, Box::new(async { Ok(driving.await?) })))
    }
}

/// Bytes in both directions.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

#[cfg(test)]
mod tests;
