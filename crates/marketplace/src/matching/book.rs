//! The index of supply that clearing searches, derived from rows.

/// Candidates of clearing: (offer, peer) with a count of free units, cheapest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {}

impl Book {
    /// The index of these rows. Rows of other tables are passed over.
    pub fn rebuild<'r>(rows: impl IntoIterator<Item = (&'r [u8], &'r [u8])>) -> Self {
        let mut book = Self::default();
        for (key, row) in rows {
            book.set(key, Some(row));
        }
        book
    }

    /// Follows the diff of a committed block.
    pub fn apply<'r>(&mut self, diff: impl IntoIterator<Item = (&'r [u8], Option<&'r [u8]>)>) {
        for (key, row) in diff {
            self.set(key, row);
        }
    }

    fn set(&mut self, _key: &[u8], _row: Option<&[u8]>) {}
}
