//! What can go wrong between a caller and the chain.

use alloy_primitives::{Address, B256};
use std::time::Duration;

/// Why there is no answer. Each says what, why, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A key file.
    #[error(transparent)]
    Key(#[from] crate::key::Error),
    /// The node's address makes no sense.
    #[error("{url:?} is no address of a node: {reason}\nhint: write it like http://127.0.0.1:8545")]
    Address {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The node cannot be reached, or does not answer in time.
    #[error(
        "the node at {url} does not answer: {reason}\nhint: is it running, and is this its JSON-RPC address?"
    )]
    Unreachable {
        /// Its address.
        url: String,
        /// What the transport says.
        reason: String,
    },
    /// The node says no.
    #[error("the node does not answer {method}: {message}")]
    Rejected {
        /// What it was asked.
        method: &'static str,
        /// JSON-RPC's error code.
        code: i32,
        /// The node's words, with its hint.
        message: String,
    },
    /// The node answers something that nobody expects.
    #[error(
        "the node's answer to {method} makes no sense: {reason}\nhint: are node and program of the same version?"
    )]
    Malformed {
        /// What it was asked.
        method: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The marketplace, or another contract, refuses the call.
    #[error("refused: {what}\nhint: {hint}")]
    Refused {
        /// Why, with values.
        what: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// There is no such object.
    #[error("there is no {object}\nhint: look at the list of what exists; ids are never reused")]
    Unknown {
        /// What was asked for.
        object: String,
    },
    /// The transaction was handed over, or may have been, and is in no block yet.
    #[error(
        "transaction {hash} is in no block yet, after {} s{because}\nhint: it may still be executed; look for its hash before sending again",
        waited.as_secs()
    )]
    Pending {
        /// Its hash.
        hash: B256,
        /// How long was waited.
        waited: Duration,
        /// What else is known, with a colon before it; or nothing.
        because: String,
    },
    /// Something that the account sent before is in no block yet.
    #[error(
        "a transaction of {account} that was sent before is in no block yet, after {} s\nhint: is the network running? what this command would see and do depends on it",
        waited.as_secs()
    )]
    UnderWay {
        /// The account.
        account: Address,
        /// How long was waited.
        waited: Duration,
    },
    /// The transaction was executed and failed, though it would have succeeded when it was sent.
    #[error("transaction {hash} failed in block {height}: {what}\nhint: {hint}")]
    Failed {
        /// Its hash.
        hash: B256,
        /// The block it is in.
        height: u64,
        /// Why, as far as the state after it tells.
        what: String,
        /// What to do about it.
        hint: &'static str,
    },
}

impl Error {
    /// Whether the same may succeed later without anybody doing anything about it.
    pub fn retry_helps(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}
