//! Brings requests to workers: `/<deal>/…` on any host, or `<deal>.<domain>`.
//!
//! `target` says which deal a request is for, `balance` which of its workers gets it, by what `health` knows of each;
//! these are pure. `proxy` carries one request there and back over a connection of the `pool`, `probe` looks after
//! peers that nobody asks for anything, `door` serves the connections of clients.

mod answer;
mod balance;
mod door;
mod headers;
mod health;
mod pool;
mod probe;
mod process;
mod proxy;
mod target;
#[cfg(test)]
mod tests;

pub use process::{Config, run};

use crate::overlay::{Dial, Route};
use marketplace::units::DealId;
use proxy::Gateway;
use std::{collections::BTreeMap, pin::pin, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

/// The running workers of each deal.
pub type Routes = BTreeMap<DealId, Vec<Route>>;

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
    /// A request with a body of at most this can be sent to a second worker.
    pub replay_bytes: u64,
    /// Time for the headers of a request, and for a body that is kept, to come.
    pub request: Duration,
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
            replay_bytes: 64 << 10,
            request: Duration::from_secs(10),
            answer: Duration::from_secs(120),
            drain: Duration::from_secs(10),
        }
    }
}

/// Serves until `stop` completes, then lets requests under way end.
pub async fn serve(
    listener: TcpListener,
    domain: String,
    limits: Limits,
    mut routes: watch::Receiver<Arc<Routes>>,
    dial: impl Dial,
    stop: impl Future<Output = ()>,
) {
    let gateway = Arc::new(Gateway::new(domain, limits.clone(), dial));
    gateway.route(&routes.borrow_and_update());
    let _probing = AbortOnDropHandle::new(tokio::spawn(probe::run(gateway.clone())));
    let places = Arc::new(Semaphore::new(limits.connections));
    let (stopping, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let accept = async {
            // Never closed.
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        tokio::select! {
            () = &mut stop => break,
            Ok(()) = routes.changed() => gateway.route(&routes.borrow_and_update()),
            Some(_) = connections.join_next() => {}
            (place, accepted) = accept => match accepted {
                Ok((stream, _)) => {
                    let serving = door::connection(gateway.clone(), stream, stopped.clone());
                    connections.spawn(async move {
                        serving.await;
                        drop(place);
                    });
                }
                // Out of files, for instance: it passes when connections end.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
        }
    }
    drop((listener, stopping));
    let ended = async { while connections.join_next().await.is_some() {} };
    // Who is not done by then is cut off.
    let _ = timeout(limits.drain, ended).await;
}
