//! Writing a deal back: rows, indexes, money, events, in this order everywhere.

use super::now::DealNow;
use super::{DEALS, Deal, Queued};
use crate::commitment;
use crate::cx::Cx;
use crate::demand::DEMANDS;
use crate::ledger::{self, Account};
use crate::matching::queue;
use crate::peer;
use crate::record;
use crate::refusal::Error;
use crate::store::Store;
use crate::time::DUE;
use crate::units::{Time, Usdc, WorkerId};
use crate::worker::{BY_DEAL, BY_PEER, BY_PROVIDER, Stage, UNPAID, WORKERS, Worker};

impl DealNow {
    /// Writes what changed.
    pub(crate) fn save<S: Store>(mut self, cx: &mut Cx<'_, S>) -> Result<(), Error> {
        cx.events.append(&mut self.events);
        for (to, amount) in std::mem::take(&mut self.payments) {
            if amount != Usdc::ZERO {
                ledger::transfer(cx, Account::Deal(self.id), to, amount)?;
            }
        }
        for id in std::mem::take(&mut self.changed) {
            if let Some((worker, _)) = self.workers.get(&id) {
                let unpaid = save_worker(cx, id, worker)?;
                self.deal.unpaid = self.deal.unpaid.saturating_add(unpaid);
            }
        }
        for (provider, more) in std::mem::take(&mut self.records) {
            record::add(cx, provider, more)?;
        }
        self.rearm();
        if self.terms_changed {
            DEMANDS.put(cx.store, &self.id, &self.terms)?;
        }
        self.reschedule(cx)?;
        self.requeue(cx)?;
        DEALS.put(cx.store, &self.id, &self.deal)
    }

    /// Writes a deal that has no rows yet.
    pub(crate) fn create<S: Store>(mut self, cx: &mut Cx<'_, S>) -> Result<(), Error> {
        self.terms_changed = true;
        self.save(cx)
    }

    /// Keeps its entry in the index of time at or before the next second at which something falls due. With all
    /// workers read, that second is known; else the entry may be early, which costs one look and nothing else.
    fn reschedule<S: Store>(&mut self, cx: &mut Cx<'_, S>) -> Result<(), Error> {
        let next = self.next_deadline().map_or(Time::NEVER, |(at, _)| at);
        let exact = self.all_loaded || self.deal.ended();
        self.deal.due = if exact {
            next
        } else {
            next.min(self.due_before)
        };
        if self.deal.due == self.due_before {
            return Ok(());
        }
        if self.due_before != Time::NEVER {
            DUE.delete(cx.store, &(self.due_before, self.id))?;
        }
        if self.deal.due != Time::NEVER {
            DUE.put(cx.store, &(self.deal.due, self.id), &())?;
        }
        Ok(())
    }

    /// Puts the deal where clearing looks, if it wants more workers than it has, and takes it out if not.
    fn requeue<S: Store>(&mut self, cx: &mut Cx<'_, S>) -> Result<(), Error> {
        let open = !self.deal.ended() && !self.deal.paused();
        let wants = open && self.deal.staying() < self.terms.target_workers;
        let due = wants && (self.deal.queued == Queued::No || self.woken);
        if !wants {
            self.deal.queued = Queued::No;
        } else if due && !matches!(self.deal.queued, Queued::Due(_)) {
            self.deal.pause_blocks = 1;
            self.deal.queued = queue::due(cx.store, &self.deal)?;
        }
        let mut before = self.queued_before;
        if self.deal.place != self.place_before {
            // Its entries stand under the place they were made with.
            let old = Deal {
                place: self.place_before,
                queued: Queued::No,
                ..self.deal.clone()
            };
            queue::reindex(cx.store, self.id, before, &old)?;
            before = Queued::No;
        }
        queue::reindex(cx.store, self.id, before, &self.deal)
    }
}

/// Writes a worker with its entries; one if it is gone and waits to be paid.
fn save_worker<S: Store>(cx: &mut Cx<'_, S>, id: WorkerId, worker: &Worker) -> Result<u64, Error> {
    let Stage::Gone { earned, reason } = worker.stage else {
        WORKERS.put(cx.store, &id, worker)?;
        if matches!(worker.stage, Stage::Assigned { .. }) {
            BY_DEAL.put(cx.store, &(worker.deal, id), &())?;
            BY_PEER.put(cx.store, &(worker.peer, id), &())?;
            BY_PROVIDER.put(cx.store, &(worker.provider, id), &())?;
        }
        return Ok(0);
    };
    BY_DEAL.delete(cx.store, &(worker.deal, id))?;
    BY_PEER.delete(cx.store, &(worker.peer, id))?;
    let (unready, slashed) = (reason.by_provider(), reason.costs());
    peer::free_units(cx, worker.peer, &worker.units, unready, slashed)?;
    if earned > worker.paid {
        WORKERS.put(cx.store, &id, worker)?;
        UNPAID.put(cx.store, &(worker.deal, id), &())?;
        return Ok(1);
    }
    commitment::unbind(cx, &worker.delegated)?;
    WORKERS.delete(cx.store, &id)?;
    BY_PROVIDER.delete(cx.store, &(worker.provider, id))?;
    Ok(0)
}
