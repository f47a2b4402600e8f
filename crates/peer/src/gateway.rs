//! Brings requests to workers: `/<deal>/…` on any host, `<deal>.<domain>`, `<deal>.<owner>.<domain>`, or a deal's own domain.
//!
//! `target` and `domain` say which deal a request is for, `balance` which of its workers gets it, by what `health` knows of each.
//! `proxy` takes a request, `errand` carries it there and back over a connection of the `pool`, `probe` looks after
//! peers that nobody asks for anything, `door` serves the connections of clients, `between` those of
//! workers that ask other deals, `acme` gets certificates, `hold` has functions for peers. What was done is in `record` and `figures`.

mod acme;
mod answer;
mod balance;
mod between;
mod certificate;
mod count;
mod domain;
mod door;
mod errand;
mod figures;
mod follow;
mod headers;
mod health;
mod hold;
mod local;
mod monitor;
mod place;
mod pool;
mod probe;
mod process;
mod proxy;
mod record;
mod target;
#[cfg(test)]
mod tests;
mod visit;

pub use acme::{Acme, Error as AcmeError};
pub use between::name as deal_name;
pub(crate) use between::{Asker, Between, Name};
pub use certificate::{Error as CertificateError, Files};
pub use domain::{Dns, Domain, NoDomain};
pub use hold::Holds;
pub use monitor::Watch;
pub(crate) use process::Listening;
pub use process::{Config, run};

use crate::{
    overlay::{Dial, Route},
    pages::Pages,
};
use acme::Orders;
use domain::Domains;
use door::Door;
use hold::Held;
use marketplace::units::{Address, DealId};
use monitor::Monitor;
use proxy::{Gateway, Names};
use record::Log;
use std::{collections::BTreeMap, pin::pin, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

/// What the chain says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Routes {
    /// The chain's id.
    chain: u64,
    /// The deals that are served.
    deals: BTreeMap<DealId, Served>,
    /// The deals whose functions are held here.
    held: BTreeMap<DealId, Held>,
}

/// A deal that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Served {
    /// Whose it is.
    owner: Address,
    /// Whether its owner lets this gateway end workers that are away.
    is_ours: bool,
    /// Its running workers.
    workers: Vec<Route>,
    /// Workers that are to run, if we look after the deal: they get no requests, but are missed if their peers are away.
    placed: Vec<Route>,
}

/// What clients may take of a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections of clients at once; more wait to be accepted.
    pub connections: usize,
    /// Requests at once that one deal has at this gateway; more are shed.
    pub requests_per_deal: u32,
    /// Requests at once that one worker gets from this gateway; more are shed.
    pub requests_per_worker: u32,
    /// Bytes of a request's line and headers.
    pub header_bytes: usize,
    /// Headers of a request.
    pub headers: usize,
    /// Requests at once on one connection of HTTP/2.
    pub streams: u32,
    /// A request with a body of at most this can be sent to a second worker.
    pub replay_bytes: u64,
    /// Time for the headers of a request, and for a body that is kept, to come; also for TLS to begin. So long a connection of
    /// HTTP/1.1 waits for its next request.
    pub request: Duration,
    /// A connection without a request is closed after this.
    pub idle: Duration,
    /// A connection is closed when its requests take so long without a part of an answer leaving: longer than any function may
    /// run.
    pub stall: Duration,
    /// Time for an answer to begin, whoever gives it.
    pub answer: Duration,
    /// Time for requests under way when the gateway stops.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            requests_per_deal: 1024,
            requests_per_worker: 512,
            header_bytes: 64 << 10,
            headers: 100,
            streams: 100,
            replay_bytes: 64 << 10,
            request: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            stall: Duration::from_secs(900),
            answer: Duration::from_secs(120),
            drain: Duration::from_secs(10),
        }
    }
}

/// Where clients come, and what they find.
struct Settings {
    /// Where requests are taken.
    http: TcpListener,
    /// Where they are taken by TLS.
    https: Option<(TcpListener, TlsAcceptor)>,
    /// Deals are reached as `<deal>.<domain>` and `<deal>.<owner>.<domain>`.
    domain: String,
    /// Other domains of deals.
    domains: BTreeMap<String, u64>,
    /// Who is asked for proofs that other domains are deals'; nobody if it is not said.
    dns: Option<Dns>,
    /// What clients may take.
    limits: Limits,
    /// Where lines about requests go.
    log: Log,
    /// Where figures are looked at.
    pages: Option<Pages>,
    /// Who ends workers that are away.
    monitor: Option<Monitor>,
    /// Who gets certificates.
    orders: Option<Orders>,
}

/// Serves until `stop` completes, then lets requests under way end.
async fn serve(
    settings: Settings,
    mut routes: watch::Receiver<Arc<Routes>>,
    dial: impl Dial,
    stop: impl Future<Output = ()>,
) {
    let limits = settings.limits;
    let names = Names {
        domain: settings.domain,
        domains: Domains::new(&settings.domains, settings.dns),
    };
    let gateway = Arc::new(Gateway::new(names, limits.clone(), dial, settings.log));
    gateway.route(&routes.borrow_and_update());
    let watched = gateway.clone();
    let page = move |path: &str| watched.page(path);
    let _pages = settings
        .pages
        .map(|pages| AbortOnDropHandle::new(tokio::spawn(pages.run(page))));
    let _probing = AbortOnDropHandle::new(tokio::spawn(probe::run(gateway.clone())));
    let _watching = settings.monitor.map(|monitor| {
        let watching = monitor.run(gateway.clone());
        AbortOnDropHandle::new(tokio::spawn(watching))
    });
    let _ordering = settings.orders.map(|orders| {
        let ordering = orders.run(gateway.clone());
        AbortOnDropHandle::new(tokio::spawn(ordering))
    });
    let places = Arc::new(Semaphore::new(limits.connections));
    let (stopping, stopped) = watch::channel(());
    let mut doors = JoinSet::new();
    for door in doors_of(settings.http, settings.https) {
        doors.spawn(door.serve(gateway.clone(), places.clone(), stopped.clone()));
    }
    drop(stopped);
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Ok(()) = routes.changed() => gateway.route(&routes.borrow_and_update()),
        }
    }
    gateway.stop();
    drop(stopping);
    let ended = async { while doors.join_next().await.is_some() {} };
    // Who is not done by then is cut off.
    let _ = timeout(limits.drain, ended).await;
    gateway.log.settle().await;
}

fn doors_of(http: TcpListener, https: Option<(TcpListener, TlsAcceptor)>) -> Vec<Door> {
    let plain = Door {
        listener: http,
        tls: None,
    };
    let secure = https.map(|(listener, tls)| Door {
        listener,
        tls: Some(tls),
    });
    [plain].into_iter().chain(secure).collect()
}
