//! Commitments, what peers prove under them, and rewards.

use super::{Made, Run};
use crate::world::address;
use marketplace::audit::{self, OPEN, Verdict};
use marketplace::commitment::{self, Commitment, DELEGATIONS, Status};
use marketplace::units::{Address, AuditId, CommitmentId, Flt, Hash, PeerId, Price, Time};
use marketplace::{Call, peer, pool, window};

impl Run {
    fn commitment(&self, id: CommitmentId) -> Option<Commitment> {
        self.world.read(|cx| commitment::get(cx.store, id))
    }

    /// A commitment of which `fits` holds, most of the time.
    fn commitment_that(&mut self, fits: impl Fn(&Commitment) -> bool) -> CommitmentId {
        self.find(
            |run| CommitmentId(run.id(run.commitments)),
            |run, id| run.commitment(*id).is_some_and(|row| fits(&row)),
        )
    }

    fn waiting(&mut self) -> CommitmentId {
        self.commitment_that(|row| row.status == Status::WaitCollateral)
    }

    pub(super) fn commit_units(&mut self) -> Made {
        let (peer, provider) = self.any_peer();
        let new = commitment::New {
            peer,
            duration: self.small(6).into(),
            class: self
                .dice
                .of(&[1, 1, 1, 2, 16, if self.wild { 17 } else { 3 }]),
            share_ppm: self.dice.of(&[0, 333_333, 1_000_000]),
            min_ask: Price(self.dice.of(&[0, 0, 0, 5_000])),
            delegator: self.dice.one_in(6).then(|| address("alice")),
            payout: self.anybody(),
        };
        let call = commitment::Call::Create(new);
        (self.owner(provider), Call::Commitment(call))
    }

    pub(super) fn stake(&mut self) -> Made {
        let commitment = self.waiting();
        let row = self.commitment(commitment);
        let open = row
            .as_ref()
            .map_or(1, |row| row.collateral().0 - row.staked.0);
        let amount = match self.odd(3) {
            true => self.dice.of(&[0, open + 1, u128::MAX / 2]),
            false => self
                .dice
                .of(&[open, open, open.div_ceil(2), open.div_ceil(16)]),
        };
        self.value = Some(Flt(amount));
        let named = row.and_then(|row| row.delegator);
        let caller = named.unwrap_or_else(|| self.anybody());
        (
            caller,
            Call::Commitment(commitment::Call::Deposit { commitment }),
        )
    }

    pub(super) fn take_stake_back(&mut self) -> Made {
        let commitment = self.waiting();
        let rows = self
            .world
            .read(|cx| DELEGATIONS.list(cx.store, &commitment, None, 16));
        let caller = rows.first().map_or(address("nobody"), |((_, who), _)| *who);
        (
            caller,
            Call::Commitment(commitment::Call::TakeBack { commitment }),
        )
    }

    pub(super) fn cancel_commitment(&mut self) -> Made {
        let commitment = self.waiting();
        let provider = self.commitment(commitment).map(|row| row.provider);
        let caller = provider.map_or(address("nobody"), |provider| self.owner(provider));
        (
            caller,
            Call::Commitment(commitment::Call::Cancel { commitment }),
        )
    }

    pub(super) fn claim(&mut self) -> Made {
        let commitment = self.commitment_that(|row| {
            !matches!(
                row.status,
                Status::WaitCollateral | Status::WaitStart { .. }
            )
        });
        (
            self.anybody(),
            Call::Commitment(commitment::Call::Claim { commitment }),
        )
    }

    pub(super) fn operator(&self, id: PeerId) -> Address {
        let row = self.world.read(|cx| peer::get(cx.store, id));
        row.map_or(address("nobody"), |row| row.operator)
    }

    pub(super) fn commit_window(&mut self) -> Made {
        let active = |run: &Self, id: PeerId| {
            let pledge = run.world.read(|cx| commitment::PLEDGES.get(cx.store, &id));
            pledge.is_some_and(|pledge| pledge.active)
        };
        let newest = self.world.read(|cx| window::newest(cx.store));
        let newest = newest.map_or(0, |(window, _)| window);
        let before = newest.saturating_sub(1);
        let open = |run: &Self, id: PeerId, window: u64| {
            let made = window::COMMITTED;
            run.world
                .read(|cx| made.get(cx.store, &(window, id)))
                .is_none()
        };
        let (peer, _) = self.find(Self::any_peer, |run, (id, _)| {
            active(run, *id) && open(run, *id, before)
        });
        let window = match self.odd(4) {
            true => self
                .dice
                .of(&[0, newest + 1, newest.saturating_sub(3), u64::MAX]),
            false => self.dice.of(&[newest, before, before]),
        };
        let all = self.units(peer) + u16::from(self.odd(8));
        let skip = self.dice.of(&[2, 9, 9, 99]);
        let units = (0..all).filter(|_| !self.dice.one_in(skip)).collect();
        let call = window::Call::Commit {
            peer,
            window,
            root: Hash([7; 32]),
            units,
        };
        (self.operator(peer), Call::Window(call))
    }

    pub(super) fn answer_audit(&mut self) -> Made {
        let open = self.world.read(|cx| OPEN.list(cx.store, &(), None, 8));
        let audit = match open.is_empty() || self.odd(4) {
            true => AuditId(self.number(50)),
            false => self.dice.of(&open).0.1,
        };
        let row = self.world.read(|cx| audit::get(cx.store, audit));
        let length = if self.odd(4) { 0 } else { 9 };
        let bytes = vec![3; length];
        let caller = row.map_or(address("nobody"), |row| self.operator(row.peer));
        (caller, Call::Audit(audit::Call::Answer { audit, bytes }))
    }

    pub(super) fn fund(&mut self) -> Made {
        let amount = if self.odd(3) { 0 } else { self.number(1 << 40) };
        self.value = Some(Flt(amount.into()));
        (self.anybody(), Call::Pool(pool::Call::Fund))
    }

    pub(super) fn set_flt_price(&mut self) -> Made {
        let flt_price_micro = match self.odd(3) {
            true => self.dice.of(&[0, u64::MAX]),
            false => 1_000 + self.number(1_000_000),
        };
        let call = pool::Call::SetPrice {
            flt_price_micro,
            reward_usd_micro: self.number(1_000),
        };
        (address("oracle"), Call::Pool(call))
    }

    /// What validators found of the answers that are due: most are good.
    pub(super) fn judge(&mut self) {
        let now = Time(self.world.now);
        let due = self.world.read(|cx| audit::due(cx.store, now, 20));
        for (id, _) in due {
            let verdict = match self.dice.below(12) {
                0 => Verdict::Malformed,
                1 => Verdict::Opened { bad: 1 },
                2 => Verdict::Opened { bad: 3 },
                3 => continue,
                _ => Verdict::Opened { bad: 0 },
            };
            self.world.verdicts.push((id, verdict));
        }
    }
}
