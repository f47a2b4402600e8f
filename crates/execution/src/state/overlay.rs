//! What a block has written so far, over the base, with an undo log that follows the EVM's checkpoints.

use super::{Diff, Rows};
use crate::fault::Fault;
use borsh::{BorshDeserialize, BorshSerialize};
use marketplace::table::{Key, Table};
use std::iter::Peekable;

/// What a row can be.
pub(crate) trait Row: BorshSerialize + BorshDeserialize {}
impl<T: BorshSerialize + BorshDeserialize> Row for T {}

/// A key, and what `written` held under it before.
type Undo = (Vec<u8>, Option<Option<Vec<u8>>>);

/// The rows a block sees: its own writes over the base.
#[derive(Clone, Debug)]
pub(crate) struct Overlay<'a> {
    base: &'a Rows,
    written: Diff,
    /// Since the last `commit`, newest last.
    undo: Vec<Undo>,
    /// Lengths of `undo` at the open checkpoints.
    marks: Vec<usize>,
}

/// A row, and how many removed rows had to be passed to find it.
pub(crate) struct Found {
    pub(crate) row: Option<(Vec<u8>, Vec<u8>)>,
    pub(crate) passed: u64,
}

impl<'a> Overlay<'a> {
    pub(crate) fn new(base: &'a Rows) -> Self {
        Self {
            base,
            written: Diff::new(),
            undo: Vec::new(),
            marks: Vec::new(),
        }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        match self.written.get(key) {
            Some(row) => row.as_deref(),
            None => self.base.get(key),
        }
    }

    /// The row of a table under `key`.
    pub(crate) fn read<K: Key, V: Row>(
        &self,
        table: &Table<K, V>,
        key: &K,
    ) -> Result<Option<V>, Fault> {
        let key = table.key(key);
        let Some(row) = self.get(&key) else {
            return Ok(None);
        };
        match table.decode_row(row) {
            None => Err(Fault::Corrupt { key }),
            row => Ok(row),
        }
    }

    /// Writes a row of a table, or removes it with None.
    pub(crate) fn write<K: Key, V: Row>(&mut self, table: &Table<K, V>, key: &K, row: Option<&V>) {
        self.set(table.key(key), row.map(|row| table.encode_row(row)));
    }

    /// Writes a row, or removes it with None.
    pub(crate) fn set(&mut self, key: Vec<u8>, row: Option<Vec<u8>>) {
        let before = self.written.insert(key.clone(), row);
        self.undo.push((key, before));
    }

    /// The first row with `from <= key < to`.
    pub(crate) fn next(&self, from: &[u8], to: &[u8]) -> Found {
        let mut passed = 0;
        let mut base = self.base.range(from, to).peekable();
        let bounds = from.to_vec()..to.max(from).to_vec();
        for (key, row) in self.written.range(bounds) {
            if let Some(row) = base_before(&mut base, key) {
                return Found {
                    row: Some(row),
                    passed,
                };
            }
            if let Some(row) = row {
                let row = Some((key.clone(), row.clone()));
                return Found { row, passed };
            }
            passed += 1;
        }
        let row = base.next().map(|(k, v)| (k.to_vec(), v.to_vec()));
        Found { row, passed }
    }

    pub(crate) fn checkpoint(&mut self) {
        self.marks.push(self.undo.len());
    }

    /// Keeps what was written since the newest checkpoint and forgets the checkpoint.
    pub(crate) fn keep(&mut self) {
        self.marks.pop();
    }

    /// Takes back what was written since the newest checkpoint.
    pub(crate) fn revert(&mut self) {
        let mark = self.marks.pop().unwrap_or(0);
        self.undo_to(mark);
    }

    /// Ends a transaction: what was written stays.
    pub(crate) fn commit(&mut self) {
        self.undo.clear();
        self.marks.clear();
    }

    /// Takes back everything since the last [`Overlay::commit`].
    pub(crate) fn discard(&mut self) {
        self.undo_to(0);
        self.marks.clear();
    }

    /// What the block changes, leaving the base; a row written as it was is no change.
    pub(crate) fn take_diff(&mut self) -> Diff {
        self.commit();
        let mut diff = std::mem::take(&mut self.written);
        diff.retain(|key, row| row.as_deref() != self.base.get(key));
        diff
    }

    fn undo_to(&mut self, mark: usize) {
        for (key, before) in self.undo.drain(mark..).rev() {
            match before {
                Some(row) => self.written.insert(key, row),
                None => self.written.remove(&key),
            };
        }
    }
}

/// The next row of the base if it comes before `key`; one that `key` replaces is passed over.
fn base_before<'r>(
    base: &mut Peekable<impl Iterator<Item = (&'r [u8], &'r [u8])>>,
    key: &[u8],
) -> Option<(Vec<u8>, Vec<u8>)> {
    let (at, row) = *base.peek()?;
    if at < key {
        return Some((at.to_vec(), row.to_vec()));
    }
    if at == key {
        base.next();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Diff, Overlay, Rows};

    fn rows(keys: &[&str]) -> Rows {
        let mut rows = Rows::default();
        let row = |key: &&str| (key.as_bytes().to_vec(), Some(vec![1]));
        rows.apply(&keys.iter().map(row).collect::<Diff>());
        rows
    }

    fn list(overlay: &Overlay<'_>, from: &str, to: &str) -> Vec<String> {
        let mut keys = Vec::new();
        let mut from = from.as_bytes().to_vec();
        while let Some((key, _)) = overlay.next(&from, to.as_bytes()).row {
            keys.push(String::from_utf8(key.clone()).expect("text keys"));
            from = key;
            from.push(0);
        }
        keys
    }

    #[test]
    fn next_sees_writes_and_removals_over_the_base_in_key_order() {
        let rows = rows(&["a", "c", "e", "g"]);
        let mut overlay = Overlay::new(&rows);
        overlay.set(b"b".to_vec(), Some(vec![2]));
        overlay.set(b"c".to_vec(), None);
        overlay.set(b"e".to_vec(), Some(vec![2]));
        overlay.set(b"f".to_vec(), None);
        assert_eq!(list(&overlay, "a", "z"), ["a", "b", "e", "g"]);
        assert_eq!(list(&overlay, "b", "e"), ["b"]);
        assert_eq!(list(&overlay, "z", "a"), [""; 0]);
        assert_eq!(overlay.next(b"c", b"d").passed, 1);
    }

    #[test]
    fn nested_checkpoints_revert_to_what_each_of_them_saw() {
        let rows = rows(&["a"]);
        let mut overlay = Overlay::new(&rows);
        overlay.set(b"x".to_vec(), Some(vec![1]));
        overlay.commit();
        overlay.checkpoint();
        overlay.set(b"x".to_vec(), Some(vec![2]));
        overlay.checkpoint();
        overlay.set(b"x".to_vec(), None);
        overlay.set(b"a".to_vec(), None);
        overlay.revert();
        assert_eq!(overlay.get(b"x"), Some(&[2_u8][..]));
        assert_eq!(overlay.get(b"a"), Some(&[1_u8][..]));
        overlay.checkpoint();
        overlay.set(b"y".to_vec(), Some(vec![3]));
        overlay.keep();
        overlay.revert();
        assert_eq!(list(&overlay, "a", "z"), ["a", "x"]);
        assert_eq!(overlay.get(b"x"), Some(&[1_u8][..]));
    }

    #[test]
    fn a_row_written_as_it_was_is_no_change() {
        let rows = rows(&["a"]);
        let mut overlay = Overlay::new(&rows);
        overlay.set(b"a".to_vec(), Some(vec![1]));
        overlay.set(b"b".to_vec(), Some(vec![1]));
        overlay.set(b"b".to_vec(), None);
        assert_eq!(overlay.take_diff(), Diff::new());
    }
}
