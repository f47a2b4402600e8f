//! Where a peer stands with its commitments: one row that matching, workers and units look at.

use super::{COMMITMENTS, CommitmentNow, Status};
use crate::cx::Cx;
use crate::matching::queue;
use crate::peer::{UNITS, Units, Whereabouts};
use crate::refusal::{Error, Refusal};
use crate::store::Store;
use crate::table::Table;
use crate::units::{CommitmentId, PeerId, Price, Time};
use borsh::{BorshDeserialize, BorshSerialize};

/// A peer with a commitment.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Pledge {
    /// The commitment that holds now, or held last.
    pub current: CommitmentId,
    /// The one before, to whose last windows the peer may still commit.
    pub previous: Option<CommitmentId>,
    /// The one that is to follow without a gap.
    pub successor: Option<CommitmentId>,
    /// Whether the current one is active: its units prove, or serve.
    pub active: bool,
    /// When the current one started; never, if it has not.
    pub since: Time,
    /// Until when its units are committed, by it and by its successor if that is complete; never, if it has not
    /// started.
    pub ends: Time,
    /// As of when it failed.
    pub failed: Option<Time>,
    /// The lowest price at which its units may be matched.
    pub min_ask: Price,
    /// The most units that passed one and the same window.
    pub proven: u16,
    /// Units that must pass a window before they are matched again: their provider let a worker down.
    pub unready: Vec<u16>,
}

/// Pledges of peers that ever committed.
pub const PLEDGES: Table<PeerId, Pledge> = Table::new(0x3a, "pledges");

impl Pledge {
    /// Of a peer whose first commitment waits for its collateral.
    pub(super) fn waiting(id: CommitmentId, min_ask: Price) -> Self {
        Self {
            current: id,
            previous: None,
            successor: None,
            active: false,
            since: Time::NEVER,
            ends: Time::NEVER,
            failed: None,
            min_ask,
            proven: 0,
            unready: Vec::new(),
        }
    }

    /// Whether a commitment of the peer waits, for collateral or for its start.
    fn waits(&self) -> bool {
        self.since == Time::NEVER || self.successor.is_some()
    }
}

impl Units {
    /// Units that may be matched, lowest index first; those of a peer without an active commitment only where that
    /// is not required. (V7)
    #[must_use]
    pub fn matchable(&self, pledge: Option<&Pledge>) -> Vec<u16> {
        let indexed = self.0.iter().zip(0_u16..);
        let Some(pledge) = pledge.filter(|pledge| pledge.active) else {
            let idle = indexed.filter(|(unit, _)| **unit == Whereabouts::Idle);
            return idle.map(|(_, index)| index).collect();
        };
        let ready = |unit: &Whereabouts, index: u16| match unit {
            Whereabouts::Idle | Whereabouts::Proving | Whereabouts::Cooling(_) => {
                !pledge.unready.contains(&index)
            }
            Whereabouts::Serving(_) | Whereabouts::Exited => false,
        };
        let most = pledge.proven.saturating_sub(self.serving());
        let open = indexed.filter(|(unit, index)| ready(unit, *index));
        let open = open.map(|(_, index)| index);
        open.take(most.into()).collect()
    }
}

/// What bounds a worker from its peer's commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    /// Since when it does.
    pub(crate) since: Time,
    /// Until when its units are committed.
    pub(crate) ends: Time,
    /// As of when the commitment failed.
    pub(crate) failed: Option<Time>,
}

impl Bound {
    /// Nothing.
    pub(crate) const NONE: Self = Self {
        since: Time(0),
        ends: Time::NEVER,
        failed: None,
    };
}

/// What bounds a worker that was assigned then. While epochs are still being closed, its commitment is looked at.
pub(crate) fn bound<S: Store>(
    cx: &mut Cx<'_, S>,
    peer: PeerId,
    assigned: Time,
) -> Result<Bound, Error> {
    let Some(pledge) = PLEDGES.get(cx.store, &peer)? else {
        return Ok(Bound::NONE);
    };
    let mut failed = pledge.failed;
    if pledge.active && cx.lagging() {
        let now = CommitmentNow::load(cx, pledge.current)?;
        if let Status::Failed { .. } = now.commitment.status {
            failed = Some(super::over_at(now.commitment.status, &cx.params));
        }
    }
    let since = if pledge.since == Time::NEVER {
        Time(0)
    } else {
        pledge.since
    };
    let bound = Bound {
        since: since.max(assigned),
        ends: pledge.ends,
        failed,
    };
    // One that came after it was over has nothing to do with it.
    let over = failed.unwrap_or(pledge.ends).min(pledge.ends);
    Ok(if assigned < over { bound } else { Bound::NONE })
}

/// Whether units of a peer are neither added nor removed. (H4)
pub(crate) fn frozen<S: Store>(
    cx: &mut Cx<'_, S>,
    peer: PeerId,
    units: &Units,
) -> Result<bool, Error> {
    let pledge = PLEDGES.get(cx.store, &peer)?;
    let frozen = |pledge: Pledge| pledge.active || pledge.waits() || units.serving() > 0;
    Ok(pledge.is_some_and(frozen))
}

/// The pledge of a peer that may make a commitment: None, if it is to be its current one.
pub(super) fn vacant<S: Store>(
    cx: &mut Cx<'_, S>,
    peer: PeerId,
    units: &Units,
) -> Result<Option<Pledge>, Error> {
    let Some(pledge) = PLEDGES.get(cx.store, &peer)? else {
        return Ok(None);
    };
    if pledge.waits() || (!pledge.active && units.serving() > 0) {
        return Err(Refusal::PeerCommitted(peer).into());
    }
    Ok(pledge.active.then_some(pledge))
}

/// A commitment that never started is gone.
pub(super) fn forget<S: Store>(
    cx: &mut Cx<'_, S>,
    peer: PeerId,
    id: CommitmentId,
) -> Result<(), Error> {
    let mut pledge = PLEDGES.must(cx.store, &peer)?;
    if pledge.current == id {
        return PLEDGES.delete(cx.store, &peer);
    }
    pledge.successor = None;
    PLEDGES.put(cx.store, &peer, &pledge)
}

/// The commitment under which units of a peer prove in a window that begins then.
pub(crate) fn of_window<S: Store>(
    cx: &mut Cx<'_, S>,
    peer: PeerId,
    window: u64,
) -> Result<Option<CommitmentId>, Error> {
    let begins = cx.params.window_begins(window);
    let Some(pledge) = PLEDGES.get(cx.store, &peer)? else {
        return Ok(None);
    };
    if pledge.since <= begins {
        let holds = pledge.failed.is_none() && begins < pledge.ends;
        return Ok(holds.then_some(pledge.current));
    }
    let Some(id) = pledge.previous else {
        return Ok(None);
    };
    let previous = COMMITMENTS.get(cx.store, &id)?;
    let ends = previous.and_then(|previous| match previous.status {
        Status::Ended { end } => Some(cx.params.epoch_begins(end)),
        _ => None,
    });
    Ok(ends.filter(|ends| begins < *ends).map(|_| id))
}

/// How many windows a peer is under a flag, by its commitment that holds now or held last. (A4)
pub(super) fn flag<S: Store>(cx: &mut Cx<'_, S>, peer: PeerId) -> Result<u64, Error> {
    let Some(pledge) = PLEDGES.get(cx.store, &peer)? else {
        return Ok(0);
    };
    let current = COMMITMENTS.get(cx.store, &pledge.current)?;
    Ok(current.map_or(0, |commitment| commitment.flag))
}

/// The peer's flag passes to the commitment that follows. (A4)
pub(super) fn pass_flag<S: Store>(
    cx: &mut Cx<'_, S>,
    peer: PeerId,
    next: CommitmentId,
) -> Result<(), Error> {
    let mut row = COMMITMENTS.must(cx.store, &next)?;
    row.flag = flag(cx, peer)?;
    COMMITMENTS.put(cx.store, &next, &row)
}

/// A peer did not pass an audit of this commitment: if another has followed, the flag is on that one too. (A4)
pub(crate) fn flag_next<S: Store>(
    cx: &mut Cx<'_, S>,
    peer: PeerId,
    audited: CommitmentId,
) -> Result<(), Error> {
    let pledge = PLEDGES.get(cx.store, &peer)?;
    let Some(pledge) = pledge.filter(|pledge| pledge.current != audited) else {
        return Ok(());
    };
    let Some(mut next) = COMMITMENTS.get(cx.store, &pledge.current)? else {
        return Ok(());
    };
    next.flag = cx.params.flag_windows;
    COMMITMENTS.put(cx.store, &pledge.current, &next)
}

/// Units that a fraud expelled come back when the peer's commitment is over and no unit serves.
pub(crate) fn thaw<S: Store>(cx: &mut Cx<'_, S>, peer: PeerId) -> Result<(), Error> {
    let mut units = UNITS.must(cx.store, &peer)?;
    let pledge = PLEDGES.get(cx.store, &peer)?;
    let over = pledge.is_some_and(|pledge| !pledge.active && pledge.since != Time::NEVER);
    if !over || units.serving() > 0 || !units.0.contains(&Whereabouts::Exited) {
        return Ok(());
    }
    for unit in &mut units.0 {
        if *unit == Whereabouts::Exited {
            *unit = Whereabouts::Idle;
        }
    }
    UNITS.put(cx.store, &peer, &units)?;
    queue::supply_changed(cx, peer)
}
