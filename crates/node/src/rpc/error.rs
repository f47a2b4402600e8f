//! What callers are told when there is no answer: a code that Ethereum tools know, and words for people.

use crate::index;
use alloy_primitives::Bytes;
use execution::{
    Fault,
    call::{CallError, Called, End},
};
use jsonrpsee::types::ErrorObjectOwned;

/// The caller's mistake, or a state that is not kept.
const SERVER_ERROR: i32 = -32000;
/// A malformed parameter.
const INVALID_PARAMS: i32 = -32602;
/// Our fault.
const INTERNAL_ERROR: i32 = -32603;
/// More than one call may ask for.
const LIMIT_EXCEEDED: i32 = -32005;
/// A contract reverted; the data is what it reverted with.
const REVERTED: i32 = 3;

pub(super) fn refused(message: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(SERVER_ERROR, message, None::<()>)
}

pub(super) fn invalid(message: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(INVALID_PARAMS, message, None::<()>)
}

pub(super) fn too_much(message: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(LIMIT_EXCEEDED, message, None::<()>)
}

/// Our fault, in the log alone.
pub(super) fn internal(what: impl std::fmt::Display) -> ErrorObjectOwned {
    tracing::error!(%what, "an RPC answer failed");
    let message = "the node has a fault; its log says more";
    ErrorObjectOwned::owned(INTERNAL_ERROR, message, None::<()>)
}

pub(super) fn fault(fault: Fault) -> ErrorObjectOwned {
    internal(fault)
}

pub(super) fn index(error: index::Error) -> ErrorObjectOwned {
    internal(error)
}

/// How a call that did not return is told.
pub(super) fn call(error: CallError) -> ErrorObjectOwned {
    match error {
        CallError::Refused(refusal) => refused(format!("{refusal}\nhint: {}", refusal.hint())),
        CallError::Failed(called) => failed(called),
        CallError::Stopped => too_much("the call takes too long\nhint: split it"),
        CallError::Fault(fault) => internal(fault),
    }
}

pub(super) fn failed(called: Called) -> ErrorObjectOwned {
    match called.end {
        End::Halted(reason) => refused(format!("execution halted: {reason}")),
        End::Returned | End::Reverted => reverted(&called.output),
    }
}

/// What a contract would have reverted with.
pub(super) fn reverted(output: &Bytes) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(REVERTED, "execution reverted", Some(output))
}
