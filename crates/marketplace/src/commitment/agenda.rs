//! What epochs do to commitments: they start, are closed, end and fail, in their order and within a budget.

use super::pledge::{PLEDGES, flag, pass_flag, thaw};
use super::{COMMITMENTS, CommitmentNow, Status, over_at, revenue};
use crate::cx::Cx;
use crate::deal::DealNow;
use crate::limits::MAX_UNITS;
use crate::matching::queue;
use crate::peer::{UNITS, Units, Whereabouts};
use crate::pool;
use crate::refusal::Error;
use crate::store::Store;
use crate::table::Table;
use crate::time::CLOCK;
use crate::units::{CommitmentId, Epoch, PeerId, Time};
use crate::worker::{self, BY_PEER};

/// Commitments by the epoch with whose beginning something befalls them. The index is the cursor.
pub const AGENDA: Table<(Epoch, CommitmentId), ()> = Table::new(0x37, "agenda");

/// Does what the beginning of epochs does, within `due_budget`; then closes the epochs for which nothing is left.
pub(crate) fn step<S: Store>(cx: &mut Cx<'_, S>) -> Result<(), Error> {
    let last = cx.epoch().0.saturating_sub(1);
    if cx.clock.closed.0 >= last {
        return Ok(());
    }
    let mut spent = 0_u64;
    while spent < cx.params.due_budget {
        let first = AGENDA.first(cx.store, &(), None)?;
        let Some(((epoch, id), ())) = first.filter(|((epoch, _), ())| *epoch <= cx.epoch()) else {
            close_upto(cx, Epoch(last))?;
            break;
        };
        // An entry at the beginning of an epoch counts the one before; those before that have nobody left to count.
        close_upto(cx, Epoch(epoch.0.saturating_sub(2)))?;
        spent = spent.saturating_add(visit(cx, epoch, id)?);
    }
    CLOCK.put(cx.store, &(), &cx.clock)
}

fn close_upto<S: Store>(cx: &mut Cx<'_, S>, last: Epoch) -> Result<(), Error> {
    while cx.clock.closed < last {
        let next = cx.clock.closed.plus(1);
        pool::close(cx, next)?;
        cx.clock.closed = next;
    }
    Ok(())
}

/// Looks at one commitment. Gives the work done.
fn visit<S: Store>(cx: &mut Cx<'_, S>, epoch: Epoch, id: CommitmentId) -> Result<u64, Error> {
    let commitment = COMMITMENTS.must(cx.store, &id)?;
    // So that a million units in peers of 64 are through in some thirty blocks.
    let work = u64::from(commitment.units).div_ceil(64).saturating_add(1);
    if commitment.status == (Status::WaitStart { start: epoch }) {
        AGENDA.delete(cx.store, &(epoch, id))?;
        let pledge = PLEDGES.must(cx.store, &commitment.peer)?;
        // A successor starts when the one before it is through.
        if pledge.current == id || !pledge.active {
            start(cx, id, epoch)?;
        }
        return Ok(work);
    }
    let mut now = CommitmentNow::load(cx, id)?;
    now.credit(cx)?;
    let peer = now.commitment.peer;
    match now.commitment.status {
        Status::Failed { .. } => {
            AGENDA.delete(cx.store, &(epoch, id))?;
            let at = over_at(now.commitment.status, &cx.params);
            now.save(cx)?;
            fail(cx, peer, id, at)?;
        }
        Status::Active { end, .. } if end <= cx.epoch() => {
            now.end(cx, end)?;
            now.save(cx)?;
            end_or_pass(cx, peer, id, end)?;
        }
        _ => now.save(cx)?,
    }
    Ok(work)
}

/// A commitment starts: idle units prove, those that serve are excused.
fn start<S: Store>(cx: &mut Cx<'_, S>, id: CommitmentId, epoch: Epoch) -> Result<(), Error> {
    let mut now = CommitmentNow::load(cx, id)?;
    let peer = now.commitment.peer;
    // A flag is the peer's, whatever commitment follows.
    now.commitment.flag = flag(cx, peer)?;
    let mut units = UNITS.must(cx.store, &peer)?;
    for unit in &mut units.0 {
        if matches!(unit, Whereabouts::Idle | Whereabouts::Exited) {
            *unit = Whereabouts::Proving;
        }
    }
    now.start(epoch, &units);
    let ends = over_at(now.commitment.status, &cx.params);
    let min_ask = now.commitment.min_ask;
    UNITS.put(cx.store, &peer, &units)?;
    let mut pledge = PLEDGES.must(cx.store, &peer)?;
    if pledge.current != id {
        pledge.previous = Some(pledge.current);
        pledge.current = id;
        pledge.successor = None;
    }
    pledge.active = true;
    pledge.since = cx.params.epoch_begins(epoch);
    pledge.ends = ends;
    pledge.failed = None;
    pledge.min_ask = min_ask;
    PLEDGES.put(cx.store, &peer, &pledge)?;
    now.save(cx)?;
    bind_workers(cx, peer)?;
    revenue::hand_over(cx, peer, id, pledge.since)?;
    queue::supply_changed(cx, peer)
}

/// A commitment's time is over: its units pass to the successor, or are idle.
fn end_or_pass<S: Store>(
    cx: &mut Cx<'_, S>,
    peer: PeerId,
    id: CommitmentId,
    end: Epoch,
) -> Result<(), Error> {
    let mut pledge = PLEDGES.must(cx.store, &peer)?;
    let successor = match pledge.successor {
        Some(successor) => Some((successor, COMMITMENTS.must(cx.store, &successor)?)),
        None => None,
    };
    if let Some((next, row)) = &successor
        && let Status::WaitStart { start: begins } = row.status
        && begins <= end
    {
        AGENDA.delete(cx.store, &(begins, *next))?;
        return start(cx, *next, end);
    }
    pledge.active = false;
    if let Some((next, _)) = successor {
        pass_flag(cx, peer, next)?;
        // It has not got its collateral in time, and becomes a commitment like a first one. What `ends` says still
        // bounds the workers there are.
        pledge.previous = Some(id);
        pledge.current = next;
        pledge.successor = None;
        pledge.since = Time::NEVER;
    }
    PLEDGES.put(cx.store, &peer, &pledge)?;
    idle(cx, peer)?;
    settle_workers(cx, peer)?;
    thaw(cx, peer)
}

/// A commitment failed as of that time: its workers are gone, its units idle.
fn fail<S: Store>(
    cx: &mut Cx<'_, S>,
    peer: PeerId,
    id: CommitmentId,
    at: Time,
) -> Result<(), Error> {
    let pledge = PLEDGES.get(cx.store, &peer)?;
    let Some(mut pledge) = pledge.filter(|pledge| pledge.current == id) else {
        return Ok(());
    };
    pledge.active = false;
    pledge.failed = Some(at);
    PLEDGES.put(cx.store, &peer, &pledge)?;
    idle(cx, peer)?;
    settle_workers(cx, peer)?;
    if let Some(successor) = pledge.successor {
        drop_successor(cx, peer, successor)?;
    }
    thaw(cx, peer)
}

/// The successor of a commitment that failed becomes one like a first: it starts in its own time, or waits on.
fn drop_successor<S: Store>(
    cx: &mut Cx<'_, S>,
    peer: PeerId,
    id: CommitmentId,
) -> Result<(), Error> {
    pass_flag(cx, peer, id)?;
    let mut successor = COMMITMENTS.must(cx.store, &id)?;
    let mut pledge = PLEDGES.must(cx.store, &peer)?;
    pledge.current = id;
    pledge.successor = None;
    pledge.previous = None;
    pledge.since = Time::NEVER;
    pledge.proven = 0;
    PLEDGES.put(cx.store, &peer, &pledge)?;
    if let Status::WaitStart { start } = successor.status {
        AGENDA.delete(cx.store, &(start, id))?;
        let start = cx.epoch().plus(1);
        successor.status = Status::WaitStart { start };
        AGENDA.put(cx.store, &(start, id), &())?;
        COMMITMENTS.put(cx.store, &id, &successor)?;
    }
    Ok(())
}

/// Units that prove are idle.
fn idle<S: Store>(cx: &mut Cx<'_, S>, peer: PeerId) -> Result<(), Error> {
    let mut units: Units = UNITS.must(cx.store, &peer)?;
    for unit in &mut units.0 {
        if matches!(unit, Whereabouts::Proving | Whereabouts::Cooling(_)) {
            *unit = Whereabouts::Idle;
        }
    }
    UNITS.put(cx.store, &peer, &units)?;
    queue::supply_changed(cx, peer)
}

/// Workers of a peer whose commitment begins are bound by it from now on.
fn bind_workers<S: Store>(cx: &mut Cx<'_, S>, peer: PeerId) -> Result<(), Error> {
    for ((_, id), ()) in BY_PEER.list(cx.store, &peer, None, MAX_UNITS.into())? {
        // An earlier round may have ended it with its deal.
        if let Some(worker) = worker::get(cx.store, id)? {
            let mut now = DealNow::load(cx, worker.deal)?;
            now.load_workers(cx)?;
            now.heed_commitments(cx.now())?;
            now.save(cx)?;
        }
    }
    Ok(())
}

/// Lets what the end of a commitment does to a peer's workers take effect, or puts it into the index of time.
fn settle_workers<S: Store>(cx: &mut Cx<'_, S>, peer: PeerId) -> Result<(), Error> {
    for ((_, id), ()) in BY_PEER.list(cx.store, &peer, None, MAX_UNITS.into())? {
        // An earlier round may have ended it with its deal.
        if let Some(worker) = worker::get(cx.store, id)? {
            DealNow::settled(cx, worker.deal, cx.clock.passed)?.save(cx)?;
        }
    }
    Ok(())
}
