//! Tables of block execution, in the same form as the marketplace's: `id ‖ key -> version ‖ borsh`.

use borsh::{BorshDeserialize, BorshSerialize};
pub use marketplace::table::Table;

/// Row of an EVM account.
#[derive(BorshSerialize, BorshDeserialize, Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// Transactions sent, or contracts created.
    pub nonce: u64,
    /// Wei, big-endian.
    pub balance: [u8; 32],
    /// Keccak of the code.
    pub code_hash: [u8; 32],
}

/// Row of the newest executed block; see [`crate::chain::Head`] for the fields.
#[derive(BorshSerialize, BorshDeserialize, Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "documented where it is read")]
pub struct HeadRow {
    pub chain_id: u64,
    pub height: u64,
    pub hash: [u8; 32],
    pub time_ms: u64,
    pub beacon: [u8; 32],
    pub fee_account: [u8; 20],
    pub base_fee: u64,
    pub burned: u128,
}

/// The newest executed block and what the chain counts. One row.
pub const HEAD: Table<(), HeadRow> = Table::new(0x80, "head");
/// Heights and hashes of the last 256 blocks, by height mod 256.
pub const HASHES: Table<u8, (u64, [u8; 32])> = Table::new(0x81, "block_hashes");
/// EVM accounts by address.
pub const ACCOUNTS: Table<[u8; 20], AccountRow> = Table::new(0x82, "accounts");
/// EVM code by its keccak.
pub const CODE: Table<[u8; 32], Vec<u8>> = Table::new(0x83, "code");
/// EVM storage by address and slot, big-endian; a slot of zero has no row.
pub const SLOTS: Table<([u8; 20], [u8; 32]), [u8; 32]> = Table::new(0x84, "slots");

/// Id and name of every table of this crate.
pub const ALL: [(u8, &str); 5] = [
    (HEAD.id, HEAD.name),
    (HASHES.id, HASHES.name),
    (ACCOUNTS.id, ACCOUNTS.name),
    (CODE.id, CODE.name),
    (SLOTS.id, SLOTS.name),
];
