//! Money and status of a deal, as pure functions of its row. Exact amounts are numerators over the epoch.
//!
//! The escrow of a deal is split in three: what live workers have been charged, what is set aside for
//! assigned ones, and what is `free`. A worker is charged by the second while it runs; when it is gone, its pay
//! is rounded down once and everything else it was charged returns to `free`, so that the three always add up
//! to the deal's account. In a hold workers earn a part of their rates: of `free`, their sum in `held` is theirs.

use super::{Deal, Queued, Rollout, Status};
use crate::demand::Terms;
use crate::params::Params;
use crate::peer::Lease;
use crate::refusal::{Error, fault};
use crate::units::{Address, Epoch, Exact, Flt, Part, Rate, Seconds, Time, Usdc};
use crate::worker::Worker;

fn some<T>(value: Option<T>, what: &'static str) -> Result<T, Error> {
    value.ok_or_else(|| fault(what))
}

/// What accrues at `rate` in `span`.
pub(crate) fn exact(rate: Rate, span: Seconds) -> Result<Exact, Error> {
    some(rate.over(span), "accrual beyond 128 bits")
}

/// Where a deal stands after its numbers of workers changed (states table 3).
pub(crate) fn next(status: Status, live: u16, assigned: u16, min: u16) -> Status {
    match status {
        Status::Matching if assigned > 0 => Status::Starting,
        Status::Starting if live >= min => Status::Active,
        Status::Starting if live == 0 && assigned == 0 => Status::Matching,
        Status::Active | Status::Degraded if live >= min => Status::Active,
        Status::Active | Status::Degraded => Status::Degraded,
        same => same,
    }
}

impl Deal {
    /// A deal without escrow or workers.
    pub(crate) fn posted(owner: Address, place: u64, now: Time, params: &Params) -> Self {
        Self {
            owner,
            heir: None,
            status: Status::Matching,
            posted: now,
            version: 0,
            deposit: Flt::ZERO,
            place,
            queued: Queued::No,
            looked: 0,
            pause_blocks: 1,
            assigned: 0,
            running: 0,
            draining: 0,
            unpaid: 0,
            vacated: 0,
            replaced: (Epoch::default(), 0),
            excluded: Vec::new(),
            artifact_version: 1,
            rollout: Rollout::Done,
            began: None,
            cannot_run: Vec::new(),
            free: Exact::ZERO,
            held: Part::ZERO,
            hold_ppm: params.hold_ppm,
            set_aside: Exact::ZERO,
            rate: Rate::ZERO,
            assigned_rate: Rate::ZERO,
            at: now,
            paid_seconds: Seconds::default(),
            held_seconds: Seconds::default(),
            warned: 0,
            ends: Time::NEVER,
            due: Time::NEVER,
        }
    }

    /// Whether it is over.
    #[must_use]
    pub fn ended(&self) -> bool {
        matches!(self.status, Status::Ended { .. })
    }

    /// Whether time costs nothing at present.
    #[must_use]
    pub fn paused(&self) -> bool {
        matches!(self.status, Status::Paused { .. })
    }

    /// Workers that are not gone.
    #[must_use]
    pub fn workers(&self) -> u16 {
        self.live().saturating_add(self.assigned)
    }

    /// Workers that serve: those that run, under notice or not.
    #[must_use]
    pub fn live(&self) -> u16 {
        self.running.saturating_add(self.draining)
    }

    /// Workers that count towards the target: one under notice does not, so that its replacement is looked for.
    #[must_use]
    pub fn staying(&self) -> u16 {
        self.running.saturating_add(self.assigned)
    }

    /// Where its paid seconds stood at a time that is over, if nothing but time passed since.
    pub(crate) fn seconds_at(&self, at: Time) -> Seconds {
        let upto = match self.status {
            Status::Paused { since } => since,
            _ => self.at,
        };
        Seconds(self.paid_seconds.0.saturating_sub(upto.since(at).0))
    }

    /// Escrow that is nobody's.
    #[must_use]
    pub fn spare(&self) -> Exact {
        let held = self.held.ceil().unwrap_or_default();
        self.free.checked_sub(held).unwrap_or_default()
    }

    /// What the hold of workers at `rate` costs: it is kept back for the time after paid-until.
    pub(crate) fn reserve(&self, terms: &Terms, rate: Rate) -> Result<Exact, Error> {
        let part = exact(rate, terms.hold)?.part(self.hold_ppm);
        some(part.and_then(Part::ceil), "hold beyond 128 bits")
    }

    /// The second up to which the escrow pays the live workers, but for their hold; never, if none is live or it
    /// is paused. (M6)
    #[must_use]
    pub fn paid_until(&self, terms: &Terms) -> Time {
        let reserve = self.reserve(terms, self.rate).unwrap_or_default();
        let spare = self.spare().checked_sub(reserve).unwrap_or_default();
        match spare.lasts(self.rate) {
            Some(span) if !self.paused() && !self.ended() => self.at.after(span),
            _ => Time::NEVER,
        }
    }

    /// Charges the live workers up to `now`, which is not after [`Self::paid_until`]; in a pause, up to the end of
    /// the hold.
    pub(crate) fn accrue(&mut self, now: Time, hold: Seconds) -> Result<(), Error> {
        let upto = match self.status {
            Status::Ended { .. } => return Ok(()),
            Status::Paused { since } => now.min(since.after(hold)),
            _ => now,
        };
        if upto <= self.at {
            return Ok(());
        }
        let span = upto.since(self.at);
        let cost = exact(self.rate, span)?;
        let seconds = if self.paused() {
            let part = cost.part(self.hold_ppm);
            let held = part.and_then(|part| self.held.checked_add(part));
            self.held = some(held, "hold beyond 128 bits")?;
            &mut self.held_seconds
        } else {
            self.pay(cost)?;
            &mut self.paid_seconds
        };
        *seconds = Seconds(seconds.0.saturating_add(span.0));
        self.at = upto;
        Ok(())
    }

    /// Paid seconds up to which a live worker is covered by a report: of its peer, or the one that beginning
    /// to run and resuming count as.
    #[must_use]
    pub fn reported(&self, worker: &Worker, lease: Lease) -> Seconds {
        let Some(run) = worker.stage.run() else {
            return Seconds::default();
        };
        // A report from before the last pause lies further back than this says, never nearer, and what it covered
        // was noted when the deal resumed.
        let at = match self.status {
            Status::Paused { since } => since,
            _ => self.at,
        };
        let since = at.since(lease.reported);
        run.reported
            .max(Seconds(self.paid_seconds.0.saturating_sub(since.0)))
    }

    /// What a live worker has earned in holds.
    pub(crate) fn held(&self, worker: &Worker) -> Result<Part, Error> {
        let Some(run) = worker.stage.run() else {
            return Ok(Part::ZERO);
        };
        let span = Seconds(self.held_seconds.0.saturating_sub(run.from_held.0));
        let part = exact(worker.rate, span)?.part(self.hold_ppm);
        some(part, "hold beyond 128 bits")
    }

    /// What a live worker has earned up to these paid seconds, holds included.
    pub(crate) fn due(&self, worker: &Worker, upto: Seconds) -> Result<Exact, Error> {
        let due = self
            .earned(worker, upto)?
            .checked_add(self.held(worker)?.whole);
        some(due, "pay beyond 128 bits")
    }

    /// What a live worker has been charged up to these paid seconds, without holds.
    pub(crate) fn earned(&self, worker: &Worker, upto: Seconds) -> Result<Exact, Error> {
        match worker.stage.run() {
            Some(run) => exact(worker.rate, Seconds(upto.0.saturating_sub(run.from.0))),
            None => Ok(Exact::ZERO),
        }
    }

    /// Takes money that is nobody's yet.
    pub(crate) fn pay(&mut self, amount: Exact) -> Result<(), Error> {
        self.free = some(
            self.free.checked_sub(amount),
            "escrow does not cover what is due",
        )?;
        Ok(())
    }

    /// Gives money back to the escrow.
    pub(crate) fn refund(&mut self, amount: Exact) -> Result<(), Error> {
        self.free = some(self.free.checked_add(amount), "escrow beyond 128 bits")?;
        Ok(())
    }

    /// Escrow that was not charged: spare and set aside.
    pub(crate) fn uncharged(&self) -> Result<Exact, Error> {
        some(
            self.spare().checked_add(self.set_aside),
            "escrow beyond 128 bits",
        )
    }

    /// Counts a worker in whose pay is set aside.
    pub(crate) fn assign(&mut self, rate: Rate, aside: Exact) -> Result<(), Error> {
        self.pay(aside)?;
        self.set_aside = some(self.set_aside.checked_add(aside), "escrow beyond 128 bits")?;
        self.assigned_rate = some(self.assigned_rate.checked_add(rate), "rate beyond 128 bits")?;
        self.assigned = self.assigned.saturating_add(1);
        Ok(())
    }

    /// Counts an assigned worker out; what was set aside is free again.
    pub(crate) fn unassign(&mut self, rate: Rate, aside: Exact) -> Result<(), Error> {
        self.set_aside = some(
            self.set_aside.checked_sub(aside),
            "less set aside than assigned",
        )?;
        self.assigned_rate = some(
            self.assigned_rate.checked_sub(rate),
            "rate below a worker's",
        )?;
        self.assigned = some(self.assigned.checked_sub(1), "no worker is assigned")?;
        self.refund(aside)
    }

    /// Counts a worker in that runs from now on.
    pub(crate) fn start(&mut self, rate: Rate) -> Result<(), Error> {
        self.rate = some(self.rate.checked_add(rate), "rate beyond 128 bits")?;
        self.running = self.running.saturating_add(1);
        Ok(())
    }

    /// Counts a running worker as one under notice.
    pub(crate) fn drain(&mut self) -> Result<(), Error> {
        self.running = some(self.running.checked_sub(1), "no worker is running")?;
        self.draining = self.draining.saturating_add(1);
        Ok(())
    }

    /// Counts a live worker out, with what it earned in holds.
    pub(crate) fn halt(&mut self, worker: &Worker) -> Result<(), Error> {
        let held = self.held.checked_sub(self.held(worker)?);
        self.held = some(held, "less was earned in holds than by a worker")?;
        self.rate = some(self.rate.checked_sub(worker.rate), "rate below a worker's")?;
        let count = match worker.stage.is_draining() {
            true => &mut self.draining,
            false => &mut self.running,
        };
        *count = some(count.checked_sub(1), "no worker is live")?;
        Ok(())
    }

    /// What the escrow must hold, uncharged, for all workers and one or more at `more`: their least pay, the time
    /// they have to start, and their hold. (M4)
    pub(crate) fn cover(&self, params: &Params, terms: &Terms, more: Rate) -> Result<Exact, Error> {
        let rate = self.rate.checked_add(self.assigned_rate);
        let rate = rate.and_then(|rate| rate.checked_add(more));
        self.cover_of(params, terms, some(rate, "rate beyond 128 bits")?)
    }

    /// What a paused deal must hold to resume: the cover of the workers it kept, or of its fewest workers at the
    /// limit price if it kept none.
    pub(crate) fn resume_cover(&self, params: &Params, terms: &Terms) -> Result<Exact, Error> {
        if self.workers() > 0 {
            return self.cover(params, terms, Rate::ZERO);
        }
        self.cover_of(params, terms, terms.rate_at_limit(terms.min_workers)?)
    }

    fn cover_of(&self, params: &Params, terms: &Terms, rate: Rate) -> Result<Exact, Error> {
        let cover = exact(rate, params.cover())?.checked_add(self.reserve(terms, rate)?);
        some(cover, "cover beyond 128 bits")
    }
}

impl Terms {
    /// What `workers` workers cost per epoch at the limit price.
    pub(crate) fn rate_at_limit(&self, workers: u16) -> Result<Rate, Error> {
        let rate = self.limit_price.of_units(self.units_per_worker);
        let rate = rate.and_then(|rate| rate.times(workers.into()));
        some(rate, "rate beyond 128 bits")
    }

    /// The least escrow at posting, and the floor of the owner's withdrawals. (D2)
    pub(crate) fn least_escrow(&self, params: &Params) -> Result<Usdc, Error> {
        let rate = self.rate_at_limit(self.target_workers)?;
        let prepaid = rate.times(params.min_prepaid_epochs.into());
        Ok(Usdc(some(prepaid, "escrow beyond 128 bits")?.0))
    }
}
