//! A deal as of now: read, brought up to the present, changed in memory, written once.
//!
//! Everything that befalls a deal goes through here, so that a deadline found late acts exactly as one found in
//! time, and a call that is refused after the reading has written nothing.

use super::money::{self, exact};
use super::{Blame, DEALS, Deal, EndReason, Event, Queued, Rollout, Status};
use crate::commitment::{self, Bound, Delegated};
use crate::cx::Cx;
use crate::demand::{DEMANDS, Terms};
use crate::event;
use crate::ledger::Account;
use crate::limits::MAX_EXCLUDED;
use crate::params::{self, Params};
use crate::peer::{LEASES, Lease};
use crate::record::{Counted, Record};
use crate::refusal::{Error, Object, Refusal, ensure, fault};
use crate::store::Store;
use crate::units::{
    CommitmentId, DealId, Exact, Hash, PeerId, ProviderId, Rate, Seconds, Time, Usdc, WorkerId,
};
use crate::worker::{self, BY_DEAL, GoneReason, Run, Stage, WORKERS, Worker};
use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};

/// What a worker that is gone has earned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pay {
    /// Every second up to the last report; nothing if it never ran.
    Reported,
    /// Every second up to now; nothing if it never ran.
    ToNow,
    /// Every second up to now, and at least the minimum charge.
    AtLeastMinimum,
    /// Nothing, but the minimum charge goes to the treasury.
    ToTreasury,
}

/// A deal as of now.
#[derive(Debug)]
pub(crate) struct DealNow {
    pub(crate) id: DealId,
    pub(crate) deal: Deal,
    pub(crate) terms: Terms,
    /// Workers read so far, with the leases of their peers. All of them, after [`Self::load_workers`].
    pub(crate) workers: BTreeMap<WorkerId, (Worker, Lease)>,
    /// What bounds them from the commitments of their peers; nothing, those that are not here.
    pub(super) bounds: BTreeMap<WorkerId, Bound>,
    pub(super) all_loaded: bool,
    /// Those in force, but for what acts at creation.
    pub(crate) params: Params,
    pub(super) due_before: Time,
    pub(super) queued_before: Queued,
    pub(super) changed: BTreeSet<WorkerId>,
    pub(super) place_before: u64,
    pub(super) terms_changed: bool,
    pub(super) woken: bool,
    pub(super) payments: Vec<(Account, Usdc)>,
    /// What is added to the records of providers.
    pub(super) records: BTreeMap<ProviderId, Record>,
    pub(super) events: Vec<event::Event>,
}

impl DealNow {
    /// Reads a deal and brings it up to the block of `cx`: every deadline that no call can meet any more has
    /// taken effect, and money has accrued to now. Writes nothing.
    ///
    /// # Errors
    /// `Unknown`, if there is no such deal.
    pub(crate) fn load<S: Store>(cx: &mut Cx<'_, S>, id: DealId) -> Result<Self, Error> {
        let mut now = Self::read(cx, id)?;
        // While epochs are still being closed, a commitment may have failed that the index does not know of.
        if now.deal.due <= cx.clock.passed || cx.lagging() {
            now.settle(cx, cx.clock.passed)?;
        }
        now.deal.accrue(cx.now(), now.terms.hold)?;
        Ok(now)
    }

    fn read<S: Store>(cx: &mut Cx<'_, S>, id: DealId) -> Result<Self, Error> {
        let deal = DEALS.get(cx.store, &id)?;
        let deal = deal.ok_or(Refusal::Unknown(Object::Deal(id)))?;
        let terms = DEMANDS.must(cx.store, &id)?;
        let params = params::of_version(cx.store, &cx.params, deal.version)?;
        Ok(Self {
            params,
            all_loaded: false,
            due_before: deal.due,
            queued_before: deal.queued,
            ..Self::new(cx, id, deal, terms)
        })
    }

    /// Reads a deal and lets every deadline up to and including `upto` take effect.
    pub(crate) fn settled<S: Store>(
        cx: &mut Cx<'_, S>,
        id: DealId,
        upto: Time,
    ) -> Result<Self, Error> {
        let mut now = Self::read(cx, id)?;
        now.settle(cx, upto)?;
        Ok(now)
    }

    /// A deal that is not written yet.
    pub(crate) fn new<S: Store>(cx: &Cx<'_, S>, id: DealId, deal: Deal, terms: Terms) -> Self {
        let place_before = deal.place;
        Self {
            id,
            deal,
            terms,
            workers: BTreeMap::new(),
            bounds: BTreeMap::new(),
            all_loaded: true,
            params: cx.params.clone(),
            due_before: Time::NEVER,
            queued_before: Queued::No,
            changed: BTreeSet::new(),
            place_before,
            terms_changed: false,
            woken: false,
            payments: Vec::new(),
            records: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    /// Reads all its workers; at most twice `max_target_workers`, since each may be leaving and have a successor.
    pub(crate) fn load_workers<S: Store>(&mut self, cx: &mut Cx<'_, S>) -> Result<(), Error> {
        if self.all_loaded {
            return Ok(());
        }
        for ((_, id), ()) in BY_DEAL.list(cx.store, &self.id, None, usize::from(u16::MAX))? {
            self.read_worker(cx, id)?;
        }
        self.all_loaded = true;
        Ok(())
    }

    /// Reads one of its workers; all of them, if a rollout may go on with another.
    pub(crate) fn load_worker<S: Store>(
        &mut self,
        cx: &mut Cx<'_, S>,
        id: WorkerId,
    ) -> Result<(), Error> {
        if self.deal.rollout != Rollout::Done {
            self.load_workers(cx)?;
        }
        self.read_worker(cx, id)
    }

    fn read_worker<S: Store>(&mut self, cx: &mut Cx<'_, S>, id: WorkerId) -> Result<(), Error> {
        if let Entry::Vacant(place) = self.workers.entry(id) {
            let worker = WORKERS.must(cx.store, &id)?;
            let lease = LEASES.get(cx.store, &worker.peer)?.unwrap_or_default();
            place.insert((worker.clone(), lease));
            self.bind(cx, id, &worker)?;
        }
        Ok(())
    }

    /// Notes what bounds a worker from its peer's commitment.
    pub(crate) fn bind<S: Store>(
        &mut self,
        cx: &mut Cx<'_, S>,
        id: WorkerId,
        worker: &Worker,
    ) -> Result<(), Error> {
        let bound = commitment::bound(cx, worker.peer, worker.assigned)?;
        if bound != Bound::NONE {
            self.bounds.insert(id, bound);
        }
        Ok(())
    }

    /// Ends the deal: its workers go, and the rest of the escrow returns to its owner. All workers are loaded.
    pub(crate) fn end(&mut self, reason: EndReason, blame: Blame, at: Time) -> Result<(), Error> {
        let (gone, pay) = match reason {
            EndReason::Cancelled | EndReason::Stopped => (GoneReason::Stopped, Pay::AtLeastMinimum),
            EndReason::BadArtifact => (GoneReason::BadArtifact, Pay::AtLeastMinimum),
            EndReason::Completed => (GoneReason::Completed, Pay::ToNow),
            EndReason::Unfunded => (GoneReason::Unfunded, Pay::ToNow),
        };
        self.end_rollout();
        self.set_status(Status::Ended { reason, at }, at);
        for id in self.live() {
            self.gone_at(id, gone, blame, pay, at)?;
        }
        let refund = self.deal.free.floor(self.params.epoch());
        if self.deal.free.remainder(self.params.epoch()) != Exact::ZERO {
            return Err(fault("a deal ends in a fraction"));
        }
        self.deal.free = Exact::ZERO;
        self.deal.vacated = 0;
        self.payments.push((Account::User(self.deal.owner), refund));
        self.events.push(
            Event::Ended {
                deal: self.id,
                reason,
                blame,
                refund,
            }
            .into(),
        );
        Ok(())
    }

    /// Adds to the escrow; clearing looks again, since it may have lacked the cover.
    pub(crate) fn deposit(&mut self, amount: Usdc) -> Result<(), Error> {
        self.woken = true;
        self.deal.refund(self.whole(amount)?)
    }

    /// What the owner may take back: above the prepaid epochs and the cover, rounded down. (M5)
    pub(crate) fn surplus(&self) -> Result<Usdc, Error> {
        let floor = self.floor()?;
        let above = self
            .deal
            .uncharged()?
            .checked_sub(floor)
            .unwrap_or_default();
        Ok(above.floor(self.params.epoch()))
    }

    /// What stays in the escrow whatever the owner takes back. (M5)
    fn floor(&self) -> Result<Exact, Error> {
        let prepaid = self.whole(self.terms.least_escrow(&self.params)?)?;
        Ok(prepaid.max(self.deal.cover(&self.params, &self.terms, Rate::ZERO)?))
    }

    /// Refuses unless the escrow holds the floor of the terms as they are now. (D9)
    pub(crate) fn require_floor(&self) -> Result<(), Error> {
        let (needed, epoch) = (self.floor()?, self.params.epoch());
        let given = self.deal.uncharged()?;
        let refusal = Refusal::EscrowTooSmall {
            needed: needed.ceil(epoch),
            given: given.floor(epoch),
        };
        ensure(given >= needed, refusal)
    }

    /// Pays surplus back to the owner.
    pub(crate) fn withdraw(&mut self, amount: Usdc) -> Result<(), Error> {
        self.deal.pay(self.whole(amount)?)?;
        self.payments.push((Account::User(self.deal.owner), amount));
        Ok(())
    }

    /// Reads a worker and refuses if it is gone.
    pub(crate) fn require_live<S: Store>(
        &mut self,
        cx: &mut Cx<'_, S>,
        id: WorkerId,
    ) -> Result<(), Error> {
        self.load_worker(cx, id)?;
        let refusal = Refusal::WrongState {
            object: Object::Worker(id),
            state: "gone",
        };
        ensure(self.live_worker(id).is_some(), refusal)
    }

    /// Places a worker.
    pub(crate) fn assign(
        &mut self,
        id: WorkerId,
        mut worker: Worker,
        now: Time,
    ) -> Result<(), Error> {
        worker.counted.upto = self.deal.paid_seconds;
        self.deal.assign(worker.rate, self.least_pay(&worker)?)?;
        self.deal.vacated = self.deal.vacated.saturating_sub(1);
        if let Stage::Assigned { deadline } = worker.stage {
            let (deal, provider, peer) = (self.id, worker.provider, worker.peer);
            let (units, rate) = (worker.units.clone(), worker.rate);
            self.events.push(
                worker::Event::Assigned {
                    worker: id,
                    deal,
                    provider,
                    peer,
                    units,
                    rate,
                    deadline,
                }
                .into(),
            );
        }
        self.workers.insert(id, (worker, Lease::default()));
        self.changed.insert(id);
        self.set_status(self.counted(), now);
        Ok(())
    }

    /// An assigned worker runs from now on. (W1)
    pub(crate) fn run<S: Store>(
        &mut self,
        cx: &mut Cx<'_, S>,
        id: WorkerId,
        artifact: Hash,
    ) -> Result<(), Error> {
        if self.deal.draining > 0 {
            self.load_workers(cx)?;
        }
        let now = cx.now();
        let (worker, _) = self.loaded(id)?;
        let (rate, aside) = (worker.rate, self.least_pay(worker)?);
        self.deal.unassign(rate, aside)?;
        self.deal.start(rate)?;
        if self.deal.began.is_none() {
            self.deal.began = Some(now);
            self.set_end();
        }
        let (from, from_held) = (self.deal.paid_seconds, self.deal.held_seconds);
        let kept_until = now.after(Seconds(self.params.lease_seconds));
        let (worker, _) = self.loaded_mut(id)?;
        worker.artifact = artifact;
        worker.stage = Stage::Running(Run {
            since: now,
            from,
            from_held,
            reported: from,
            kept_until,
        });
        self.changed.insert(id);
        self.begins_with(id, artifact);
        self.events.push(
            worker::Event::Running {
                worker: id,
                deal: self.id,
            }
            .into(),
        );
        self.set_status(self.counted(), now);
        self.release_replaced()
    }

    /// The end of its duration follows from its beginning. (M9)
    pub(crate) fn set_end(&mut self) {
        let end = self.deal.began.zip(self.terms.duration);
        self.deal.ends = end.map_or(Time::NEVER, |(began, duration)| began.after(duration));
    }

    /// From `at` on, what a worker earns is shared with the delegators of another commitment.
    pub(crate) fn delegate(
        &mut self,
        id: WorkerId,
        at: Time,
        commitment: CommitmentId,
        share_ppm: u32,
    ) -> Result<(), Error> {
        let seconds = self.deal.seconds_at(at);
        let (worker, _) = self.loaded(id)?;
        let earned = self.deal.due(worker, seconds)?;
        let earned = earned.floor(self.params.epoch()).max(worker.paid);
        let (worker, _) = self.loaded_mut(id)?;
        if let Some(before) = worker.delegated.last_mut() {
            before.upto = Some(earned);
        }
        worker.delegated.push(Delegated {
            commitment,
            share_ppm,
            from: earned,
            upto: None,
            paid: Usdc::ZERO,
        });
        self.changed.insert(id);
        Ok(())
    }

    /// Sets other terms, and gives those of before.
    pub(crate) fn change_terms(&mut self, terms: Terms) -> Terms {
        self.terms_changed = true;
        std::mem::replace(&mut self.terms, terms)
    }

    /// Clearing looks again.
    pub(crate) fn wake(&mut self) {
        self.woken = true;
    }

    /// Places that workers left are no more than those that are open.
    pub(crate) fn limit_vacated(&mut self) {
        let open = self
            .terms
            .target_workers
            .saturating_sub(self.deal.staying());
        self.deal.vacated = self.deal.vacated.min(open);
    }

    /// A worker is gone now.
    pub(crate) fn gone(
        &mut self,
        id: WorkerId,
        reason: GoneReason,
        blame: Blame,
        pay: Pay,
    ) -> Result<(), Error> {
        self.gone_at(id, reason, blame, pay, self.deal.at)
    }

    pub(super) fn gone_at(
        &mut self,
        id: WorkerId,
        reason: GoneReason,
        blame: Blame,
        pay: Pay,
        at: Time,
    ) -> Result<(), Error> {
        self.count(id, pay)?.gone(reason, blame);
        let (worker, lease) = self.loaded(id)?.clone();
        let (earned, until) = match worker.stage {
            Stage::Assigned { .. } => (self.leave_unstarted(&worker, pay)?, at),
            Stage::Running(run) | Stage::Draining { run, .. } => {
                self.leave(&worker, lease, run.since, pay, at)?
            }
            Stage::Gone { .. } => return Err(fault("worker is gone already")),
        };
        let (peer, left) = (worker.peer, keeps_away(reason));
        self.loaded_mut(id)?.0.stage = Stage::Gone { reason, earned };
        self.changed.insert(id);
        let deal = self.id;
        let event = worker::Event::Gone {
            worker: id,
            deal,
            reason,
            blame,
            at: until,
            earned,
        };
        self.events.push(event.into());
        if left {
            self.exclude(peer);
        }
        // The place of a draining worker was vacated by its notice; that of one too many is nobody's.
        if !worker.stage.is_draining() && reason != GoneReason::Unwanted {
            self.deal.vacated = self.deal.vacated.saturating_add(1);
        }
        self.woken = true;
        self.roll_without(id, reason, blame);
        self.set_status(self.counted(), at);
        Ok(())
    }

    /// Counts what a worker served since it was last counted, as far as it is paid so. Gives what its provider's
    /// record grows by.
    pub(super) fn count(&mut self, id: WorkerId, pay: Pay) -> Result<&mut Record, Error> {
        let (worker, lease) = self.loaded(id)?;
        let charged = match pay {
            Pay::Reported => self.deal.reported(worker, *lease),
            Pay::ToNow | Pay::AtLeastMinimum | Pay::ToTreasury => self.deal.paid_seconds,
        };
        let from = worker.stage.run().map_or(charged, |run| run.from);
        let to = Counted {
            upto: self.deal.paid_seconds,
            served: Seconds(charged.0.saturating_sub(from.0)),
        };
        let (worker, _) = self.loaded_mut(id)?;
        let from = std::mem::replace(&mut worker.counted, to);
        let (provider, units) = (worker.provider, worker.units.len());
        let record = self.records.entry(provider).or_default();
        record.serve(units, from, to);
        Ok(record)
    }

    /// Money of a worker that leaves before it ran: what it earned.
    fn leave_unstarted(&mut self, worker: &Worker, pay: Pay) -> Result<Usdc, Error> {
        let aside = self.least_pay(worker)?;
        self.deal.unassign(worker.rate, aside)?;
        let least = aside.floor(self.params.epoch());
        match pay {
            Pay::Reported | Pay::ToNow => return Ok(Usdc::ZERO),
            Pay::AtLeastMinimum => self.deal.pay(self.whole(least)?)?,
            Pay::ToTreasury => {
                self.deal.pay(self.whole(least)?)?;
                self.payments.push((Account::Treasury, least));
                return Ok(Usdc::ZERO);
            }
        }
        Ok(least)
    }

    /// Money of a running worker that leaves: what it earned, and the second up to which that is. What it was
    /// charged beyond that, and the fraction, return to the escrow. (M2)
    fn leave(
        &mut self,
        worker: &Worker,
        lease: Lease,
        since: Time,
        pay: Pay,
        at: Time,
    ) -> Result<(Usdc, Time), Error> {
        let charged = self.deal.earned(worker, self.deal.paid_seconds)?;
        let to_now = self.deal.due(worker, self.deal.paid_seconds)?;
        let (due, until) = match pay {
            Pay::Reported => {
                let reported = self.deal.reported(worker, lease);
                (self.deal.due(worker, reported)?, lease.reported.max(since))
            }
            Pay::AtLeastMinimum => (to_now.max(self.least_pay(worker)?), at),
            Pay::ToNow | Pay::ToTreasury => (to_now, at),
        };
        let earned = due.floor(self.params.epoch());
        self.deal.halt(worker)?;
        self.deal.refund(charged)?;
        self.deal.pay(self.whole(earned)?)?;
        Ok((earned, until))
    }

    /// What a worker costs at least, once assigned: set aside until it runs.
    fn least_pay(&self, worker: &Worker) -> Result<Exact, Error> {
        exact(worker.rate, Seconds(self.params.min_charge_seconds))
    }

    fn whole(&self, amount: Usdc) -> Result<Exact, Error> {
        amount
            .exact(self.params.epoch())
            .ok_or_else(|| fault("pay beyond 128 bits"))
    }

    /// Keeps a peer away from this deal for a while; the oldest of a full list is let in again. (M7)
    fn exclude(&mut self, peer: PeerId) {
        let epoch = self.deal.at.epoch(self.params.epoch());
        let until = epoch.plus(self.params.exclude_epochs);
        self.deal
            .excluded
            .retain(|(other, end)| *other != peer && *end > epoch);
        if self.deal.excluded.len() >= MAX_EXCLUDED {
            self.deal.excluded.remove(0);
        }
        self.deal.excluded.push((peer, until));
    }

    /// Workers loaded that are not gone.
    pub(crate) fn live(&self) -> Vec<WorkerId> {
        let live = self.workers.iter();
        let live = live.filter(|(_, (worker, _))| !worker.stage.is_gone());
        live.map(|(id, _)| *id).collect()
    }

    /// Workers loaded that are neither gone nor under notice.
    pub(crate) fn staying(&self) -> Vec<WorkerId> {
        let stays = |worker: &Worker| !worker.stage.is_gone() && !worker.stage.is_draining();
        let staying = self.workers.iter().filter(|(_, (worker, _))| stays(worker));
        staying.map(|(id, _)| *id).collect()
    }

    /// A worker that was read before, with its peer's lease.
    pub(crate) fn loaded(&self, id: WorkerId) -> Result<&(Worker, Lease), Error> {
        let worker = self.workers.get(&id);
        worker.ok_or_else(|| fault("worker is not loaded"))
    }

    pub(super) fn loaded_mut(&mut self, id: WorkerId) -> Result<&mut (Worker, Lease), Error> {
        let worker = self.workers.get_mut(&id);
        worker.ok_or_else(|| fault("worker is not loaded"))
    }

    /// A worker of the deal, if it is loaded and not gone.
    pub(crate) fn live_worker(&self, id: WorkerId) -> Option<&Worker> {
        let (worker, _) = self.workers.get(&id)?;
        (!worker.stage.is_gone()).then_some(worker)
    }

    fn counted(&self) -> Status {
        self.counted_from(self.deal.status)
    }

    pub(super) fn counted_from(&self, status: Status) -> Status {
        let (live, assigned) = (self.deal.live(), self.deal.assigned);
        money::next(status, live, assigned, self.terms.min_workers)
    }

    pub(super) fn set_status(&mut self, status: Status, at: Time) {
        if self.deal.status != status {
            self.deal.status = status;
            self.events.push(
                Event::StatusChanged {
                    deal: self.id,
                    status,
                    at,
                }
                .into(),
            );
        }
    }

    /// Adds an event that follows from the change.
    pub(crate) fn emit(&mut self, event: impl Into<event::Event>) {
        self.events.push(event.into());
    }
}

/// Whether a worker that left so keeps its peer away from the deal.
fn keeps_away(reason: GoneReason) -> bool {
    match reason {
        GoneReason::CannotRun
        | GoneReason::NeverStarted
        | GoneReason::Failed
        | GoneReason::Silent
        | GoneReason::Evicted
        | GoneReason::Declined
        | GoneReason::Left
        | GoneReason::CommitmentFailed
        | GoneReason::Fraud
        | GoneReason::NoticeKept => true,
        GoneReason::CommitmentEnded
        | GoneReason::Unwanted
        | GoneReason::Stopped
        | GoneReason::Completed
        | GoneReason::Unfunded
        | GoneReason::BadArtifact => false,
    }
}
