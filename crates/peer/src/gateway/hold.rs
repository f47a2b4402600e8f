//! Holds functions for the peers of deals: of owners that it is told, whose deals name this gateway's overlay key as a source.
//! A replacement then gets its function also when neither the developer nor another worker is there.

use super::Routes;
use crate::{
    observer::Subnet,
    overlay::{Address, Directory, Overlay, Store},
};
use alloy_primitives::Address as Account;
use marketplace::{
    demand::Artifact,
    units::{Hash, PeerId},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};
use tokio::{sync::watch, time::timeout};

/// Functions that are held at once, if nothing else is said: of 64 MiB at most.
const MOST: usize = 64;

/// What did not come is asked for again after so long.
const AGAIN: Duration = Duration::from_secs(5);

/// Whose functions a gateway holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holds {
    /// The file of a peer's key. Plans name it as a source, and where the gateway listens.
    pub key: PathBuf,
    /// Accounts whose deals' functions are held.
    pub owners: Vec<Account>,
    /// Functions held at once; those of later deals are not.
    #[serde(default = "most")]
    pub most: usize,
}

fn most() -> usize {
    MOST
}

/// A deal whose functions are held: what it runs, and what it ran before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Who gets them.
    pub(super) subnet: Subnet,
    pub(super) artifacts: Vec<Artifact>,
}

/// What holds them.
pub(super) struct Holder {
    pub(super) overlay: Overlay,
    pub(super) store: Store,
    pub(super) directory: watch::Sender<Arc<Directory>>,
    pub(super) most: usize,
}

impl Holder {
    /// Holds what the chain says for as long as the gateway lives.
    pub(super) async fn run(self, routes: watch::Receiver<Arc<Routes>>) {
        tokio::join!(self.publish(routes.clone()), self.fetch(routes));
    }

    /// Says who gets what, and deletes what nobody is to get any more.
    async fn publish(&self, mut routes: watch::Receiver<Arc<Routes>>) {
        loop {
            let now = routes.borrow_and_update().clone();
            let subnets = now.held.iter();
            let subnets = subnets.map(|(deal, held)| (*deal, held.subnet.clone()));
            let subnets = subnets.collect();
            self.directory.send_modify(|directory| {
                Arc::make_mut(directory).subnets = subnets;
            });
            // Nothing is known before the first look at the chain.
            if now.chain != 0
                && let Err(error) = self.tidy(&now)
            {
                tracing::warn!(%error, "functions that nobody needs are not deleted");
            }
            if routes.changed().await.is_err() {
                return;
            }
        }
    }

    fn tidy(&self, routes: &Routes) -> std::io::Result<()> {
        let wanted: BTreeSet<Hash> = self.wanted(routes).map(|(_, it)| it.hash).collect();
        let here = self.store.list()?;
        let old = here.into_iter().filter(|hash| !wanted.contains(hash));
        { old }.try_for_each(|hash| self.store.remove(hash))
    }

    /// Gets what is not here, one after the other.
    async fn fetch(&self, mut routes: watch::Receiver<Arc<Routes>>) {
        loop {
            let now = routes.borrow_and_update().clone();
            for (held, artifact) in self.wanted(&now) {
                if !self.store.path(artifact.hash).exists() {
                    self.get(held, artifact).await;
                }
            }
            // New routes, or time to ask again.
            if let Ok(Err(_)) = timeout(AGAIN, routes.changed()).await {
                return;
            }
        }
    }

    async fn get(&self, held: &Held, artifact: &Artifact) {
        let deal = held.subnet.deal;
        for holder in self.holders(held, artifact) {
            match self
                .overlay
                .fetch(deal, artifact, &holder, &self.store)
                .await
            {
                Ok(()) => return,
                Err(error) => tracing::info!(%error, %deal, "a function is not from there"),
            }
        }
    }

    /// Who may have it: the other sources, and the deal's peers.
    fn holders(&self, held: &Held, artifact: &Artifact) -> Vec<Address> {
        let sources = artifact.sources.iter().map(|source| Address {
            peer: source.key,
            endpoints: vec![source.endpoint.clone()],
        });
        let members = held.subnet.members.iter().map(|member| Address {
            peer: member.peer,
            endpoints: member.endpoints.clone(),
        });
        let mut all: Vec<_> = sources.chain(members).collect();
        all.retain(|holder| holder.peer != self.overlay.id());
        all
    }

    fn wanted<'a>(
        &self,
        routes: &'a Routes,
    ) -> impl Iterator<Item = (&'a Held, &'a Artifact)> + use<'a> {
        let all = routes.held.values();
        let all = all.flat_map(|held| held.artifacts.iter().map(move |it| (held, it)));
        all.take(self.most)
    }
}

/// Which deals' functions are held.
#[derive(Clone, Debug)]
pub(super) struct Wants {
    /// The gateway's overlay key.
    pub(super) key: PeerId,
    pub(super) owners: Vec<Account>,
}

impl Wants {
    /// Those of a deal's artifacts that name this gateway.
    pub(super) fn of(&self, owner: Account, mut artifacts: Vec<Artifact>) -> Vec<Artifact> {
        let is_ours = self.owners.contains(&owner);
        artifacts.retain(|artifact| {
            is_ours && artifact.sources.iter().any(|source| source.key == self.key)
        });
        artifacts
    }
}
