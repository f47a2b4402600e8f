//! The committed base.

use super::Diff;
use std::collections::BTreeMap;
use std::ops::Bound;

/// All rows as of the newest executed block, in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows(BTreeMap<Vec<u8>, Vec<u8>>);

impl Rows {
    /// The row under `key`.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.0.get(key).map(Vec::as_slice)
    }

    /// All rows with `from <= key < to`, in key order.
    pub fn range<'a>(
        &'a self,
        from: &[u8],
        to: &[u8],
    ) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let to = to.max(from); // bounds the wrong way round are empty, not a panic
        self.0
            .range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)))
            .map(|(key, row)| (key.as_slice(), row.as_slice()))
    }

    /// Every row, in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(k, v)| (k.as_slice(), v.as_slice()))
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no row, not even a genesis.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes over what a finished block changed. Nothing else changes the base.
    pub fn apply(&mut self, diff: &Diff) {
        for (key, row) in diff {
            match row {
                Some(row) => self.0.insert(key.clone(), row.clone()),
                None => self.0.remove(key),
            };
        }
    }
}
