//! The pool of rewards: calls, events and the query of `IPool.sol`.

use crate::calldata::{Query, Request};
use crate::refusal::Revert;
use crate::sol::IPool::{self as i, IPoolCalls as Calls};
use alloy_primitives::LogData;
use alloy_sol_types::{SolCall as _, SolEvent as _};
use marketplace::pool::{self, Call, Event};
use marketplace::store::Store;
use marketplace::{Cx, Error};

pub(crate) fn decode(calls: Calls) -> Result<Request, Revert> {
    let call = match calls {
        Calls::fundRewards(_) => Call::Fund,
        Calls::setFltPrice(c) => Call::SetPrice {
            flt_price_micro: c.fltPriceMicro,
            reward_usd_micro: c.rewardUsdMicro,
        },
        Calls::getPool(_) => return Ok(Request::Query(Query::Pool)),
    };
    Ok(Request::Call(marketplace::Call::Pool(call)))
}

pub(crate) fn encode(call: &Call) -> Vec<u8> {
    match *call {
        Call::Fund => i::fundRewardsCall {}.abi_encode(),
        Call::SetPrice {
            flt_price_micro,
            reward_usd_micro,
        } => i::setFltPriceCall {
            fltPriceMicro: flt_price_micro,
            rewardUsdMicro: reward_usd_micro,
        }
        .abi_encode(),
    }
}

pub(crate) fn log(event: &Event) -> LogData {
    match *event {
        Event::Funded { from, amount } => i::RewardFunded {
            from: from.0.into(),
            amount: amount.0,
        }
        .encode_log_data(),
        Event::PriceSet {
            flt_price_micro,
            reward_usd_micro,
        } => i::FltPriceSet {
            fltPriceMicro: flt_price_micro,
            rewardUsdMicro: reward_usd_micro,
        }
        .encode_log_data(),
        Event::EpochClosed {
            epoch,
            pool,
            paid,
            share,
        } => i::PoolClosed {
            epoch: epoch.0,
            pool: pool.0,
            paid: paid.0,
            weight: share.weight,
            owing: share.owing,
        }
        .encode_log_data(),
    }
}

pub(crate) fn answer<S: Store>(cx: &mut Cx<'_, S>) -> Result<Vec<u8>, Error> {
    let view = pool::view(cx)?;
    let price = view.price.unwrap_or_default();
    Ok(i::getPoolCall::abi_encode_returns(&i::PoolRecord {
        fund: view.fund.0,
        pool: view.pool.0,
        fltPriceMicro: price.flt_price_micro,
        rewardUsdMicro: price.reward_usd_micro,
        statedAt: price.at.0,
        fresh: view.fresh,
    }))
}
