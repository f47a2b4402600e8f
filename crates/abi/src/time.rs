//! Protocol time: the query of `ITime.sol`.

use crate::calldata::{Query, Request};
use crate::refusal::Revert;
use crate::sol::ITime::{ITimeCalls as Calls, protocolTimeCall, protocolTimeReturn};
use alloy_sol_types::SolCall as _;
use marketplace::Cx;
use marketplace::store::Store;

pub(crate) fn decode(calls: Calls) -> Result<Request, Revert> {
    let Calls::protocolTime(_call) = calls;
    Ok(Request::Query(Query::Time))
}

pub(crate) fn answer<S: Store>(cx: &Cx<'_, S>) -> Vec<u8> {
    protocolTimeCall::abi_encode_returns(&protocolTimeReturn {
        time: cx.now().0,
        epoch: cx.epoch().0,
        epochSeconds: cx.params.epoch_seconds,
    })
}
