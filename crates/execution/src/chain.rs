//! Rows of the chain itself: the newest executed block and the hashes before it.

use crate::fault::Fault;
use crate::state::table::{HASHES, HEAD, HeadRow};
use crate::state::{Diff, Overlay, Rows};
use alloy_primitives::{Address, B256};
use marketplace::time::CLOCK;
use marketplace::units::Time;

/// The newest executed block, and what the chain counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Chain id of every transaction.
    pub chain_id: u64,
    /// Height of the block; 0 is genesis.
    pub height: u64,
    /// Hash of the block: the consensus digest.
    pub hash: B256,
    /// Its time, in milliseconds of the Unix epoch.
    pub time_ms: u64,
    /// Its beacon value (`PREVRANDAO`).
    pub beacon: B256,
    /// Account that earned its tips (`COINBASE`).
    pub fee_account: Address,
    /// Base fee of the **next** block, in wei per gas.
    pub base_fee: u64,
    /// FLT gone since genesis, in wei: burned as base fee, or destroyed with a contract.
    pub burned: u128,
}

/// The newest executed block.
///
/// # Errors
/// [`Fault::Corrupt`] if there is no genesis yet or the row cannot be decoded.
pub fn head(rows: &Rows) -> Result<Head, Fault> {
    read_head(&Overlay::new(rows))
}

/// Protocol time of the newest executed block.
///
/// # Errors
/// [`Fault::Corrupt`] if there is no genesis yet or the row cannot be decoded.
pub fn time(rows: &Rows) -> Result<Time, Fault> {
    let missing = || Fault::Corrupt {
        key: CLOCK.key(&()),
    };
    let clock = Overlay::new(rows).read(&CLOCK, &())?;
    Ok(clock.ok_or_else(missing)?.now)
}

/// Protocol time of the block with these changes; `None` if they do not touch the clock.
pub fn time_after(diff: &Diff) -> Option<Time> {
    let row = diff.get(&CLOCK.key(&()))?.as_deref()?;
    Some(CLOCK.decode_row(row)?.now)
}

pub(crate) fn read_head(overlay: &Overlay<'_>) -> Result<Head, Fault> {
    let missing = || Fault::Corrupt { key: HEAD.key(&()) };
    let row = overlay.read(&HEAD, &())?.ok_or_else(missing)?;
    Ok(Head {
        chain_id: row.chain_id,
        height: row.height,
        hash: row.hash.into(),
        time_ms: row.time_ms,
        beacon: row.beacon.into(),
        fee_account: row.fee_account.into(),
        base_fee: row.base_fee,
        burned: row.burned,
    })
}

/// Writes the head and its hash into the ring of the last 256.
pub(crate) fn write_head(overlay: &mut Overlay<'_>, head: &Head) {
    let row = HeadRow {
        chain_id: head.chain_id,
        height: head.height,
        hash: head.hash.0,
        time_ms: head.time_ms,
        beacon: head.beacon.0,
        fee_account: head.fee_account.into_array(),
        base_fee: head.base_fee,
        burned: head.burned,
    };
    overlay.write(&HEAD, &(), Some(&row));
    let hash = (head.height, head.hash.0);
    overlay.write(&HASHES, &place(head.height), Some(&hash));
}

/// The hash of one of the last 256 blocks; zero for any other, as `BLOCKHASH` wants it.
pub(crate) fn block_hash(overlay: &Overlay<'_>, height: u64) -> Result<B256, Fault> {
    match overlay.read(&HASHES, &place(height))? {
        Some((found, hash)) if found == height => Ok(hash.into()),
        _ => Ok(B256::ZERO),
    }
}

fn place(height: u64) -> u8 {
    height.to_be_bytes()[7]
}
