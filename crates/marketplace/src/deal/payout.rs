//! Withdrawals of providers.

use super::now::Pay;
use super::{Deal, DealNow, Status};
use crate::call::Reply;
use crate::commitment;
use crate::cx::Cx;
use crate::ledger::{self, Account};
use crate::limits::MAX_WORKERS_PER_CALL;
use crate::params::Params;
use crate::provider::{self, PROVIDERS};
use crate::record;
use crate::refusal::{Error, fault, long};
use crate::store::Store;
use crate::units::{Address, DealId, ProviderId, Seconds, Time, Usdc, WorkerId};
use crate::worker::{self, BY_PROVIDER, Stage, UNPAID, WORKERS, Worker};

/// Pays a provider's owner what up to `count` workers have earned, oldest first, going on after the last one
/// looked at; after the newest it begins again with the oldest. (M3)
pub(crate) fn withdraw<S: Store>(
    cx: &mut Cx<'_, S>,
    id: ProviderId,
    count: u16,
) -> Result<Reply, Error> {
    let provider = provider::owned(cx, id)?;
    let count = usize::from(count);
    long("workers in one call", count, 1, MAX_WORKERS_PER_CALL)?;
    let mut workers = after(cx, id, provider.paid_through, count)?;
    if workers.is_empty() {
        workers = after(cx, id, WorkerId::default(), count)?;
    }
    let mut total = Usdc::ZERO;
    let mut last = WorkerId::default();
    for worker in &workers {
        let paid = pay(cx, id, *worker, provider.owner)?;
        total = total
            .checked_add(paid)
            .ok_or_else(|| fault("pay beyond the supply"))?;
        last = *worker;
    }
    let mut provider = PROVIDERS.must(cx.store, &id)?;
    provider.paid_through = if workers.len() < count {
        WorkerId::default()
    } else {
        last
    };
    PROVIDERS.put(cx.store, &id, &provider)?;
    Ok(Reply::Paid(total))
}

/// Pays the providers of up to 256 workers of an ended deal that are gone and not paid.
pub(super) fn pay_all<S: Store>(cx: &mut Cx<'_, S>, deal: DealId) -> Result<(), Error> {
    for ((_, id), ()) in UNPAID.list(cx.store, &deal, None, MAX_WORKERS_PER_CALL)? {
        let provider = WORKERS.must(cx.store, &id)?.provider;
        let owner = PROVIDERS.must(cx.store, &provider)?.owner;
        pay(cx, provider, id, owner)?;
    }
    Ok(())
}

/// Pays out what one worker has earned so far, to its provider's owner and to delegators.
pub(crate) fn pay_now<S: Store>(cx: &mut Cx<'_, S>, id: WorkerId) -> Result<(), Error> {
    if let Some(worker) = WORKERS.get(cx.store, &id)? {
        let owner = PROVIDERS.must(cx.store, &worker.provider)?.owner;
        pay(cx, worker.provider, id, owner)?;
    }
    Ok(())
}

/// Workers of a provider after that one, oldest first.
fn after<S: Store>(
    cx: &mut Cx<'_, S>,
    id: ProviderId,
    worker: WorkerId,
    count: usize,
) -> Result<Vec<WorkerId>, Error> {
    let rows = BY_PROVIDER.list(cx.store, &id, Some(&(id, worker)), count)?;
    Ok(rows.into_iter().map(|((_, worker), ())| worker).collect())
}

/// Pays out one worker: what it earned up to the last report, rounded down once over its whole life, minus what
/// was paid before; the fee to the treasury, the rest to the owner. Gives the rest.
fn pay<S: Store>(
    cx: &mut Cx<'_, S>,
    provider: ProviderId,
    id: WorkerId,
    owner: Address,
) -> Result<Usdc, Error> {
    // Paying another worker of its deal may have found it gone, with nothing to be paid.
    let Some(Worker { deal, .. }) = WORKERS.get(cx.store, &id)? else {
        return Ok(Usdc::ZERO);
    };
    let mut now = DealNow::load(cx, deal)?;
    now.load_worker(cx, id)?;
    let amount = now.unpaid(id)?;
    if amount == Usdc::ZERO {
        return Ok(amount);
    }
    let fee = now.fee(id, amount)?;
    if fee != Usdc::ZERO {
        ledger::transfer(cx, Account::Deal(deal), Account::Treasury, fee)?;
    }
    let shared = now.share(cx, id, amount)?;
    let rest = amount.checked_sub(fee);
    let rest = rest.and_then(|rest| rest.checked_sub(shared));
    let rest = rest.ok_or_else(|| fault("fee and shares beyond the pay"))?;
    if rest != Usdc::ZERO {
        ledger::transfer(cx, Account::Deal(deal), Account::User(owner), rest)?;
    }
    cx.emit(worker::Event::Paid {
        worker: id,
        provider,
        amount: rest,
        fee,
    });
    let payers = record::paid_by(cx, provider, now.deal.owner)?;
    let was_gone = now.note_paid(id, amount)?;
    if !was_gone && now.live_worker(id).is_some() {
        now.count(id, Pay::Reported)?;
    }
    let record = now.records.entry(provider).or_default();
    record.payers = record.payers.saturating_add(payers);
    if was_gone {
        let (worker, _) = now.loaded(id)?;
        commitment::unbind(cx, &worker.delegated.clone())?;
        WORKERS.delete(cx.store, &id)?;
        BY_PROVIDER.delete(cx.store, &(provider, id))?;
        UNPAID.delete(cx.store, &(deal, id))?;
    }
    now.save(cx)?;
    Ok(rest)
}

impl Deal {
    /// Whether it ended so long ago that anybody may remove it.
    pub(super) fn abandoned(&self, params: &Params, now: Time) -> bool {
        let kept = params.removal_epochs.saturating_mul(params.epoch_seconds);
        match self.status {
            Status::Ended { at, .. } => at.after(Seconds(kept)) <= now,
            _ => false,
        }
    }
}

impl DealNow {
    /// What a loaded worker has earned and was not paid.
    pub(super) fn unpaid(&self, id: WorkerId) -> Result<Usdc, Error> {
        let (worker, lease) = self.loaded(id)?;
        let earned = match worker.stage {
            Stage::Gone { earned, .. } => earned,
            _ => {
                let reported = self.deal.reported(worker, *lease);
                self.deal.due(worker, reported)?.floor(self.params.epoch())
            }
        };
        earned
            .checked_sub(worker.paid)
            .ok_or_else(|| fault("worker was paid too much"))
    }

    /// The fee out of the next `amount` that a loaded worker is paid: rounded down once over its whole life, so that
    /// withdrawing often changes nothing.
    fn fee(&self, id: WorkerId, amount: Usdc) -> Result<Usdc, Error> {
        let before = self.loaded(id)?.0.paid;
        let fee_of = |paid: Usdc| paid.part(self.params.fee_ppm);
        let after = before.checked_add(amount).and_then(fee_of);
        let fee = after.and_then(|after| after.checked_sub(fee_of(before)?));
        fee.ok_or_else(|| fault("fee beyond 128 bits"))
    }

    /// Pays delegators their part of the next `amount` that a loaded worker is paid, after the fee.
    fn share<S: Store>(
        &mut self,
        cx: &mut Cx<'_, S>,
        id: WorkerId,
        amount: Usdc,
    ) -> Result<Usdc, Error> {
        let (deal, fee_ppm) = (self.id, self.params.fee_ppm);
        let (worker, _) = self.loaded_mut(id)?;
        let paid = worker.paid.checked_add(amount);
        let paid = paid.ok_or_else(|| fault("pay beyond the supply"))?;
        let net = |all: Usdc| all.checked_sub(all.part(fee_ppm)?);
        commitment::charge(cx, deal, id, worker, paid, net)
    }

    /// Counts a payment. True if the worker was gone before, so that this was the last and its row goes.
    fn note_paid(&mut self, id: WorkerId, amount: Usdc) -> Result<bool, Error> {
        let (worker, _) = self.loaded_mut(id)?;
        let paid = worker.paid.checked_add(amount);
        worker.paid = paid.ok_or_else(|| fault("pay beyond the supply"))?;
        let gone = matches!(worker.stage, Stage::Gone { .. });
        let was_gone = gone && !self.changed.contains(&id);
        if was_gone {
            self.deal.unpaid = self.deal.unpaid.saturating_sub(1);
        } else {
            self.changed.insert(id);
        }
        Ok(was_gone)
    }
}
