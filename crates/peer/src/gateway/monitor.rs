//! Ends workers whose peers are away, for owners of deals who named this gateway's account as their monitor. (G17)
//!
//! The chain finds that out by itself when a lease lapses; who is asked for answers knows sooner.

use super::proxy::Gateway;
use crate::overlay::Dial;
use client::{AccountKey, Client};
use marketplace::{
    Call, deal,
    units::{Address, WorkerId},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

/// How often silent peers are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// How a gateway looks after deals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// The key file of the account that deals name as their monitor. It pays for its calls.
    pub key: PathBuf,
    /// A peer that is silent for so long, while others are not, is away.
    #[serde(default = "patience")]
    pub patience_ms: u64,
}

fn patience() -> u64 {
    1_000
}

/// Who ends workers that are away.
pub(super) struct Monitor {
    pub(super) client: Client,
    pub(super) key: AccountKey,
    pub(super) patience_ms: u64,
}

impl Monitor {
    /// The account.
    pub(super) fn account(&self) -> Address {
        Address(self.key.address().0.0)
    }

    /// Watches for as long as the gateway lives.
    pub(super) async fn run<D: Dial>(self, gateway: Arc<Gateway<D>>) {
        let monitor = Arc::new(self);
        let mut calls = JoinSet::new();
        let mut called = BTreeSet::new();
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(ended) = calls.join_next() => match ended {
                    Ok(worker) => drop(called.remove(&worker)),
                    Err(_) => called.clear(), // It panicked, and nobody knows which.
                },
                _ = ticks.tick() => for worker in gateway.lost(monitor.patience_ms) {
                    if called.insert(worker) {
                        calls.spawn(evict(monitor.clone(), worker));
                    }
                }
            }
        }
    }
}

async fn evict(monitor: Arc<Monitor>, worker: WorkerId) -> WorkerId {
    let call = Call::Deal(deal::Call::Evict { worker });
    match monitor.client.send(&monitor.key, &call).await {
        Ok(_) => tracing::info!(%worker, "a worker whose peer is away is evicted"),
        // It may be gone, and is named again if it is not.
        Err(error) => tracing::warn!(%error, %worker, "a worker is not evicted"),
    }
    worker
}
