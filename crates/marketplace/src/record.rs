//! The public record of a provider: what became of the workers that were placed with it.
//!
//! Promises (`docs/spec/supply.md`):
//! - S17: a record counts what the chain itself saw, only ever grows, and stays when its provider is removed.

use crate::cx::Cx;
use crate::deal::Blame;
use crate::refusal::Error;
use crate::store::Store;
use crate::table::Table;
use crate::units::{Address, ProviderId, Seconds};
use crate::worker::GoneReason;
use borsh::{BorshDeserialize, BorshSerialize};

/// Sums over all workers of a provider, each as of when it was last paid out, or gone.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Unit-seconds that workers were placed with it, without pauses of their deals.
    pub assigned: u128,
    /// Unit-seconds of those that were served and reported, and so are paid.
    pub served: u128,
    /// Workers that did not run in time.
    pub never_started: u64,
    /// Workers that ran, until their peer said that they do no more, or its commitment failed.
    pub failed: u64,
    /// Workers whose peer did not report in time.
    pub silent: u64,
    /// Workers given up before they ran.
    pub declined: u64,
    /// Workers ended before their notice was over.
    pub left: u64,
    /// Workers that served until their notice was over, or until a replacement ran.
    pub notices_kept: u64,
    /// How many different owners of deals paid it.
    pub payers: u64,
}

/// How far its provider's record counts a worker.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Where it is counted as placed: the deal's paid seconds.
    pub upto: Seconds,
    /// So many seconds of it are counted as served.
    pub served: Seconds,
}

/// Records of all providers that ever had a worker.
pub const RECORDS: Table<ProviderId, Record> = Table::new(0x18, "records");
/// Who ever paid a provider.
pub const PAYERS: Table<(ProviderId, Address), ()> = Table::new(0x19, "payers");

impl Record {
    /// Counts a worker that is gone.
    pub(crate) fn gone(&mut self, reason: GoneReason, blame: Blame) {
        let count = match (reason, blame) {
            (GoneReason::NeverStarted, Blame::Provider) => &mut self.never_started,
            (
                GoneReason::Failed | GoneReason::CommitmentFailed | GoneReason::Fraud,
                Blame::Provider,
            ) => &mut self.failed,
            (GoneReason::Silent, Blame::Provider) => &mut self.silent,
            (GoneReason::Declined, Blame::Provider) => &mut self.declined,
            (GoneReason::Left, Blame::Provider) => &mut self.left,
            (GoneReason::NoticeKept, _) => &mut self.notices_kept,
            _ => return,
        };
        *count = count.saturating_add(1);
    }

    /// Counts on to `to` with a worker of so many units.
    pub(crate) fn serve(&mut self, units: usize, from: Counted, to: Counted) {
        let of_units = |to: Seconds, from: Seconds| {
            let span = u128::from(to.0.saturating_sub(from.0));
            span.saturating_mul(u128::try_from(units).unwrap_or(u128::MAX))
        };
        let assigned = of_units(to.upto, from.upto);
        let served = of_units(to.served, from.served);
        self.assigned = self.assigned.saturating_add(assigned);
        self.served = self.served.saturating_add(served);
    }

    fn plus(self, more: Self) -> Self {
        Self {
            assigned: self.assigned.saturating_add(more.assigned),
            served: self.served.saturating_add(more.served),
            never_started: self.never_started.saturating_add(more.never_started),
            failed: self.failed.saturating_add(more.failed),
            silent: self.silent.saturating_add(more.silent),
            declined: self.declined.saturating_add(more.declined),
            left: self.left.saturating_add(more.left),
            notices_kept: self.notices_kept.saturating_add(more.notices_kept),
            payers: self.payers.saturating_add(more.payers),
        }
    }
}

/// Adds to a provider's record.
pub(crate) fn add<S: Store>(cx: &mut Cx<'_, S>, id: ProviderId, more: Record) -> Result<(), Error> {
    let record = get(cx.store, id)?.plus(more);
    RECORDS.put(cx.store, &id, &record)
}

/// Notes who pays a provider; one, if it is the first time.
pub(crate) fn paid_by<S: Store>(
    cx: &mut Cx<'_, S>,
    id: ProviderId,
    owner: Address,
) -> Result<u64, Error> {
    let payer = (id, owner);
    if PAYERS.get(cx.store, &payer)?.is_some() {
        return Ok(0);
    }
    PAYERS.put(cx.store, &payer, &())?;
    Ok(1)
}

/// Records after `after`, by provider; at most `limit` and never more than a page.
///
/// # Errors
/// Out of work.
pub fn list<S: Store>(
    store: &mut S,
    after: Option<ProviderId>,
    limit: usize,
) -> Result<Vec<(ProviderId, Record)>, Error> {
    RECORDS.page(store, &(), after.as_ref(), limit)
}

/// The record of a provider, removed or not.
///
/// # Errors
/// Out of work.
pub fn get<S: Store>(store: &mut S, id: ProviderId) -> Result<Record, Error> {
    Ok(RECORDS.get(store, &id)?.unwrap_or_default())
}
