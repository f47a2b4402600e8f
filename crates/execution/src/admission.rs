//! What a transaction must be to get in: the same checks for the mempool and for a block.
//!
//! [`check`] needs the bytes and the chain id only; [`Checked::against`] needs the sender's account. A
//! transaction of a block that fails either is skipped, reported, and pays nothing.

use crate::block::Transaction;
use crate::evm::SPEC;
use crate::fee::{MIN_BASE_FEE, TRANSACTION_GAS_LIMIT};
use crate::state::Account;
use alloy_consensus::{Transaction as _, transaction::SignerRecoverable as _};
use alloy_eips::eip2718::{Decodable2718 as _, Typed2718 as _};
use alloy_primitives::{Address, B256, U256};
use revm::context::TxEnv;
use revm::context_interface::cfg::gas::calculate_initial_tx_gas_for_tx;
use std::fmt;

/// Bytes that one transaction may have.
pub const MAX_BYTES: usize = 128 * 1024;
/// Bytes of the code that creates a contract (EIP-3860).
const MAX_INIT_CODE: usize = 49_152;

/// A well-formed, signed transaction of this chain. Whether its sender can pay is another question.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The transaction.
    pub transaction: Transaction,
    /// Its hash.
    pub hash: B256,
    /// Who signed it.
    pub sender: Address,
    /// Its place among the sender's transactions.
    pub nonce: u64,
    /// Gas it may use.
    pub gas_limit: u64,
    /// Most that it pays per gas, in wei.
    pub max_fee: u128,
    /// Most that it tips per gas, in wei.
    pub max_tip: u128,
    /// Most that the sender loses: gas limit × max fee + value, in wei.
    pub max_cost: U256,
}

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

/// Decodes `bytes`, finds the sender, and checks everything that does not depend on the state.
///
/// # Errors
/// The first rule of this module that the transaction breaks.
pub fn check(bytes: &[u8], chain_id: u64) -> Result<Checked, Refusal> {
    let transaction = decode(bytes)?;
    let named = transaction.chain_id();
    if named != Some(chain_id) {
        return Err(Refusal::WrongChain { named, chain_id });
    }
    check_fees(&transaction)?;
    let sender = transaction
        .recover_signer()
        .map_err(|_| Refusal::BadSignature)?;
    check_gas(&transaction, sender)?;
    let fees = U256::from(transaction.gas_limit()) * U256::from(transaction.max_fee_per_gas());
    Ok(Checked {
        hash: *transaction.tx_hash(),
        sender,
        nonce: transaction.nonce(),
        gas_limit: transaction.gas_limit(),
        max_fee: transaction.max_fee_per_gas(),
        max_tip: max_tip(&transaction),
        max_cost: fees.saturating_add(transaction.value()),
        transaction,
    })
}

impl Checked {
    /// Checks what depends on the sender's account. `ahead` is what the sender's transactions before this
    /// one may cost, and how many they are; (0, 0) if there are none that are not yet executed.
    ///
    /// # Errors
    /// A nonce that is not the next, a balance that does not cover all of them, a sender with code.
    pub fn against(&self, account: &Account, ahead: (u64, U256)) -> Result<(), Refusal> {
        let nonce = self.nonce;
        let expected = account.nonce.saturating_add(ahead.0);
        if nonce < expected {
            return Err(Refusal::NonceTooLow { nonce, expected });
        }
        if nonce > expected {
            return Err(Refusal::NonceTooHigh { nonce, expected });
        }
        if account.code_hash != alloy_primitives::KECCAK256_EMPTY {
            return Err(Refusal::SenderIsContract);
        }
        let (balance, max_cost) = (account.balance, self.max_cost.saturating_add(ahead.1));
        if balance < max_cost {
            return Err(Refusal::InsufficientFunds { balance, max_cost });
        }
        Ok(())
    }

    /// The tip per gas that it pays at `base_fee`; None if it does not even pay that. Wei per gas.
    pub fn tip(&self, base_fee: u64) -> Option<u128> {
        let above = self.max_fee.checked_sub(base_fee.into())?;
        Some(above.min(self.max_tip))
    }
}

fn decode(bytes: &[u8]) -> Result<Transaction, Refusal> {
    if bytes.len() > MAX_BYTES {
        return Err(Refusal::TooLarge { bytes: bytes.len() });
    }
    match bytes.first() {
        // An RLP list: legacy.
        Some(0xc0.. | 1 | 2) => {}
        Some(&kind) => return Err(Refusal::UnsupportedType { kind }),
        None => {
            let reason = "no bytes".into();
            return Err(Refusal::Malformed { reason });
        }
    }
    Transaction::decode_2718_exact(bytes).map_err(|error| Refusal::Malformed {
        reason: error.to_string(),
    })
}

fn max_tip(transaction: &Transaction) -> u128 {
    transaction
        .max_priority_fee_per_gas()
        .unwrap_or_else(|| transaction.max_fee_per_gas())
}

fn check_fees(transaction: &Transaction) -> Result<(), Refusal> {
    let (max_fee, max_tip) = (transaction.max_fee_per_gas(), max_tip(transaction));
    if max_tip > max_fee {
        return Err(Refusal::TipAboveFee { max_fee, max_tip });
    }
    if max_fee < u128::from(MIN_BASE_FEE) {
        let base_fee = MIN_BASE_FEE;
        return Err(Refusal::FeeTooLow { max_fee, base_fee });
    }
    Ok(())
}

fn check_gas(transaction: &Transaction, sender: Address) -> Result<(), Refusal> {
    let gas_limit = transaction.gas_limit();
    if gas_limit > TRANSACTION_GAS_LIMIT {
        return Err(Refusal::GasLimitTooHigh { gas_limit });
    }
    let bytes = transaction.input().len();
    if transaction.is_create() && bytes > MAX_INIT_CODE {
        return Err(Refusal::InitCodeTooLarge { bytes });
    }
    let gas = calculate_initial_tx_gas_for_tx(environment(transaction, sender), SPEC, None);
    let needed = gas.initial_total_gas().max(gas.floor_gas());
    if gas_limit < needed {
        return Err(Refusal::GasLimitTooLow { gas_limit, needed });
    }
    Ok(())
}

/// The transaction as revm takes it.
pub(crate) fn environment(transaction: &Transaction, sender: Address) -> TxEnv {
    TxEnv {
        tx_type: transaction.ty(),
        caller: sender,
        gas_limit: transaction.gas_limit(),
        gas_price: transaction.max_fee_per_gas(),
        kind: transaction.kind(),
        value: transaction.value(),
        data: transaction.input().clone(),
        nonce: transaction.nonce(),
        chain_id: transaction.chain_id(),
        access_list: transaction.access_list().cloned().unwrap_or_default(),
        gas_priority_fee: transaction.max_priority_fee_per_gas(),
        ..TxEnv::default()
    }
}
