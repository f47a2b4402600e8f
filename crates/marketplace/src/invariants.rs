//! What holds between any two calls, checked over all rows at once.

use std::fmt;

/// A promise about rows that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Name of the invariant.
    pub invariant: &'static str,
    /// What was found.
    pub found: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.found)
    }
}

/// All violations of all invariants in these rows.
pub fn check<'r>(_rows: impl IntoIterator<Item = (&'r [u8], &'r [u8])>) -> Vec<Violation> {
    Vec::new()
}
