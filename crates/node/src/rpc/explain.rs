//! What clearing would do with a demand: asked of the rows and of the index of supply over them, at the same block.

use super::error;
use crate::chain::Chain;
use abi::{
    Request, calldata, refusal,
    view::explain::{Explanation, Question},
};
use execution::{
    Book,
    admission::MAX_BYTES,
    state::{Reader, read},
};
use jsonrpsee::{core::RpcResult, types::ErrorObjectOwned};
use marketplace::{
    Call, Cx, Error, demand,
    matching::explain,
    units::{self, DealId},
};

pub(super) fn answer(chain: &Chain, question: Question) -> RpcResult<Explanation> {
    match question {
        Question::Posted { deal } => ask(chain, |cx, book| explain::posted(cx, book, DealId(deal))),
        Question::Draft { owner, call } => {
            let (owner, call) = (units::Address(owner.0.0), posting(&call)?);
            let demand::Call::Post { terms, escrow } = call;
            ask(chain, |cx, book| {
                explain::draft(cx, book, owner, terms, escrow)
            })
        }
    }
}

/// Keeps the executor from writing for as long as a block's clearing takes at most, and mostly far shorter.
fn ask(
    chain: &Chain,
    query: impl FnOnce(&mut Cx<'_, Reader<'_>>, &Book) -> Result<explain::Explanation, Error>,
) -> RpcResult<Explanation> {
    let (rows, book) = chain.supply();
    let explained = read(&rows, |cx| query(cx, &book));
    explained.map(Into::into).map_err(failed)
}

/// The posting of a demand that calldata asks for.
fn posting(call: &[u8]) -> RpcResult<demand::Call> {
    if call.len() > MAX_BYTES {
        let bytes = call.len();
        return Err(error::invalid(format!(
            "call: {bytes} bytes, a transaction has at most {MAX_BYTES}"
        )));
    }
    match calldata::decode(call) {
        Ok(Request::Call(Call::Demand(call))) => Ok(call),
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
