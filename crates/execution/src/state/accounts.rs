//! EVM accounts, code and storage as rows, and the overlay as the database that revm reads.

use super::{Overlay, Rows, table};
use crate::{chain, fault::Fault};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use borsh::{BorshDeserialize, BorshSerialize};
use revm::Database;
use revm::state::{AccountInfo, Bytecode, EvmState};

/// First byte of every row of this crate.
const VERSION: u8 = 1;

/// An EVM account as the state has it; one without a row is the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Transactions sent, or contracts created.
    pub nonce: u64,
    /// FLT, in wei.
    pub balance: U256,
    /// Keccak of the code; of the empty string without code.
    pub code_hash: B256,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            nonce: 0,
            balance: U256::ZERO,
            code_hash: KECCAK256_EMPTY,
        }
    }
}

#[derive(BorshSerialize, BorshDeserialize)]
struct AccountRow {
    version: u8,
    nonce: u64,
    balance: [u8; 32],
    code_hash: [u8; 32],
}

/// The account at `address`.
///
/// # Errors
/// [`Fault::Corrupt`] if its row cannot be decoded.
pub fn account(rows: &Rows, address: Address) -> Result<Account, Fault> {
    Ok(read_account(&Overlay::new(rows), address)?.unwrap_or_default())
}

/// The code of the account at `address`.
///
/// # Errors
/// [`Fault::Corrupt`] if a row cannot be decoded.
pub fn code(rows: &Rows, address: Address) -> Result<Bytes, Fault> {
    read_code(&Overlay::new(rows), account(rows, address)?.code_hash)
}

/// The value of a storage slot.
///
/// # Errors
/// [`Fault::Corrupt`] if its row cannot be decoded.
pub fn slot(rows: &Rows, address: Address, slot: U256) -> Result<U256, Fault> {
    read_slot(&Overlay::new(rows), address, slot)
}

/// FLT of all accounts together, in wei: for audits, since it reads every account.
///
/// # Errors
/// [`Fault::Corrupt`] if a row cannot be decoded.
pub fn total_flt(rows: &Rows) -> Result<U256, Fault> {
    let bounds = [[table::ACCOUNTS], [table::ACCOUNTS + 1]];
    let mut total = U256::ZERO;
    for (key, row) in rows.range(&bounds[0], &bounds[1]) {
        let balance = decode_account(key, row)?.balance;
        total = total.saturating_add(balance);
    }
    Ok(total)
}

fn account_key(address: Address) -> Vec<u8> {
    table::key(table::ACCOUNTS, &[address.as_slice()])
}

fn slot_key(address: Address, slot: U256) -> Vec<u8> {
    let slot = slot.to_be_bytes::<32>();
    table::key(table::SLOTS, &[address.as_slice(), &slot])
}

pub(crate) fn read_account(
    overlay: &Overlay<'_>,
    address: Address,
) -> Result<Option<Account>, Fault> {
    let key = account_key(address);
    let row = overlay.get(&key);
    row.map(|row| decode_account(&key, row)).transpose()
}

fn decode_account(key: &[u8], row: &[u8]) -> Result<Account, Fault> {
    match borsh::from_slice::<AccountRow>(row) {
        Ok(row) if row.version == VERSION => Ok(Account {
            nonce: row.nonce,
            balance: U256::from_be_bytes(row.balance),
            code_hash: row.code_hash.into(),
        }),
        _ => Err(Fault::Corrupt { key: key.to_vec() }),
    }
}

pub(crate) fn write_account(overlay: &mut Overlay<'_>, address: Address, account: &Account) {
    let row = AccountRow {
        version: VERSION,
        nonce: account.nonce,
        balance: account.balance.to_be_bytes(),
        code_hash: account.code_hash.0,
    };
    overlay.set(account_key(address), Some(encode(&row)));
}

fn read_code(overlay: &Overlay<'_>, hash: B256) -> Result<Bytes, Fault> {
    if hash == KECCAK256_EMPTY {
        return Ok(Bytes::new());
    }
    let key = table::key(table::CODE, &[hash.as_slice()]);
    match overlay.get(&key).and_then(<[u8]>::split_first) {
        Some((&VERSION, code)) => Ok(Bytes::copy_from_slice(code)),
        _ => Err(Fault::Corrupt { key }),
    }
}

/// Stores code under its hash and gives the hash.
pub(crate) fn write_code(overlay: &mut Overlay<'_>, hash: B256, code: &[u8]) {
    let key = table::key(table::CODE, &[hash.as_slice()]);
    overlay.set(key, Some([&[VERSION], code].concat()));
}

fn read_slot(overlay: &Overlay<'_>, address: Address, slot: U256) -> Result<U256, Fault> {
    let key = slot_key(address, slot);
    match overlay.get(&key).map(<[u8]>::split_first) {
        None => Ok(U256::ZERO),
        Some(Some((&VERSION, value))) if value.len() == 32 => Ok(U256::from_be_slice(value)),
        Some(_) => Err(Fault::Corrupt { key }),
    }
}

pub(crate) fn write_slot(overlay: &mut Overlay<'_>, address: Address, slot: U256, value: U256) {
    let row = [&[VERSION][..], &value.to_be_bytes::<32>()].concat();
    overlay.set(slot_key(address, slot), (!value.is_zero()).then_some(row));
}

/// Writes what one transaction left in revm's journal.
pub(crate) fn write_accounts(overlay: &mut Overlay<'_>, state: EvmState) {
    for (address, account) in state {
        if !account.is_touched() {
            continue;
        }
        // Since EIP-6780 only a contract created by the same transaction can be destroyed, so it has no rows yet.
        if account.is_selfdestructed() || account.is_empty() {
            overlay.set(account_key(address), None);
            continue;
        }
        let info = &account.info;
        if let (true, Some(code)) = (account.is_created(), &info.code)
            && !code.is_empty()
        {
            write_code(overlay, info.code_hash, code.original_byte_slice());
        }
        let row = Account {
            nonce: info.nonce,
            balance: info.balance,
            code_hash: info.code_hash,
        };
        write_account(overlay, address, &row);
        for (slot, value) in account.changed_storage_slots() {
            write_slot(overlay, address, *slot, value.present_value());
        }
    }
}

/// Bytes of a row; writing to memory cannot fail.
pub(crate) fn encode(row: &impl BorshSerialize) -> Vec<u8> {
    borsh::to_vec(row).unwrap_or_default()
}

impl Database for Overlay<'_> {
    type Error = Fault;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Fault> {
        let account = read_account(self, address)?;
        Ok(account.map(|account| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            account_id: None,
            code: None,
        }))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, Fault> {
        Ok(Bytecode::new_raw(read_code(self, hash)?))
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Fault> {
        read_slot(self, address, slot)
    }

    fn block_hash(&mut self, height: u64) -> Result<B256, Fault> {
        chain::block_hash(self, height)
    }
}
