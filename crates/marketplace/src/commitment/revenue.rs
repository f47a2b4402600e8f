//! The delegators' part of what deals pay for units that serve.
//!
//! Promises (`docs/spec/commitment.md`):
//! - Z7: of what a worker earns while a commitment is active, after the fee, its delegators get `share_ppm`, rounded
//!   down once over all of it, so that withdrawing often changes nothing.
//! - Z8: a successor's delegators get theirs of what accrues from its start on.

use super::{COMMITMENTS, Event};
use crate::cx::Cx;
use crate::deal::{self, DealNow};
use crate::ledger::{self, Account};
use crate::limits::MAX_UNITS;
use crate::refusal::{Error, fault};
use crate::store::Store;
use crate::units::{CommitmentId, DealId, PeerId, Time, Usdc, WorkerId};
use crate::worker::{self, BY_PEER, Worker};
use borsh::{BorshDeserialize, BorshSerialize};

/// A commitment whose delegators get a part of what a worker earns.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delegated {
    /// Which.
    pub commitment: CommitmentId,
    /// Their part, in parts per million.
    pub share_ppm: u32,
    /// What the worker had earned, fees included, when it began.
    pub from: Usdc,
    /// What it had earned when another took over; None: it goes on.
    pub upto: Option<Usdc>,
    /// What they got.
    pub paid: Usdc,
}

impl Delegated {
    /// What they get next, when the worker was paid so much over its life. `net`: that, without the fee.
    fn due(&self, paid: Usdc, net: impl Fn(Usdc) -> Option<Usdc>) -> Option<Usdc> {
        let upto = self.upto.map_or(paid, |upto| upto.min(paid));
        let part = match upto.checked_sub(self.from) {
            None => Usdc::ZERO,
            Some(_) => net(upto)?.checked_sub(net(self.from)?)?,
        };
        part.part(self.share_ppm.into())?.checked_sub(self.paid)
    }

    /// Whether all they get is paid.
    fn done(&self, paid: Usdc) -> bool {
        self.upto.is_some_and(|upto| upto <= paid)
    }
}

/// Pays the delegators their part, when a worker has been paid `paid` over its life. Gives their part. (Z7)
pub(crate) fn charge<S: Store>(
    cx: &mut Cx<'_, S>,
    deal: DealId,
    id: WorkerId,
    worker: &mut Worker,
    paid: Usdc,
    net: impl Fn(Usdc) -> Option<Usdc>,
) -> Result<Usdc, Error> {
    let mut sum = Usdc::ZERO;
    for delegated in &mut worker.delegated {
        let due = delegated.due(paid, &net);
        let amount = due.ok_or_else(|| fault("delegators got more than their part"))?;
        if amount == Usdc::ZERO {
            continue;
        }
        let commitment = delegated.commitment;
        let to = Account::Commitment(commitment);
        ledger::transfer(cx, Account::Deal(deal), to, amount)?;
        cx.emit(Event::RevenueShared {
            commitment,
            worker: id,
            amount,
        });
        let grown = delegated.paid.checked_add(amount);
        delegated.paid = grown.ok_or_else(|| fault("pay beyond the supply"))?;
        let grown = sum.checked_add(amount);
        sum = grown.ok_or_else(|| fault("pay beyond the supply"))?;
    }
    let (done, open): (Vec<_>, Vec<_>) = worker
        .delegated
        .iter()
        .partition(|delegated| delegated.done(paid));
    worker.delegated = open;
    unbind(cx, &done)?;
    Ok(sum)
}

/// These commitments have nothing more to get from a worker.
pub(crate) fn unbind<S: Store>(cx: &mut Cx<'_, S>, done: &[Delegated]) -> Result<(), Error> {
    for delegated in done {
        let id = delegated.commitment;
        let mut commitment = COMMITMENTS.must(cx.store, &id)?;
        let left = commitment.workers.checked_sub(1);
        commitment.workers = left.ok_or_else(|| fault("no worker is bound"))?;
        COMMITMENTS.put(cx.store, &id, &commitment)?;
    }
    Ok(())
}

/// A commitment starts on a peer whose units may serve: what its workers earn from then on is shared under it. (Z8)
pub(super) fn hand_over<S: Store>(
    cx: &mut Cx<'_, S>,
    peer: PeerId,
    next: CommitmentId,
    at: Time,
) -> Result<(), Error> {
    for ((_, id), ()) in BY_PEER.list(cx.store, &peer, None, MAX_UNITS.into())? {
        // What is due so far is paid, so that a worker has few parts at a time.
        deal::pay_now(cx, id)?;
        let Some(worker) = worker::get(cx.store, id)? else {
            continue;
        };
        let mut now = DealNow::load(cx, worker.deal)?;
        now.load_worker(cx, id)?;
        if now.live_worker(id).is_none() {
            now.save(cx)?;
            continue;
        }
        let mut commitment = COMMITMENTS.must(cx.store, &next)?;
        commitment.workers = commitment.workers.saturating_add(1);
        let share_ppm = commitment.share_ppm;
        COMMITMENTS.put(cx.store, &next, &commitment)?;
        now.delegate(id, at, next, share_ppm)?;
        now.save(cx)?;
    }
    Ok(())
}
