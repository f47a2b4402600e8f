//! Protocol time: the query of `ITime.sol`.

use crate::calldata::{Query, Request};
use crate::refusal::Revert;
use crate::sol::ITime::{ITimeCalls as Calls, protocolTimeCall, protocolTimeReturn};
use alloy_sol_types::SolCall as _;
use marketplace::store::Store;
use marketplace::{Error, params, time};

pub(crate) fn decode(calls: Calls) -> Result<Request, Revert> {
    match calls {
        Calls::protocolTime(_) => Ok(Request::Query(Query::Time)),
    }
}

pub(crate) fn answer<S: Store>(store: &mut S) -> Result<Vec<u8>, Error> {
    let (now, epoch) = (time::clock(store)?.now, params::get(store)?.epoch());
    Ok(protocolTimeCall::abi_encode_returns(&protocolTimeReturn {
        time: now.0,
        epoch: now.epoch(epoch).0,
        epochSeconds: epoch.0,
    }))
}
