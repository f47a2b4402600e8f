//! Where rows live: an ordered map from bytes to bytes, seen through four metered operations.
//!
//! A key is `table id ‖ order-preserving key`. Ids below 0x80 are tables of this crate; the rest belong to
//! whoever executes blocks. Nothing here can list a whole table: `next` takes bounds and gives one row.

use std::collections::BTreeMap;

/// The budget of the call or of the step is used up; whatever was written is to be rolled back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfWork;

/// Rows of the marketplace. Every operation costs work, so every operation may run out of it.
pub trait Store {
    /// The row under `key`.
    ///
    /// # Errors
    /// [`OutOfWork`] if the budget does not cover one more read.
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, OutOfWork>;

    /// Writes the row under `key`.
    ///
    /// # Errors
    /// [`OutOfWork`] if the budget does not cover one more write of that many bytes.
    fn put(&mut self, key: &[u8], row: Vec<u8>) -> Result<(), OutOfWork>;

    /// Removes the row under `key`, if there is one.
    ///
    /// # Errors
    /// [`OutOfWork`] if the budget does not cover one more write.
    fn delete(&mut self, key: &[u8]) -> Result<(), OutOfWork>;

    /// The first row with `from <= key < to`.
    ///
    /// # Errors
    /// [`OutOfWork`] if the budget does not cover one more read.
    fn next(&mut self, from: &[u8], to: &[u8]) -> Result<Option<Row>, OutOfWork>;

    /// Charges `steps` of computing that touches no row.
    ///
    /// # Errors
    /// [`OutOfWork`] if the budget does not cover them.
    fn step(&mut self, steps: u64) -> Result<(), OutOfWork>;
}

/// Key and value of one row.
pub type Row = (Vec<u8>, Vec<u8>);

/// Rows in memory without a budget: for tests, simulation and audits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryStore {
    /// All rows.
    pub rows: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Store for MemoryStore {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, OutOfWork> {
        Ok(self.rows.get(key).cloned())
    }

    fn put(&mut self, key: &[u8], row: Vec<u8>) -> Result<(), OutOfWork> {
        self.rows.insert(key.to_vec(), row);
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), OutOfWork> {
        self.rows.remove(key);
        Ok(())
    }

    fn next(&mut self, from: &[u8], to: &[u8]) -> Result<Option<Row>, OutOfWork> {
        if from >= to {
            return Ok(None);
        }
        let row = self.rows.range::<[u8], _>((
            std::ops::Bound::Included(from),
            std::ops::Bound::Excluded(to),
        ));
        Ok(row.map(|(key, value)| (key.clone(), value.clone())).next())
    }

    fn step(&mut self, _steps: u64) -> Result<(), OutOfWork> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{MemoryStore, Store as _};

    #[test]
    fn next_gives_the_first_row_within_its_bounds() {
        let mut store = MemoryStore::default();
        for key in [b"a1", b"a2", b"b1"] {
            store.put(key, key.to_vec()).expect("no budget");
        }
        let mut next = |from: &[u8], to: &[u8]| {
            let row = store.next(from, to).expect("no budget");
            row.map(|(key, _)| key)
        };
        assert_eq!(next(b"a", b"b"), Some(b"a1".to_vec()));
        assert_eq!(next(b"a2", b"b"), Some(b"a2".to_vec()));
        assert_eq!(next(b"a3", b"b"), None);
        assert_eq!(
            next(b"b", b"a"),
            None,
            "bounds the wrong way round are empty"
        );
    }
}
