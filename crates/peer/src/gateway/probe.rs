//! Asks the peers of workers again and again whether they are there, so that one that dies is noticed without a
//! request that it costs. (G7)

use super::proxy::Gateway;
use crate::overlay::{Dial, Route};
use marketplace::units::PeerId;
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

/// Probes for as long as the gateway lives.
pub(super) async fn run<D: Dial>(gateway: Arc<Gateway<D>>) {
    let mut round = Round::default();
    let mut probes = JoinSet::new();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(ended) = probes.join_next() => match ended {
                Ok(peer) => drop(round.asked.remove(&peer)),
                Err(_) => round.asked.clear(), // It panicked, and nobody knows which.
            },
            _ = ticks.tick() => {
                gateway.sweep();
                let room = AT_ONCE.saturating_sub(probes.len());
                for route in round.next(&gateway.peers(), room) {
                    probes.spawn(probe(gateway.clone(), route));
                }
            }
        }
    }
}

async fn probe<D: Dial>(gateway: Arc<Gateway<D>>, route: Arc<Route>) -> PeerId {
    let is_there = gateway.dial.probe(&route).await;
    gateway.probed(&route.address, is_there.is_ok());
    route.address.peer
}

/// Whose turn it is.
#[derive(Default)]
struct Round {
    /// Those whose answer is waited for.
    asked: BTreeSet<PeerId>,
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
            if self.asked.insert(*peer) {
                self.last = Some(*peer);
                next.push(route.clone());
            }
        }
        next
    }
}
