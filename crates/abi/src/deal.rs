//! Deals: calls, events and records of `IDeal.sol`.

use crate::calldata::{Query, Request};
use crate::change;
use crate::refusal::Revert;
use crate::sol::IDeal::{self as i, IDealCalls as Calls};
use alloy_primitives::LogData;
use alloy_sol_types::{SolCall as _, SolEvent as _};
use marketplace::deal::{self, Blame, Call, EndReason, Event, Status, View};
use marketplace::store::Store;
use marketplace::units::{DealId, Usdc, WorkerId};
use marketplace::{Cx, Error};

pub(crate) fn decode(calls: Calls) -> Result<Request, Revert> {
    let call = match calls {
        Calls::topUp(c) => Call::TopUp {
            deal: DealId(c.deal),
            amount: Usdc(c.amount),
        },
        Calls::withdrawSurplus(c) => Call::WithdrawSurplus {
            deal: DealId(c.deal),
            amount: Usdc(c.amount),
        },
        Calls::evict(c) => Call::Evict {
            worker: WorkerId(c.worker),
        },
        Calls::stopDeal(c) => Call::Stop {
            deal: DealId(c.deal),
        },
        Calls::removeDeal(c) => Call::Remove {
            deal: DealId(c.deal),
        },
        Calls::getDeal(c) => return Ok(Request::Query(Query::Deal(DealId(c.deal)))),
    };
    Ok(Request::Call(marketplace::Call::Deal(call)))
}

pub(crate) fn encode(call: &Call) -> Vec<u8> {
    match *call {
        Call::TopUp { deal, amount } => {
            let (deal, amount) = (deal.0, amount.0);
            i::topUpCall { deal, amount }.abi_encode()
        }
        Call::WithdrawSurplus { deal, amount } => {
            let (deal, amount) = (deal.0, amount.0);
            i::withdrawSurplusCall { deal, amount }.abi_encode()
        }
        Call::Evict { worker } => i::evictCall { worker: worker.0 }.abi_encode(),
        Call::Stop { deal } => i::stopDealCall { deal: deal.0 }.abi_encode(),
        Call::Remove { deal } => i::removeDealCall { deal: deal.0 }.abi_encode(),
    }
}

pub(crate) fn log(event: &Event) -> LogData {
    match *event {
        Event::StatusChanged {
            deal,
            status: to,
            at,
        } => i::DealStatusChanged {
            deal: deal.0,
            status: status(to),
            at: at.0,
        }
        .encode_log_data(),
        Event::ToppedUp { deal, by, amount } => i::DealToppedUp {
            deal: deal.0,
            by: by.0.into(),
            amount: amount.0,
        }
        .encode_log_data(),
        Event::SurplusWithdrawn { deal, amount } => {
            let (deal, amount) = (deal.0, amount.0);
            i::DealSurplusWithdrawn { deal, amount }.encode_log_data()
        }
        Event::FundsLow {
            deal,
            epochs,
            paid_until,
        } => i::DealFundsLow {
            deal: deal.0,
            epochs,
            paidUntil: paid_until.0,
        }
        .encode_log_data(),
        Event::Ended {
            deal,
            reason,
            blame,
            refund,
        } => i::DealEnded {
            deal: deal.0,
            reason: end_reason(reason),
            fault: fault(blame),
            refund: refund.0,
        }
        .encode_log_data(),
        Event::Removed { deal } => i::DealRemoved { deal: deal.0 }.encode_log_data(),
    }
}

pub(crate) fn answer<S: Store>(cx: &mut Cx<'_, S>, id: DealId) -> Result<Vec<u8>, Error> {
    let view = deal::view(cx, id)?;
    Ok(i::getDealCall::abi_encode_returns(&view.into()))
}

impl From<View> for i::DealRecord {
    fn from(view: View) -> Self {
        Self {
            owner: view.deal.owner.0.into(),
            status: status(view.deal.status),
            posted: view.deal.posted.0,
            assigned: view.deal.assigned,
            running: view.deal.running,
            draining: view.deal.draining,
            rate: view.deal.rate.0,
            free: view.free.0,
            surplus: view.surplus.0,
            artifactVersion: view.deal.artifact_version,
            rollout: change::rollout(view.deal.rollout).0,
            rolloutWorker: change::rollout(view.deal.rollout).1,
            paidUntil: view.paid_until.0,
        }
    }
}

fn status(status: Status) -> i::DealStatus {
    match status {
        Status::Matching => i::DealStatus::Matching,
        Status::Starting => i::DealStatus::Starting,
        Status::Active => i::DealStatus::Active,
        Status::Degraded => i::DealStatus::Degraded,
        Status::Paused { .. } => i::DealStatus::Paused,
        Status::Ended { .. } => i::DealStatus::Ended,
    }
}

fn end_reason(reason: EndReason) -> i::EndReason {
    match reason {
        EndReason::Cancelled => i::EndReason::Cancelled,
        EndReason::Stopped => i::EndReason::Stopped,
        EndReason::Completed => i::EndReason::Completed,
        EndReason::Unfunded => i::EndReason::Unfunded,
        EndReason::BadArtifact => i::EndReason::BadArtifact,
    }
}

pub(crate) fn fault(blame: Blame) -> crate::sol::Fault {
    match blame {
        Blame::Nobody => crate::sol::Fault::Nobody,
        Blame::Developer => crate::sol::Fault::Developer,
        Blame::Provider => crate::sol::Fault::Provider,
    }
}
