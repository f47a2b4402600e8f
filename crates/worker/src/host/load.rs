//! The one place that turns a file into machine code.
#![allow(unsafe_code)]

use std::path::Path;
use wasmtime::{Engine, Result, component::Component};

/// Loads code from a file that [`super::code`] wrote.
///
/// # Errors
/// The file is not code of this engine.
pub(super) fn component(engine: &Engine, file: &Path) -> Result<Component> {
    // SAFETY: this is machine code that wasmtime believes to be its own output, so whoever can
    // write the file can do what this process can. `code` lets only a file in that this user wrote,
    // in a folder where no other may write, that was renamed into place whole, after being compiled on this
    // machine by this version with these settings (both are part of its name, and wasmtime checks
    // them again), and that nothing changes afterwards: a newer one replaces it by a rename.
    unsafe { Component::deserialize_file(engine, file) }
}
