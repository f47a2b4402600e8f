//! What can be read of commitments: by people, by RPC and by peers.

use super::{
    Commitment, CommitmentNow, Delegation, Entered, Event, Proof, REWARDS, Rewards, Status, claim,
    delegations, pledge,
};
use crate::cx::Cx;
use crate::event;
use crate::ledger::{self, Account};
use crate::params::Params;
use crate::pool::TOTALS;
use crate::refusal::{Error, fault};
use crate::store::Store;
use crate::units::{Address, CommitmentId, Epoch, Flt, PeerId, ProviderId, Usdc};
use crate::window::{self, COMMITTED, Committed};

/// A commitment as of the last block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Its row.
    pub commitment: Commitment,
    /// The epoch that its units are counted in.
    pub epoch: Epoch,
    /// Its units, by index; none before its start.
    pub units: Vec<Unit>,
    /// Who deposited for it, and what each is owed.
    pub delegators: Vec<(Address, Delegation, Due)>,
    /// What the provider's account is owed.
    pub provider: Due,
    /// Rewards of closed epochs that are held back, of units that lost none.
    pub held_back: Flt,
    /// Rewards that are credited and have not vested.
    pub vesting: Flt,
    /// Rewards that have vested since its start, paid out or not.
    pub vested: Flt,
    /// What deals paid and delegators have not taken.
    pub revenue: Usdc,
    /// What is left of its collateral, or of what is deposited so far.
    pub left: Flt,
    /// The epoch from which anybody may close it, if its collateral is not complete by then.
    pub closes: Epoch,
    /// Missed epochs of all units with which it fails.
    pub miss_limit: u64,
}

/// What somebody would be paid by a claim now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Of vested rewards.
    pub rewards: Flt,
    /// Of what deals paid.
    pub revenue: Usdc,
    /// Of the collateral.
    pub collateral: Flt,
}

/// A unit of a commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    /// What it proved.
    pub proof: Proof,
    /// Windows that it owes so far of those that count in the epoch.
    pub owed: u64,
    /// Windows that its peer committed to for it and that do not count yet.
    pub entered: u64,
}

/// What a peer is to do in a window, as of the last block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proving {
    /// Under which commitment.
    pub commitment: CommitmentId,
    /// Whose peer it is.
    pub provider: ProviderId,
    /// Class of its units.
    pub class: u8,
    /// Who earns the provider's part.
    pub payout: Address,
    /// Indices of the units that may prove in it, ascending.
    pub units: Vec<u16>,
    /// What the peer committed to already.
    pub committed: Option<Committed>,
}

/// The row of a commitment as of now. Writes nothing.
///
/// # Errors
/// `Unknown` if there is none; out of work.
pub fn current<S: Store>(cx: &mut Cx<'_, S>, id: CommitmentId) -> Result<Commitment, Error> {
    Ok(CommitmentNow::load(cx, id)?.commitment)
}

/// A commitment, with all that it owes. Makes a claim to know that: what this writes must be dropped.
///
/// # Errors
/// `Unknown` if there is none; out of work.
pub fn view<S: Store>(cx: &mut Cx<'_, S>, id: CommitmentId) -> Result<View, Error> {
    let now = CommitmentNow::load(cx, id)?;
    let before = delegations(cx.store, id)?;
    let mut view = View {
        epoch: now.proofs.epoch,
        units: units(cx, &now)?,
        delegators: before
            .into_iter()
            .map(|(account, row)| (account, row, Due::default()))
            .collect(),
        provider: Due::default(),
        held_back: Flt::ZERO,
        vesting: Flt::ZERO,
        vested: Flt::ZERO,
        revenue: ledger::balance(cx.store, Account::Commitment(id))?,
        left: match now.commitment.released {
            true => Flt::ZERO,
            false => now.collateral_left(),
        },
        closes: now
            .commitment
            .created
            .plus(now.params.collateral_wait_epochs),
        miss_limit: u64::from(now.commitment.units).saturating_mul(now.params.max_failed_per_unit),
        commitment: now.commitment,
    };
    if view.waits() {
        return Ok(view);
    }
    let began = cx.events.len();
    claim::claim(cx, id)?;
    let events = cx.events.split_off(began);
    events.iter().for_each(|event| view.owe(event));
    if let Some(rewards) = REWARDS.get(cx.store, &id)? {
        view.rewards(cx, &rewards, &now.params)?;
    }
    Ok(view)
}

fn units<S: Store>(cx: &mut Cx<'_, S>, now: &CommitmentNow) -> Result<Vec<Unit>, Error> {
    let (first, next) = (
        now.params.first_counted(now.proofs.epoch),
        now.params.first_counted(now.proofs.epoch.plus(1)),
    );
    let newest = window::newest(cx.store)?.map_or(0, |(window, _)| window);
    let mut units = Vec::new();
    for (proof, index) in now.proofs.units.iter().zip(0_u16..) {
        let from = proof.owes_from.max(first);
        let owed = window::owed(cx.store, from, next.min(newest))?;
        let has = |entered: &&Entered| entered.units.contains(&index);
        let entered = now.proofs.entered.iter().filter(has).count();
        units.push(Unit {
            proof: *proof,
            owed: owed.saturating_add(proof.owed.into()),
            entered: u64::try_from(entered).unwrap_or(u64::MAX),
        });
    }
    Ok(units)
}

impl View {
    /// Whether it has not started.
    fn waits(&self) -> bool {
        matches!(
            self.commitment.status,
            Status::WaitCollateral | Status::WaitStart { .. }
        )
    }

    /// Notes what a claim paid.
    fn owe(&mut self, event: &event::Event) {
        let event::Event::Commitment(event) = event else {
            return;
        };
        match *event {
            // A delegator is paid before the provider, who may be one, too.
            Event::RewardPaid { to, amount, .. } => {
                let paid = self.due_of(to, |due| due.rewards == Flt::ZERO);
                paid.rewards = amount;
            }
            Event::RevenuePaid { to, amount, .. } => self.due_of(to, |_| true).revenue = amount,
            Event::CollateralPaid { to, amount, .. } => {
                self.due_of(to, |_| true).collateral = amount;
            }
            _ => {}
        }
    }

    fn due_of(&mut self, to: Address, open: impl Fn(&Due) -> bool) -> &mut Due {
        let mut delegators = self.delegators.iter_mut();
        match delegators.find(|(account, _, due)| *account == to && open(due)) {
            Some((_, _, due)) => due,
            None => &mut self.provider,
        }
    }

    /// Counts rewards, those that were held back long enough being credited.
    fn rewards<S: Store>(
        &mut self,
        cx: &mut Cx<'_, S>,
        rewards: &Rewards,
        params: &Params,
    ) -> Result<(), Error> {
        let vested = rewards.vested_in(cx.epoch(), params.vesting_epochs);
        self.vested = vested.ok_or_else(|| fault("rewards beyond 128 bits"))?;
        let credits = rewards.credits.iter();
        let all = credits.fold(rewards.vested.0, |sum, credit| {
            sum.saturating_add(credit.amount.0)
        });
        self.vesting = Flt(all.saturating_sub(self.vested.0));
        for held in &rewards.held {
            let total = TOTALS.get(cx.store, &held.epoch)?.unwrap_or_default();
            for (passed, index) in held.passed.iter().zip(0_u16..) {
                let reward = total.reward(*passed, self.commitment.class);
                let reward = reward.filter(|_| !held.lost.contains(&index));
                let sum = self
                    .held_back
                    .0
                    .saturating_add(reward.unwrap_or_default().0);
                self.held_back = Flt(sum);
            }
        }
        Ok(())
    }
}

/// What a peer is to do in a window that has begun; None: it has no commitment for it.
///
/// # Errors
/// Out of work.
pub fn proving<S: Store>(
    cx: &mut Cx<'_, S>,
    peer: PeerId,
    window: u64,
) -> Result<Option<Proving>, Error> {
    let Some(id) = pledge::of_window(cx, peer, window)? else {
        return Ok(None);
    };
    let now = CommitmentNow::load(cx, id)?;
    let proofs = now.proofs.units.iter().zip(0_u16..);
    let may = proofs.filter(|(proof, _)| proof.may_prove(window));
    Ok(Some(Proving {
        commitment: id,
        provider: now.commitment.provider,
        class: now.commitment.class,
        payout: now.commitment.payout,
        units: may.map(|(_, index)| index).collect(),
        committed: COMMITTED.get(cx.store, &(window, peer))?,
    }))
}
