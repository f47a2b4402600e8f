//! A gateway gets certificates from Pebble, the ACME server that Let's Encrypt tests clients with.

use crate::{Tally, suite, tools};
use anyhow::Result;

/// The program, and the Debian package that has it.
const PEBBLE: &str = "pebble";

/// Runs `crates/cli/tests/mp/acme.rs` with it. Fails where it cannot be installed.
pub(crate) fn run() -> Result<Tally> {
    if !tools::is_there(PEBBLE) {
        tools::packages(&[PEBBLE].into())?;
    }
    suite::with_programs("acme::", &[("MP_PEBBLE", PEBBLE)])
}
