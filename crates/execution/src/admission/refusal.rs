//! Why a transaction does not get in: what, with which values, and what to do about it.

use super::{MAX_BYTES, MAX_INIT_CODE};
use crate::fee::TRANSACTION_GAS_LIMIT;
use alloy_primitives::U256;
use std::fmt;

/// Why a transaction does not get in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// More than [`MAX_BYTES`].
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
    },
    /// A type other than legacy, EIP-2930 and EIP-1559.
    UnsupportedType {
        /// The type byte.
        kind: u8,
    },
    /// Not an encoded transaction.
    Malformed {
        /// Where decoding stopped.
        reason: String,
    },
    /// Signed for another chain, or for any.
    WrongChain {
        /// The chain id it names.
        named: Option<u64>,
        /// This chain's.
        chain_id: u64,
    },
    /// No account signed it.
    BadSignature,
    /// Its gas limit is above [`TRANSACTION_GAS_LIMIT`].
    GasLimitTooHigh {
        /// The gas limit.
        gas_limit: u64,
    },
    /// Its gas limit does not even pay for its bytes.
    GasLimitTooLow {
        /// The gas limit.
        gas_limit: u64,
        /// The least that its bytes cost.
        needed: u64,
    },
    /// It tips more per gas than it pays at most.
    TipAboveFee {
        /// Most that it pays per gas, in wei.
        max_fee: u128,
        /// Most that it tips per gas, in wei.
        max_tip: u128,
    },
    /// It pays less per gas than is burned.
    FeeTooLow {
        /// Most that it pays per gas, in wei.
        max_fee: u128,
        /// The base fee, or the least that it can become, in wei per gas.
        base_fee: u64,
    },
    /// The code that creates its contract is too long.
    InitCodeTooLarge {
        /// Its size in bytes.
        bytes: usize,
    },
    /// Another transaction of the sender took this nonce.
    NonceTooLow {
        /// The transaction's.
        nonce: u64,
        /// The sender's next one.
        expected: u64,
    },
    /// Transactions of the sender are missing before this one.
    NonceTooHigh {
        /// The transaction's.
        nonce: u64,
        /// The sender's next one.
        expected: u64,
    },
    /// The sender cannot pay the most that it may cost.
    InsufficientFunds {
        /// What the sender has, in wei.
        balance: U256,
        /// What it may cost, in wei.
        max_cost: U256,
    },
    /// The sender is a contract (EIP-3607).
    SenderIsContract,
    /// The block has not enough gas left for it.
    BlockFull {
        /// The transaction's gas limit.
        gas_limit: u64,
        /// Gas left in the block.
        left: u64,
    },
    /// The EVM found something that the checks above did not.
    Evm(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes } => {
                write!(f, "transaction has {bytes} bytes, at most {MAX_BYTES} fit")
            }
            Self::UnsupportedType { kind } => write!(f, "transaction type {kind} is not supported"),
            Self::Malformed { reason } => write!(f, "not an encoded transaction: {reason}"),
            Self::WrongChain { named: None, .. } => write!(f, "transaction names no chain"),
            Self::WrongChain {
                named: Some(named),
                chain_id,
            } => {
                write!(
                    f,
                    "transaction is for chain {named}, this is chain {chain_id}"
                )
            }
            Self::BadSignature => write!(f, "signature belongs to no account"),
            Self::GasLimitTooHigh { gas_limit } => write!(
                f,
                "gas limit {gas_limit} is above {TRANSACTION_GAS_LIMIT}, the most for one transaction"
            ),
            Self::GasLimitTooLow { gas_limit, needed } => write!(
                f,
                "intrinsic gas too low: gas limit {gas_limit}, at least {needed} needed"
            ),
            Self::TipAboveFee { max_fee, max_tip } => {
                write!(f, "max tip {max_tip} is above max fee {max_fee}")
            }
            Self::FeeTooLow { max_fee, base_fee } => {
                write!(
                    f,
                    "max fee {max_fee} is below the base fee {base_fee} (wei per gas)"
                )
            }
            Self::InitCodeTooLarge { bytes } => write!(
                f,
                "creation code has {bytes} bytes, at most {MAX_INIT_CODE} are allowed"
            ),
            Self::NonceTooLow { nonce, expected } => {
                write!(
                    f,
                    "nonce too low: transaction has {nonce}, next is {expected}"
                )
            }
            Self::NonceTooHigh { nonce, expected } => {
                write!(
                    f,
                    "nonce too high: transaction has {nonce}, next is {expected}"
                )
            }
            Self::InsufficientFunds { balance, max_cost } => write!(
                f,
                "insufficient funds: has {balance} wei, may cost {max_cost} wei"
            ),
            Self::SenderIsContract => write!(f, "sender is a contract"),
            Self::BlockFull { gas_limit, left } => {
                write!(
                    f,
                    "gas limit {gas_limit} does not fit into the {left} left in the block"
                )
            }
            Self::Evm(reason) => write!(f, "{reason}"),
        }
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    /// What the sender can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::InitCodeTooLarge { .. } => {
                "split the data or the contract"
            }
            Self::UnsupportedType { .. } => "send a legacy, EIP-2930 or EIP-1559 transaction",
            Self::Malformed { .. } => "send the signed EIP-2718 encoding",
            Self::WrongChain { .. } => "sign with this chain's id (EIP-155); see eth_chainId",
            Self::BadSignature => "sign the transaction again",
            Self::GasLimitTooHigh { .. } => "lower the gas limit; see eth_estimateGas",
            Self::GasLimitTooLow { .. } => "raise the gas limit; see eth_estimateGas",
            Self::TipAboveFee { .. } => "raise the max fee or lower the tip",
            Self::FeeTooLow { .. } => "raise the max fee; see eth_gasPrice",
            Self::NonceTooLow { .. } => "use the next nonce; see eth_getTransactionCount",
            Self::NonceTooHigh { .. } => "send the missing transactions first",
            Self::InsufficientFunds { .. } => {
                "fund the account with FLT, or lower value or max fee"
            }
            Self::SenderIsContract => "send from an account without code",
            Self::BlockFull { .. } => "wait for the next block",
            Self::Evm(_) => "check the transaction's fields",
        }
    }
}
