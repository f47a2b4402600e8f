//! What clearing would do with a demand: asked of the rows and of the index of supply over them, at the same block.

use super::error;
use crate::chain::Chain;
use abi::{
    Request, calldata, refusal,
    view::explain::{Explanation, Question},
};
use alloy_primitives::Address;
use execution::{admission::MAX_BYTES, state::read};
use jsonrpsee::{core::RpcResult, types::ErrorObjectOwned};
use marketplace::{
    Call, Error, demand,
    matching::explain,
    units::{self, DealId},
};

/// Who asks about what.
enum Asked {
    Posted(DealId),
    Draft(Address, demand::Call),
}

/// Keeps the executor from writing for as long as a block's clearing takes at most, and mostly far shorter.
pub(super) fn answer(chain: &Chain, question: Question) -> RpcResult<Explanation> {
    let asked = asked(question)?;
    let (rows, book) = chain.supply();
    let explained = read(&rows, |cx| match asked {
        Asked::Posted(deal) => explain::posted(cx, &book, deal),
        Asked::Draft(owner, demand::Call::Post { terms, escrow }) => {
            explain::draft(cx, &book, units::Address(owner.0.0), terms, escrow)
        }
    });
    explained.map(Into::into).map_err(failed)
}

fn asked(question: Question) -> RpcResult<Asked> {
    let (owner, call) = match question {
        Question::Posted { deal } => return Ok(Asked::Posted(DealId(deal))),
        Question::Draft { owner, call } => (owner, call),
    };
    if call.len() > MAX_BYTES {
        let bytes = call.len();
        return Err(error::invalid(format!(
            "call: {bytes} bytes, a transaction has at most {MAX_BYTES}"
        )));
    }
    match calldata::decode(&call) {
        Ok(Request::Call(Call::Demand(call))) => Ok(Asked::Draft(owner, call)),
        Ok(_) => Err(error::invalid("call: only postDemand can be explained")),
        Err(revert) => Err(error::reverted(&refusal::encode(&revert).into())),
    }
}

fn failed(error: Error) -> ErrorObjectOwned {
    if let Error::Fault(_) = error {
        return error::internal(error);
    }
    match refusal::revert(error) {
        Some(revert) => error::reverted(&refusal::encode(&revert).into()),
        None => error::too_much("the explanation takes too long"),
    }
}
