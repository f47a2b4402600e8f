//! Typed, ordered tables: the committed base, and the overlay that one block writes.
//!
//! Every row is `table id ‖ order-preserving key -> version ‖ borsh`. Ids below 0x80 are tables of `marketplace`;
//! [`table`] lists the rest. Nothing but [`Rows::apply`] changes the base.

mod accounts;
mod overlay;
mod reader;
mod rows;
pub mod table;

pub use accounts::{Account, account, code, slot, total_flt};
pub(crate) use accounts::{read_account, write_account, write_accounts, write_code, write_slot};
pub(crate) use overlay::Overlay;
pub use reader::{Reader, read};
pub use rows::Rows;

use marketplace::Book;
use std::collections::BTreeMap;

/// The index of supply over all rows, for [`crate::execute`].
pub fn book(rows: &Rows) -> Book {
    Book::rebuild(rows.iter())
}

/// Takes over what a finished block changed, in the rows and in the index of supply over them.
pub fn commit(rows: &mut Rows, book: &mut Book, diff: &Diff) {
    rows.apply(diff);
    follow(book, diff);
}

/// Takes over what a finished block changed in an index of supply alone.
pub fn follow(book: &mut Book, diff: &Diff) {
    book.apply(
        diff.iter()
            .map(|(key, row)| (key.as_slice(), row.as_deref())),
    );
}

/// What a block changes: full key (with table id) -> the new row, or None if it is gone.
pub type Diff = BTreeMap<Vec<u8>, Option<Vec<u8>>>;
