//! Typed, ordered tables: the committed base, and the overlay that one block writes.
//!
//! Every row is `table id ‖ order-preserving key -> bytes`. Ids below 0x80 are tables of `marketplace`;
//! [`table`] lists the rest. Nothing but [`Rows::apply`] changes the base.

mod accounts;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the marketplace will read rows in order")
)]
mod overlay;
mod rows;
pub mod table;

pub use accounts::{Account, account, code, slot, total_flt};
pub(crate) use accounts::{
    encode, read_account, write_account, write_accounts, write_code, write_slot,
};
pub(crate) use overlay::Overlay;
pub use rows::Rows;

use std::collections::BTreeMap;

/// What a block changes: full key (with table id) -> the new row, or None if it is gone.
pub type Diff = BTreeMap<Vec<u8>, Option<Vec<u8>>>;
