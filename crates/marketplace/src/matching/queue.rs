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
use borsh::{BorshDeserialize, BorshSerialize};

/// Due demands by sweep and place.
pub const QUEUE: Table<(u64, u64), DealId> = Table::new(0x30, "queue");
/// Sleeping demands by place.
pub const ASLEEP: Table<u64, DealId> = Table::new(0x31, "asleep");
/// Sleeping demands by the block that wakes them, and place.
pub const WAKE: Table<(u64, u64), DealId> = Table::new(0x32, "wake");
/// Peers whose supply changed and that not all sleeping demands have been shown yet.
pub(crate) const FRESH: Table<PeerId, Fresh> = Table::new(0x33, "fresh");
/// The sweep under way.
pub(crate) const SWEEP: Table<(), u64> = Table::new(0x34, "sweep");

/// A change of supply.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fresh {
    /// Block of the change; in that block the index does not know it yet.
    pub(crate) block: u64,
    /// Sleeping demands up to this place have been shown the peer.
    pub(crate) shown: u64,
}

/// Remembers that a peer may offer more, less or something else than before.
pub(crate) fn supply_changed<S: Store>(cx: &mut Cx<'_, S>, peer: PeerId) -> Result<(), Error> {
    let fresh = Fresh {
        block: cx.clock.block,
        shown: 0,
    };
    FRESH.put(cx.store, &peer, &fresh)
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

/// Takes the first due demand, and enters its sweep.
pub(super) fn pop<S: Store>(store: &mut S) -> Result<Option<DealId>, Error> {
    let Some(((due, _), deal)) = QUEUE.first(store, &(), None)? else {
        return Ok(None);
    };
    if due != sweep(store)? {
        SWEEP.put(store, &(), &due)?;
    }
    Ok(Some(deal))
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
