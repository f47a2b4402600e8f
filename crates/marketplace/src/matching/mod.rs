//! Clearing: at the end of a block, the demands that are due meet the supply there is.
//!
//! Calls only write offers and demands; nobody chooses the match. One look at one demand tests candidates
//! (offer, peer) from the cheapest on, chooses among those that fit, and places workers if enough can be placed
//! and paid for.
//!
//! Promises (`docs/spec/matching.md`):
//! - C1, C2: order and pauses, see `queue`.
//! - C3: a worker is placed only where the demand's limit, requirements, effectors, version and spread and the
//!   offer's terms allow it, at the offer's ask, with the cover in escrow.
//! - C4: as many workers as can be, up to the target; of those sets the cheapest; see `choose`.
//! - C5: nothing is reserved until the fewest workers can be placed together.
//! - C6: the same rows give the same result, whatever the index has been through.

mod bits;
mod book;
mod candidate;
mod choose;
mod claims;
pub mod explain;
mod flow;
mod keep;
mod look;
pub mod queue;
mod survey;

pub use book::Book;
pub use candidate::Reason;
pub(crate) use keep::keep;
pub use look::{LOOKS, Look};

use crate::commitment::PLEDGES;
use crate::cx::Cx;
use crate::deal::{DEALS, DealNow};
use crate::demand::DEMANDS;
use crate::refusal::{Error, fault};
use crate::store::Store;
use crate::units::{PeerId, Price};
use crate::{datacenter, offer, peer, provider, time};
use candidate::{Candidate, Wish};
use queue::{ASLEEP, CHANGED, FRESH, WAKE};

/// Ends a block: deadlines up to and including now take effect, then due demands are cleared. The context is a
/// fresh one on the same store. `book` holds the supply of the rows as they were before this block, and leaves
/// with that of the rows after it; a host that gives the block up rebuilds it.
///
/// # Errors
/// Out of work (the host gives the end of a block an ample budget), or a fault.
pub fn end_block<S: Store>(cx: &mut Cx<'_, S>, book: &mut Book) -> Result<(), Error> {
    // Supply is what it is only when every worker that is over has left its units. (T3)
    // And while epochs are still being closed, who failed in them is not known everywhere.
    if time::settle_due(cx, cx.now())? && !cx.lagging() {
        clear(cx, book)?;
    }
    Ok(())
}

// The unit of clearing's work is to consider one candidate that fits. Other steps read and write rows, and count as
// so many; what does not fit is passed so quickly that many candidates count as one (`survey`).

/// A look, beside the candidates it tests; and each worker that the deal has or gets.
const LOOK: u64 = 16;
const WORKER: u64 = 4;
/// Waking a demand.
const WAKING: u64 = 12;
/// Showing a peer to a sleeping demand; and to be done with a peer.
const SHOWING: u64 = 4;
const SHOWN: u64 = 12;

/// Looks at due demands within the budget of one block, but at least at one.
fn clear<S: Store>(cx: &mut Cx<'_, S>, book: &mut Book) -> Result<(), Error> {
    book.enter(cx.epoch());
    refresh(cx, book)?;
    let budget = cx.params.clearing_budget;
    // Waking may take half of it, so that looks go on under a stream of changes.
    let mut spent = wake_by_time(cx, budget.div_ceil(4))?;
    spent = spent.saturating_add(wake_by_supply(cx, book, budget.div_ceil(4))?);
    let mut from = None;
    while let Some((at, deal)) = queue::pop(cx.store, from.as_ref())? {
        spent = spent.saturating_add(look::look(cx, book, deal)?);
        if spent >= budget {
            break;
        }
        from = Some(at);
    }
    Ok(())
}

/// Brings the index up to the changes of this block, which it has not been told yet.
fn refresh<S: Store>(cx: &mut Cx<'_, S>, book: &mut Book) -> Result<(), Error> {
    let mut after = None;
    loop {
        let page = FRESH.page(cx.store, &cx.clock.block, after.as_ref(), usize::MAX)?;
        let Some((last, _)) = page.last() else {
            return Ok(());
        };
        after = Some(*last);
        for ((_, peer), _) in page {
            reread(cx, book, peer)?;
        }
    }
}

/// Reads a peer into the index, with all that demands look at.
fn reread<S: Store>(cx: &mut Cx<'_, S>, book: &mut Book, id: PeerId) -> Result<(), Error> {
    let row = peer::get(cx.store, id)?;
    if let Some(peer) = &row {
        let provider = provider::get(cx.store, peer.provider)?;
        book.set_provider(peer.provider, provider);
        let datacenter = datacenter::get(cx.store, peer.datacenter)?;
        book.set_datacenter(peer.datacenter, datacenter);
        if let Some(offer) = peer.offer {
            let row = offer::get(cx.store, offer)?;
            book.set_offer(
                offer,
                row.ok_or_else(|| fault("an offer with peers is missing"))?,
            );
        }
    }
    book.set_peer(id, row);
    book.set_pledge(id, PLEDGES.get(cx.store, &id)?);
    book.set_units(id, &peer::units(cx.store, id)?);
    Ok(())
}

/// Wakes demands whose pause is over. Gives the work done; the others wake in later blocks.
fn wake_by_time<S: Store>(cx: &mut Cx<'_, S>, budget: u64) -> Result<u64, Error> {
    let (mut spent, mut from) = (0_u64, None);
    while spent < budget {
        let first = WAKE.first(cx.store, &(), from.as_ref())?;
        let Some((at, deal)) = first.filter(|((block, _), _)| *block <= cx.clock.block) else {
            break;
        };
        let now = DealNow::load(cx, deal)?;
        wake(cx, now)?;
        spent = spent.saturating_add(WAKING);
        from = Some(at);
    }
    Ok(spent)
}

fn wake<S: Store>(cx: &mut Cx<'_, S>, mut now: DealNow) -> Result<(), Error> {
    now.deal.queued = queue::due(cx.store, &now.deal)?;
    now.save(cx)
}

/// Shows peers whose supply changed to the sleeping demands, those first that changed first, and wakes demands
/// they could serve. Gives the work done. What the budget leaves is shown in later blocks.
fn wake_by_supply<S: Store>(cx: &mut Cx<'_, S>, book: &Book, budget: u64) -> Result<u64, Error> {
    let (mut spent, mut after) = (0_u64, None);
    while spent < budget {
        let next = FRESH.list(cx.store, &(), after.as_ref(), 1)?.pop();
        let Some((at, shown)) = next else { break };
        after = Some(at);
        let candidate = book.candidate(at.1);
        let candidate = candidate.filter(|candidate| candidate.entry.open > 0);
        let left = match candidate {
            Some(candidate) => show(cx, candidate, shown, budget, &mut spent)?,
            None => None,
        };
        if let Some(shown) = left {
            FRESH.put(cx.store, &at, &shown)?;
            break;
        }
        spent = spent.saturating_add(SHOWN);
        // What a curve asks follows what changed in this block only from the next on.
        let sloped =
            |candidate: Candidate<'_>| candidate.offer.curve(cx.epoch()).slope > Price::ZERO;
        if at.0 == cx.clock.block && candidate.is_some_and(sloped) {
            FRESH.put(cx.store, &at, &0)?;
            continue;
        }
        FRESH.delete(cx.store, &at)?;
        CHANGED.delete(cx.store, &at.1)?;
    }
    Ok(spent)
}

/// Shows one peer to the sleeping demands after the place `shown`. Gives how far it came, if the budget did not
/// last.
fn show<S: Store>(
    cx: &mut Cx<'_, S>,
    candidate: Candidate<'_>,
    mut shown: u64,
    budget: u64,
    spent: &mut u64,
) -> Result<Option<u64>, Error> {
    loop {
        let from = shown.saturating_add(1);
        let Some((place, id)) = ASLEEP.first(cx.store, &(), Some(&from))? else {
            return Ok(None);
        };
        if *spent >= budget {
            return Ok(Some(shown));
        }
        *spent = spent.saturating_add(SHOWING);
        shown = place;
        let (deal, terms) = (DEALS.must(cx.store, &id)?, DEMANDS.must(cx.store, &id)?);
        let wish = Wish::of(cx, &terms, &deal);
        // Whether it serves the demand already, the look finds out.
        if candidate.obstacle(&wish).is_none() {
            *spent = spent.saturating_add(WAKING);
            let mut now = DealNow::load(cx, id)?;
            now.deal.pause_blocks = 1;
            wake(cx, now)?;
        }
    }
}
