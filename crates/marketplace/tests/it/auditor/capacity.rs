//! Commitments, from calls and events alone: each window of each unit is looked at one by one, each time an epoch is
//! closed, and FLT is summed from its whole history.

use crate::world::ReadOnly;
use marketplace::audit::{self, Outcome};
use marketplace::commitment::{self, Offence, Status};
use marketplace::flt::{self, Purse};
use marketplace::units::{Address, AuditId, CommitmentId, Epoch, PeerId, WorkerId};
use marketplace::worker::GoneReason;
use marketplace::{Call, Cx, Event, Params, peer, pool, window, worker};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
struct Committed {
    peer: PeerId,
    class: u128,
    units: u16,
    per_unit: u128,
    share_ppm: u128,
    /// Its epochs, once it started.
    span: Option<(u64, u64)>,
    stakes: BTreeMap<Address, u128>,
    /// What each unit lost.
    slashed: Vec<u128>,
    /// Missed epochs.
    missed: u64,
    failed: bool,
    active: bool,
    /// Windows passed in epochs that are closed and not credited, by unit, and units that lost them.
    held: BTreeMap<u64, (Vec<u128>, BTreeSet<u16>)>,
    /// What missed epochs are to cost.
    due: Vec<u128>,
    purse: i128,
    /// Rewards with their epochs, and what was paid of them.
    credits: Vec<(u64, u128)>,
    paid: u128,
}

/// Windows in which a unit served: from its match, to the one in which it was given back.
type Service = (u64, Option<u64>);

/// See the module.
#[derive(Debug)]
pub(super) struct Capacity {
    params: Params,
    /// What a commitment says that is being made.
    new: Option<commitment::New>,
    units: BTreeMap<PeerId, u16>,
    challenged: BTreeSet<u64>,
    commitments: BTreeMap<CommitmentId, Committed>,
    service: BTreeMap<(PeerId, u16), Vec<Service>>,
    workers: BTreeMap<WorkerId, (PeerId, Vec<u16>)>,
    /// Units of workers that have just left in a way that costs, in their order, and when.
    leaving: Vec<(u64, PeerId, u16)>,
    /// The commit of the call under way.
    entering: Option<(PeerId, u64, Vec<u16>)>,
    entered: BTreeMap<(u64, PeerId), (CommitmentId, BTreeSet<u16>)>,
    audits: BTreeMap<AuditId, (u64, PeerId, u16)>,
    /// Units that are expelled: in which epoch.
    expelled: BTreeMap<(CommitmentId, u16), u64>,
    /// The unit and part of its collateral that the last judgement costs.
    judged: Option<(CommitmentId, u16, u128)>,
    totals: BTreeMap<u64, (u128, u128)>,
    caps: BTreeMap<u64, Option<u128>>,
    price: Option<(u128, u128)>,
    funded: u128,
    spent: u128,
    treasury: u128,
}

impl Capacity {
    pub(super) fn new(params: &Params) -> Self {
        Self {
            params: params.clone(),
            new: None,
            units: BTreeMap::new(),
            challenged: BTreeSet::new(),
            commitments: BTreeMap::new(),
            service: BTreeMap::new(),
            workers: BTreeMap::new(),
            leaving: Vec::new(),
            entering: None,
            entered: BTreeMap::new(),
            audits: BTreeMap::new(),
            expelled: BTreeMap::new(),
            judged: None,
            totals: BTreeMap::new(),
            caps: BTreeMap::new(),
            price: None,
            funded: 0,
            spent: 0,
            treasury: 0,
        }
    }

    fn window(&self, now: u64) -> u64 {
        now.checked_div(self.params.window().0).unwrap_or(0)
    }

    /// The second at which a window counts.
    fn counts_at(&self, window: u64) -> u64 {
        let params = &self.params;
        let late = params.commit_grace_seconds + params.answer_seconds;
        (window + 1) * params.window().0 + late + params.verdict_delay_seconds
    }

    fn epoch_of(&self, second: u64) -> u64 {
        1 + second / self.params.epoch_seconds
    }

    /// Until when a peer's units are committed, if they are.
    pub(super) fn ends(&self, peer: &PeerId) -> Option<u64> {
        let own = self.commitments.values().filter(|each| each.peer == *peer);
        let ends = own.filter_map(|each| each.span.map(|(_, end)| end)).max();
        ends.map(|end| (end - 1) * self.params.epoch_seconds)
    }

    pub(super) fn call(&mut self, call: &Call) {
        match call {
            Call::Commitment(commitment::Call::Create(new)) => self.new = Some(new.clone()),
            Call::Window(window::Call::Commit {
                peer,
                window,
                units,
                ..
            }) => self.entering = Some((*peer, *window, units.clone())),
            _ => {}
        }
    }

    pub(super) fn event(&mut self, now: u64, event: &Event) {
        match event {
            Event::Peer(peer::Event::UnitsChanged { peer, units }) => {
                self.units.insert(*peer, *units);
            }
            Event::Worker(event) => self.worker_event(now, event),
            Event::Window(window::Event::Opened { window, .. }) => {
                self.challenged.insert(*window);
            }
            Event::Window(window::Event::Committed {
                peer,
                window,
                commitment,
                units,
            }) => self.enter(*peer, *window, *commitment, *units),
            Event::Audit(event) => self.audit_event(now, event),
            Event::Pool(event) => self.pool_event(event),
            Event::Commitment(event) => self.commitment_event(now, event),
            _ => {}
        }
    }

    fn worker_event(&mut self, now: u64, event: &worker::Event) {
        let window = self.window(now);
        match event {
            worker::Event::Assigned {
                worker,
                peer,
                units,
                ..
            } => {
                self.workers.insert(*worker, (*peer, units.clone()));
                for unit in units {
                    let service = self.service.entry((*peer, *unit)).or_default();
                    service.push((window, None));
                }
            }
            worker::Event::Gone { worker, reason, .. } => {
                let (peer, units) = self.workers.remove(worker).expect("a worker");
                self.leaving.retain(|(at, ..)| *at == now);
                let costs = matches!(reason, GoneReason::NeverStarted | GoneReason::Left);
                let mut own = self.commitments.values();
                let costs = costs && own.any(|each| each.peer == peer && each.active);
                let each = units.iter().filter(|_| costs);
                self.leaving.extend(each.map(|unit| (now, peer, *unit)));
                for unit in units {
                    let service = self.service.get_mut(&(peer, unit)).expect("it served");
                    service.last_mut().expect("it served").1 = Some(window);
                }
            }
            _ => {}
        }
    }

    fn served(&self, peer: PeerId, unit: u16) -> impl Iterator<Item = &Service> {
        self.service.get(&(peer, unit)).into_iter().flatten()
    }

    /// Whether a unit serves in a window, or from its beginning on.
    fn serves(&self, peer: PeerId, unit: u16, window: u64) -> bool {
        let mut service = self.served(peer, unit);
        service.any(|(from, to)| *from <= window && to.is_none_or(|to| window <= to))
    }

    /// Whether a unit that did not serve in a window owes it: one that was given back has until the second next.
    fn owes(&self, peer: PeerId, unit: u16, window: u64) -> bool {
        let mut service = self.served(peer, unit);
        !service.any(|(from, to)| *from <= window && to.is_none_or(|to| window < to + 2))
    }

    fn enter(&mut self, peer: PeerId, window: u64, id: CommitmentId, count: u16) {
        let (by, of, units) = self.entering.take().expect("a commit nobody made");
        assert_eq!((by, of), (peer, window), "what was committed");
        let gone = |unit: u16| self.expelled.contains_key(&(id, unit));
        let may = |unit: &u16| !self.serves(peer, *unit, window) && !gone(*unit);
        let units: BTreeSet<_> = units.into_iter().filter(may).collect();
        assert_eq!(units.len(), usize::from(count), "entries that are not void");
        self.entered.insert((window, peer), (id, units));
    }

    fn audit_event(&mut self, now: u64, event: &audit::Event) {
        match event {
            audit::Event::Drawn {
                audit,
                peer,
                window,
                unit,
                ..
            } => {
                let (_, units) = &self.entered[&(*window, *peer)];
                let again = self.audits.insert(*audit, (*window, *peer, *unit));
                let served = self.served(*peer, *unit).any(|(from, _)| from == window);
                assert!(again.is_some() || served || units.contains(unit));
            }
            audit::Event::Answered { .. } => {}
            audit::Event::Judged { audit, outcome, .. } => {
                let params = &self.params;
                let ppm = match outcome {
                    Outcome::Passed | Outcome::AskedAgain => return,
                    Outcome::NoAnswer => params.no_answer_ppm,
                    Outcome::Hardware => params.hardware_ppm,
                    Outcome::Fraud => 1_000_000,
                };
                let (window, peer, unit) = self.audits[audit];
                let id = self.entered[&(window, peer)].0;
                if self.counts_at(window) > now {
                    let entered = self.entered.get_mut(&(window, peer));
                    entered.expect("a commit").1.remove(&unit);
                }
                self.judged = Some((id, unit, ppm.into()));
                if *outcome == Outcome::Fraud {
                    let epoch = self.epoch_of(now);
                    self.expelled.entry((id, unit)).or_insert(epoch);
                }
            }
        }
    }

    fn pool_event(&mut self, event: &pool::Event) {
        match event {
            pool::Event::Funded { amount, .. } => self.funded += amount.0,
            pool::Event::PriceSet {
                flt_price_micro,
                reward_usd_micro,
            } => {
                let price = u128::from(*flt_price_micro);
                self.price = Some((price, u128::from(*reward_usd_micro)));
            }
            pool::Event::EpochClosed {
                epoch, paid, share, ..
            } => {
                let weight = self.weight(epoch.0);
                assert_eq!(u128::from(share.weight), weight, "weight of epoch {epoch}");
                self.totals.insert(epoch.0, (paid.0, weight));
                let ppm = u128::from(self.params.reward_cap_ppm);
                let cap = self
                    .price
                    .filter(|_| ppm > 0)
                    .map(|(price, reward)| (reward * 10_u128.pow(18) / price) * ppm / 1_000_000);
                self.caps.insert(epoch.0, cap);
            }
        }
    }

    /// Windows passed in an epoch × class, of all that is held back.
    fn weight(&self, epoch: u64) -> u128 {
        let held = self.commitments.values().filter_map(|each| {
            let (passed, _) = each.held.get(&epoch)?;
            Some(passed.iter().sum::<u128>() * each.class)
        });
        held.sum()
    }

    fn commitment_event(&mut self, now: u64, event: &commitment::Event) {
        match event {
            commitment::Event::Created {
                commitment,
                peer,
                collateral,
                ..
            } => {
                let new = self.new.take().expect("a commitment nobody made");
                let units = self.units[peer];
                assert_eq!(
                    collateral.0 % u128::from(units),
                    0,
                    "the same for each unit"
                );
                let committed = Committed {
                    peer: *peer,
                    class: new.class.into(),
                    units,
                    per_unit: collateral.0 / u128::from(units),
                    share_ppm: new.share_ppm.into(),
                    span: None,
                    stakes: BTreeMap::new(),
                    slashed: vec![0; units.into()],
                    missed: 0,
                    failed: false,
                    active: false,
                    held: BTreeMap::new(),
                    due: Vec::new(),
                    purse: 0,
                    credits: Vec::new(),
                    paid: 0,
                };
                self.commitments.insert(*commitment, committed);
            }
            commitment::Event::Deposited {
                commitment,
                delegator,
                amount,
            } => {
                let row = self.of(*commitment);
                *row.stakes.entry(*delegator).or_default() += amount.0;
                row.purse += amount.0.cast_signed();
            }
            commitment::Event::TakenBack {
                commitment,
                delegator,
                amount,
            } => {
                let row = self.of(*commitment);
                let stake = row.stakes.remove(delegator);
                assert_eq!(stake, Some(amount.0), "all that was deposited");
                row.purse -= amount.0.cast_signed();
            }
            commitment::Event::StatusChanged { commitment, status } => {
                if let Status::Active { start, .. } = status {
                    self.forget_service(*commitment, start.0);
                }
                let row = self.of(*commitment);
                row.active = matches!(status, Status::Active { .. });
                match status {
                    Status::Active { start, end } => row.span = Some((start.0, end.0)),
                    Status::Failed { .. } => row.failed = true,
                    _ => {}
                }
            }
            commitment::Event::EpochClosed {
                commitment,
                epoch,
                passed,
                missed,
            } => self.close(*commitment, *epoch, *passed, *missed),
            commitment::Event::Slashed {
                commitment,
                offence,
                amount,
            } => self.slash(now, *commitment, *offence, amount.0),
            commitment::Event::Credited {
                commitment,
                epoch,
                amount,
                lost,
            } => self.credit(now, *commitment, epoch.0, amount.0, lost.0),
            commitment::Event::RewardPaid {
                commitment, amount, ..
            } => {
                let epoch = self.epoch_of(now);
                let parts = u128::from(self.params.vesting_epochs);
                let back = self.params.holdback_epochs;
                let row = self.of(*commitment);
                row.purse -= amount.0.cast_signed();
                row.paid += amount.0;
                let due = |(from, amount): &(u64, u128)| {
                    let parts_due = u128::from(epoch.saturating_sub(from + back)).min(parts);
                    amount * parts_due
                };
                let vested = row.credits.iter().map(due).sum::<u128>() / parts;
                assert!(row.paid <= vested, "more is paid than has vested");
            }
            commitment::Event::CollateralPaid {
                commitment,
                to,
                amount,
            } => {
                let row = self.of(*commitment);
                // How it is divided, scenarios say; that all of it goes back, the close.
                assert!(
                    amount.0 <= row.stakes[to],
                    "more comes back than was staked"
                );
                row.purse -= amount.0.cast_signed();
            }
            commitment::Event::Closed { commitment } => {
                let row = self.commitments.remove(commitment).expect("commitment");
                assert!((0..=32).contains(&row.purse), "only remainders are left");
            }
            commitment::Event::RevenueShared { .. } | commitment::Event::RevenuePaid { .. } => {}
        }
    }

    /// A commitment that follows no other knows nothing of what units served before it: they are idle when it starts.
    fn forget_service(&mut self, id: CommitmentId, start: u64) {
        let peer = self.commitments[&id].peer;
        let mut others = self.commitments.values().filter(|each| each.peer == peer);
        let follows = others.any(|each| {
            let ended = each.span.is_some_and(|(_, end)| end == start);
            ended && !each.failed
        });
        if !follows {
            let own = self.service.iter_mut().filter(|((of, _), _)| *of == peer);
            own.for_each(|(_, service)| service.retain(|(_, to)| to.is_none()));
        }
    }

    fn of(&mut self, id: CommitmentId) -> &mut Committed {
        self.commitments.get_mut(&id).expect("commitment")
    }

    /// Windows of a unit that count in an epoch: how many it owed, and passed.
    fn unit(&self, id: CommitmentId, unit: u16, epoch: u64) -> (u128, u128) {
        let row = &self.commitments[&id];
        let (start, end) = row.span.expect("it started");
        let length = self.params.windows_per_epoch;
        let windows = (start - 1) * length..(end - 1) * length;
        let gone = self.expelled.get(&(id, unit));
        if gone.is_some_and(|gone| *gone <= epoch) {
            return (0, 0);
        }
        let (mut owed, mut passed) = (0, 0);
        // Windows count at most a few epochs after they begin.
        let first = epoch.saturating_sub(20).max(start);
        for window in windows.filter(|window| window / length + 1 >= first) {
            let counts = self.epoch_of(self.counts_at(window)) == epoch;
            if !counts || window % length == 0 || !self.challenged.contains(&window) {
                continue;
            }
            owed += u128::from(self.owes(row.peer, unit, window));
            let entered = self.entered.get(&(window, row.peer));
            let there = entered.is_some_and(|(of, units)| *of == id && units.contains(&unit));
            passed += u128::from(there && !self.serves(row.peer, unit, window));
        }
        (owed, passed)
    }

    fn close(&mut self, id: CommitmentId, epoch: Epoch, passed: u64, missed: u16) {
        let count = self.commitments[&id].units;
        let mut good = Vec::new();
        let mut bad = Vec::new();
        for unit in 0..count {
            let (owed, windows) = self.unit(id, unit, epoch.0);
            let least = owed * u128::from(self.params.min_pass_ppm) / 1_000_000;
            let enough = windows >= least;
            good.push(if enough { windows } else { 0 });
            if !enough && owed >= u128::from(self.params.min_owed_windows) {
                bad.push(unit);
            }
        }
        let sum = good.iter().sum::<u128>();
        assert_eq!(
            u128::from(passed),
            sum,
            "passed by {id} in epoch {epoch}: {good:?}"
        );
        assert_eq!(
            usize::from(missed),
            bad.len(),
            "missed by {id} in epoch {epoch}"
        );
        let ppm = u128::from(self.params.missed_ppm);
        let limit = u64::from(count) * self.params.max_failed_per_unit;
        let row = self.of(id);
        assert!(!row.failed, "it failed, and is counted on");
        let cost = (row.per_unit * ppm).div_ceil(1_000_000);
        let mut lost = 0;
        for unit in &bad {
            let slashed = &mut row.slashed[usize::from(*unit)];
            let more = cost.min(row.per_unit - *slashed);
            *slashed += more;
            lost += more;
        }
        row.due.push(lost);
        row.missed += bad.len() as u64;
        assert!(bad.is_empty() || row.missed < limit + u64::from(count));
        if sum > 0 {
            row.held.insert(epoch.0, (good, BTreeSet::new()));
        }
    }

    fn slash(&mut self, now: u64, id: CommitmentId, offence: Offence, amount: u128) {
        self.treasury += amount;
        let (now, back) = (self.epoch_of(now), self.params.holdback_epochs);
        let judged = self.judged;
        let fault = u128::from(self.params.fault_slash_ppm);
        let leaving = &mut self.leaving;
        let row = self.commitments.get_mut(&id).expect("commitment");
        row.purse -= amount.cast_signed();
        match offence {
            Offence::Missed => {
                row.due.retain(|due| *due > 0);
                assert_eq!(amount, row.due.remove(0), "what missed epochs cost");
            }
            Offence::Worker => {
                let has = |unit: u16| row.slashed[usize::from(unit)] < row.per_unit;
                let peer = row.peer;
                let mut left = leaving.iter();
                let place = left.position(|(_, of, unit)| *of == peer && has(*unit));
                let (_, _, unit) = leaving.remove(place.expect("a worker that left"));
                let slashed = &mut row.slashed[usize::from(unit)];
                let cost = (row.per_unit * fault).div_ceil(1_000_000);
                assert_eq!(
                    amount,
                    cost.min(row.per_unit - *slashed),
                    "what a worker costs"
                );
                *slashed += amount;
            }
            Offence::NoAnswer | Offence::Hardware | Offence::Fraud => {
                let (of, unit, ppm) = judged.expect("a judgement");
                assert_eq!(of, id, "whose unit it is");
                let slashed = &mut row.slashed[usize::from(unit)];
                let cost = (row.per_unit * ppm).div_ceil(1_000_000);
                assert_eq!(
                    amount,
                    cost.min(row.per_unit - *slashed),
                    "what an audit costs"
                );
                *slashed += amount;
                if row.per_unit > 0 && *slashed == row.per_unit {
                    self.expelled.entry((id, unit)).or_insert(now);
                }
                // What has begun to vest is safe, credited or not.
                let held = row.held.range_mut(now.saturating_sub(back)..);
                held.for_each(|(_, (_, lost))| _ = lost.insert(unit));
            }
        }
    }

    fn credit(&mut self, now: u64, id: CommitmentId, epoch: u64, amount: u128, lost: u128) {
        let over = epoch + self.params.holdback_epochs < self.epoch_of(now);
        assert!(over, "a reward is credited in its holdback");
        let (paid, weight) = self.totals[&epoch];
        let cap = self.caps[&epoch];
        let row = self.of(id);
        let (passed, loses) = row.held.remove(&epoch).expect("a reward");
        let (mut mine, mut gone) = (0, 0);
        for (windows, unit) in passed.iter().zip(0_u16..) {
            let cap = cap.map_or(u128::MAX, |cap| cap * row.class);
            let reward = (paid * (windows * row.class) / weight).min(cap);
            *(if loses.contains(&unit) {
                &mut gone
            } else {
                &mut mine
            }) += reward;
        }
        assert!(row.share_ppm <= 1_000_000);
        assert_eq!(
            (amount, lost),
            (mine, gone),
            "rewards of {id} in epoch {epoch}"
        );
        row.purse += amount.cast_signed();
        row.credits.push((epoch, amount));
        self.treasury += lost;
        self.spent += amount + lost;
    }

    /// Compares purses with what they should hold.
    pub(super) fn check(&self, cx: &mut Cx<'_, ReadOnly<'_>>) {
        let mut purse = |purse| flt::purse(cx.store, purse).expect("purse").0;
        for (id, row) in &self.commitments {
            let there = purse(Purse::Commitment(*id));
            assert_eq!(there.cast_signed(), row.purse, "FLT of commitment {id}");
        }
        assert_eq!(purse(Purse::Treasury), self.treasury, "FLT of the treasury");
        let epochs = self
            .totals
            .keys()
            .map(|epoch| purse(Purse::Pool(Epoch(*epoch))));
        let pools: u128 = epochs.sum();
        let fund = purse(Purse::Fund) + pools;
        assert_eq!(
            fund,
            self.funded - self.spent,
            "FLT of the fund and its pools"
        );
    }
}
