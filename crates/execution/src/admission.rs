//! What a transaction must be to get in: the same checks for the mempool and for a block.
//!
//! [`check`] needs the bytes and the chain id only; [`Checked::against`] needs the sender's account. A
//! transaction of a block that fails either is skipped, reported, and pays nothing. (B3, B4)

mod refusal;

pub use refusal::Refusal;

use crate::block::Transaction;
use crate::evm::SPEC;
use crate::fee::{MIN_BASE_FEE, TRANSACTION_GAS_LIMIT};
use crate::state::Account;
use alloy_consensus::{Transaction as _, transaction::SignerRecoverable as _};
use alloy_eips::eip2718::{Decodable2718 as _, Typed2718 as _};
use alloy_primitives::{Address, B256, U256};
use revm::context::TxEnv;
use revm::context_interface::cfg::gas::calculate_initial_tx_gas_for_tx;

/// Bytes that one transaction may have.
pub const MAX_BYTES: usize = 128 * 1024;
/// Bytes of the code that creates a contract (EIP-3860).
pub const MAX_INIT_CODE: usize = 49_152;

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
    check_gas(&transaction)?;
    // Last, because it costs the most.
    let sender = transaction
        .recover_signer()
        .map_err(|_| Refusal::BadSignature)?;
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

fn check_gas(transaction: &Transaction) -> Result<(), Refusal> {
    let gas_limit = transaction.gas_limit();
    if gas_limit > TRANSACTION_GAS_LIMIT {
        return Err(Refusal::GasLimitTooHigh { gas_limit });
    }
    let bytes = transaction.input().len();
    if transaction.is_create() && bytes > MAX_INIT_CODE {
        return Err(Refusal::InitCodeTooLarge { bytes });
    }
    let anyone = environment(transaction, Address::ZERO); // who sends it does not matter here
    let gas = calculate_initial_tx_gas_for_tx(anyone, SPEC, None);
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
