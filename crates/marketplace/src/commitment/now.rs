//! A commitment as of now: read, brought up to the present, changed in memory, written once.
//!
//! What counts for a unit follows from when it proved, when it served, and what its peer committed to; windows and
//! epochs that are over are counted here, in their order, whoever looks and however late.
//!
//! Promises (`docs/spec/commitment.md`):
//! - V6: a unit owes the windows that began while it proved, but for the first of an epoch and those that were void.
//!   It is good with `min_pass_ppm` of them passed, rounded down; one that owes few cannot miss.
//! - V7: a unit is matched when so many units as would then serve have passed one window together, and when it passed
//!   one since its provider let a worker down.
//! - V8: an entry of a unit that serves at the window's start, or is matched in it, is void.
//! - H6: a commitment fails at the close of the epoch in which its misses reach `max_failed_per_unit` × units; all
//!   misses of that epoch are charged, and nothing later counts.
//! - H7: a unit never loses more than its collateral.

use super::pledge::PLEDGES;
use super::revenue::Delegated;
use super::reward::{Held, REWARDS, Rewards};
use super::{AGENDA, COMMITMENTS, Commitment, Event, Offence, Status, params_of};
use crate::cx::Cx;
use crate::event;
use crate::flt::{self, Purse};
use crate::params::Params;
use crate::peer::{Units, Whereabouts};
use crate::refusal::{Error, Object, Refusal, fault};
use crate::store::Store;
use crate::table::Table;
use crate::units::{CommitmentId, Epoch, Flt, Usdc};
use crate::{pool, window};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;

/// No window.
const NEVER: u64 = u64::MAX;

/// What a unit proved, as far as it is not counted yet. Windows are numbers since genesis.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// It owes the windows from this one on; never, while it serves.
    pub owes_from: u64,
    /// Windows it owes beside those, that count in the epoch that is closed next.
    pub owed: u16,
    /// And in the one after that.
    pub owed_next: u16,
    /// Windows it passed that count in the epoch that is closed next.
    pub passed: u16,
    /// It may prove from this window on...
    pub free_from: u64,
    /// ...until before this one, in which it was matched...
    pub taken_in: u64,
    /// ...and again from this one on.
    pub back_in: u64,
    /// The window in which its provider last let a worker down.
    pub faulted_in: Option<u64>,
    /// What it lost of its collateral.
    pub slashed: Flt,
    /// Whether it is expelled: by a fraud, or since audits took all of its collateral.
    pub expelled: bool,
}

impl Proof {
    /// Of a unit when its commitment starts with this window: one that cools down under the commitment before goes on
    /// doing so.
    fn starting(window: u64, unit: Whereabouts) -> Self {
        let (free, owes_from) = match unit {
            Whereabouts::Serving(_) => (NEVER, NEVER),
            Whereabouts::Cooling(from) => (window, window.max(from)),
            _ => (window, window),
        };
        Self {
            owes_from,
            owed: 0,
            owed_next: 0,
            passed: 0,
            free_from: free,
            taken_in: NEVER,
            back_in: NEVER,
            faulted_in: None,
            slashed: Flt::ZERO,
            expelled: false,
        }
    }

    /// Whether it may prove in a window. (V8)
    pub(super) fn may_prove(&self, window: u64) -> bool {
        let before = self.free_from <= window && window < self.taken_in;
        let after = self.back_in <= window && self.back_in != NEVER;
        !self.expelled && (before || after)
    }
}

/// Units that a peer committed to for a window that does not count yet.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Entered {
    /// The window.
    pub window: u64,
    /// Their indices, ascending.
    pub units: Vec<u16>,
}

/// What the units of a commitment proved.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Proofs {
    /// The epoch that is closed next.
    pub epoch: Epoch,
    /// By index.
    pub units: Vec<Proof>,
    /// By window.
    pub entered: Vec<Entered>,
}

/// What the units of a commitment proved, from its start on.
pub const PROOFS: Table<CommitmentId, Proofs> = Table::new(0x3b, "proofs");

/// A commitment as of now.
#[derive(Debug)]
pub(crate) struct CommitmentNow {
    pub(crate) id: CommitmentId,
    pub(crate) commitment: Commitment,
    pub(crate) proofs: Proofs,
    pub(super) rewards: Rewards,
    pub(super) params: Params,
    before: (Commitment, Proofs, Rewards),
    /// The epoch at which the agenda looks at it next, as it stands in the rows.
    due_before: Option<Epoch>,
    /// Windows whose entries are done with.
    dropped: Vec<u64>,
    /// Most units that passed one window, and units that passed since their provider let a worker down.
    proven: u16,
    ready: Vec<u16>,
    /// What epochs that were closed add to their totals.
    totals: Vec<(Epoch, pool::Share)>,
    slashed: Vec<(Offence, Flt)>,
    events: Vec<event::Event>,
}

impl CommitmentNow {
    /// Reads a commitment and counts what is over. Writes nothing.
    ///
    /// # Errors
    /// `Unknown`, if there is no such commitment.
    pub(crate) fn load<S: Store>(cx: &mut Cx<'_, S>, id: CommitmentId) -> Result<Self, Error> {
        let commitment = COMMITMENTS.get(cx.store, &id)?;
        let commitment = commitment.ok_or(Refusal::Unknown(Object::Commitment(id)))?;
        let proofs = PROOFS.get(cx.store, &id)?.unwrap_or_default();
        let rewards = REWARDS.get(cx.store, &id)?.unwrap_or_default();
        let params = params_of(cx, &commitment)?;
        let mut now = Self {
            id,
            before: (commitment.clone(), proofs.clone(), rewards.clone()),
            due_before: None,
            commitment,
            proofs,
            rewards,
            params,
            dropped: Vec::new(),
            proven: 0,
            ready: Vec::new(),
            totals: Vec::new(),
            slashed: Vec::new(),
            events: Vec::new(),
        };
        now.due_before = now.due();
        now.bring_up(cx)?;
        Ok(now)
    }

    /// The epoch with whose beginning the agenda looks at it.
    fn due(&self) -> Option<Epoch> {
        match self.commitment.status {
            Status::WaitCollateral => None,
            Status::WaitStart { start } => Some(start),
            // Whoever counted its last epoch before its turn has not ended it.
            Status::Active { end, .. } => Some(self.proofs.epoch.plus(1).min(end)),
            // The epoch that it ended with counts its last windows; what failed waits for what that does.
            Status::Ended { end } if self.proofs.epoch <= end => Some(self.proofs.epoch.plus(1)),
            Status::Ended { .. } | Status::Failed { .. } => None,
        }
    }

    /// Counts windows and closes epochs that are over, in their order.
    fn bring_up<S: Store>(&mut self, cx: &mut Cx<'_, S>) -> Result<(), Error> {
        loop {
            let (Status::Active { end: last, .. } | Status::Ended { end: last }) =
                self.commitment.status
            else {
                return Ok(());
            };
            let epoch = self.proofs.epoch;
            if epoch > last {
                return Ok(());
            }
            self.count_windows(cx, epoch);
            if cx.now() < self.params.epoch_begins(epoch.plus(1)) {
                return Ok(());
            }
            self.close(cx, epoch)?;
        }
    }

    /// Counts the windows of an epoch whose verdict time has come. (V3)
    fn count_windows<S: Store>(&mut self, cx: &Cx<'_, S>, epoch: Epoch) {
        while let Some(first) = self.proofs.entered.first() {
            let window = first.window;
            let counts = self.params.counts_in(window) <= epoch;
            if !counts || self.params.verdict_time(window) > cx.now() {
                return;
            }
            let entered = self.proofs.entered.remove(0);
            self.pass(&entered);
            self.dropped.push(window);
        }
    }

    fn pass(&mut self, entered: &Entered) {
        let mut together = 0_u16;
        for index in &entered.units {
            let Some(proof) = self.proofs.units.get_mut(usize::from(*index)) else {
                continue;
            };
            proof.passed = proof.passed.saturating_add(1);
            together = together.saturating_add(1);
            if proof.faulted_in.is_some_and(|fault| fault < entered.window) {
                proof.faulted_in = None;
                self.ready.push(*index);
            }
        }
        self.proven = self.proven.max(together);
    }

    /// Closes an epoch: rewards are held back, misses cost. (V6, H6)
    fn close<S: Store>(&mut self, cx: &mut Cx<'_, S>, epoch: Epoch) -> Result<(), Error> {
        let next = self.params.first_counted(epoch.plus(1));
        let first = self.params.first_counted(epoch);
        let cost = self.commitment.per_unit.part_up(self.params.missed_ppm);
        let cost = cost.ok_or_else(|| fault("collateral beyond 128 bits"))?;
        let (mut passed, mut missed, mut owing) = (Vec::new(), 0_u16, 0_u64);
        let (mut all, mut earning, mut slashed) = (0_u64, 0_u64, Flt::ZERO);
        let mut spans = BTreeMap::new();
        for proof in &mut self.proofs.units {
            let owed = owed_from(cx, &mut spans, proof.owes_from.max(first), next)?;
            let owed = u64::from(proof.owed).saturating_add(owed);
            let least = owed.saturating_mul(self.params.min_pass_ppm);
            let least = least.checked_div(1_000_000).unwrap_or(0);
            let good = u64::from(proof.passed) >= least;
            if owed > 0 {
                owing = owing.saturating_add(1);
            }
            if !good && owed >= self.params.min_owed_windows {
                missed = missed.saturating_add(1);
                let lost = self.commitment.per_unit.checked_sub(proof.slashed);
                let lost = cost.min(lost.unwrap_or_default());
                proof.slashed = Flt(proof.slashed.0.saturating_add(lost.0));
                slashed = Flt(slashed.0.saturating_add(lost.0));
            }
            let counted = if good { proof.passed } else { 0 };
            all = all.saturating_add(counted.into());
            earning = earning.saturating_add((counted > 0).into());
            passed.push(counted);
            proof.passed = 0;
            proof.owed = std::mem::take(&mut proof.owed_next);
            if proof.owes_from != NEVER {
                proof.owes_from = proof.owes_from.max(next);
            }
        }
        self.proofs.epoch = epoch.plus(1);
        self.commitment.missed = self.commitment.missed.saturating_add(missed.into());
        self.slashed.push((Offence::Missed, slashed));
        let class = u64::from(self.commitment.class);
        let share = pool::Share {
            weight: all.saturating_mul(class),
            owing: owing.saturating_mul(class),
            earning: earning.saturating_mul(class),
        };
        self.totals.push((epoch, share));
        if all > 0 {
            self.rewards.held.push(Held {
                epoch,
                passed,
                lost: Vec::new(),
            });
        }
        self.events.push(
            Event::EpochClosed {
                commitment: self.id,
                epoch,
                passed: all,
                missed,
            }
            .into(),
        );
        let units = u64::from(self.commitment.units);
        let limit = units.saturating_mul(self.params.max_failed_per_unit);
        // What has ended does not fail in the epoch in which its last windows count.
        let active = matches!(self.commitment.status, Status::Active { .. });
        if active && missed > 0 && self.commitment.missed >= limit {
            self.fail(Status::Failed { epoch });
        }
        Ok(())
    }

    /// Nothing that was entered counts any more.
    fn drop_entered(&mut self) {
        let entered = std::mem::take(&mut self.proofs.entered);
        let windows = entered.into_iter().map(|entered| entered.window);
        self.dropped.extend(windows);
    }

    pub(super) fn set_status(&mut self, status: Status) {
        self.commitment.status = status;
        self.events.push(
            Event::StatusChanged {
                commitment: self.id,
                status,
            }
            .into(),
        );
    }

    /// Starts with an epoch, with units that are there then.
    pub(super) fn start(&mut self, epoch: Epoch, units: &Units) {
        let window = self.params.first_window(epoch);
        let units = units.0.iter().map(|unit| Proof::starting(window, *unit));
        self.proofs.units = units.collect();
        self.proofs.epoch = epoch;
        let end = epoch.plus(self.commitment.duration);
        self.set_status(Status::Active { start: epoch, end });
    }

    /// Ends with the beginning of an epoch: nothing that begins later is owed.
    pub(super) fn end<S: Store>(&mut self, cx: &mut Cx<'_, S>, end: Epoch) -> Result<(), Error> {
        let window = self.params.first_window(end);
        for index in 0..self.commitment.units {
            self.stop_owing(cx, index, window)?;
        }
        self.set_status(Status::Ended { end });
        Ok(())
    }

    /// A peer commits to these units for a window; those that may not prove in it are void. (V8)
    ///
    /// # Errors
    /// `NotCommitted`, if that leaves none.
    pub(crate) fn enter(&mut self, window: u64, units: &[u16]) -> Result<Vec<u16>, Error> {
        let may = |index: &u16| {
            let proof = self.proofs.units.get(usize::from(*index));
            proof.is_some_and(|proof| proof.may_prove(window))
        };
        let units: Vec<_> = units.iter().copied().filter(may).collect();
        // One that failed may not be known to its peer's pledge yet.
        let failed = matches!(self.commitment.status, Status::Failed { .. });
        if failed || units.is_empty() {
            return Err(Refusal::NotCommitted(self.commitment.peer).into());
        }
        let entered = Entered {
            window,
            units: units.clone(),
        };
        let before = |other: &Entered| other.window < window;
        let place = self.proofs.entered.partition_point(before);
        self.proofs.entered.insert(place, entered);
        Ok(units)
    }

    /// Whether the peer is under a flag, which lasts one window less from then on.
    pub(crate) fn take_flag(&mut self) -> bool {
        let flagged = self.commitment.flag > 0;
        self.commitment.flag = self.commitment.flag.saturating_sub(1);
        flagged
    }

    /// All units of the peer are audited for a while.
    pub(crate) fn raise_flag(&mut self, windows: u64) {
        self.commitment.flag = windows;
    }

    /// A unit serves from this window on.
    pub(crate) fn take<S: Store>(
        &mut self,
        cx: &mut Cx<'_, S>,
        index: u16,
        window: u64,
    ) -> Result<(), Error> {
        self.stop_owing(cx, index, window)?;
        if let Some(proof) = self.proofs.units.get_mut(usize::from(index)) {
            if proof.back_in != NEVER {
                proof.free_from = proof.back_in;
            }
            proof.taken_in = window;
            proof.back_in = NEVER;
        }
        self.void(index, window);
        Ok(())
    }

    /// A unit is back in this window: it may prove from the next, and owes from the one after.
    pub(crate) fn give_back(&mut self, index: u16, window: u64, faulted: bool) {
        if let Some(proof) = self.proofs.units.get_mut(usize::from(index)) {
            proof.back_in = window.saturating_add(1);
            proof.owes_from = window.saturating_add(2);
            if faulted {
                proof.faulted_in = Some(window);
            }
        }
    }

    /// A worker takes units: the delegators get a part of what it earns.
    pub(crate) fn delegate(&mut self) -> Delegated {
        self.commitment.workers = self.commitment.workers.saturating_add(1);
        Delegated {
            commitment: self.id,
            share_ppm: self.commitment.share_ppm,
            from: Usdc::ZERO,
            upto: None,
            paid: Usdc::ZERO,
        }
    }

    /// Whether a unit is expelled.
    pub(crate) fn expelled(&self, index: u16) -> bool {
        let proof = self.proofs.units.get(usize::from(index));
        proof.is_some_and(|proof| proof.expelled)
    }

    /// What a unit entered for windows from this one on does not count.
    pub(crate) fn void(&mut self, index: u16, from: u64) {
        let windows = self.proofs.entered.iter_mut();
        for entered in windows.filter(|entered| entered.window >= from) {
            entered.units.retain(|other| *other != index);
        }
    }

    /// What a unit entered for one window does not count.
    pub(crate) fn void_window(&mut self, index: u16, window: u64) {
        let mut windows = self.proofs.entered.iter_mut();
        if let Some(entered) = windows.find(|entered| entered.window == window) {
            entered.units.retain(|other| *other != index);
        }
    }

    /// A unit owes nothing from this window on, which has begun.
    fn stop_owing<S: Store>(
        &mut self,
        cx: &mut Cx<'_, S>,
        index: u16,
        window: u64,
    ) -> Result<(), Error> {
        let first = self.params.first_counted(self.proofs.epoch);
        let next = self.params.first_counted(self.proofs.epoch.plus(1));
        let Some(proof) = self.proofs.units.get_mut(usize::from(index)) else {
            return Err(fault("a unit without proofs"));
        };
        let from = std::mem::replace(&mut proof.owes_from, NEVER).max(first);
        let now = window::owed(cx.store, from, window.min(next))?;
        let later = window::owed(cx.store, from.max(next), window)?;
        let plus =
            |count: u16, more: u64| count.saturating_add(u16::try_from(more).unwrap_or(u16::MAX));
        proof.owed = plus(proof.owed, now);
        proof.owed_next = plus(proof.owed_next, later);
        Ok(())
    }

    /// Nothing that its units do counts any more.
    pub(crate) fn fail(&mut self, status: Status) {
        self.set_status(status);
        self.drop_entered();
    }

    /// A unit is expelled: it owes and proves nothing more, and what it has not been credited is lost.
    pub(crate) fn expel(&mut self, index: u16) {
        self.void(index, 0);
        if let Some(proof) = self.proofs.units.get_mut(usize::from(index)) {
            proof.owes_from = NEVER;
            (proof.owed, proof.owed_next, proof.passed) = (0, 0, 0);
            proof.expelled = true;
        }
    }

    /// A unit loses so many millionths of its collateral, if there is that much. (H7)
    pub(crate) fn slash(&mut self, index: u16, ppm: u64, offence: Offence) -> Result<(), Error> {
        if self.commitment.released {
            return Ok(());
        }
        let cost = self.commitment.per_unit.part_up(ppm);
        let cost = cost.ok_or_else(|| fault("collateral beyond 128 bits"))?;
        let Some(proof) = self.proofs.units.get_mut(usize::from(index)) else {
            return Ok(());
        };
        let left = self.commitment.per_unit.checked_sub(proof.slashed);
        let lost = cost.min(left.unwrap_or_default());
        proof.slashed = Flt(proof.slashed.0.saturating_add(lost.0));
        self.slashed.push((offence, lost));
        Ok(())
    }

    /// Whether a unit has lost all of its collateral.
    pub(crate) fn is_spent(&self, index: u16) -> bool {
        let all = self.commitment.per_unit;
        let proof = self.proofs.units.get(usize::from(index));
        all != Flt::ZERO && proof.is_some_and(|proof| proof.slashed >= all)
    }

    /// A unit loses the rewards that are held back; not those which have begun to vest and are not credited yet. (Z5)
    pub(crate) fn lose_held(&mut self, index: u16, now: Epoch) {
        let back = self.params.holdback_epochs;
        for held in &mut self.rewards.held {
            if held.is_held_in(now, back) && !held.lost.contains(&index) {
                held.lost.push(index);
            }
        }
    }

    /// What is left of the collateral.
    pub(super) fn collateral_left(&self) -> Flt {
        let slashed = self.proofs.units.iter().map(|proof| proof.slashed.0);
        let slashed = slashed.fold(0_u128, u128::saturating_add);
        Flt(self.commitment.staked.0.saturating_sub(slashed))
    }

    /// Whether units serve or prove no more.
    pub(crate) fn is_over(&self) -> bool {
        !matches!(self.commitment.status, Status::Active { .. })
    }

    /// Parameters that hold for it.
    pub(crate) fn params(&self) -> &Params {
        &self.params
    }

    /// Writes what changed. What a failure does to units and workers, the agenda does.
    pub(crate) fn save<S: Store>(mut self, cx: &mut Cx<'_, S>) -> Result<(), Error> {
        // Who closes an epoch takes the agenda's turn, which credits what was held back.
        if self.proofs.epoch != self.before.1.epoch {
            self.credit(cx)?;
        }
        cx.events.append(&mut self.events);
        for (offence, amount) in std::mem::take(&mut self.slashed) {
            // An audit that finds nothing left to take expels the unit, and is said.
            if amount == Flt::ZERO && matches!(offence, Offence::Missed | Offence::Worker) {
                continue;
            }
            flt::transfer(cx, Purse::Commitment(self.id), Purse::Treasury, amount)?;
            cx.emit(Event::Slashed {
                commitment: self.id,
                offence,
                amount,
            });
        }
        for (epoch, share) in std::mem::take(&mut self.totals) {
            pool::add_share(cx, epoch, share)?;
        }
        for window in std::mem::take(&mut self.dropped) {
            window::drop_committed(cx.store, window, self.commitment.peer)?;
        }
        self.note_proven(cx)?;
        let due = self.due();
        if due != self.due_before && !self.failed_now() {
            if let Some(epoch) = self.due_before {
                AGENDA.delete(cx.store, &(epoch, self.id))?;
            }
            if let Some(epoch) = due {
                AGENDA.put(cx.store, &(epoch, self.id), &())?;
            }
        }
        let (commitment, proofs, rewards) = &self.before;
        if self.commitment != *commitment {
            COMMITMENTS.put(cx.store, &self.id, &self.commitment)?;
        }
        if self.proofs != *proofs {
            PROOFS.put(cx.store, &self.id, &self.proofs)?;
        }
        if self.rewards != *rewards {
            REWARDS.put(cx.store, &self.id, &self.rewards)?;
        }
        Ok(())
    }

    /// Whether it failed since it was read.
    fn failed_now(&self) -> bool {
        let failed = matches!(self.commitment.status, Status::Failed { .. });
        failed && self.before.0.status != self.commitment.status
    }

    /// Tells the peer's pledge which units may be matched. (V7)
    fn note_proven<S: Store>(&mut self, cx: &mut Cx<'_, S>) -> Result<(), Error> {
        if self.proven == 0 {
            return Ok(());
        }
        let peer = self.commitment.peer;
        let Some(mut pledge) = PLEDGES.get(cx.store, &peer)? else {
            return Ok(());
        };
        if pledge.current != self.id {
            return Ok(());
        }
        let before = pledge.clone();
        pledge.proven = pledge.proven.max(self.proven);
        pledge.unready.retain(|unit| !self.ready.contains(unit));
        if pledge != before {
            PLEDGES.put(cx.store, &peer, &pledge)?;
            crate::matching::queue::supply_changed(cx, peer)?;
        }
        Ok(())
    }
}

/// Windows owed from `from` to before `to`; each span is looked up once.
fn owed_from<S: Store>(
    cx: &mut Cx<'_, S>,
    spans: &mut BTreeMap<u64, u64>,
    from: u64,
    to: u64,
) -> Result<u64, Error> {
    if let Some(owed) = spans.get(&from) {
        return Ok(*owed);
    }
    let owed = window::owed(cx.store, from, to)?;
    spans.insert(from, owed);
    Ok(owed)
}
