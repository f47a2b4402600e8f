//! What a gateway is, and how it takes a request.

use super::{
    Limits, Routes,
    acme::Challenges,
    answer::{self, Body, BoxError, text},
    balance::{Balancer, Most, Refusal},
    domain::Domains,
    door::Client,
    errand::{Content, Errand},
    figures::{Figures, Now},
    headers::{self, IDEMPOTENCY_KEY},
    pool::Pool,
    record::Log,
    visit::Visit,
};
use crate::{
    overlay::{Address, Dial, Route},
    pages::Page,
};
use http_body_util::BodyExt as _;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body as _, Incoming},
    header::{self, HeaderValue},
    http::request,
};
use marketplace::units::{DealId, PeerId, WorkerId};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Instant,
};
use tokio::time::{Instant as Deadline, timeout};

pub(super) struct Gateway<D: Dial> {
    pub(super) limits: Limits,
    pub(super) dial: D,
    pub(super) names: Names,
    /// The chain's id.
    pub(super) chain: AtomicU64,
    balancer: Mutex<Balancer>,
    pub(super) pool: Pool,
    pub(super) challenges: Challenges,
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

impl<D: Dial> Gateway<D> {
    pub(super) fn new(names: Names, limits: Limits, dial: D, log: Log) -> Self {
        let most = Most {
            per_deal: limits.requests_per_deal,
            per_worker: limits.requests_per_worker,
        };
        Self {
            balancer: Mutex::new(Balancer::new(most)),
            pool: Pool::default(),
            challenges: Challenges::default(),
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
        let now = self.now();
        let out = self.balancer().probed(address, is_there, now);
        if out > 0 {
            self.figures.silent(out);
            tracing::info!(peer = %address.peer, workers = out, "a peer is silent; its workers are left out");
        }
    }

    /// Workers that were not reached, though their peers are there.
    pub(super) fn absent(&self) -> Vec<Arc<Route>> {
        let now = self.now();
        self.balancer().absent(now)
    }

    /// A worker was reached, without a request.
    pub(super) fn found(&self, worker: WorkerId) {
        self.balancer().found(worker);
    }

    /// Workers of deals that we look after whose peers are away.
    pub(super) fn lost(&self, patience_ms: u64) -> Vec<WorkerId> {
        let now = self.now();
        self.balancer().lost(now, patience_ms)
    }

    /// Forgets connections that are of no use any more.
    pub(super) fn sweep(&self) {
        self.pool.sweep();
    }

    pub(super) fn balancer(&self) -> MutexGuard<'_, Balancer> {
        self.balancer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> u64 {
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
        if let Some(proof) = self.challenges.find(&head) {
            return text(StatusCode::OK, proof);
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

    /// Keeps a small body, so that it can be sent twice.
    async fn keep(&self, body: Incoming) -> Result<Content, hyper::Error> {
        let is_small = |size: u64| size <= self.limits.replay_bytes;
        if body.size_hint().exact().is_some_and(is_small) {
            return Ok(Content::Kept(body.collect().await?.to_bytes()));
        }
        let body = body.map_err(BoxError::from).boxed_unsync();
        Ok(Content::Once(Some(body)))
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
