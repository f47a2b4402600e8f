//! Which demands clearing looks at, in which order, and what wakes the others.
//!
//! Promises (`docs/spec/matching.md`):
//! - C1: due demands are looked at by (sweep, place). Nobody is looked at twice in a sweep.
//! - C2: a fruitless look doubles the pause before the next, from 1 to 256 blocks, until supply that could
//!   satisfy the demand appears.

use crate::cx::Cx;
use crate::deal::{Deal, Queued};
use crate::refusal::Error;
use crate::store::Store;
use crate::table::Table;
use crate::units::{DealId, PeerId};

/// Due demands by sweep and place.
pub const QUEUE: Table<(u64, u64), DealId> = Table::new(0x30, "queue");
/// Sleeping demands by place.
pub const ASLEEP: Table<u64, DealId> = Table::new(0x31, "asleep");
/// Sleeping demands by the block that wakes them, and place.
pub const WAKE: Table<(u64, u64), DealId> = Table::new(0x32, "wake");
/// Peers whose supply changed and that not all sleeping demands have been shown yet, by the block of the change:
/// sleeping demands up to this place have been. In that block the index does not know the change yet.
pub(crate) const FRESH: Table<(u64, PeerId), u64> = Table::new(0x33, "fresh");
/// The sweep under way.
pub(crate) const SWEEP: Table<(), u64> = Table::new(0x34, "sweep");
/// The block of the change, for each peer in [`FRESH`].
pub(crate) const CHANGED: Table<PeerId, u64> = Table::new(0x36, "changed");

/// Remembers that a peer may offer more, less or something else than before. One that changes again goes behind
/// those that changed meanwhile, so that no peer keeps the others from being shown.
pub(crate) fn supply_changed<S: Store>(cx: &mut Cx<'_, S>, peer: PeerId) -> Result<(), Error> {
    let block = cx.clock.block;
    match CHANGED.get(cx.store, &peer)? {
        Some(before) if before == block => return Ok(()),
        Some(before) => FRESH.delete(cx.store, &(before, peer))?,
        None => {}
    }
    CHANGED.put(cx.store, &peer, &block)?;
    FRESH.put(cx.store, &(block, peer), &0)
}

/// The sweep under way; the first is 1.
pub(super) fn sweep<S: Store>(store: &mut S) -> Result<u64, Error> {
    Ok(SWEEP.get(store, &())?.unwrap_or(1))
}

/// Where a demand stands that is to be looked at: in this sweep, or in the next if this one has seen it. (C1)
pub(crate) fn due<S: Store>(store: &mut S, deal: &Deal) -> Result<Queued, Error> {
    Ok(Queued::Due(
        sweep(store)?.max(deal.looked.saturating_add(1)),
    ))
}

/// Sweep and place of a due demand.
type Turn = (u64, u64);

/// Takes the first due demand whose turn is not before `from`, and enters its sweep.
pub(super) fn pop<S: Store>(
    store: &mut S,
    from: Option<&Turn>,
) -> Result<Option<(Turn, DealId)>, Error> {
    let first = QUEUE.first(store, &(), from)?;
    if let Some(((due, _), _)) = first
        && due != sweep(store)?
    {
        SWEEP.put(store, &(), &due)?;
    }
    Ok(first)
}

/// Moves the entries of a deal from where they stood to where they are to stand.
pub(crate) fn reindex<S: Store>(
    store: &mut S,
    id: DealId,
    before: Queued,
    deal: &Deal,
) -> Result<(), Error> {
    if before == deal.queued {
        return Ok(());
    }
    match before {
        Queued::No => {}
        Queued::Due(sweep) => QUEUE.delete(store, &(sweep, deal.place))?,
        Queued::Asleep(block) => {
            ASLEEP.delete(store, &deal.place)?;
            WAKE.delete(store, &(block, deal.place))?;
        }
    }
    match deal.queued {
        Queued::No => Ok(()),
        Queued::Due(sweep) => QUEUE.put(store, &(sweep, deal.place), &id),
        Queued::Asleep(block) => {
            ASLEEP.put(store, &deal.place, &id)?;
            WAKE.put(store, &(block, deal.place), &id)
        }
    }
}
