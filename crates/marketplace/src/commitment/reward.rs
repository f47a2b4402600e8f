//! Rewards of a commitment: held back, then credited, then vesting in equal parts.
//!
//! Promises (`docs/spec/commitment.md`):
//! - Z5: the rewards of an epoch are held back for `holdback_epochs`; what an offending unit has there goes to the
//!   treasury. Nothing takes what has begun to vest.
//! - Z6: then they vest in `vesting_epochs` equal parts, one an epoch; the sum of all parts is rounded down once.

use super::{CommitmentNow, Event};
use crate::cx::Cx;
use crate::flt::{self, Purse};
use crate::pool::{self, TOTALS, Total};
use crate::refusal::{Error, fault};
use crate::store::Store;
use crate::table::Table;
use crate::units::{CommitmentId, Epoch, Flt};
use borsh::{BorshDeserialize, BorshSerialize};

/// What units earned in an epoch, held back.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Which epoch.
    pub epoch: Epoch,
    /// Windows that each unit passed, if it was good.
    pub passed: Vec<u16>,
    /// Units that lost it.
    pub lost: Vec<u16>,
}

impl Held {
    /// Whether it is held back in an epoch; if not, it has begun to vest.
    pub(super) fn is_held_in(&self, epoch: Epoch, back: u64) -> bool {
        self.epoch.plus(back) >= epoch
    }
}

/// What was credited for an epoch, and vests.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit {
    /// The epoch before that in which the first part is due.
    pub from: Epoch,
    /// How much.
    pub amount: Flt,
}

/// Rewards of a commitment.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewards {
    /// Held back, oldest first.
    pub held: Vec<Held>,
    /// Vesting, oldest first.
    pub credits: Vec<Credit>,
    /// Vested to the end.
    pub vested: Flt,
    /// What the provider's account was paid.
    pub provider_paid: Flt,
    /// What delegators were paid.
    pub delegators_paid: Flt,
}

/// Rewards by commitment.
pub const REWARDS: Table<CommitmentId, Rewards> = Table::new(0x3f, "rewards");

impl Rewards {
    /// What has vested in an epoch, paid out or not. (Z6)
    #[must_use]
    pub fn vested_in(&self, epoch: Epoch, parts: u64) -> Option<Flt> {
        let mut numerator = 0_u128;
        for credit in &self.credits {
            let due = epoch.0.saturating_sub(credit.from.0).min(parts);
            let part = credit.amount.0.checked_mul(due.into())?;
            numerator = numerator.checked_add(part)?;
        }
        let vested = numerator.checked_div(parts.into())?;
        self.vested.checked_add(Flt(vested))
    }

    /// Takes credits that have vested to the end together.
    fn settle(&mut self, epoch: Epoch, parts: u64) {
        let over = |credit: &Credit| epoch.0.saturating_sub(credit.from.0) >= parts;
        let whole = self.credits.iter().filter(|credit| over(credit));
        let whole = whole.fold(0_u128, |sum, credit| sum.saturating_add(credit.amount.0));
        self.vested = Flt(self.vested.0.saturating_add(whole));
        self.credits.retain(|credit| !over(credit));
    }

    /// Whether all there ever was has been credited and has vested.
    pub(super) fn done(&self) -> bool {
        self.held.is_empty() && self.credits.is_empty()
    }
}

impl CommitmentNow {
    /// Credits what was held back long enough. Writes. (Z5)
    pub(super) fn credit<S: Store>(&mut self, cx: &mut Cx<'_, S>) -> Result<(), Error> {
        let (epoch, back) = (cx.epoch(), self.params.holdback_epochs);
        while let Some(held) = self.rewards.held.first() {
            if held.is_held_in(epoch, back) {
                break;
            }
            let total = TOTALS.must(cx.store, &held.epoch)?;
            if total.pool.is_none() {
                break;
            }
            let held = self.rewards.held.remove(0);
            self.credit_one(cx, &held, total)?;
        }
        self.rewards.settle(epoch, self.params.vesting_epochs);
        Ok(())
    }

    fn credit_one<S: Store>(
        &mut self,
        cx: &mut Cx<'_, S>,
        held: &Held,
        total: Total,
    ) -> Result<(), Error> {
        let (mut amount, mut lost) = (0_u128, 0_u128);
        for (passed, index) in held.passed.iter().zip(0_u16..) {
            let reward = total.reward(*passed, self.commitment.class);
            let reward = reward.ok_or_else(|| fault("a reward beyond 128 bits"))?;
            let sum = match held.lost.contains(&index) {
                true => &mut lost,
                false => &mut amount,
            };
            *sum = sum.saturating_add(reward.0);
        }
        let (amount, lost, epoch) = (Flt(amount), Flt(lost), held.epoch);
        flt::transfer(cx, Purse::Pool(epoch), Purse::Commitment(self.id), amount)?;
        flt::transfer(cx, Purse::Pool(epoch), Purse::Treasury, lost)?;
        pool::credited(cx, epoch, total)?;
        cx.emit(Event::Credited {
            commitment: self.id,
            epoch,
            amount,
            lost,
        });
        if amount != Flt::ZERO {
            let from = epoch.plus(self.params.holdback_epochs);
            self.rewards.credits.push(Credit { from, amount });
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "numbers of a test")]
mod tests {
    use super::{Credit, Rewards};
    use crate::units::{Epoch, Flt};

    const FLT: u128 = 1_000_000_000_000_000_000;

    /// Z6, example 17.
    #[test]
    fn rewards_vest_in_equal_parts_and_nothing_is_lost() {
        let first = Credit {
            from: Epoch(10),
            amount: Flt(100 * FLT + 5),
        };
        let mut rewards = Rewards {
            credits: vec![first],
            ..Rewards::default()
        };
        let vested = |rewards: &Rewards, epoch| rewards.vested_in(Epoch(epoch), 6).expect("fits").0;
        let parts: Vec<_> = (11..=16).map(|epoch| vested(&rewards, epoch)).collect();
        let expected = [
            16_666_666_666_666_666_667,
            33_333_333_333_333_333_335,
            50_000_000_000_000_000_002,
            66_666_666_666_666_666_670,
            83_333_333_333_333_333_337,
            100_000_000_000_000_000_005,
        ];
        assert_eq!(parts, expected);
        rewards.credits.push(Credit {
            from: Epoch(12),
            amount: Flt(50 * FLT + 1),
        });
        assert_eq!(vested(&rewards, 13), 58_333_333_333_333_333_336);
        // What has vested to the end is taken together, and nothing changes.
        for epoch in 13..=20 {
            let before = vested(&rewards, epoch);
            rewards.settle(Epoch(epoch), 6);
            assert_eq!(vested(&rewards, epoch), before);
        }
        assert!(rewards.done());
        assert_eq!(rewards.vested, Flt(150 * FLT + 6));
    }
}
