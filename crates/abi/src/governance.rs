//! Parameters: calls, events and the query of `IGovernance.sol`.

use crate::calldata::{Query, Request};
use crate::refusal::Revert;
use crate::sol::IGovernance::{self as i, IGovernanceCalls as Calls};
use alloy_primitives::LogData;
use alloy_sol_types::{SolCall as _, SolEvent as _};
use marketplace::governance::{Call, Event};
use marketplace::store::Store;
use marketplace::units::ChangeId;
use marketplace::{Cx, Error, Refusal};

pub(crate) fn decode(calls: Calls) -> Result<Request, Revert> {
    let call = match calls {
        Calls::proposeParameter(c) => Call::Propose {
            parameter: c.parameter,
            value: c.value,
        },
        Calls::cancelParameter(c) => Call::Cancel {
            change: ChangeId(c.change),
        },
        Calls::getParameter(c) => return Ok(Request::Query(Query::Parameter(c.parameter))),
    };
    Ok(Request::Call(marketplace::Call::Governance(call)))
}

pub(crate) fn encode(call: &Call) -> Vec<u8> {
    match call.clone() {
        Call::Propose { parameter, value } => {
            i::proposeParameterCall { parameter, value }.abi_encode()
        }
        Call::Cancel { change } => i::cancelParameterCall { change: change.0 }.abi_encode(),
    }
}

pub(crate) fn log(event: &Event) -> LogData {
    match event.clone() {
        Event::Proposed {
            change,
            parameter,
            value,
            at,
        } => i::ParameterProposed {
            change: change.0,
            parameter,
            value,
            at: at.0,
        }
        .encode_log_data(),
        Event::Cancelled { change } => i::ParameterCancelled { change: change.0 }.encode_log_data(),
        Event::Changed {
            change,
            parameter,
            value,
        } => i::ParameterChanged {
            change: change.0,
            parameter,
            value,
        }
        .encode_log_data(),
    }
}

pub(crate) fn answer<S: Store>(cx: &Cx<'_, S>, name: &str) -> Result<Vec<u8>, Error> {
    let table = cx.params.table();
    let found = table.iter().find(|parameter| parameter.name == name);
    let what = "parameter: the name of one";
    let found = found.ok_or(Refusal::Malformed { what })?;
    Ok(i::getParameterCall::abi_encode_returns(&found.value))
}
