//! One request: to a worker and back, or to another if that is safe.

use super::{
    Limits, Routes,
    answer::{self, Hold, Watched, text},
    balance::{Balancer, Most, Refusal},
    domain::Domains,
    door::Client,
    figures::{Figures, Now},
    headers::{self, IDEMPOTENCY_KEY, NOT_STARTED, WORKER},
    health::Outcome,
    pool::{Lane, Pool},
    record::Log,
    target,
    visit::{Visit, micros},
};
use crate::{
    overlay::{self, Address, Dial, Route},
    pages::Page,
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode, Uri,
    body::{Body as _, Incoming},
    client::conn::TrySendError,
    header::{self, HeaderValue},
    http::request,
};
use marketplace::units::{DealId, PeerId};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Instant,
};
use tokio::time::{Instant as Deadline, timeout, timeout_at};

/// A request is sent at most so often, over all of a deal's workers.
const MAX_TRIES: usize = 3;

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;
pub(super) type Body = UnsyncBoxBody<Bytes, BoxError>;

pub(super) struct Gateway<D: Dial> {
    pub(super) limits: Limits,
    pub(super) dial: D,
    names: Names,
    /// The chain's id.
    chain: AtomicU64,
    balancer: Mutex<Balancer>,
    pool: Pool,
    began: Instant,
    state: AtomicU8,
    pub(super) figures: Figures,
    pub(super) log: Log,
}

/// It has not seen the chain.
const STARTING: u8 = 0;
const SERVING: u8 = 1;
const STOPPING: u8 = 2;

/// How deals are named.
pub(super) struct Names {
    /// The gateway's domain.
    pub(super) domain: String,
    /// Those of deals.
    pub(super) domains: Domains,
}

/// A request on its way.
struct Errand {
    head: request::Parts,
    content: Content,
    /// Whether it does the same if it is sent twice.
    is_idempotent: bool,
    /// When its answer has to have begun.
    deadline: Deadline,
}

/// A request's body: kept whole, or on its way and gone once it was sent.
enum Content {
    Kept(Bytes),
    Once(Option<Body>),
}

/// What an attempt came to.
enum Attempt {
    /// What the client gets.
    Answer(Response<Body>),
    /// The function has not begun.
    NotStarted,
    /// Nothing of an answer has come, and none will. What the function has done nobody knows. No fault is the worker's
    /// if the connection was used before: it may just have been done with it.
    Broken { is_fault: bool },
}

impl<D: Dial> Gateway<D> {
    pub(super) fn new(names: Names, limits: Limits, dial: D, log: Log) -> Self {
        let most = Most {
            per_deal: limits.requests_per_deal,
            per_worker: limits.requests_per_worker,
        };
        Self {
            balancer: Mutex::new(Balancer::new(most)),
            pool: Pool::default(),
            limits,
            dial,
            names,
            chain: AtomicU64::new(0),
            began: Instant::now(),
            state: AtomicU8::new(STARTING),
            figures: Figures::default(),
            log,
        }
    }

    pub(super) fn route(&self, routes: &Routes) {
        let now = self.now();
        self.chain.store(routes.chain, Ordering::Relaxed);
        self.figures.keep(&routes.deals.keys().copied().collect());
        if routes.chain != 0 {
            // Not if it stops.
            let _ = self.state.compare_exchange(
                STARTING,
                SERVING,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        }
        self.balancer().route(routes, now);
    }

    /// The peers, and one of the workers of each.
    pub(super) fn peers(&self) -> BTreeMap<PeerId, Arc<Route>> {
        self.balancer().peers()
    }

    /// A peer was asked whether it is there.
    pub(super) fn probed(&self, address: &Address, is_there: bool) {
        let out = self.balancer().probed(address, is_there);
        if out > 0 {
            self.figures.silent(out);
            tracing::info!(peer = %address.peer, workers = out, "a peer is silent; its workers are left out");
        }
    }

    /// Forgets connections that are of no use any more.
    pub(super) fn sweep(&self) {
        self.pool.sweep();
    }

    pub(super) fn balancer(&self) -> MutexGuard<'_, Balancer> {
        self.balancer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// What whoever watches may see.
    pub(super) fn page(&self, path: &str) -> Option<Page> {
        match path {
            "/metrics" => {
                let now = Now {
                    deals: self.balancer().figures(self.now()),
                    dropped: self.log.dropped(),
                };
                Some(Page::from(self.figures.text(&now)))
            }
            "/health" => Some(self.health()),
            _ => None,
        }
    }

    fn health(&self) -> Page {
        let (status, text) = match self.state.load(Ordering::Relaxed) {
            SERVING => (StatusCode::OK, "the gateway serves\n"),
            STOPPING => (StatusCode::SERVICE_UNAVAILABLE, "the gateway stops\n"),
            _ => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the chain is not seen yet\n",
            ),
        };
        let text = text.to_owned();
        Page { status, text }
    }

    /// No new requests are wanted.
    pub(super) fn stop(&self) {
        self.state.store(STOPPING, Ordering::Relaxed);
    }

    /// Answers a request of `client`.
    pub(super) async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        client: Client,
    ) -> Response<Body> {
        let (head, body) = request.into_parts();
        let mut visit = Some(Visit::begin(&self, &client, &head));
        let response = self.answer(head, body, &client, &mut visit).await;
        // Nobody else has it: these are the gateway's own words.
        if let Some(visit) = &mut visit {
            visit.answered(response.status());
            visit.record.complete = true;
        }
        response
    }

    async fn answer(
        self: &Arc<Self>,
        mut head: request::Parts,
        body: Incoming,
        client: &Client,
        visit: &mut Option<Visit<D>>,
    ) -> Response<Body> {
        if let Some(refusal) = refuse(&head, &self.limits) {
            return refusal;
        }
        let Some((deal, uri)) = self.target(&head).await else {
            return text(StatusCode::NOT_FOUND, "no deal is named: use /<deal>/\n");
        };
        match self.enter(deal, visit) {
            Ok(()) => {}
            Err(Refusal::Unknown) => {
                return text(StatusCode::NOT_FOUND, "no such deal is served\n");
            }
            Err(Refusal::Full) => return answer::busy(),
        }
        name_host(&mut head);
        head.uri = uri;
        headers::clean(&mut head.headers, client);
        match timeout(self.limits.request, self.keep(body)).await {
            Ok(Ok(content)) => {
                let errand = Errand {
                    is_idempotent: is_idempotent(&head),
                    deadline: Deadline::now() + self.limits.answer,
                    head,
                    content,
                };
                self.deliver(deal, visit, errand).await
            }
            Ok(Err(_)) => text(StatusCode::BAD_REQUEST, "the body broke off\n"),
            Err(_) => text(StatusCode::REQUEST_TIMEOUT, "the body does not come\n"),
        }
    }

    /// Counts a request of the deal, if one more may be under way.
    fn enter(&self, deal: DealId, visit: &mut Option<Visit<D>>) -> Result<(), Refusal> {
        self.balancer().enter(deal)?;
        if let Some(visit) = visit {
            visit.entered = Some(deal);
            visit.record.deal = Some(deal.0);
        }
        Ok(())
    }

    /// The deal that a request is for, and what its worker is asked. (G1)
    async fn target(&self, head: &request::Parts) -> Option<(DealId, Uri)> {
        let host = target::host(head);
        match target::below(host, &self.names.domain) {
            Some("") => target::by_path(head),
            Some(labels) => {
                let (deal, owner) = target::by_labels(labels)?;
                let is_owners = |owner| self.balancer().is_owned(deal, owner);
                let is_served = owner.is_none_or(is_owners);
                Some((deal, target::whole(head).filter(|_| is_served)?))
            }
            None => {
                let chain = self.chain.load(Ordering::Relaxed);
                match self.names.domains.deal(host, chain).await {
                    Some(deal) => Some((deal, target::whole(head)?)),
                    None => target::by_path(head),
                }
            }
        }
    }

    /// Keeps a small body, so that it can be sent twice.
    async fn keep(&self, body: Incoming) -> Result<Content, hyper::Error> {
        let is_small = |size: u64| size <= self.limits.replay_bytes;
        if body.size_hint().exact().is_some_and(is_small) {
            return Ok(Content::Kept(body.collect().await?.to_bytes()));
        }
        let body = body.map_err(BoxError::from).boxed_unsync();
        Ok(Content::Once(Some(body)))
    }

    /// Tries workers until one begins, within the budget of retries. (G3)
    async fn deliver(
        self: &Arc<Self>,
        deal: DealId,
        visit: &mut Option<Visit<D>>,
        mut errand: Errand,
    ) -> Response<Body> {
        let mut tried = Vec::new();
        let mut came = answer::busy();
        for attempt in 0..MAX_TRIES {
            let dice = rand::random::<[u32; 2]>().map(|die| die as usize);
            let now = self.now();
            let picked = self.balancer().pick(deal, &tried, now, dice);
            let Some(route) = picked else {
                break;
            };
            let place = Place::new(self.clone(), route);
            // Only now: a retry that has nobody to go to costs nothing.
            if attempt > 0 && !self.may_retry(deal, visit) {
                break;
            }
            let worker = place.route.worker;
            match self.attempt(place, visit, &mut errand).await {
                Attempt::Answer(answer) => return answer,
                Attempt::NotStarted => came = answer::busy(),
                Attempt::Broken { .. } if !errand.is_idempotent => return broken(),
                Attempt::Broken { is_fault } => {
                    came = broken();
                    if !is_fault {
                        continue;
                    }
                }
            }
            tried.push(worker);
            if matches!(errand.content, Content::Once(None)) {
                break;
            }
        }
        came
    }

    fn may_retry(&self, deal: DealId, visit: &mut Option<Visit<D>>) -> bool {
        let may = self.balancer().may_retry(deal);
        if let Some(visit) = visit.as_mut().filter(|_| may) {
            visit.record.retries += 1;
        }
        may
    }

    /// Sends the request to one worker, over a connection that is there or a new one.
    async fn attempt(
        &self,
        mut place: Place<D>,
        visit: &mut Option<Visit<D>>,
        errand: &mut Errand,
    ) -> Attempt {
        loop {
            let mut lane = match self.lane(&place.route).await {
                Ok(lane) => lane,
                Err(error) => {
                    tracing::debug!(%error, "a worker cannot be reached");
                    place.outcome = unreached(&error);
                    return Attempt::NotStarted;
                }
            };
            let began = Instant::now();
            let sending = lane.sender.try_send_request(errand.request());
            let failed = match timeout_at(errand.deadline, sending).await {
                Ok(Ok(response)) if response.headers().contains_key(NOT_STARTED) => {
                    place.outcome = Outcome::Shed;
                    return Attempt::NotStarted;
                }
                Ok(Ok(response)) => {
                    place.answered(response.status(), began);
                    return Attempt::Answer(answer(response, place, visit.take(), lane));
                }
                Ok(Err(failed)) => failed,
                Err(_) => {
                    place.outcome = Outcome::Failed;
                    let late = "the worker does not answer\n";
                    return Attempt::Answer(text(StatusCode::GATEWAY_TIMEOUT, late));
                }
            };
            if let Some(came) = failure(failed, &lane, &mut place, errand) {
                return came;
            }
            // It had ended while nobody used it, and the request never went out.
        }
    }

    /// A connection to the worker that nobody uses.
    async fn lane(&self, route: &Route) -> Result<Lane, overlay::Error> {
        if let Some(lane) = self.pool.take(route.worker) {
            return Ok(lane);
        }
        let stream = self.dial.dial(route).await?;
        Lane::open(stream)
            .await
            .map_err(|error| overlay::Error::Unreachable {
                peer: route.address.peer,
                reason: error.to_string(),
            })
    }
}

impl Errand {
    /// The request, with the body if that has not gone yet.
    fn request(&mut self) -> Request<Body> {
        let body = match &mut self.content {
            Content::Kept(bytes) => whole(bytes.clone()),
            Content::Once(body) => body.take().unwrap_or_else(|| whole(Bytes::new())),
        };
        let mut request = Request::new(body);
        request.method_mut().clone_from(&self.head.method);
        request.uri_mut().clone_from(&self.head.uri);
        request.headers_mut().clone_from(&self.head.headers);
        request
    }
}

fn whole(bytes: Bytes) -> Body {
    let body = Full::new(bytes).map_err(|never| match never {});
    body.boxed_unsync()
}

/// What a request that got no answer comes to; None: it is to be sent over another connection.
fn failure<D: Dial>(
    mut failed: TrySendError<Request<Body>>,
    lane: &Lane,
    place: &mut Place<D>,
    errand: &mut Errand,
) -> Option<Attempt> {
    if let Some(request) = failed.take_message() {
        if let Content::Once(body) = &mut errand.content {
            *body = Some(request.into_body());
        }
        if lane.is_used {
            return None;
        }
        place.outcome = Outcome::Unreached;
        return Some(Attempt::NotStarted);
    }
    let error = failed.into_error();
    if error.is_user() {
        // Its own body broke off; the worker is not to blame.
        let answer = text(StatusCode::BAD_REQUEST, "the body broke off\n");
        return Some(Attempt::Answer(answer));
    }
    tracing::debug!(%error, "a worker breaks off");
    let is_fault = !lane.is_used;
    if is_fault {
        place.outcome = Outcome::Failed;
    }
    Some(Attempt::Broken { is_fault })
}

fn broken() -> Response<Body> {
    text(StatusCode::BAD_GATEWAY, "the worker broke off\n")
}

fn unreached(error: &overlay::Error) -> Outcome {
    match error {
        overlay::Error::Refused {
            answer: overlay::Answer::Busy,
            ..
        } => Outcome::Shed,
        _ => Outcome::Unreached,
    }
}

/// What no worker is asked.
fn refuse(head: &request::Parts, limits: &Limits) -> Option<Response<Body>> {
    if head.method == Method::CONNECT {
        let why = "this is no proxy\n";
        return Some(text(StatusCode::METHOD_NOT_ALLOWED, why));
    }
    let is_too_much = head.headers.len() > limits.headers;
    let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    is_too_much.then(|| text(status, "there are too many headers\n"))
}

/// Whether the request does the same if it is sent twice, by its method or by its client's word.
fn is_idempotent(head: &request::Parts) -> bool {
    head.method.is_idempotent() || head.headers.contains_key(IDEMPOTENCY_KEY)
}

/// HTTP/2 has no header for the host.
fn name_host(head: &mut request::Parts) {
    let Some(authority) = head.uri.authority() else {
        return;
    };
    if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
        head.headers.insert(header::HOST, host);
    }
}

/// A request that a worker counts among those under way, until its answer has ended.
struct Place<D: Dial> {
    gateway: Arc<Gateway<D>>,
    route: Arc<Route>,
    outcome: Outcome,
    is_heard: bool,
}

impl<D: Dial> Place<D> {
    fn new(gateway: Arc<Gateway<D>>, route: Arc<Route>) -> Self {
        Self {
            gateway,
            route,
            outcome: Outcome::Abandoned,
            is_heard: false,
        }
    }

    fn answered(&mut self, status: StatusCode, began: Instant) {
        self.outcome = match status.is_server_error() {
            true => Outcome::Failed,
            false => Outcome::Answered(micros(began.elapsed())),
        };
        self.hear();
    }

    fn hear(&mut self) {
        let (worker, now) = (self.route.worker, self.gateway.now());
        let is_out = self.gateway.balancer().heard(worker, self.outcome, now);
        if is_out {
            self.gateway.figures.left_out(self.outcome);
            tracing::info!(%worker, outcome = ?self.outcome, "a worker is left out for a while");
        }
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

/// What an answer on its way to the client holds.
struct Held<D: Dial> {
    place: Place<D>,
    visit: Option<Visit<D>>,
    lane: Option<Lane>,
}

impl<D: Dial> Hold for Held<D> {
    fn moves(&mut self, bytes: usize) {
        if let Some(visit) = &mut self.visit {
            visit.moves(bytes);
        }
    }

    fn ended(&mut self) {
        if let Some(visit) = &mut self.visit {
            visit.record.complete = true;
        }
        if let Some(lane) = self.lane.take() {
            self.place.gateway.pool.put(self.place.route.worker, lane);
        }
    }
}

/// The worker's answer, on its way to the client.
fn answer<D: Dial>(
    mut response: Response<Incoming>,
    place: Place<D>,
    mut visit: Option<Visit<D>>,
    lane: Lane,
) -> Response<Body> {
    let route = &place.route;
    let name = format!("{}/{}", route.deal, route.worker);
    headers::strip(response.headers_mut());
    if let Ok(name) = HeaderValue::from_str(&name) {
        response.headers_mut().insert(WORKER, name);
    }
    if let Some(visit) = &mut visit {
        visit.answered(response.status());
        visit.record.worker = Some(route.worker.0);
    }
    let held = Held {
        place,
        visit,
        lane: Some(lane),
    };
    response.map(|body| Watched { body, held }.boxed_unsync())
}
