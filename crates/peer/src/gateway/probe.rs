//! Asks the peers of workers again and again whether they are there, so that one that dies is noticed without a
//! request that it costs, and one that is back is asked at once. (G7)

use super::proxy::Gateway;
use crate::overlay::{Dial, Route};
use marketplace::units::{PeerId, WorkerId};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Included, Unbounded},
    sync::Arc,
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

/// How often each peer is asked. With the time that the overlay gives it to answer, less than a second.
const EVERY: Duration = Duration::from_millis(200);
/// Probes at once; with more peers than that, each is asked less often.
const AT_ONCE: usize = 512;

/// Who is asked: a peer, or a worker that was not reached though its peer is there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Peer(PeerId),
    Worker(WorkerId),
}

/// Probes for as long as the gateway lives.
pub(super) async fn run<D: Dial>(gateway: Arc<Gateway<D>>) {
    let mut round = Round::default();
    let mut probes = JoinSet::new();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(ended) = probes.join_next() => match ended {
                Ok(asked) => drop(round.asked.remove(&asked)),
                Err(_) => round.asked.clear(), // It panicked, and nobody knows which.
            },
            _ = ticks.tick() => {
                gateway.sweep();
                for route in round.absent(gateway.absent(), AT_ONCE.saturating_sub(probes.len())) {
                    probes.spawn(look_for(gateway.clone(), route));
                }
                for route in round.next(&gateway.peers(), AT_ONCE.saturating_sub(probes.len())) {
                    probes.spawn(probe(gateway.clone(), route));
                }
            }
        }
    }
}

async fn probe<D: Dial>(gateway: Arc<Gateway<D>>, route: Arc<Route>) -> Asked {
    let is_there = gateway.dial.probe(&route).await;
    gateway.probed(&route.address, is_there.is_ok());
    Asked::Peer(route.address.peer)
}

async fn look_for<D: Dial>(gateway: Arc<Gateway<D>>, route: Arc<Route>) -> Asked {
    if gateway.dial.dial(&route).await.is_ok() {
        gateway.found(route.worker);
    }
    Asked::Worker(route.worker)
}

/// Whose turn it is.
#[derive(Default)]
struct Round {
    /// Those whose answer is waited for.
    asked: BTreeSet<Asked>,
    last: Option<PeerId>,
}

impl Round {
    /// At most `room` peers that are not being asked, after those that were asked last.
    fn next(&mut self, peers: &BTreeMap<PeerId, Arc<Route>>, room: usize) -> Vec<Arc<Route>> {
        let from = self.last.map_or(Unbounded, Excluded);
        let until = self.last.map_or(Excluded(PeerId([0; 32])), Included);
        let order = peers
            .range((from, Unbounded))
            .chain(peers.range((Unbounded, until)));
        let mut next = Vec::new();
        for (peer, route) in order {
            if next.len() == room {
                break;
            }
            if self.asked.insert(Asked::Peer(*peer)) {
                self.last = Some(*peer);
                next.push(route.clone());
            }
        }
        next
    }

    /// At most `room` workers that are not being looked for.
    fn absent(&mut self, mut absent: Vec<Arc<Route>>, room: usize) -> Vec<Arc<Route>> {
        absent.retain(|route| !self.asked.contains(&Asked::Worker(route.worker)));
        absent.truncate(room);
        let looked_for = absent.iter().map(|route| Asked::Worker(route.worker));
        self.asked.extend(looked_for);
        absent
    }
}
