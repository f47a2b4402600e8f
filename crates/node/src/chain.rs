//! What this node has executed: the one place where the executor writes and everybody else reads.

use crate::block::{Checkpoint, Digest};
use commonware_consensus::types::Height;
use commonware_utils::{
    channel::watch,
    sync::{RwLock, RwLockReadGuard},
};
use execution::{Book, Diff, Rows, state};
use std::collections::BTreeMap;

/// Rows after the latest executed block, and results that a block may still name.
pub struct Chain {
    rows: RwLock<Rows>,
    /// The index of supply over the rows, for readers: the executor's is in use while a block runs. It changes while
    /// the rows are written only, so whoever holds the rows finds it at the same block.
    supply: RwLock<Book>,
    results: watch::Sender<BTreeMap<u64, Checkpoint>>,
}

impl Chain {
    /// `results` holds at least the head's.
    pub(crate) fn new(rows: Rows, results: BTreeMap<u64, Checkpoint>) -> Self {
        Self {
            supply: RwLock::new(state::book(&rows)),
            rows: RwLock::new(rows),
            results: watch::Sender::new(results),
        }
    }

    /// The newest state. Nobody holds this for long: the executor waits for it.
    pub fn rows(&self) -> RwLockReadGuard<'_, Rows> {
        self.rows.read()
    }

    /// The newest state with the index of supply over it.
    pub fn supply(&self) -> (RwLockReadGuard<'_, Rows>, RwLockReadGuard<'_, Book>) {
        let rows = self.rows.read();
        (rows, self.supply.read())
    }

    /// The latest result.
    pub fn executed(&self) -> Checkpoint {
        let results = self.results.borrow();
        *results.last_key_value().expect("never empty").1
    }

    /// Waits until `height` is executed here; `None` if that was too long ago to remember, or the node stops.
    pub(crate) async fn result(&self, height: Height) -> Option<Checkpoint> {
        let mut results = self.results.subscribe();
        let results = results
            .wait_for(|results| results.keys().next_back() >= Some(&height.get()))
            .await
            .ok()?;
        results.get(&height.get()).copied()
    }

    /// The result at a height that a finalized block names, if it is remembered.
    pub(crate) fn remembered(&self, height: Height) -> Option<Checkpoint> {
        self.results.borrow().get(&height.get()).copied()
    }

    /// Follows the head: the value changes with every executed block.
    pub fn heads(&self) -> watch::Receiver<BTreeMap<u64, Checkpoint>> {
        self.results.subscribe()
    }

    /// Applies one block's changes, to the indices of supply as well. Results below `named` cannot be named any
    /// more, since named results never fall along the chain.
    pub(crate) fn advance(&self, result: Checkpoint, named: Height, diff: &Diff, book: &mut Book) {
        let mut rows = self.rows.write();
        state::commit(&mut rows, book, diff);
        state::follow(&mut self.supply.write(), diff);
        drop(rows);
        self.results.send_modify(|results| {
            *results = results.split_off(&named.get());
            results.insert(result.height.get(), result);
        });
    }
}

/// The beacon value as execution sees it.
pub(crate) fn beacon(seed: Option<&crate::block::Seed>, genesis: Digest) -> [u8; 32] {
    use commonware_codec::Encode as _;
    use commonware_cryptography::{Hasher as _, Sha256};
    let digest = seed.map_or(genesis, |seed| Sha256::hash(&[&seed.encode()]));
    digest.0
}
