//! Windows.

use super::time::Time;
use alloy_primitives::B256;
use marketplace::Params;
use marketplace::window as domain;
use serde::{Deserialize, Serialize};

/// A window that has begun and may still count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// Its number; the first of genesis is 0.
    pub window: u64,
    /// The epoch in which it began.
    pub epoch: u64,
    /// The epoch in which it counts.
    pub counts_in: u64,
    /// Its first block.
    pub begun: u64,
    /// Whether it can be committed to: it has its challenge, and is not the first of an epoch.
    pub owed: bool,
    /// What its units compute on; null: not known yet, or it is void.
    pub challenge: Option<B256>,
    /// The key period it lies in.
    pub key_period: u64,
    /// Cache key of its key period; null: not known yet.
    pub key: Option<B256>,
    /// Cache key of the next key period, once that is drawn.
    pub next_key: Option<B256>,
    /// Units that peers committed to have computed it.
    pub entries: u64,
    /// When it began.
    pub begins: Moment,
    /// When it ends.
    pub ends: Moment,
    /// Last second at which a peer may commit to it.
    pub commit_by: Moment,
    /// When it counts.
    pub verdict_at: Moment,
}

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Moment {
    /// Seconds of protocol time.
    pub time: u64,
    /// The same on the wall, in milliseconds of the Unix epoch: an estimate.
    pub wall_ms: u64,
}

impl Moment {
    /// A point in protocol time, seen from now.
    #[must_use]
    pub fn new(now: &Time, time: u64) -> Self {
        Self {
            time,
            wall_ms: now.wall_ms_at(time),
        }
    }
}

/// What a window is shown with beside its row.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    /// Of its key period.
    pub this: Option<[u8; 32]>,
    /// Of the next.
    pub next: Option<[u8; 32]>,
}

impl Window {
    /// A window as seen from now.
    #[must_use]
    pub fn new(
        now: &Time,
        params: &Params,
        (window, row): (u64, domain::Window),
        keys: Keys,
    ) -> Self {
        let moment = |at: marketplace::units::Time| Moment::new(now, at.0);
        Self {
            window,
            epoch: params.epoch_of_window(window).0,
            counts_in: params.counts_in(window).0,
            begun: row.begun,
            owed: domain::owable(params, window, &row),
            challenge: row.challenge.map(Into::into),
            key_period: params.key_period(window),
            key: keys.this.map(Into::into),
            next_key: keys.next.map(Into::into),
            entries: row.entries,
            begins: moment(params.window_begins(window)),
            ends: moment(params.window_ends(window)),
            commit_by: moment(params.commit_by(window)),
            verdict_at: moment(params.verdict_time(window)),
        }
    }
}
