//! Compiled code, kept in a folder that all workers of this machine share.
//!
//! What is compiled here is machine code that runs with the rights of this process, so folder and
//! file are used only if they are this user's and nobody else may write there. The file is named after the component, the
//! compiler and its settings: whatever changes one of them compiles anew. Compiled code is never
//! taken from anywhere else.

use super::{Refusal, compiler, load, process};
use crate::{config::Limits, control::Reason, settings::Wasi};
use std::{
    fs::{self, OpenOptions},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Instant,
};
use wasmtime::{Engine, component::Component};

/// An admitted component, compiled: from the folder, or compiled within the limits, before the deadline, and then
/// put there.
///
/// # Errors
/// It is not valid, takes too long to compile, needs more than the limits, or the folder cannot be
/// used.
pub(super) fn component(
    engine: &Engine,
    folder: &Path,
    component: &[u8],
    wasi: Wasi,
    limits: &Limits,
    deadline: Instant,
) -> Result<Component, Refusal> {
    process::own_folder(folder)?;
    let file = folder.join(name(engine, component));
    if is_ours(&file)
        && let Ok(component) = load::component(engine, &file)
    {
        return Ok(component);
    }
    let code = compiler::compile(component, wasi, limits, deadline)?;
    keep(&file, &code)
        .map_err(|error| Refusal::host(&format!("cannot write {}", file.display()), &error))?;
    // Valid code that does not load asks for more than a slot of the pool has.
    load::component(engine, &file)
        .map_err(|error| Refusal::new(Reason::BeyondLimits, format!("{error:#}")))
}

fn name(engine: &Engine, component: &[u8]) -> String {
    let hash = blake3::hash(component);
    let mut settings = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut settings);
    format!("{hash}-{:016x}.cwasm", settings.finish())
}

/// Whether this user wrote the file and nobody else can.
fn is_ours(file: &Path) -> bool {
    fs::symlink_metadata(file).is_ok_and(|metadata| {
        metadata.is_file()
            && metadata.uid() == rustix::process::geteuid().as_raw()
            && metadata.mode() & 0o077 == 0
    })
}

/// Puts a whole file in place, or nothing.
fn keep(file: &Path, code: &[u8]) -> io::Result<()> {
    let fresh = fresh_name(file);
    let mut options = OpenOptions::new();
    let mut out = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    out.write_all(code)?;
    out.sync_all()?;
    fs::rename(fresh, file)
}

/// Workers may compile the same at once; each writes its own file.
fn fresh_name(file: &Path) -> PathBuf {
    file.with_extension(format!("{}.new", std::process::id()))
}
