//! What the marketplace's work costs in gas. The marketplace counts, this prices.
//!
//! A mixed row operation takes about 7 microseconds, so a block full of them takes about as long as a block full of
//! EVM code. Bytes written stay for good, so they cost more than bytes read.

use crate::state::Overlay;
use marketplace::store::{OutOfWork, Row, Store};

/// Reaching a system contract, before its first row.
pub(crate) const CALL: u64 = 1_000;
/// Decoding 32 bytes of calldata.
pub(crate) const DECODE_WORD: u64 = 20;
/// Finding a row, there or not.
pub(crate) const READ: u64 = 800;
/// A byte of a row that was found.
pub(crate) const READ_BYTE: u64 = 2;
/// Writing or removing a row.
pub(crate) const WRITE: u64 = 5_000;
/// A byte of a row that is written, its key included.
pub(crate) const WRITE_BYTE: u64 = 40;
/// Passing a row that this block removed.
pub(crate) const PASS: u64 = 100;
/// A step of computing without rows. What validators compute in the background (`audit`), off the way of blocks, is
/// counted at 20 microseconds of a reference core a step, so that one gas pays for one of them.
pub(crate) const STEP: u64 = 20;
/// Checking the signature of a message, as the precompile costs.
pub(crate) const SIGNATURE: u64 = 3_000;
/// A log, each of its topics, and each byte of its data, as the opcode costs.
pub(crate) const LOG: u64 = 375;
/// A byte of a log's data.
pub(crate) const LOG_BYTE: u64 = 8;

/// Rows that cost gas.
#[derive(Debug)]
pub(crate) struct Meter<'m, 'a> {
    rows: &'m mut Overlay<'a>,
    left: u64,
}

impl<'m, 'a> Meter<'m, 'a> {
    pub(crate) fn new(rows: &'m mut Overlay<'a>, left: u64) -> Self {
        Self { rows, left }
    }

    /// Gas that is left.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    fn charge(&mut self, gas: u64) -> Result<(), OutOfWork> {
        charge(&mut self.left, gas)
    }

    fn charge_row(&mut self, each: u64, bytes: usize) -> Result<(), OutOfWork> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.charge(each.saturating_mul(bytes))
    }
}

/// Takes `gas` from what is left; all of it if it does not suffice.
pub(crate) fn charge(left: &mut u64, gas: u64) -> Result<(), OutOfWork> {
    let rest = left.checked_sub(gas);
    *left = rest.unwrap_or(0);
    rest.map(|_| ()).ok_or(OutOfWork)
}

impl Store for Meter<'_, '_> {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, OutOfWork> {
        self.charge(READ)?;
        let row = self.rows.get(key).map(<[u8]>::to_vec);
        self.charge_row(READ_BYTE, row.as_ref().map_or(0, Vec::len))?;
        Ok(row)
    }

    fn put(&mut self, key: &[u8], row: Vec<u8>) -> Result<(), OutOfWork> {
        self.charge(WRITE)?;
        self.charge_row(WRITE_BYTE, key.len() + row.len())?;
        self.rows.set(key.to_vec(), Some(row));
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), OutOfWork> {
        self.charge(WRITE)?;
        self.rows.set(key.to_vec(), None);
        Ok(())
    }

    fn next(&mut self, from: &[u8], to: &[u8]) -> Result<Option<Row>, OutOfWork> {
        self.charge(READ)?;
        let found = self.rows.next(from, to);
        self.charge(PASS.saturating_mul(found.passed))?;
        let bytes = found.row.as_ref().map_or(0, |(_, row)| row.len());
        self.charge_row(READ_BYTE, bytes)?;
        Ok(found.row)
    }

    fn step(&mut self, steps: u64) -> Result<(), OutOfWork> {
        self.charge(STEP.saturating_mul(steps))
    }
}
