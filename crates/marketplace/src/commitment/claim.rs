//! Paying out what a commitment owes: to the provider's payout account, and to its delegators.
//!
//! Promises (`docs/spec/commitment.md`):
//! - H8: anybody's call pays everybody what is due to them; nobody needs another's help.
//! - H9: collateral goes back pro rata, rounded down, from the end and the holdback on, or from the failure and the
//!   longer of cool-down and holdback on, when no audit is open.
//! - H10: when nothing is owed any more the commitment is gone; remainders go to the account of dust.

use super::{
    CommitmentNow, DELEGATIONS, Delegation, Event, PROOFS, REWARDS, Status, delegations, known,
    remove,
};
use crate::cx::Cx;
use crate::flt::{self, Purse};
use crate::ledger::{self, Account};
use crate::refusal::{Error, Object, Refusal, ensure, fault};
use crate::store::Store;
use crate::units::{Address, CommitmentId, Flt, Usdc, mul_div};

pub(super) fn claim<S: Store>(cx: &mut Cx<'_, S>, id: CommitmentId) -> Result<(), Error> {
    let commitment = known(cx.store, id)?;
    let waits = matches!(
        commitment.status,
        Status::WaitCollateral | Status::WaitStart { .. }
    );
    let refusal = Refusal::WrongState {
        object: Object::Commitment(id),
        state: commitment.status.name(),
    };
    ensure(!waits, refusal)?;
    let mut now = CommitmentNow::load(cx, id)?;
    now.credit(cx)?;
    let mut delegators = delegations(cx.store, id)?;
    let rewards = now.pay_rewards(cx, &mut delegators)?;
    let revenue = now.pay_revenue(cx, &mut delegators)?;
    let collateral = now.pay_collateral(cx, &delegators)?;
    if rewards || revenue {
        for (account, delegation) in &delegators {
            DELEGATIONS.put(cx.store, &(id, *account), delegation)?;
        }
    }
    let over = now.commitment.released
        && now.rewards.done()
        && now.commitment.workers == 0
        && now.commitment.audits == 0;
    let commitment = now.commitment.clone();
    now.save(cx)?;
    if !over {
        return Ok(());
    }
    debug_assert!(collateral || commitment.released);
    for (account, _) in delegators {
        DELEGATIONS.delete(cx.store, &(id, account))?;
    }
    PROOFS.delete(cx.store, &id)?;
    REWARDS.delete(cx.store, &id)?;
    let dust = flt::purse(cx.store, Purse::Commitment(id))?;
    flt::transfer(cx, Purse::Commitment(id), Purse::Dust, dust)?;
    let rest = ledger::balance(cx.store, Account::Commitment(id))?;
    if rest != Usdc::ZERO {
        ledger::transfer(cx, Account::Commitment(id), Account::Dust, rest)?;
    }
    remove(cx, id, &commitment)
}

/// The share of a stake in an amount, rounded down.
fn share(amount: u128, stake: Flt, all: Flt) -> Result<u128, Error> {
    if all == Flt::ZERO {
        return Ok(0);
    }
    mul_div(amount, stake.0, all.0).ok_or_else(|| fault("a share beyond 128 bits"))
}

impl CommitmentNow {
    /// Pays vested rewards: the delegators' part by their stakes, the rest to the provider's account.
    fn pay_rewards<S: Store>(
        &mut self,
        cx: &mut Cx<'_, S>,
        delegators: &mut [(Address, Delegation)],
    ) -> Result<bool, Error> {
        let vested = self
            .rewards
            .vested_in(cx.epoch(), self.params().vesting_epochs);
        let vested = vested.ok_or_else(|| fault("rewards beyond 128 bits"))?;
        let staked = self.commitment.staked;
        let theirs = match staked {
            Flt::ZERO => Some(Flt::ZERO),
            _ => vested.part(self.commitment.share_ppm.into()),
        };
        let theirs = theirs.ok_or_else(|| fault("rewards beyond 128 bits"))?;
        let mut any = false;
        for (account, delegation) in delegators {
            let all = Flt(share(theirs.0, delegation.stake, staked)?);
            let due = all.checked_sub(delegation.rewards);
            let due = due.ok_or_else(|| fault("a delegator was paid too much"))?;
            delegation.rewards = all;
            let paid = self.rewards.delegators_paid.0.saturating_add(due.0);
            self.rewards.delegators_paid = Flt(paid);
            any |= self.pay_reward(cx, *account, due)?;
        }
        let provider = vested.checked_sub(theirs);
        let provider = provider.ok_or_else(|| fault("a part beyond the whole"))?;
        let due = provider.checked_sub(self.rewards.provider_paid);
        let due = due.ok_or_else(|| fault("a provider was paid too much"))?;
        self.rewards.provider_paid = provider;
        Ok(self.pay_reward(cx, self.commitment.payout, due)? || any)
    }

    fn pay_reward<S: Store>(
        &self,
        cx: &mut Cx<'_, S>,
        to: Address,
        amount: Flt,
    ) -> Result<bool, Error> {
        if amount == Flt::ZERO {
            return Ok(false);
        }
        flt::pay_out(cx, Purse::Commitment(self.id), to, amount)?;
        cx.emit(Event::RewardPaid {
            commitment: self.id,
            to,
            amount,
        });
        Ok(true)
    }

    /// Pays delegators their part of what deals paid.
    fn pay_revenue<S: Store>(
        &self,
        cx: &mut Cx<'_, S>,
        delegators: &mut [(Address, Delegation)],
    ) -> Result<bool, Error> {
        let from = Account::Commitment(self.id);
        let here = ledger::balance(cx.store, from)?.0;
        let all = delegators.iter().fold(here, |sum, (_, delegation)| {
            sum.saturating_add(delegation.revenue.0)
        });
        let mut any = false;
        for (account, delegation) in delegators {
            let theirs = Usdc(share(all, delegation.stake, self.commitment.staked)?);
            // What was paid to others rounds the sum down, so a share may stand still for a millionth.
            let amount = theirs.checked_sub(delegation.revenue).unwrap_or_default();
            if amount == Usdc::ZERO {
                continue;
            }
            any = true;
            delegation.revenue = theirs;
            ledger::transfer(cx, from, Account::User(*account), amount)?;
            cx.emit(Event::RevenuePaid {
                commitment: self.id,
                to: *account,
                amount,
            });
        }
        Ok(any)
    }

    /// Gives the collateral back, when its time has come. (H9)
    fn pay_collateral<S: Store>(
        &mut self,
        cx: &mut Cx<'_, S>,
        delegators: &[(Address, Delegation)],
    ) -> Result<bool, Error> {
        let params = self.params();
        let kept = match self.commitment.status {
            Status::Ended { end } if self.proofs.epoch > end => end.plus(params.holdback_epochs),
            Status::Failed { epoch } => {
                epoch.plus(params.cool_down_epochs.max(params.holdback_epochs))
            }
            _ => return Ok(false),
        };
        if self.commitment.released || self.commitment.audits > 0 || cx.epoch() < kept {
            return Ok(false);
        }
        let left = self.collateral_left();
        for (account, delegation) in delegators {
            let amount = Flt(share(left.0, delegation.stake, self.commitment.staked)?);
            flt::pay_out(cx, Purse::Commitment(self.id), *account, amount)?;
            cx.emit(Event::CollateralPaid {
                commitment: self.id,
                to: *account,
                amount,
            });
        }
        self.commitment.released = true;
        Ok(true)
    }
}
