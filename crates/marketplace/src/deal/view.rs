//! What can be read of deals: by people, by RPC and by peers.

use super::{DEALS, Deal, DealNow, PREVIOUS};
use crate::cx::Cx;
use crate::demand::{Artifact, Terms};
use crate::limits::MAX_PAGE;
use crate::peer::PEERS;
use crate::refusal::{Error, fault};
use crate::store::Store;
use crate::units::{DatacenterId, DealId, Hash, PeerId, Time, Usdc, WorkerId};
use crate::worker::{BY_DEAL, Stage, WORKERS, Worker};

/// A deal as of the last block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// What was asked for.
    pub terms: Terms,
    /// Where it stands, with money accrued up to the last block.
    pub deal: Deal,
    /// Escrow that is nobody's yet, in whole millionths, rounded down.
    pub free: Usdc,
    /// The second up to which the escrow pays; [`Time::NEVER`] if nothing runs.
    pub paid_until: Time,
    /// What its owner may take back.
    pub surplus: Usdc,
    /// What its workers ran before, if that was something else.
    pub previous: Option<Artifact>,
    /// Workers that are not gone.
    pub workers: Vec<WorkerView>,
}

/// A worker as of the last block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerView {
    /// Its id.
    pub id: WorkerId,
    /// Its row.
    pub worker: Worker,
    /// What it is to run now.
    pub due: Hash,
    /// What it earned up to the last report and was not paid.
    pub unpaid: Usdc,
    /// Until when it is kept without another report.
    pub kept_until: Time,
}

/// A member of the subnet of a deal: the overlay admits exactly these peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The worker.
    pub worker: WorkerId,
    /// Its peer.
    pub peer: PeerId,
    /// Where that listens.
    pub endpoints: Vec<String>,
    /// Where that stands.
    pub datacenter: DatacenterId,
    /// Whether it runs, under notice or not, or is only placed.
    pub running: bool,
}

/// The deal's row, as of its last change.
///
/// # Errors
/// Out of work.
pub fn get<S: Store>(store: &mut S, id: DealId) -> Result<Option<Deal>, Error> {
    DEALS.get(store, &id)
}

/// Deals after `after`, by id, as of their last changes; at most `limit` and never more than a page.
///
/// # Errors
/// Out of work.
pub fn list<S: Store>(
    store: &mut S,
    after: Option<DealId>,
    limit: usize,
) -> Result<Vec<(DealId, Deal)>, Error> {
    DEALS.page(store, &(), after.as_ref(), limit)
}

/// The deal as of the block that `cx` was opened on. Writes nothing.
///
/// # Errors
/// `Unknown`, if there is no such deal.
pub fn view<S: Store>(cx: &mut Cx<'_, S>, id: DealId) -> Result<View, Error> {
    let mut now = DealNow::load(cx, id)?;
    now.load_workers(cx)?;
    let ids: Vec<_> = now.workers.keys().copied().collect();
    let mut workers = Vec::new();
    for id in ids {
        if now.live_worker(id).is_some() {
            workers.push(now.worker_view(id)?);
        }
    }
    Ok(View {
        free: now.deal.spare().floor(cx.params.epoch()),
        paid_until: now.deal.paid_until(&now.terms),
        surplus: if now.deal.ended() {
            Usdc::ZERO
        } else {
            now.surplus()?
        },
        previous: PREVIOUS.get(cx.store, &id)?,
        terms: now.terms,
        deal: now.deal,
        workers,
    })
}

impl DealNow {
    fn worker_view(&self, id: WorkerId) -> Result<WorkerView, Error> {
        let (worker, lease) = self.loaded(id)?;
        let kept_until = match worker.stage {
            Stage::Assigned { deadline } => deadline,
            Stage::Running(run) | Stage::Draining { run, .. } => lease.until.max(run.kept_until),
            Stage::Gone { .. } => self.deal.at,
        };
        Ok(WorkerView {
            id,
            worker: worker.clone(),
            due: self.deal.due_artifact(&self.terms, id, worker),
            unpaid: self.unpaid(id)?,
            kept_until,
        })
    }
}

/// A worker as it is now; one that is gone stays until it is paid out.
///
/// # Errors
/// Out of work.
pub fn worker<S: Store>(cx: &mut Cx<'_, S>, id: WorkerId) -> Result<Option<WorkerView>, Error> {
    let Some(worker) = WORKERS.get(cx.store, &id)? else {
        return Ok(None);
    };
    let mut now = DealNow::load(cx, worker.deal)?;
    now.load_workers(cx)?;
    if now.workers.contains_key(&id) {
        return now.worker_view(id).map(Some);
    }
    let Stage::Gone { earned, .. } = worker.stage else {
        return Err(fault("a worker of a deal is not loaded"));
    };
    Ok(Some(WorkerView {
        id,
        unpaid: earned.checked_sub(worker.paid).unwrap_or(Usdc::ZERO),
        kept_until: now.deal.at,
        due: worker.artifact,
        worker,
    }))
}

/// Workers of a deal that are not gone, by id.
///
/// # Errors
/// Out of work.
pub fn workers<S: Store>(store: &mut S, deal: DealId) -> Result<Vec<(WorkerId, Worker)>, Error> {
    let ids = BY_DEAL.page(store, &deal, None, MAX_PAGE)?;
    let mut workers = Vec::new();
    for ((_, id), ()) in ids {
        workers.push((id, WORKERS.must(store, &id)?));
    }
    Ok(workers)
}

/// The subnet of a deal.
///
/// # Errors
/// Out of work.
pub fn subnet<S: Store>(store: &mut S, deal: DealId) -> Result<Vec<Member>, Error> {
    let mut members = Vec::new();
    for (id, worker) in workers(store, deal)? {
        let peer = PEERS.must(store, &worker.peer)?;
        members.push(Member {
            worker: id,
            peer: worker.peer,
            endpoints: peer.endpoints,
            datacenter: peer.datacenter,
            running: worker.stage.run().is_some(),
        });
    }
    Ok(members)
}
