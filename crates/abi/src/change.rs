//! Change orders: calls and events of `IChange.sol`. In Solidity zero stands for None.

use crate::calldata::Request;
use crate::demand::{account, account_to};
use crate::refusal::Revert;
use crate::sol::IChange::{self as i, IChangeCalls as Calls};
use crate::sol::Rollout as SolRollout;
use alloy_primitives::LogData;
use alloy_sol_types::{SolCall as _, SolEvent as _};
use marketplace::Refusal;
use marketplace::attribute::Predicate;
use marketplace::change::{Call, Change, Event, Kind};
use marketplace::deal::{Halt, Rollout};
use marketplace::units::{DealId, Price, Seconds};

pub(crate) fn decode(calls: Calls) -> Result<Request, Revert> {
    let (deal, change) = match calls {
        Calls::setArtifact(c) => (c.deal, Change::Artifact(c.artifact.try_into()?)),
        Calls::setTarget(c) => (c.deal, Change::Target(c.targetWorkers)),
        Calls::setLimitPrice(c) => (c.deal, Change::LimitPrice(Price(c.limitPrice))),
        Calls::setRequirements(c) => (c.deal, requirements(c)?),
        Calls::setSpread(c) => (c.deal, Change::Spread(c.spread.into())),
        Calls::setDuration(c) => {
            let duration = (c.duration != 0).then_some(Seconds(c.duration));
            (c.deal, Change::Duration(duration))
        }
        Calls::setProviders(c) => (c.deal, Change::Providers(c.providers.into())),
        Calls::setMonitor(c) => (c.deal, Change::Monitor(account(c.monitor))),
        Calls::offerDeal(c) => {
            let (deal, to) = (DealId(c.deal), account(c.to));
            return Ok(request(Call::Offer { deal, to }));
        }
        Calls::acceptDeal(c) => {
            let deal = DealId(c.deal);
            return Ok(request(Call::Accept { deal }));
        }
    };
    let deal = DealId(deal);
    Ok(request(Call::Terms { deal, change }))
}

fn request(call: Call) -> Request {
    Request::Call(marketplace::Call::Change(call))
}

fn requirements(call: i::setRequirementsCall) -> Result<Change, Refusal> {
    let requirements: Result<Vec<Predicate>, Refusal> = call
        .requirements
        .into_iter()
        .map(TryInto::try_into)
        .collect();
    Ok(Change::Requirements {
        requirements: requirements?,
        effectors: call.effectors,
        protocol_version: call.protocolVersion,
    })
}

pub(crate) fn encode(call: &Call) -> Vec<u8> {
    match call.clone() {
        Call::Terms { deal, change } => encode_change(deal.0, change),
        Call::Offer { deal, to } => {
            let (deal, to) = (deal.0, account_to(to));
            i::offerDealCall { deal, to }.abi_encode()
        }
        Call::Accept { deal } => i::acceptDealCall { deal: deal.0 }.abi_encode(),
    }
}

fn encode_change(deal: u64, change: Change) -> Vec<u8> {
    match change {
        Change::Artifact(artifact) => {
            let artifact = artifact.into();
            i::setArtifactCall { deal, artifact }.abi_encode()
        }
        Change::Target(target) => i::setTargetCall {
            deal,
            targetWorkers: target,
        }
        .abi_encode(),
        Change::LimitPrice(price) => i::setLimitPriceCall {
            deal,
            limitPrice: price.0,
        }
        .abi_encode(),
        Change::Requirements {
            requirements,
            effectors,
            protocol_version,
        } => i::setRequirementsCall {
            deal,
            requirements: requirements.into_iter().map(Into::into).collect(),
            effectors,
            protocolVersion: protocol_version,
        }
        .abi_encode(),
        Change::Spread(spread) => {
            let spread = spread.into();
            i::setSpreadCall { deal, spread }.abi_encode()
        }
        Change::Duration(duration) => {
            let duration = duration.unwrap_or_default().0;
            i::setDurationCall { deal, duration }.abi_encode()
        }
        Change::Providers(providers) => {
            let providers = providers.into();
            i::setProvidersCall { deal, providers }.abi_encode()
        }
        Change::Monitor(monitor) => {
            let monitor = account_to(monitor);
            i::setMonitorCall { deal, monitor }.abi_encode()
        }
    }
}

pub(crate) fn log(event: &Event) -> LogData {
    match *event {
        Event::TermsChanged { deal, kind } => {
            let (deal, kind) = (deal.0, kind_to(kind));
            i::DealTermsChanged { deal, kind }.encode_log_data()
        }
        Event::RolloutChanged {
            deal,
            version,
            rollout: now,
        } => {
            let (deal, (rollout, worker)) = (deal.0, rollout(now));
            i::DealRolloutChanged {
                deal,
                version,
                rollout,
                worker,
            }
            .encode_log_data()
        }
        Event::Switched {
            deal,
            worker,
            artifact,
        } => i::WorkerSwitched {
            worker: worker.0,
            deal: deal.0,
            artifact: artifact.0.into(),
        }
        .encode_log_data(),
        Event::Offered { deal, to } => {
            let (deal, to) = (deal.0, account_to(to));
            i::DealOffered { deal, to }.encode_log_data()
        }
        Event::OwnerChanged { deal, owner } => {
            let (deal, owner) = (deal.0, owner.0.into());
            i::DealOwnerChanged { deal, owner }.encode_log_data()
        }
    }
}

/// A rollout, and the worker that it is about.
pub(crate) fn rollout(rollout: Rollout) -> (SolRollout, u64) {
    match rollout {
        Rollout::Done => (SolRollout::Done, 0),
        Rollout::Rolling { next } => (SolRollout::Rolling, next.0),
        Rollout::Stopped { worker, why } => match why {
            Halt::CannotRun(_) => (SolRollout::StoppedCannotRun, worker.0),
            Halt::Gone(_) => (SolRollout::StoppedGone, worker.0),
        },
    }
}

fn kind_to(kind: Kind) -> i::ChangeKind {
    match kind {
        Kind::Artifact => i::ChangeKind::Artifact,
        Kind::Target => i::ChangeKind::Target,
        Kind::LimitPrice => i::ChangeKind::LimitPrice,
        Kind::Requirements => i::ChangeKind::Requirements,
        Kind::Spread => i::ChangeKind::Spread,
        Kind::Duration => i::ChangeKind::Duration,
        Kind::Providers => i::ChangeKind::Providers,
        Kind::Monitor => i::ChangeKind::Monitor,
    }
}
