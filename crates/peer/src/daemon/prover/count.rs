//! Counts, for whoever operates the peer, what became of windows.

use super::Chains;
use client::view::commitment::Proving;
use client::{Client, Error};
use marketplace::units::CommitmentId;
use std::collections::{BTreeMap, BTreeSet};

/// Windows that were counted and are still known to be.
const REMEMBERED: usize = 32;

/// What units are to do in a window, as the chain said last.
#[derive(Clone, Debug, Default)]
struct Owing {
    units: BTreeSet<u16>,
    /// Those of the commit that was sent last.
    sent: Vec<u16>,
    /// When it is too late to commit, in milliseconds of the Unix epoch.
    commit_by: u64,
    /// Whether nothing more is to be counted.
    over: bool,
}

/// Windows that are not over, and the last that are.
#[derive(Debug, Default)]
pub(super) struct Count {
    windows: BTreeMap<u64, Owing>,
    /// The newest window, and its commitment.
    newest: Option<(u64, u64)>,
    /// The window in which the chain was last asked what it counted.
    learned: Option<u64>,
}

impl Owing {
    /// Counts a window once: these units are committed, the others missed it. What an earlier process sent, it counted.
    fn settle(&mut self, window: u64, committed: &[u16], chains: &Chains) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        for unit in committed {
            self.units.remove(unit);
            if self.sent.contains(unit) {
                chains.tally(*unit, |figures| figures.windows_committed += 1);
            }
        }
        for unit in std::mem::take(&mut self.units) {
            tracing::warn!(unit, window, "a window was missed");
            chains.tally(unit, |figures| figures.windows_missed += 1);
        }
    }
}

impl Count {
    /// Notes what the chain says of a window.
    pub(super) fn see(&mut self, proving: &Proving, chains: &Chains) {
        let window = &proving.window;
        self.newest = self.newest.max(Some((window.window, proving.commitment)));
        if !window.owed || window.challenge.is_none() {
            return;
        }
        let owing = self.windows.entry(window.window).or_default();
        owing.commit_by = window.commit_by.wall_ms;
        if !owing.over {
            owing.units = proving.units.iter().copied().collect();
        }
        if let Some(committed) = &proving.committed {
            owing.settle(window.window, &committed.seats, chains);
        }
        while self.windows.len() > REMEMBERED {
            self.windows.pop_first();
        }
    }

    /// Notes that a commit with these units is under way.
    pub(super) fn sent(&mut self, window: u64, units: &[u16]) {
        self.windows.entry(window).or_default().sent = units.to_vec();
    }

    /// Counts a commit that the chain took.
    pub(super) fn committed(&mut self, window: u64, chains: &Chains) {
        if let Some(owing) = self.windows.get_mut(&window) {
            owing.settle(window, &owing.sent.clone(), chains);
        }
    }

    /// Counts what was missed in windows that it is too late for.
    pub(super) fn close(&mut self, now_ms: u64, chains: &Chains) {
        for (window, owing) in &mut self.windows {
            if owing.commit_by < now_ms {
                owing.settle(*window, &[], chains);
            }
        }
    }

    /// Once a window, learns what the chain counted.
    pub(super) async fn learn(&mut self, client: &Client, chains: &Chains) -> Result<(), Error> {
        let Some((window, commitment)) = self.newest.filter(|(at, _)| self.learned < Some(*at))
        else {
            return Ok(());
        };
        for proof in client.commitment(CommitmentId(commitment)).await?.proofs {
            chains.tally(proof.unit, |figures| {
                figures.owed_in_epoch = proof.owed;
                figures.passed_in_epoch = proof.passed.into();
            });
        }
        self.learned = Some(window);
        Ok(())
    }
}
