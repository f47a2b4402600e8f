//! Requests to the ACME server: each has a connection, a time and a size of its own, so that nobody can hold us up.

use crate::gateway::certificate::{self, Error as CertificateError};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Request, Response, Uri,
    client::conn::http1,
    header::{HOST, HeaderValue},
};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use std::{path::Path, pin::Pin, sync::Arc, time::Duration};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

/// Time for an answer.
const ANSWER: Duration = Duration::from_secs(30);
/// Bytes of an answer.
const MAX_BYTES: usize = 1 << 20;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Asks servers that show a certificate of somebody who is trusted.
#[derive(Clone)]
pub(super) struct Https(TlsConnector);

impl Https {
    /// Trusts who is in that file, or, without one, whom browsers trust.
    pub(super) fn new(root: Option<&Path>) -> Result<Self, CertificateError> {
        let mut roots = RootCertStore::empty();
        match root {
            Some(path) => {
                for certificate in certificate::chain(path)? {
                    roots.add(certificate)?;
                }
            }
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions()?;
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    async fn exchange<B>(self, mut request: Request<B>) -> Result<Response<Full<Bytes>>, BoxError>
    where
        B: hyper::body::Body + Send + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let (host, port) = address(request.uri())?;
        let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())?;
        let stream = self.0.connect(name, stream).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let _driver = AbortOnDropHandle::new(tokio::spawn(async move {
            // What goes wrong is told to the request, too.
            let _ = connection.await;
        }));
        if let Some(authority) = request.uri().authority() {
            let host = HeaderValue::from_str(authority.as_str())?;
            request.headers_mut().insert(HOST, host);
        }
        let path = request.uri().path_and_query();
        *request.uri_mut() = path.map_or("/", |path| path.as_str()).parse()?;
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, MAX_BYTES).collect().await?;
        Ok(Response::from_parts(head, Full::new(body.to_bytes())))
    }
}

/// Host and port; only what nobody else can read is asked.
fn address(uri: &Uri) -> Result<(String, u16), BoxError> {
    let host = uri.host().filter(|_| uri.scheme_str() == Some("https"));
    let host = host.ok_or_else(|| format!("{uri} is not https://"))?;
    Ok((host.to_owned(), uri.port_u16().unwrap_or(443)))
}

type Answer = Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>>;

impl HttpClient for Https {
    fn request(&self, request: Request<BodyWrapper<Bytes>>) -> Answer {
        let asking = timeout(ANSWER, self.clone().exchange(request));
        Box::pin(async {
            match asking.await {
                Ok(Ok(response)) => Ok(response.into()),
                Ok(Err(error)) => Err(Error::Other(error)),
                Err(_) => Err(Error::Other("the ACME server does not answer".into())),
            }
        })
    }
}
