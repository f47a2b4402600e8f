//! Clearing: at the end of a block, the demands that are due meet the supply there is.

mod book;

pub use book::Book;

use crate::cx::Cx;
use crate::refusal::Error;
use crate::store::Store;

/// Ends a block: deadlines up to and including now take effect, then due demands are cleared. The context is a
/// fresh one on the same store; `book` holds the supply of the rows as they were before this block.
///
/// # Errors
/// Out of work (the host gives the end of a block an ample budget), or a fault.
pub fn end_block<S: Store>(_cx: &mut Cx<'_, S>, _book: &mut Book) -> Result<(), Error> {
    Ok(())
}
