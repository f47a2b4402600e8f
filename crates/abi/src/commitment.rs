//! Capacity commitments: calls, events and records of `ICommitment.sol`.

use crate::calldata::{Query, Request};
use crate::refusal::Revert;
use crate::sol::ICommitment::{self as i, ICommitmentCalls as Calls};
use alloy_primitives::{Address as Account, LogData};
use alloy_sol_types::{SolCall as _, SolEvent as _};
use marketplace::commitment::{
    self, Call, Commitment, Delegation, Event, New, Offence, PLEDGES, Pledge, Status,
};
use marketplace::refusal::Object;
use marketplace::store::Store;
use marketplace::units::{Address, CommitmentId, PeerId, Price};
use marketplace::{Cx, Error, Refusal};

pub(crate) fn decode(calls: Calls) -> Result<Request, Revert> {
    let id = CommitmentId;
    let call = match calls {
        Calls::createCommitment(c) => Call::Create(c.commitment.into()),
        Calls::depositCollateral(c) => Call::Deposit {
            commitment: id(c.commitment),
        },
        Calls::takeBackCollateral(c) => Call::TakeBack {
            commitment: id(c.commitment),
        },
        Calls::cancelCommitment(c) => Call::Cancel {
            commitment: id(c.commitment),
        },
        Calls::claimCommitment(c) => Call::Claim {
            commitment: id(c.commitment),
        },
        Calls::getCommitment(c) => {
            return Ok(Request::Query(Query::Commitment(id(c.commitment))));
        }
        Calls::getDelegations(c) => {
            return Ok(Request::Query(Query::Delegations(id(c.commitment))));
        }
        Calls::getPledge(c) => return Ok(Request::Query(Query::Pledge(PeerId(c.peer.0)))),
    };
    Ok(Request::Call(marketplace::Call::Commitment(call)))
}

pub(crate) fn encode(call: &Call) -> Vec<u8> {
    match call.clone() {
        Call::Create(new) => i::createCommitmentCall {
            commitment: new.into(),
        }
        .abi_encode(),
        Call::Deposit { commitment } => i::depositCollateralCall {
            commitment: commitment.0,
        }
        .abi_encode(),
        Call::TakeBack { commitment } => i::takeBackCollateralCall {
            commitment: commitment.0,
        }
        .abi_encode(),
        Call::Cancel { commitment } => i::cancelCommitmentCall {
            commitment: commitment.0,
        }
        .abi_encode(),
        Call::Claim { commitment } => i::claimCommitmentCall {
            commitment: commitment.0,
        }
        .abi_encode(),
    }
}

pub(crate) fn log(event: &Event) -> LogData {
    match *event {
        Event::Created {
            commitment,
            peer,
            provider,
            collateral,
        } => i::CommitmentCreated {
            commitment: commitment.0,
            peer: peer.0.into(),
            provider: provider.0,
            collateral: collateral.0,
        }
        .encode_log_data(),
        Event::StatusChanged { commitment, status } => {
            let (status, start, end) = stands(status);
            i::CommitmentStatusChanged {
                commitment: commitment.0,
                status,
                start,
                end,
            }
            .encode_log_data()
        }
        Event::EpochClosed {
            commitment,
            epoch,
            passed,
            missed,
        } => i::CommitmentEpochClosed {
            commitment: commitment.0,
            epoch: epoch.0,
            passed,
            missed,
        }
        .encode_log_data(),
        Event::Closed { commitment } => i::CommitmentClosed {
            commitment: commitment.0,
        }
        .encode_log_data(),
        Event::Deposited {
            commitment,
            delegator,
            amount,
        } => i::CollateralDeposited {
            commitment: commitment.0,
            delegator: delegator.0.into(),
            amount: amount.0,
        }
        .encode_log_data(),
        Event::TakenBack {
            commitment,
            delegator,
            amount,
        } => i::CollateralTakenBack {
            commitment: commitment.0,
            delegator: delegator.0.into(),
            amount: amount.0,
        }
        .encode_log_data(),
        Event::Slashed {
            commitment,
            offence: why,
            amount,
        } => i::CommitmentSlashed {
            commitment: commitment.0,
            offence: offence(why),
            amount: amount.0,
        }
        .encode_log_data(),
        Event::Credited {
            commitment,
            epoch,
            amount,
            lost,
        } => i::RewardCredited {
            commitment: commitment.0,
            epoch: epoch.0,
            amount: amount.0,
            lost: lost.0,
        }
        .encode_log_data(),
        Event::RewardPaid {
            commitment,
            to,
            amount,
        } => i::RewardPaid {
            commitment: commitment.0,
            to: to.0.into(),
            amount: amount.0,
        }
        .encode_log_data(),
        Event::RevenueShared {
            commitment,
            worker,
            amount,
        } => i::RevenueShared {
            commitment: commitment.0,
            worker: worker.0,
            amount: amount.0,
        }
        .encode_log_data(),
        Event::RevenuePaid {
            commitment,
            to,
            amount,
        } => i::RevenuePaid {
            commitment: commitment.0,
            to: to.0.into(),
            amount: amount.0,
        }
        .encode_log_data(),
        Event::CollateralPaid {
            commitment,
            to,
            amount,
        } => i::CollateralPaid {
            commitment: commitment.0,
            to: to.0.into(),
            amount: amount.0,
        }
        .encode_log_data(),
    }
}

/// Where it stands: the status, its first epoch, and the one with which it is over; zero for none.
fn stands(status: Status) -> (i::CommitmentStatus, u64, u64) {
    match status {
        Status::WaitCollateral => (i::CommitmentStatus::WaitCollateral, 0, 0),
        Status::WaitStart { start } => (i::CommitmentStatus::WaitStart, start.0, 0),
        Status::Active { start, end } => (i::CommitmentStatus::Active, start.0, end.0),
        Status::Ended { end } => (i::CommitmentStatus::Ended, 0, end.0),
        Status::Failed { epoch } => (i::CommitmentStatus::Failed, 0, epoch.0),
    }
}

fn offence(offence: Offence) -> i::Offence {
    match offence {
        Offence::Missed => i::Offence::Missed,
        Offence::NoAnswer => i::Offence::NoAnswer,
        Offence::Hardware => i::Offence::Hardware,
        Offence::Fraud => i::Offence::Fraud,
        Offence::Worker => i::Offence::Worker,
    }
}

pub(crate) fn answer<S: Store>(cx: &mut Cx<'_, S>, id: CommitmentId) -> Result<Vec<u8>, Error> {
    let record = commitment::current(cx, id)?;
    Ok(i::getCommitmentCall::abi_encode_returns(&record.into()))
}

pub(crate) fn answer_delegations<S: Store>(
    cx: &mut Cx<'_, S>,
    id: CommitmentId,
) -> Result<Vec<u8>, Error> {
    commitment::current(cx, id)?;
    let rows = commitment::delegations(cx.store, id)?;
    let records: Vec<i::DelegationRecord> = rows.into_iter().map(Into::into).collect();
    Ok(i::getDelegationsCall::abi_encode_returns(&records))
}

pub(crate) fn answer_pledge<S: Store>(cx: &mut Cx<'_, S>, peer: PeerId) -> Result<Vec<u8>, Error> {
    let unknown = Refusal::Unknown(Object::Peer(peer));
    let pledge = PLEDGES.get(cx.store, &peer)?.ok_or(unknown)?;
    Ok(i::getPledgeCall::abi_encode_returns(&pledge.into()))
}

impl From<Commitment> for i::CommitmentRecord {
    fn from(commitment: Commitment) -> Self {
        let (status, start, end) = stands(commitment.status);
        Self {
            provider: commitment.provider.0,
            peer: commitment.peer.0.into(),
            units: commitment.units,
            class: commitment.class,
            duration: commitment.duration,
            sharePpm: commitment.share_ppm,
            minAsk: commitment.min_ask.0,
            delegator: commitment.delegator.unwrap_or_default().0.into(),
            payout: commitment.payout.0.into(),
            perUnit: commitment.per_unit.0,
            staked: commitment.staked.0,
            created: commitment.created.0,
            status,
            start,
            end,
            missed: commitment.missed,
            flag: commitment.flag,
            audits: commitment.audits,
            workers: commitment.workers,
            released: commitment.released,
        }
    }
}

impl From<(Address, Delegation)> for i::DelegationRecord {
    fn from((account, delegation): (Address, Delegation)) -> Self {
        Self {
            delegator: account.0.into(),
            stake: delegation.stake.0,
            rewards: delegation.rewards.0,
            revenue: delegation.revenue.0,
        }
    }
}

impl From<Pledge> for i::PledgeRecord {
    fn from(pledge: Pledge) -> Self {
        let id = |id: Option<CommitmentId>| id.map_or(0, |id| id.0);
        Self {
            current: pledge.current.0,
            previous: id(pledge.previous),
            successor: id(pledge.successor),
            active: pledge.active,
            since: pledge.since.0,
            ends: pledge.ends.0,
            failed: pledge.failed.map_or(0, |at| at.0),
            minAsk: pledge.min_ask.0,
            proven: pledge.proven,
            unready: pledge.unready,
        }
    }
}

impl From<New> for i::NewCommitment {
    fn from(new: New) -> Self {
        Self {
            peer: new.peer.0.into(),
            duration: new.duration,
            class: new.class,
            sharePpm: new.share_ppm,
            minAsk: new.min_ask.0,
            delegator: new.delegator.unwrap_or_default().0.into(),
            payout: new.payout.0.into(),
        }
    }
}

impl From<i::NewCommitment> for New {
    fn from(new: i::NewCommitment) -> Self {
        let address = |account: Account| Address(account.into_array());
        Self {
            peer: PeerId(new.peer.0),
            duration: new.duration,
            class: new.class,
            share_ppm: new.sharePpm,
            min_ask: Price(new.minAsk),
            delegator: (!new.delegator.is_zero()).then(|| address(new.delegator)),
            payout: address(new.payout),
        }
    }
}
