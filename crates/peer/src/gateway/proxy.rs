//! One request: to a worker and back, or to another if the first never began.

use super::{Balancer, Limits, Routes, balance::Outcome};
use crate::overlay::{self, BoxStream, Dial, Route};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::{
    HeaderMap, Request, Response, StatusCode, Uri,
    body::{Body as HttpBody, Frame, Incoming, SizeHint},
    client::conn::http1,
    header::{self, HeaderName, HeaderValue},
    http::{request, uri::PathAndQuery},
};
use hyper_util::rt::TokioIo;
use marketplace::units::DealId;
use std::{
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Instant,
};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

/// A worker is sent a request at most so often, over all of a deal's workers.
const MAX_TRIES: usize = 3;

/// Says which worker answered.
const WORKER: HeaderName = HeaderName::from_static("mp-worker");
/// A worker's word that the function has not seen the request.
const NOT_STARTED: HeaderName = HeaderName::from_static("mp-not-started");
/// Who asks, as far as the gateway knows.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// About one connection, not about the request.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::EXPECT,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

type BoxError = Box<dyn std::error::Error + Send + Sync>;
pub(super) type Body = UnsyncBoxBody<Bytes, BoxError>;

pub(super) struct Gateway<D> {
    pub(super) limits: Limits,
    domain: String,
    dial: D,
    balancer: Mutex<Balancer>,
    began: Instant,
}

/// A request's body: kept whole, or on its way and gone once it was sent.
enum Content {
    Kept(Bytes),
    Once(Option<Incoming>),
}

/// What an attempt came to.
enum Attempt {
    /// What the client gets.
    Answer(Response<Body>),
    /// The function has not begun; if nobody else takes the request, this is the answer.
    NotStarted(Response<Body>),
}

impl<D: Dial> Gateway<D> {
    pub(super) fn new(domain: String, limits: Limits, dial: D) -> Self {
        Self {
            balancer: Mutex::new(Balancer::new(limits.requests_per_worker)),
            limits,
            domain,
            dial,
            began: Instant::now(),
        }
    }

    pub(super) fn route(&self, routes: &Routes) {
        self.balancer().route(routes);
    }

    fn balancer(&self) -> MutexGuard<'_, Balancer> {
        self.balancer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Answers a request of `client`.
    pub(super) async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        client: IpAddr,
    ) -> Response<Body> {
        let (mut head, body) = request.into_parts();
        let Some((deal, uri)) = target(&head, &self.domain) else {
            return text(StatusCode::NOT_FOUND, "no deal is named: use /<deal>/\n");
        };
        if !self.balancer().knows(deal) {
            return text(StatusCode::NOT_FOUND, "no such deal is served\n");
        }
        head.uri = uri;
        clean(&mut head.headers, client);
        match timeout(self.limits.request, self.keep(body)).await {
            Ok(Ok(content)) => self.deliver(deal, &head, content).await,
            Ok(Err(_)) => text(StatusCode::BAD_REQUEST, "the body broke off\n"),
            Err(_) => text(StatusCode::REQUEST_TIMEOUT, "the body does not come\n"),
        }
    }

    /// Keeps a small body, so that it can be sent twice.
    async fn keep(&self, body: Incoming) -> Result<Content, hyper::Error> {
        let is_small = |size: u64| size <= self.limits.replay_bytes;
        if body.size_hint().exact().is_some_and(is_small) {
            return Ok(Content::Kept(body.collect().await?.to_bytes()));
        }
        Ok(Content::Once(Some(body)))
    }

    /// Tries workers until one begins, within the budget of retries. (G3)
    async fn deliver(
        self: Arc<Self>,
        deal: DealId,
        head: &request::Parts,
        mut content: Content,
    ) -> Response<Body> {
        self.balancer().earn(deal);
        let mut tried = Vec::new();
        let mut answer = busy();
        while tried.len() < MAX_TRIES {
            let now = self.now();
            let picked = self.balancer().pick(
                deal,
                &tried,
                now,
                rand::random::<[u32; 2]>().map(|die| die as usize),
            );
            let Some(route) = picked else {
                break;
            };
            let place = Place::new(self.clone(), route);
            // Only now: a retry that has nobody to go to costs nothing.
            if !tried.is_empty() && !self.balancer().may_retry(deal) {
                break;
            }
            tried.push(place.route.worker);
            match self.attempt(place, head, &mut content).await {
                Attempt::Answer(answer) => return answer,
                Attempt::NotStarted(refusal) => answer = refusal,
            }
            if matches!(content, Content::Once(None)) {
                break;
            }
        }
        answer
    }

    async fn attempt(
        &self,
        mut place: Place<D>,
        head: &request::Parts,
        content: &mut Content,
    ) -> Attempt {
        let stream = match self.dial.dial(&place.route).await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(%error, "a worker cannot be reached");
                place.outcome = match error {
                    overlay::Error::Refused {
                        answer: overlay::Answer::Busy,
                        ..
                    } => Outcome::Shed,
                    _ => Outcome::Failed,
                };
                return Attempt::NotStarted(busy());
            }
        };
        let began = self.now();
        let sending = exchange(stream, head, content);
        let (response, connection) = match timeout(self.limits.answer, sending).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(error)) if error.is_user() => {
                // Its own body broke off; the worker is not to blame.
                return Attempt::Answer(text(StatusCode::BAD_REQUEST, "the body broke off\n"));
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "a worker breaks off");
                place.outcome = Outcome::Failed;
                return Attempt::Answer(text(StatusCode::BAD_GATEWAY, "the worker broke off\n"));
            }
            Err(_) => {
                place.outcome = Outcome::Failed;
                let late = "the worker does not answer\n";
                return Attempt::Answer(text(StatusCode::GATEWAY_TIMEOUT, late));
            }
        };
        if response.headers().contains_key(NOT_STARTED) {
            place.outcome = Outcome::Shed;
            return Attempt::NotStarted(busy());
        }
        place.outcome = Outcome::Answered(self.now().saturating_sub(began));
        place.hear();
        Attempt::Answer(answer(response, place, connection))
    }
}

/// A request that a worker counts among those under way, until its answer has ended.
struct Place<D: Dial> {
    gateway: Arc<Gateway<D>>,
    route: Route,
    outcome: Outcome,
    is_heard: bool,
}

impl<D: Dial> Place<D> {
    fn new(gateway: Arc<Gateway<D>>, route: Route) -> Self {
        Self {
            gateway,
            route,
            outcome: Outcome::Abandoned,
            is_heard: false,
        }
    }

    fn hear(&mut self) {
        let now = self.gateway.now();
        let mut balancer = self.gateway.balancer();
        balancer.heard(self.route.worker, self.outcome, now);
        self.is_heard = true;
    }
}

impl<D: Dial> Drop for Place<D> {
    fn drop(&mut self) {
        if !self.is_heard {
            self.hear();
        }
        self.gateway.balancer().done(self.route.worker);
    }
}

/// The connection's task ends with this.
type Driver = AbortOnDropHandle<()>;

/// One exchange on a connection of its own.
async fn exchange(
    stream: BoxStream,
    head: &request::Parts,
    content: &mut Content,
) -> Result<(Response<Incoming>, Driver), hyper::Error> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = AbortOnDropHandle::new(tokio::spawn(async move {
        // What goes wrong is told to the request, too.
        let _ = connection.await;
    }));
    let body = match content {
        Content::Kept(bytes) => Full::new(bytes.clone())
            .map_err(|never| match never {})
            .boxed_unsync(),
        Content::Once(body) => match body.take() {
            Some(body) => body.map_err(BoxError::from).boxed_unsync(),
            None => Full::default()
                .map_err(|never| match never {})
                .boxed_unsync(),
        },
    };
    let mut request = Request::new(body);
    request.method_mut().clone_from(&head.method);
    request.uri_mut().clone_from(&head.uri);
    request.headers_mut().clone_from(&head.headers);
    Ok((sender.send_request(request).await?, driver))
}

/// The worker's answer, on its way to the client.
fn answer<D: Dial>(
    mut response: Response<Incoming>,
    place: Place<D>,
    driver: Driver,
) -> Response<Body> {
    let route = &place.route;
    let name = format!("{}/{}", route.deal, route.worker);
    strip(response.headers_mut());
    if let Ok(name) = HeaderValue::from_str(&name) {
        response.headers_mut().insert(WORKER, name);
    }
    response.map(|body| {
        let body = Watched {
            body,
            _held: (place, driver),
        };
        body.boxed_unsync()
    })
}

/// A body that holds something until it has ended or is dropped.
struct Watched<Held> {
    body: Incoming,
    _held: Held,
}

impl<Held: Unpin> HttpBody for Watched<Held> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        polled.map(|frame| frame.map(|frame| frame.map_err(BoxError::from)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The deal that a request is for, and what its worker is asked. (G1)
fn target(head: &request::Parts, domain: &str) -> Option<(DealId, Uri)> {
    let host = head.headers.get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let path = head.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    if let Some(deal) = deal_of(host, domain) {
        return Some((deal, path.parse().ok()?));
    }
    let rest = path.strip_prefix('/')?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let deal = number(&rest[..end])?;
    let rest = &rest[end..];
    let slash = if rest.starts_with('/') { "" } else { "/" };
    Some((deal, format!("{slash}{rest}").parse().ok()?))
}

fn deal_of(host: &str, domain: &str) -> Option<DealId> {
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    let (label, rest) = name.split_once('.')?;
    if rest.eq_ignore_ascii_case(domain) {
        number(label)
    } else {
        None
    }
}

/// One spelling for each deal.
fn number(text: &str) -> Option<DealId> {
    let deal = text.parse().ok()?;
    (u64::to_string(&deal) == text).then_some(DealId(deal))
}

/// Headers as a worker may see them: without those that only this gateway may speak through. (G5)
fn clean(headers: &mut HeaderMap, client: IpAddr) {
    strip(headers);
    let is_claim = |name: &HeaderName| name.as_str().starts_with("x-forwarded-");
    let claims: Vec<_> = headers
        .keys()
        .filter(|name| is_claim(name))
        .cloned()
        .collect();
    for name in claims.into_iter().chain([header::FORWARDED]) {
        headers.remove(name);
    }
    if let Ok(client) = HeaderValue::from_str(&client.to_string()) {
        headers.insert(FORWARDED_FOR, client);
    }
}

/// Removes what is about one connection, and what workers and gateways tell each other.
fn strip(headers: &mut HeaderMap) {
    let listed = headers.get_all(header::CONNECTION).into_iter();
    let listed = listed.filter_map(|value| value.to_str().ok());
    let listed = listed.flat_map(|value| value.split(','));
    let mut names: Vec<HeaderName> = listed.filter_map(|name| name.trim().parse().ok()).collect();
    names.retain(|name| *name != header::HOST && *name != header::CONTENT_LENGTH);
    names.extend(HOP_BY_HOP);
    let ours = headers
        .keys()
        .filter(|name| name.as_str().starts_with("mp-"));
    names.extend(ours.cloned());
    for name in names {
        headers.remove(name);
    }
}

/// Nobody can take the request now. (G4)
fn busy() -> Response<Body> {
    let mut response = text(
        StatusCode::SERVICE_UNAVAILABLE,
        "no worker can take this now\n",
    );
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let body = Full::from(text).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
