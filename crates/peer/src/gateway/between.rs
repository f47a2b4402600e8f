//! Requests of functions to other deals of their owner. (G19)
//!
//! A worker makes no connections of the machine's own. So the peer keeps a few open to each worker whose artifact names
//! deals; one that has a request to send takes one of them, and whoever is here brings it to a worker of the deal that the
//! host names, as a gateway does: with the same balance, retries and limits. Only deals that some worker names are followed.

use super::{
    Limits, Routes,
    answer::{Body, text},
    domain::Domains,
    door::Client,
    follow::{self, Followed},
    local::Ways,
    probe,
    proxy::{Gateway, Names},
    record::Log,
    target,
};
use crate::overlay::{Dial, Overlay};
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{HeaderName, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use marketplace::units::{Address, DealId, WorkerId};
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{net::UnixStream, sync::watch, task::JoinSet, time::sleep};
use tokio_util::task::AbortOnDropHandle;
use worker::settings::ZONE;

/// Connections that wait at a worker: so many requests of it are under way at once, more wait.
pub(super) const LINES: usize = 16;
/// The pause before a connection to a worker is tried again, or when it ended without a request.
const PAUSE: Duration = Duration::from_millis(200);
/// Tells the worker that its request went nowhere, and why.
const REFUSED: HeaderName = HeaderName::from_static("mp-refused");

/// A deal, and the account that it is said to be of.
pub(crate) type Name = (DealId, Address);

/// A worker whose artifact names deals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asker {
    /// Whose its deal is.
    pub(crate) owner: Address,
    /// What its artifact names.
    pub(crate) names: BTreeSet<Name>,
    /// Where it takes our connections.
    pub(crate) socket: PathBuf,
}

/// Reads `<deal>.<owner>`, as it stands before the domain of deals.
#[must_use]
pub fn name(labels: &str) -> Option<(DealId, Address)> {
    let (deal, owner) = target::by_labels(labels)?;
    Some((deal, owner?))
}

/// Brings requests from the workers of one peer to other deals.
pub(crate) struct Between {
    shared: Arc<Shared<Ways>>,
    named: watch::Sender<BTreeSet<DealId>>,
    lines: BTreeMap<WorkerId, AbortOnDropHandle<()>>,
    _running: [AbortOnDropHandle<()>; 2],
}

/// What its connections share.
pub(super) struct Shared<D: Dial> {
    pub(super) gateway: Arc<Gateway<D>>,
    askers: Mutex<BTreeMap<WorkerId, Asker>>,
}

impl Between {
    /// Begins. `data` is the folder of this peer, whose own workers are reached without the overlay.
    pub(crate) fn open(client: client::Client, overlay: Overlay, data: &Path) -> Self {
        let peers = vec![data.into()];
        let shared = Arc::new(Shared::new(Ways { overlay, peers }));
        let (named, names) = watch::channel(BTreeSet::new());
        let (routes, seen) = watch::channel(Arc::default());
        let following = async move {
            follow::run(client, Followed::Only(names), None, routes).await;
        };
        let serving = serve(shared.gateway.clone(), seen);
        Self {
            shared,
            named,
            lines: BTreeMap::new(),
            _running: [
                AbortOnDropHandle::new(tokio::spawn(following)),
                AbortOnDropHandle::new(tokio::spawn(serving)),
            ],
        }
    }

    /// Takes up the workers that are there now, and leaves those that are gone.
    pub(crate) fn follow(&mut self, askers: BTreeMap<WorkerId, Asker>) {
        let names = askers.values().flat_map(Asker::own).collect();
        self.named.send_if_modified(|known| {
            let is_new = *known != names;
            *known = names;
            is_new
        });
        self.lines.retain(|worker, _| askers.contains_key(worker));
        for (worker, asker) in &askers {
            self.lines.entry(*worker).or_insert_with(|| {
                let keeping = keep(self.shared.clone(), *worker, asker.socket.clone());
                AbortOnDropHandle::new(tokio::spawn(keeping))
            });
        }
        *self.shared.askers() = askers;
    }
}

impl Asker {
    /// Those of the deals that it names that may be its owner's.
    fn own(&self) -> impl Iterator<Item = DealId> {
        let names = self.names.iter();
        names
            .filter(|(_, owner)| *owner == self.owner)
            .map(|(deal, _)| *deal)
    }
}

/// Keeps the routes, and looks after the peers that they lead to.
async fn serve<D: Dial>(gateway: Arc<Gateway<D>>, mut routes: watch::Receiver<Arc<Routes>>) {
    let _probing = AbortOnDropHandle::new(tokio::spawn(probe::run(gateway.clone())));
    while routes.changed().await.is_ok() {
        let routes = routes.borrow_and_update().clone();
        gateway.route(&routes);
    }
}

/// Keeps connections to a worker until this is dropped.
pub(super) async fn keep<D: Dial>(shared: Arc<Shared<D>>, worker: WorkerId, socket: PathBuf) {
    let mut lines = JoinSet::new();
    for _ in 0..LINES {
        lines.spawn(line(shared.clone(), worker, socket.clone()));
    }
    lines.join_all().await;
}

/// One of them, again and again: each carries one request.
async fn line<D: Dial>(shared: Arc<Shared<D>>, worker: WorkerId, socket: PathBuf) {
    loop {
        let has_asked = match UnixStream::connect(&socket).await {
            Ok(stream) => shared.clone().serve(worker, stream).await,
            // It is not there yet, or no more.
            Err(_) => false,
        };
        if !has_asked {
            sleep(PAUSE).await;
        }
    }
}

impl<D: Dial> Shared<D> {
    pub(super) fn new(dial: D) -> Self {
        let names = Names {
            domain: ZONE.into(),
            domains: Domains::new(&BTreeMap::new(), None),
        };
        let gateway = Gateway::new(names, Limits::default(), dial, Log::default());
        Self {
            gateway: Arc::new(gateway),
            askers: Mutex::default(),
        }
    }

    pub(super) fn askers(&self) -> MutexGuard<'_, BTreeMap<WorkerId, Asker>> {
        self.askers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves one connection to its end; whether there was a request on it.
    pub(super) async fn serve(self: Arc<Self>, worker: WorkerId, stream: UnixStream) -> bool {
        let has_asked = Arc::new(AtomicBool::new(false));
        let (shared, asked) = (self.clone(), has_asked.clone());
        let service = service_fn(move |request| {
            asked.store(true, Relaxed);
            let shared = shared.clone();
            async move { Ok::<_, Infallible>(shared.answer(worker, request).await) }
        });
        let limits = &self.gateway.limits;
        let connection = http1::Builder::new()
            .keep_alive(false)
            .max_headers(limits.headers)
            .max_buf_size(limits.header_bytes.max(8 << 10))
            .serve_connection(TokioIo::new(stream), service);
        // How it ends is the worker's matter.
        let _ = connection.await;
        has_asked.load(Relaxed)
    }

    /// Answers a request of a worker.
    async fn answer(&self, worker: WorkerId, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        if let Err(why) = self.admit(worker, target::host(&head)) {
            return refused(why);
        }
        let request = Request::from_parts(head, body);
        self.gateway.clone().handle(request, Client::inside()).await
    }

    /// Whether the worker may ask this host. What it says of itself counts for nothing: whose its deal is, and whose the
    /// other is, the chain says; whom it may ask, its artifact.
    fn admit(&self, worker: WorkerId, host: &str) -> Result<(), &'static str> {
        let labels = target::below(host, ZONE);
        let (deal, owner) = labels.and_then(name).ok_or("the host is no deal")?;
        let askers = self.askers();
        let asker = askers.get(&worker).ok_or("the worker is gone")?;
        if !asker.names.contains(&(deal, owner)) {
            return Err("not in the plan");
        }
        if owner != asker.owner {
            return Err("the deal that is named is another account's");
        }
        match self.gateway.balancer().owner(deal) == Some(owner) {
            true => Ok(()),
            false => Err("the account has no such deal that is served"),
        }
    }
}

/// That a request went nowhere.
fn refused(why: &'static str) -> Response<Body> {
    let mut response = text(StatusCode::FORBIDDEN, why);
    let why = HeaderValue::from_static(why);
    response.headers_mut().insert(REFUSED, why);
    response
}
