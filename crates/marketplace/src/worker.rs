//! Workers: units of one peer serving one deal, and what peers say of them.
//!
//! ```text
//! (clearing) -> Assigned -> Running -> Draining -> Gone -> (paid out, removed)
//!                   |          +---------------------^
//!                   +--------------------------------^
//! ```
//! Promises (`docs/spec/deal.md`): W1 to W11, named where they are kept.

use crate::call::Reply;
use crate::commitment::Delegated;
use crate::cx::Cx;
use crate::deal::{Blame, DealNow, EndReason, Pay};
use crate::limits::{MAX_UNITS, MAX_WORKERS_PER_CALL};
use crate::peer::{self, LEASES, Lease};
use crate::record::Counted;
use crate::refusal::{Error, Object, Refusal, ensure, long};
use crate::store::Store;
use crate::table::Table;
use crate::units::{
    DealId, Hash, OfferId, PeerId, ProviderId, Rate, Seconds, Time, Usdc, WorkerId,
};
use borsh::{BorshDeserialize, BorshSerialize};

/// Where a worker stands.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Placed; must run by the deadline.
    Assigned {
        /// Last second at which it may begin to run.
        deadline: Time,
    },
    /// Runs and accrues.
    Running(Run),
    /// Under notice: it runs and accrues until its replacement runs, or until the notice is over.
    Draining {
        /// As before the notice.
        run: Run,
        /// When notice was given.
        since: Time,
        /// When the notice is over.
        until: Time,
    },
    /// Over; what it earned waits for its provider.
    Gone {
        /// Why.
        reason: GoneReason,
        /// All that it earned.
        earned: Usdc,
    },
}

/// How a worker runs. [`Seconds`] here, but for `from_held`, are the deal's paid seconds, which stand still in a pause.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// When it began.
    pub since: Time,
    /// Where it began.
    pub from: Seconds,
    /// Where the deal's seconds of holds stood then.
    pub from_held: Seconds,
    /// Up to where it is reported whatever the lease says: where it began, or what was reported when its deal
    /// resumed.
    pub reported: Seconds,
    /// Until when it is kept whatever the peer's lease says.
    pub kept_until: Time,
}

impl Stage {
    /// How it runs, if it does.
    #[must_use]
    pub fn run(&self) -> Option<&Run> {
        match self {
            Self::Running(run) | Self::Draining { run, .. } => Some(run),
            Self::Assigned { .. } | Self::Gone { .. } => None,
        }
    }

    pub(crate) fn run_mut(&mut self) -> Option<&mut Run> {
        match self {
            Self::Running(run) | Self::Draining { run, .. } => Some(run),
            Self::Assigned { .. } | Self::Gone { .. } => None,
        }
    }

    /// Whether it is under notice.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        matches!(self, Self::Draining { .. })
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Gone { .. })
    }
}

/// Why a worker is gone.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoneReason {
    /// Its peer says that it cannot run the artifact.
    CannotRun,
    /// It did not run in time.
    NeverStarted,
    /// It ran, and its peer says that it does no more.
    Failed,
    /// Its peer did not report in time.
    Silent,
    /// The developer or the monitor ended it.
    Evicted,
    /// The developer wants fewer workers.
    Unwanted,
    /// The developer stopped the deal.
    Stopped,
    /// The deal's duration is over.
    Completed,
    /// The deal was paused for longer than its hold.
    Unfunded,
    /// The deal ended because its artifact cannot be run.
    BadArtifact,
    /// Its provider gave it up before it ran.
    Declined,
    /// Its provider ended it before its notice was over.
    Left,
    /// Its replacement runs, or its notice is over.
    NoticeKept,
    /// It had not run when the commitment of its peer left it no more time than its notice.
    CommitmentEnded,
    /// The commitment of its peer failed.
    CommitmentFailed,
    /// A unit it runs on was expelled for a fraud.
    Fraud,
}

impl GoneReason {
    /// Whether its provider let it down: its units must prove themselves before they are matched again.
    #[must_use]
    pub fn by_provider(self) -> bool {
        match self {
            Self::NeverStarted
            | Self::Failed
            | Self::Silent
            | Self::Declined
            | Self::Left
            | Self::CommitmentFailed
            | Self::Fraud => true,
            Self::CannotRun
            | Self::Evicted
            | Self::Unwanted
            | Self::Stopped
            | Self::Completed
            | Self::Unfunded
            | Self::BadArtifact
            | Self::NoticeKept
            | Self::CommitmentEnded => false,
        }
    }

    /// Whether that costs collateral.
    #[must_use]
    pub fn costs(self) -> bool {
        matches!(self, Self::NeverStarted | Self::Left)
    }
}

/// Why a peer cannot run an artifact.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// No source gives its bytes.
    Unavailable,
    /// Its bytes are not what the hash, the size or the kind say.
    Invalid,
    /// It asks for something that the host does not have.
    Unsupported,
}

/// A worker.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// Whom it serves.
    pub deal: DealId,
    /// Where it runs.
    pub peer: PeerId,
    /// Who earns.
    pub provider: ProviderId,
    /// The offer it came from.
    pub offer: OfferId,
    /// Indices of its units.
    pub units: Vec<u16>,
    /// What it costs per epoch, all units together: the ask at assignment.
    pub rate: Rate,
    /// When it was assigned.
    pub assigned: Time,
    /// Notice that its provider gives before it leaves: its offer's at assignment.
    pub notice: Seconds,
    /// Where it stands.
    pub stage: Stage,
    /// What it runs, or is to run first.
    pub artifact: Hash,
    /// What was paid out of what it earned, fees included.
    pub paid: Usdc,
    /// How far its provider's record counts it.
    pub counted: Counted,
    /// Commitments whose delegators get a part of what it earns, in their order.
    pub delegated: Vec<Delegated>,
}

/// Workers until they are gone and paid out.
pub const WORKERS: Table<WorkerId, Worker> = Table::new(0x22, "workers");
/// Workers of a deal that are not gone.
pub const BY_DEAL: Table<(DealId, WorkerId), ()> = Table::new(0x23, "workers_by_deal");
/// Workers of a peer that are not gone.
pub const BY_PEER: Table<(PeerId, WorkerId), ()> = Table::new(0x24, "workers_by_peer");
/// Workers of a provider that may have something to withdraw: all that have a row.
pub const BY_PROVIDER: Table<(ProviderId, WorkerId), ()> = Table::new(0x25, "workers_by_provider");

/// Workers of a deal that are gone and not paid out.
pub const UNPAID: Table<(DealId, WorkerId), ()> = Table::new(0x26, "unpaid_by_deal");

/// So many different providers must say that an artifact cannot be run, before its deal ends.
const PROVIDERS_FOR_BAD_ARTIFACT: usize = 2;
pub(crate) const COUNTER: u8 = 4;

/// Calls about workers, made by the operator key of their peer or, where it says so, by the provider's owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// The worker runs this artifact from now on.
    Running {
        /// Which.
        worker: WorkerId,
        /// BLAKE3 hash of what it runs.
        artifact: Hash,
    },
    /// The worker cannot run this artifact.
    CannotRun {
        /// Which.
        worker: WorkerId,
        /// BLAKE3 hash of what it cannot run.
        artifact: Hash,
        /// Why.
        obstacle: Obstacle,
    },
    /// All workers of the peer run, but for those named.
    Report {
        /// Which peer.
        peer: PeerId,
        /// Those it no longer runs; ones already gone are passed over.
        stopped: Vec<WorkerId>,
    },
    /// The peer leaves a worker's deal when its notice is over, or at once if it does not run yet. The owner may,
    /// too.
    GiveNotice {
        /// Which.
        worker: WorkerId,
    },
    /// The same for all workers of a peer; those already under notice are passed over. The owner may, too.
    GiveNoticeOfAll {
        /// Which peer.
        peer: PeerId,
    },
    /// The provider's owner ends a worker at once.
    Leave {
        /// Which.
        worker: WorkerId,
    },
}

/// What happens to workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Clearing placed it.
    Assigned {
        /// Its id.
        worker: WorkerId,
        /// Whom it serves.
        deal: DealId,
        /// Who earns.
        provider: ProviderId,
        /// Where it is to run.
        peer: PeerId,
        /// Indices of its units.
        units: Vec<u16>,
        /// What it costs per epoch.
        rate: Rate,
        /// Last second at which it may begin to run.
        deadline: Time,
    },
    /// It runs.
    Running {
        /// Which.
        worker: WorkerId,
        /// Whom it serves.
        deal: DealId,
    },
    /// Its peer says that it cannot run, or go on running.
    CannotRun {
        /// Which.
        worker: WorkerId,
        /// Why.
        obstacle: Obstacle,
    },
    /// It is under notice.
    NoticeGiven {
        /// Which.
        worker: WorkerId,
        /// Whom it serves.
        deal: DealId,
        /// When it is over, unless its replacement runs before.
        until: Time,
    },
    /// It is gone.
    Gone {
        /// Which.
        worker: WorkerId,
        /// Whom it served.
        deal: DealId,
        /// Why.
        reason: GoneReason,
        /// Who is to blame.
        blame: Blame,
        /// The second up to which it is paid, or as of which it is gone.
        at: Time,
        /// All that it earned.
        earned: Usdc,
    },
    /// Its provider withdrew.
    Paid {
        /// Which.
        worker: WorkerId,
        /// Who earns.
        provider: ProviderId,
        /// What its owner got this time.
        amount: Usdc,
        /// What the treasury got.
        fee: Usdc,
    },
}

/// One handler for each call.
pub(crate) fn apply<S: Store>(cx: &mut Cx<'_, S>, call: Call) -> Result<Reply, Error> {
    match call {
        Call::Running { worker, artifact } => running(cx, worker, artifact),
        Call::CannotRun {
            worker,
            artifact,
            obstacle,
        } => cannot_run(cx, worker, artifact, obstacle),
        Call::Report { peer, stopped } => report(cx, peer, &stopped),
        Call::GiveNotice { worker } => give_notice(cx, worker),
        Call::GiveNoticeOfAll { peer } => give_notice_of_all(cx, peer),
        Call::Leave { worker } => leave(cx, worker),
    }?;
    Ok(Reply::Done)
}

/// The deal of a worker that is not gone, if the caller operates its peer.
fn operated<S: Store>(cx: &mut Cx<'_, S>, id: WorkerId) -> Result<(DealNow, Worker), Error> {
    let worker = get(cx.store, id)?.ok_or(Refusal::Unknown(Object::Worker(id)))?;
    peer::operated(cx, worker.peer)?;
    let mut now = DealNow::load(cx, worker.deal)?;
    now.require_live(cx, id)?;
    Ok((now, worker))
}

/// An assigned worker begins; a running one says so again, or that it changed to the artifact of now. (W1, R1)
fn running<S: Store>(cx: &mut Cx<'_, S>, id: WorkerId, artifact: Hash) -> Result<(), Error> {
    let (mut now, worker) = operated(cx, id)?;
    let same = artifact == worker.artifact;
    match worker.stage {
        Stage::Assigned { .. } => {
            let good = same || artifact == now.terms.artifact.hash;
            ensure(good, Refusal::WrongArtifact)?;
            now.run(cx, id, artifact)?;
        }
        _ if same => return Ok(()),
        _ => now.switch(id, artifact)?,
    }
    now.save(cx)
}

fn cannot_run<S: Store>(
    cx: &mut Cx<'_, S>,
    id: WorkerId,
    artifact: Hash,
    obstacle: Obstacle,
) -> Result<(), Error> {
    let (mut now, worker) = operated(cx, id)?;
    let due = now.deal.due_artifact(&now.terms, id, &worker);
    now.emit(Event::CannotRun {
        worker: id,
        obstacle,
    });
    match worker.stage {
        Stage::Assigned { .. } => {
            ensure(artifact == due, Refusal::WrongArtifact)?;
            cannot_begin(cx, &mut now, id, &worker)?;
        }
        _ if artifact == worker.artifact => {
            now.gone(id, GoneReason::Failed, Blame::Provider, Pay::Reported)?;
        }
        _ if now.deal.rollout.stopped_by(id, obstacle) => return Ok(()),
        _ => {
            ensure(artifact == due, Refusal::WrongArtifact)?;
            now.stop_rollout(id, obstacle);
        }
    }
    now.save(cx)
}

/// A worker that never ran goes, and perhaps its deal: once somebody ran an artifact of it, nobody's word makes one
/// bad. (W6)
fn cannot_begin<S: Store>(
    cx: &mut Cx<'_, S>,
    now: &mut DealNow,
    id: WorkerId,
    worker: &Worker,
) -> Result<(), Error> {
    now.gone(id, GoneReason::CannotRun, Blame::Nobody, Pay::ToTreasury)?;
    if now.deal.began.is_some() {
        return Ok(());
    }
    if !now.deal.cannot_run.contains(&worker.provider) {
        now.deal.cannot_run.push(worker.provider);
    }
    if now.deal.cannot_run.len() >= PROVIDERS_FOR_BAD_ARTIFACT {
        now.load_workers(cx)?;
        now.end(EndReason::BadArtifact, Blame::Developer, cx.now())?;
    }
    Ok(())
}

fn report<S: Store>(cx: &mut Cx<'_, S>, id: PeerId, stopped: &[WorkerId]) -> Result<(), Error> {
    peer::operated(cx, id)?;
    long(
        "workers named as stopped",
        stopped.len(),
        0,
        MAX_WORKERS_PER_CALL,
    )?;
    for worker in stopped {
        let other = get(cx.store, *worker)?.is_some_and(|worker| worker.peer != id);
        ensure(!other, Refusal::NotOfThisPeer(*worker))?;
    }
    let lease = peer::lease(cx.store, id)?;
    if lease.until <= cx.clock.passed {
        settle_all(cx, id)?;
    }
    for worker in stopped {
        stop(cx, *worker)?;
    }
    // A lease that became shorter since does not take back what an earlier report gave: the deals of its workers
    // stand in the index of time by that.
    let renewed = cx.now().after(Seconds(cx.params.lease_seconds));
    let until = renewed.max(lease.until);
    LEASES.put(
        cx.store,
        &id,
        &Lease {
            reported: cx.now(),
            until,
        },
    )?;
    cx.emit(peer::Event::Reported { peer: id, until });
    Ok(())
}

/// Lets what the lapse of a lease did to a peer's workers take effect before a new lease begins. (T3)
fn settle_all<S: Store>(cx: &mut Cx<'_, S>, peer: PeerId) -> Result<(), Error> {
    for ((_, id), ()) in BY_PEER.list(cx.store, &peer, None, MAX_UNITS.into())? {
        // An earlier round may have ended it with its deal.
        if let Some(worker) = get(cx.store, id)? {
            DealNow::load(cx, worker.deal)?.save(cx)?;
        }
    }
    Ok(())
}

/// A worker that its peer no longer runs is gone as of the previous report.
fn stop<S: Store>(cx: &mut Cx<'_, S>, id: WorkerId) -> Result<(), Error> {
    let Some(worker) = get(cx.store, id)? else {
        return Ok(());
    };
    let mut now = DealNow::load(cx, worker.deal)?;
    now.load_worker(cx, id)?;
    let reason = match now.live_worker(id).map(|worker| worker.stage) {
        Some(Stage::Assigned { .. }) => GoneReason::NeverStarted,
        Some(Stage::Running(_) | Stage::Draining { .. }) => GoneReason::Failed,
        Some(Stage::Gone { .. }) | None => return Ok(()),
    };
    now.gone(id, reason, Blame::Provider, Pay::Reported)?;
    now.save(cx)
}

fn give_notice<S: Store>(cx: &mut Cx<'_, S>, id: WorkerId) -> Result<(), Error> {
    let worker = get(cx.store, id)?.ok_or(Refusal::Unknown(Object::Worker(id)))?;
    peer::spoken_for(cx, worker.peer)?;
    let mut now = DealNow::load(cx, worker.deal)?;
    now.require_live(cx, id)?;
    now.give_notice(id, cx.now())?;
    now.save(cx)
}

fn give_notice_of_all<S: Store>(cx: &mut Cx<'_, S>, peer: PeerId) -> Result<(), Error> {
    peer::spoken_for(cx, peer)?;
    for ((_, id), ()) in BY_PEER.list(cx.store, &peer, None, MAX_UNITS.into())? {
        // An earlier round may have ended it with its deal.
        let Some(worker) = get(cx.store, id)? else {
            continue;
        };
        let mut now = DealNow::load(cx, worker.deal)?;
        now.load_worker(cx, id)?;
        let staying = |worker: &Worker| !worker.stage.is_draining();
        if now.live_worker(id).is_some_and(staying) {
            now.give_notice(id, cx.now())?;
        }
        now.save(cx)?;
    }
    Ok(())
}

/// The operator key gives notice, and does not leave without one.
fn leave<S: Store>(cx: &mut Cx<'_, S>, id: WorkerId) -> Result<(), Error> {
    let worker = get(cx.store, id)?.ok_or(Refusal::Unknown(Object::Worker(id)))?;
    peer::owned(cx, worker.peer)?;
    let mut now = DealNow::load(cx, worker.deal)?;
    now.require_live(cx, id)?;
    now.leave_at_once(id, cx.now())?;
    now.save(cx)
}

/// The worker with this id, if it is not gone and paid out.
///
/// # Errors
/// Out of work.
pub fn get<S: Store>(store: &mut S, id: WorkerId) -> Result<Option<Worker>, Error> {
    WORKERS.get(store, &id)
}

/// Workers of a peer that are not gone, by id: what it should be running.
///
/// # Errors
/// Out of work.
pub fn of_peer<S: Store>(store: &mut S, peer: PeerId) -> Result<Vec<(WorkerId, Worker)>, Error> {
    let mut workers = Vec::new();
    for ((_, id), ()) in BY_PEER.list(store, &peer, None, MAX_UNITS.into())? {
        workers.push((id, WORKERS.must(store, &id)?));
    }
    Ok(workers)
}
