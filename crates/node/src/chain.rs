//! What this node has executed: the one place where the executor writes and everybody else reads.

use crate::block::{Block, Checkpoint, Digest, is_backlog};
use commonware_consensus::types::Height;
use commonware_cryptography::Digested;
use commonware_utils::{
    channel::watch,
    sync::{RwLock, RwLockReadGuard},
};
use execution::{
    Book, Diff, Rows,
    audit::{Place, Time},
    chain::time,
    state,
};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

/// What is remembered of an executed block that later blocks may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Its result.
    pub result: Checkpoint,
    /// Protocol time after it.
    pub time: Time,
}

/// Verdicts that are due.
pub(crate) struct Due {
    /// Height of the newest block executed when this was looked up.
    pub(crate) head: u64,
    /// In the order in which a block lists them.
    pub(crate) places: Vec<Place>,
}

/// What is remembered, by height.
pub type Results = BTreeMap<u64, Remembered>;

/// Rows after the latest executed block, and results that a block may still name.
pub struct Chain {
    rows: RwLock<Rows>,
    /// The index of supply over the rows, for readers: the executor's is in use while a block runs. It changes while
    /// the rows are written only, so whoever holds the rows finds it at the same block.
    supply: RwLock<Book>,
    results: watch::Sender<Results>,
    /// The highest height that is known to be final; 0 if none is.
    tip: AtomicU64,
}

impl Chain {
    /// `results` holds at least the head's.
    pub(crate) fn new(rows: Rows, results: Results) -> Self {
        Self {
            tip: AtomicU64::new(0),
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
        results.last_key_value().expect("never empty").1.result
    }

    /// The verdicts due at a protocol time, or now: those that neither executed blocks list nor those of `unexecuted`
    /// that are still to be executed.
    pub(crate) fn due(&self, upto: Option<Time>, unexecuted: &[Digested<Block>]) -> Due {
        let rows = self.rows();
        let head = execution::chain::head(&rows).expect("the state has a head");
        let now = time(&rows).expect("the state has a clock");
        let ahead = unexecuted.iter().map(Digested::inner);
        let listed = ahead
            .filter(|block| block.height.get() > head.height)
            .flat_map(|block| block.verdicts.iter().map(|listed| listed.audit))
            .collect();
        let places = execution::audit::due(&rows, upto.unwrap_or(now), &listed);
        Due {
            head: head.height,
            places: places.expect("audit rows are sound"),
        }
    }

    /// Waits until `height` is executed here; `None` if that was too long ago to remember, or the node stops.
    pub(crate) async fn result(&self, height: Height) -> Option<Remembered> {
        let mut results = self.results.subscribe();
        let results = results
            .wait_for(|results| results.keys().next_back() >= Some(&height.get()))
            .await
            .ok()?;
        results.get(&height.get()).copied()
    }

    /// The result at a height that a finalized block names, if it is remembered.
    pub(crate) fn remembered(&self, height: Height) -> Option<Checkpoint> {
        let results = self.results.borrow();
        Some(results.get(&height.get())?.result)
    }

    /// Learns that this height is final.
    pub(crate) fn finalized(&self, height: Height) {
        self.tip.fetch_max(height.get(), Ordering::Relaxed);
    }

    /// Whether much is final that is not executed here, or may be since nothing has been heard: then what these rows
    /// ask for is likely done already.
    pub(crate) fn is_behind(&self) -> bool {
        let tip = self.tip.load(Ordering::Relaxed);
        tip == 0 || is_backlog(Height::new(tip), self.executed().height)
    }

    /// Follows the head: the value changes with every executed block.
    pub fn heads(&self) -> watch::Receiver<Results> {
        self.results.subscribe()
    }

    /// Applies one block's changes, to the indices of supply as well. Results below `named` cannot be named any
    /// more, since named results never fall along the chain.
    pub(crate) fn advance(&self, result: Checkpoint, named: Height, diff: &Diff, book: &mut Book) {
        let mut rows = self.rows.write();
        state::commit(&mut rows, book, diff);
        state::follow(&mut self.supply.write(), diff);
        let time = time(&rows).expect("the state has a clock");
        drop(rows);
        self.results.send_modify(|results| {
            *results = results.split_off(&named.get());
            results.insert(result.height.get(), Remembered { result, time });
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
