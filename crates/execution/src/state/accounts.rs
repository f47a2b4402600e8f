//! EVM accounts, code and storage as rows, and the overlay as the database that revm reads.

use super::table::{ACCOUNTS, AccountRow, CODE, SLOTS};
use super::{Overlay, Rows};
use crate::{chain, fault::Fault};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use revm::Database;
use revm::state::{AccountInfo, Bytecode, EvmState};

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
    let mut total = U256::ZERO;
    for (key, row) in rows.range(&[ACCOUNTS.id], &[ACCOUNTS.id + 1]) {
        let account = ACCOUNTS.decode_row(row);
        let account = account.ok_or_else(|| Fault::Corrupt { key: key.to_vec() })?;
        total = total.saturating_add(U256::from_be_bytes(account.balance));
    }
    Ok(total)
}

pub(crate) fn read_account(
    overlay: &Overlay<'_>,
    address: Address,
) -> Result<Option<Account>, Fault> {
    let row = overlay.read(&ACCOUNTS, &address.into_array())?;
    Ok(row.map(|row| Account {
        nonce: row.nonce,
        balance: U256::from_be_bytes(row.balance),
        code_hash: row.code_hash.into(),
    }))
}

pub(crate) fn write_account(overlay: &mut Overlay<'_>, address: Address, account: &Account) {
    let row = AccountRow {
        nonce: account.nonce,
        balance: account.balance.to_be_bytes(),
        code_hash: account.code_hash.0,
    };
    overlay.write(&ACCOUNTS, &address.into_array(), Some(&row));
}

fn read_code(overlay: &Overlay<'_>, hash: B256) -> Result<Bytes, Fault> {
    if hash == KECCAK256_EMPTY {
        return Ok(Bytes::new());
    }
    let missing = || Fault::Corrupt {
        key: CODE.key(&hash.0),
    };
    let code = overlay.read(&CODE, &hash.0)?.ok_or_else(missing)?;
    Ok(code.into())
}

/// Stores code under its hash.
pub(crate) fn write_code(overlay: &mut Overlay<'_>, hash: B256, code: &[u8]) {
    overlay.write(&CODE, &hash.0, Some(&code.to_vec()));
}

fn read_slot(overlay: &Overlay<'_>, address: Address, slot: U256) -> Result<U256, Fault> {
    let row = overlay.read(&SLOTS, &(address.into_array(), slot.to_be_bytes()))?;
    Ok(row.map_or(U256::ZERO, U256::from_be_bytes))
}

pub(crate) fn write_slot(overlay: &mut Overlay<'_>, address: Address, slot: U256, value: U256) {
    let row = (!value.is_zero()).then(|| value.to_be_bytes());
    overlay.write(
        &SLOTS,
        &(address.into_array(), slot.to_be_bytes()),
        row.as_ref(),
    );
}

/// Writes what one transaction left in revm's journal, and gives the FLT that is gone, in wei: the base fee, and
/// what a contract took with it that destroyed itself in the transaction that created it.
pub(crate) fn write_accounts(overlay: &mut Overlay<'_>, state: EvmState) -> Result<U256, Fault> {
    let (mut before, mut after) = (U256::ZERO, U256::ZERO);
    for (address, account) in state {
        if !account.is_touched() {
            continue;
        }
        let old = read_account(overlay, address)?.unwrap_or_default();
        before = before.saturating_add(old.balance);
        // Since EIP-6780 only a contract created by the same transaction is destroyed; it has no other rows yet.
        if account.is_selfdestructed() || account.is_empty() {
            overlay.write(&ACCOUNTS, &address.into_array(), None);
            continue;
        }
        after = after.saturating_add(account.info.balance);
        write_touched(overlay, address, &account);
    }
    Ok(before.saturating_sub(after))
}

fn write_touched(overlay: &mut Overlay<'_>, address: Address, account: &revm::state::Account) {
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
