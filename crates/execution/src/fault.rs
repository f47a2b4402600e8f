//! What must never happen: a fault is ours, and a node that meets one stops instead of guessing.

use alloy_primitives::B256;
use std::fmt;

/// A contradiction inside the node; no transaction can cause one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The row under this key cannot be decoded.
    Corrupt {
        /// Full key with table id.
        key: Vec<u8>,
    },
    /// The block is not the child of the newest executed one.
    NotNext {
        /// Height and hash that the state is at.
        head: (u64, B256),
        /// Height and parent that the block claims.
        block: (u64, B256),
    },
    /// The EVM broke off for a reason that is not the transaction's.
    Evm(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt { key } => {
                let key = alloy_primitives::hex::encode(key);
                write!(f, "row {key} cannot be decoded")
            }
            Self::NotNext { head, block } => write!(
                f,
                "state is at height {} ({}), block {} is a child of {}",
                head.0, head.1, block.0, block.1
            ),
            Self::Evm(reason) => write!(f, "EVM broke off: {reason}"),
        }
    }
}

impl std::error::Error for Fault {}

impl revm::database_interface::DBErrorMarker for Fault {}
