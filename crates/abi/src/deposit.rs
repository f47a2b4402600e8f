//! Storage deposits: events and the query of `IDeposit.sol`.

use crate::calldata::{Query, Request};
use crate::refusal::Revert;
use crate::sol::IDeposit::{self as i, IDepositCalls as Calls};
use alloy_primitives::LogData;
use alloy_sol_types::{SolCall as _, SolEvent as _};
use marketplace::Cx;
use marketplace::deposit::Event;

pub(crate) fn decode(calls: Calls) -> Result<Request, Revert> {
    let Calls::depositPerObject(_call) = calls;
    Ok(Request::Query(Query::Deposit))
}

pub(crate) fn log(event: &Event) -> LogData {
    match event.clone() {
        Event::Taken { from, amount } => i::DepositTaken {
            from: from.0.into(),
            amount: amount.0,
        }
        .encode_log_data(),
        Event::Returned { to, amount } => i::DepositReturned {
            to: to.0.into(),
            amount: amount.0,
        }
        .encode_log_data(),
    }
}

pub(crate) fn answer<S>(cx: &Cx<'_, S>) -> Vec<u8> {
    i::depositPerObjectCall::abi_encode_returns(&cx.params.deposit(1).0)
}
