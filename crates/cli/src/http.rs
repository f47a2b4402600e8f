//! Requests to functions, over plain HTTP.

use anyhow::Context as _;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, Uri,
    body::Bytes,
    client::conn::http1,
    header::{HOST, HeaderMap, HeaderValue},
};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::net::TcpStream;

/// The largest answer that is taken, in bytes.
const MAX_ANSWER: usize = 64 << 20;
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(120);

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Which worker answered, as the gateway says; none: the gateway itself did.
    pub(crate) worker: Option<String>,
    pub(crate) body: Bytes,
}

/// What is sent.
#[derive(Debug, Default)]
pub(crate) struct Message {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Sends one request, and waits for all of the answer.
///
/// # Errors
/// If the address is none, or nobody answers there.
pub(crate) async fn request(url: &str, message: Message) -> anyhow::Result<Answer> {
    let uri: Uri = url
        .parse()
        .with_context(|| format!("{url:?} is no address\nhint: write http://host:port"))?;
    let host = uri.host().unwrap_or_default();
    anyhow::ensure!(
        uri.scheme_str() == Some("http") && !host.is_empty(),
        "{url:?} is no address that can be asked\nhint: write http://host:port"
    );
    let (host, port) = (host.trim_matches(['[', ']']), uri.port_u16().unwrap_or(80));
    let connecting = tokio::time::timeout(CONNECT, TcpStream::connect((host, port)));
    let stream = connecting
        .await
        .context("it does not answer")
        .and_then(|connected| Ok(connected?))
        .with_context(|| format!("{host}:{port} cannot be reached"))?;
    let answering = tokio::time::timeout(ANSWER, exchange(stream, &uri, message));
    let answer = answering.await.context("it takes too long")?;
    answer.with_context(|| format!("{host}:{port} gives no answer"))
}

async fn exchange(stream: TcpStream, uri: &Uri, message: Message) -> anyhow::Result<Answer> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let talking = tokio::spawn(connection);
    let mut request = Request::new(Full::new(message.body));
    *request.method_mut() = message.method;
    *request.headers_mut() = message.headers;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse()?;
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let host = HeaderValue::from_str(host)?;
    // Another one, if the message names it.
    request.headers_mut().entry(HOST).or_insert(host);
    let response = sender.send_request(request).await?;
    let worker = response.headers().get("mp-worker");
    let worker = worker.and_then(|name| Some(name.to_str().ok()?.to_owned()));
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), MAX_ANSWER)
        .collect()
        .await;
    let body = body.map_err(|error| anyhow::anyhow!("the answer breaks off: {error}"))?;
    talking.abort();
    Ok(Answer {
        status,
        worker,
        body: body.to_bytes(),
    })
}
