//! Audits: calls, events and records of `IAudit.sol`.

use crate::calldata::{Query, Request};
use crate::refusal::Revert;
use crate::sol::IAudit::{self as i, IAuditCalls as Calls};
use alloy_primitives::LogData;
use alloy_sol_types::{SolCall as _, SolEvent as _};
use marketplace::audit::{self, Audit, Call, Event, Outcome};
use marketplace::limits::MAX_PAGE;
use marketplace::refusal::Object;
use marketplace::store::Store;
use marketplace::units::{AuditId, PeerId};
use marketplace::{Cx, Error, Refusal};

pub(crate) fn decode(calls: Calls) -> Result<Request, Revert> {
    let call = match calls {
        Calls::answerAudit(c) => Call::Answer {
            audit: AuditId(c.audit),
            bytes: c.answer.into(),
        },
        Calls::getAudit(c) => return Ok(Request::Query(Query::Audit(AuditId(c.audit)))),
        Calls::getAudits(c) => return Ok(Request::Query(Query::Audits(PeerId(c.peer.0)))),
    };
    Ok(Request::Call(marketplace::Call::Audit(call)))
}

pub(crate) fn encode(call: &Call) -> Vec<u8> {
    match call.clone() {
        Call::Answer { audit, bytes } => {
            let (audit, answer) = (audit.0, bytes.into());
            i::answerAuditCall { audit, answer }.abi_encode()
        }
    }
}

pub(crate) fn log(event: &Event) -> LogData {
    match *event {
        Event::Drawn {
            audit,
            peer,
            window,
            unit,
            leaves,
            answer_by,
        } => i::AuditDrawn {
            audit: audit.0,
            peer: peer.0.into(),
            window,
            unit,
            leaves,
            answerBy: answer_by.0,
        }
        .encode_log_data(),
        Event::Answered { audit, due } => i::AuditAnswered {
            audit: audit.0,
            verdictFrom: due.0,
        }
        .encode_log_data(),
        Event::Judged {
            audit,
            peer,
            unit,
            outcome: what,
        } => i::AuditJudged {
            audit: audit.0,
            peer: peer.0.into(),
            unit,
            outcome: outcome(what),
        }
        .encode_log_data(),
    }
}

fn outcome(outcome: Outcome) -> i::AuditOutcome {
    match outcome {
        Outcome::Passed => i::AuditOutcome::Passed,
        Outcome::NoAnswer => i::AuditOutcome::NoAnswer,
        Outcome::AskedAgain => i::AuditOutcome::AskedAgain,
        Outcome::Hardware => i::AuditOutcome::Hardware,
        Outcome::Fraud => i::AuditOutcome::Fraud,
    }
}

pub(crate) fn answer<S: Store>(cx: &mut Cx<'_, S>, id: AuditId) -> Result<Vec<u8>, Error> {
    let unknown = Refusal::Unknown(Object::Audit(id));
    let audit = audit::get(cx.store, id)?.ok_or(unknown)?;
    Ok(i::getAuditCall::abi_encode_returns(&(id, audit).into()))
}

pub(crate) fn answer_all<S: Store>(cx: &mut Cx<'_, S>, peer: PeerId) -> Result<Vec<u8>, Error> {
    let audits = audit::of_peer(cx.store, peer, MAX_PAGE)?;
    let records: Vec<i::AuditRecord> = audits.into_iter().map(Into::into).collect();
    Ok(i::getAuditsCall::abi_encode_returns(&records))
}

impl From<(AuditId, Audit)> for i::AuditRecord {
    fn from((id, audit): (AuditId, Audit)) -> Self {
        Self {
            audit: id.0,
            window: audit.window,
            epoch: audit.epoch.0,
            peer: audit.peer.0.into(),
            provider: audit.provider.0,
            commitment: audit.commitment.0,
            unit: audit.unit,
            class: audit.class,
            payout: audit.payout.0.into(),
            key: audit.key.into(),
            challenge: audit.challenge.into(),
            root: audit.root.0.into(),
            seat: audit.seat,
            seats: audit.seats,
            seed: audit.seed.into(),
            leaves: audit.leaves,
            answerBy: audit.answer_by.0,
            verdictFrom: audit.answer.map_or(0, |answer| answer.due.0),
        }
    }
}
