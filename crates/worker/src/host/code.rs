//! Compiled code, kept in a folder that all workers of this machine share.
//!
//! What is compiled here is machine code that runs with the rights of this process, so folder and
//! file are used only if they are this user's and nobody else may write there. The file is named after the component, the
//! compiler and its settings: whatever changes one of them compiles anew. Compiled code is never
//! taken from anywhere else.

use super::{Refusal, load, process};
use crate::control::Reason;
use std::{
    fs::{self, OpenOptions},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};
use wasmtime::{Engine, component::Component};

/// An admitted component, compiled: from the folder, or compiled within `limit` and then
/// put there.
///
/// # Errors
/// It is not valid, takes too long to compile, needs more than the limits, or the folder cannot be
/// used.
pub(super) fn component(
    engine: &Engine,
    folder: &Path,
    component: &[u8],
    limit: Duration,
) -> Result<Component, Refusal> {
    process::own_folder(folder)?;
    let file = folder.join(name(engine, component));
    if is_ours(&file)
        && let Ok(component) = load::component(engine, &file)
    {
        return Ok(component);
    }
    let code = compile(engine, component.to_vec(), limit)?;
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

/// Compiles on a thread of its own. A function can be made to compile slowly, and nothing stops a
/// compiler but the end of the process, which is what a refusal leads to.
fn compile(engine: &Engine, component: Vec<u8>, limit: Duration) -> Result<Vec<u8>, Refusal> {
    let (done, result) = mpsc::channel();
    let engine = engine.clone();
    let compiler = move || {
        // Nobody waits any more if the limit is over.
        let _ = done.send(engine.precompile_component(&component));
    };
    let spawned = thread::Builder::new()
        .name("compiler".into())
        .spawn(compiler);
    spawned.map_err(|error| Refusal::host("cannot start a thread", &error))?;
    match result.recv_timeout(limit) {
        Ok(Ok(code)) => Ok(code),
        Ok(Err(error)) => Err(Refusal::new(Reason::BadComponent, format!("{error:#}"))),
        Err(mpsc::RecvTimeoutError::Timeout) => {
            let detail = format!("compiling takes more than {} s", limit.as_secs());
            Err(Refusal::new(Reason::CompileTimeout, detail))
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            Err(Refusal::new(Reason::BadComponent, "the compiler gave up"))
        }
    }
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

#[cfg(test)]
mod tests {
    use super::{component, name};
    use crate::{config::Limits, control::Reason, host::engine};
    use functions::HELLO;
    use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

    /// (W3)
    #[test]
    fn code_is_compiled_once_and_only_our_own_private_file_is_used() {
        let engine = engine::engine(&Limits::default(), 1).expect("an engine");
        let folder = std::env::temp_dir().join(format!("code-{}", std::process::id()));
        let get = |limit| component(&engine, &folder, HELLO, limit);
        let (minute, no_time) = (Duration::from_secs(60), Duration::ZERO);
        let file = folder.join(name(&engine, HELLO));

        get(minute).expect("compiled");
        let mode = fs::metadata(&file).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        // Found in the folder: nothing is compiled.
        get(no_time).expect("from the folder");

        // Spoilt, or writable by others: compiled again.
        fs::write(&file, b"spoilt").expect("written");
        get(minute).expect("compiled again");
        fs::set_permissions(&file, PermissionsExt::from_mode(0o666)).expect("permissions");
        let refusal = get(no_time).expect_err("not from the folder");
        assert_eq!(refusal.reason, Reason::CompileTimeout);

        // Anybody could put anything into such a folder.
        fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).expect("permissions");
        assert_eq!(get(minute).expect_err("a refusal").reason, Reason::Host);
        fs::remove_dir_all(folder).expect("removed");
    }
}
