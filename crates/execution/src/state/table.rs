//! Tables of block execution. The rows of all of them begin with a version byte.

/// The newest executed block and what the chain counts; one row, empty key. See [`crate::chain`].
pub const HEAD: u8 = 0x80;
/// Hashes of the last 256 blocks. Key: height mod 256, one byte. Row: height, hash.
pub const HASHES: u8 = 0x81;
/// EVM accounts. Key: address. Row: nonce, balance, code hash.
pub const ACCOUNTS: u8 = 0x82;
/// EVM code. Key: keccak of the code. Row: the code.
pub const CODE: u8 = 0x83;
/// EVM storage. Key: address ‖ slot. Row: the value; zero has no row.
pub const SLOTS: u8 = 0x84;

/// Name and id of every table of this crate.
pub const ALL: [(&str, u8); 5] = [
    ("HEAD", HEAD),
    ("HASHES", HASHES),
    ("ACCOUNTS", ACCOUNTS),
    ("CODE", CODE),
    ("SLOTS", SLOTS),
];

/// `table ‖ parts`.
pub(crate) fn key(table: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![table];
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}
