//! Workers: calls, events and records of `IWorker.sol`.

use crate::calldata::{Query, Request};
use crate::deal::fault;
use crate::refusal::Revert;
use crate::sol::IWorker::{self as i, IWorkerCalls as Calls};
use alloy_primitives::LogData;
use alloy_sol_types::{SolCall as _, SolEvent as _};
use marketplace::refusal::Object;
use marketplace::store::Store;
use marketplace::units::{Hash, PeerId, WorkerId};
use marketplace::worker::{Call, Event, GoneReason, Obstacle, Stage, WORKERS, Worker};
use marketplace::{Cx, Error, Refusal};

pub(crate) fn decode(calls: Calls) -> Result<Request, Revert> {
    let call = match calls {
        Calls::reportRunning(c) => Call::Running {
            worker: WorkerId(c.worker),
            artifact: Hash(c.artifact.0),
        },
        Calls::reportCannotRun(c) => Call::CannotRun {
            worker: WorkerId(c.worker),
            artifact: Hash(c.artifact.0),
            obstacle: obstacle(c.obstacle)?,
        },
        Calls::report(c) => Call::Report {
            peer: PeerId(c.peer.0),
            stopped: c.stopped.into_iter().map(WorkerId).collect(),
        },
        Calls::giveNotice(c) => Call::GiveNotice {
            worker: WorkerId(c.worker),
        },
        Calls::giveNoticeOfPeer(c) => Call::GiveNoticeOfAll {
            peer: PeerId(c.peer.0),
        },
        Calls::leave(c) => Call::Leave {
            worker: WorkerId(c.worker),
        },
        Calls::getWorker(c) => return Ok(Request::Query(Query::Worker(WorkerId(c.worker)))),
    };
    Ok(Request::Call(marketplace::Call::Worker(call)))
}

pub(crate) fn encode(call: &Call) -> Vec<u8> {
    match call {
        Call::Running { worker, artifact } => i::reportRunningCall {
            worker: worker.0,
            artifact: artifact.0.into(),
        }
        .abi_encode(),
        Call::CannotRun {
            worker,
            artifact,
            obstacle,
        } => i::reportCannotRunCall {
            worker: worker.0,
            artifact: artifact.0.into(),
            obstacle: obstacle_to(*obstacle),
        }
        .abi_encode(),
        Call::Report { peer, stopped } => i::reportCall {
            peer: peer.0.into(),
            stopped: stopped.iter().map(|worker| worker.0).collect(),
        }
        .abi_encode(),
        Call::GiveNotice { worker } => i::giveNoticeCall { worker: worker.0 }.abi_encode(),
        Call::GiveNoticeOfAll { peer } => i::giveNoticeOfPeerCall {
            peer: peer.0.into(),
        }
        .abi_encode(),
        Call::Leave { worker } => i::leaveCall { worker: worker.0 }.abi_encode(),
    }
}

fn obstacle_to(obstacle: Obstacle) -> i::Obstacle {
    match obstacle {
        Obstacle::Unavailable => i::Obstacle::Unavailable,
        Obstacle::Invalid => i::Obstacle::Invalid,
        Obstacle::Unsupported => i::Obstacle::Unsupported,
    }
}

fn obstacle(obstacle: i::Obstacle) -> Result<Obstacle, Refusal> {
    match obstacle {
        i::Obstacle::Unavailable => Ok(Obstacle::Unavailable),
        i::Obstacle::Invalid => Ok(Obstacle::Invalid),
        i::Obstacle::Unsupported => Ok(Obstacle::Unsupported),
        i::Obstacle::__Invalid => Err(Refusal::Malformed {
            what: "obstacle: unavailable, invalid or unsupported",
        }),
    }
}

pub(crate) fn log(event: &Event) -> LogData {
    match event.clone() {
        Event::Assigned {
            worker,
            deal,
            provider,
            peer,
            units,
            rate,
            deadline,
        } => i::WorkerAssigned {
            worker: worker.0,
            deal: deal.0,
            peer: peer.0.into(),
            provider: provider.0,
            units,
            rate: rate.0,
            deadline: deadline.0,
        }
        .encode_log_data(),
        Event::Running { worker, deal } => {
            let (worker, deal) = (worker.0, deal.0);
            i::WorkerRunning { worker, deal }.encode_log_data()
        }
        Event::CannotRun { worker, obstacle } => {
            let (worker, obstacle) = (worker.0, obstacle_to(obstacle));
            i::WorkerCannotRun { worker, obstacle }.encode_log_data()
        }
        Event::NoticeGiven {
            worker,
            deal,
            until,
        } => i::WorkerLeaving {
            worker: worker.0,
            deal: deal.0,
            until: until.0,
        }
        .encode_log_data(),
        Event::Gone {
            worker,
            deal,
            reason,
            blame,
            at,
            earned,
        } => i::WorkerGone {
            worker: worker.0,
            deal: deal.0,
            reason: gone_reason(reason),
            fault: fault(blame),
            at: at.0,
            earned: earned.0,
        }
        .encode_log_data(),
        Event::Paid {
            worker,
            provider,
            amount,
            fee,
        } => i::WorkerPaid {
            worker: worker.0,
            provider: provider.0,
            amount: amount.0,
            fee: fee.0,
        }
        .encode_log_data(),
    }
}

fn gone_reason(reason: GoneReason) -> i::GoneReason {
    match reason {
        GoneReason::CannotRun => i::GoneReason::CannotRun,
        GoneReason::NeverStarted => i::GoneReason::NeverStarted,
        GoneReason::Failed => i::GoneReason::Failed,
        GoneReason::Silent => i::GoneReason::Silent,
        GoneReason::Evicted => i::GoneReason::Evicted,
        GoneReason::Unwanted => i::GoneReason::Unwanted,
        GoneReason::Stopped => i::GoneReason::Stopped,
        GoneReason::Completed => i::GoneReason::Completed,
        GoneReason::Unfunded => i::GoneReason::Unfunded,
        GoneReason::BadArtifact => i::GoneReason::BadArtifact,
        GoneReason::Declined => i::GoneReason::Declined,
        GoneReason::Left => i::GoneReason::Left,
        GoneReason::NoticeKept => i::GoneReason::NoticeKept,
        GoneReason::CommitmentEnded => i::GoneReason::CommitmentEnded,
        GoneReason::CommitmentFailed => i::GoneReason::CommitmentFailed,
        GoneReason::Fraud => i::GoneReason::Fraud,
    }
}

pub(crate) fn answer<S: Store>(cx: &mut Cx<'_, S>, id: WorkerId) -> Result<Vec<u8>, Error> {
    let unknown = Refusal::Unknown(Object::Worker(id));
    let record = WORKERS.get(cx.store, &id)?.ok_or(unknown)?;
    Ok(i::getWorkerCall::abi_encode_returns(&record.into()))
}

impl From<Worker> for i::WorkerRecord {
    fn from(worker: Worker) -> Self {
        Self {
            deal: worker.deal.0,
            peer: worker.peer.0.into(),
            provider: worker.provider.0,
            offer: worker.offer.0,
            units: worker.units,
            rate: worker.rate.0,
            assigned: worker.assigned.0,
            notice: worker.notice.0,
            leaving: match worker.stage {
                Stage::Draining { until, .. } => until.0,
                _ => 0,
            },
            stage: match worker.stage {
                Stage::Assigned { .. } => i::WorkerStage::Assigned,
                Stage::Running(_) => i::WorkerStage::Running,
                Stage::Draining { .. } => i::WorkerStage::Draining,
                Stage::Gone { .. } => i::WorkerStage::Gone,
            },
            artifact: worker.artifact.0.into(),
            paid: worker.paid.0,
        }
    }
}
