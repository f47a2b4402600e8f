//! What concerns the process as a whole.

use super::Refusal;
use rustix::{
    process::{Resource, Rlimit, geteuid, setrlimit},
    thread::set_no_new_privs,
};
use std::{
    fs::{self, File, TryLockError},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    path::Path,
};

/// Gives up what no worker needs: new rights, and a picture of its memory on disk. Comes before any
/// thread is started, so that all inherit it.
pub(super) fn confine() -> Result<(), Refusal> {
    set_no_new_privs(true).map_err(|error| Refusal::host("cannot give up new rights", &error))?;
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)
        .map_err(|error| Refusal::host("cannot forbid core files", &error))
}

/// Makes this the one worker at the control socket `control`, as long as the file lives.
pub(super) fn lock(control: &Path) -> Result<File, Refusal> {
    let mut path = control.as_os_str().to_owned();
    path.push(".lock");
    let refusal = |error: &dyn std::fmt::Display| {
        Refusal::host(&format!("cannot lock {}", path.display()), error)
    };
    own_folder(control.parent().unwrap_or(Path::new(".")))?;
    let file = File::create(&path).map_err(|error| refusal(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(refusal(&"another worker holds it")),
        Err(TryLockError::Error(error)) => Err(refusal(&error)),
    }
}

/// Makes sure that there is a folder at `path` in which nobody else can put or replace anything.
pub(super) fn own_folder(path: &Path) -> Result<(), Refusal> {
    let refusal = |error: &dyn std::fmt::Display| {
        Refusal::host(&format!("cannot use the folder {}", path.display()), error)
    };
    let mut builder = fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(path);
    made.map_err(|error| refusal(&error))?;
    let metadata = fs::metadata(path).map_err(|error| refusal(&error))?;
    if metadata.uid() == geteuid().as_raw() && metadata.mode() & 0o022 == 0 {
        Ok(())
    } else {
        Err(refusal(&"another user owns it or may write there"))
    }
}

/// Makes `path` ours alone.
pub(super) fn private(path: &Path) -> std::io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}

/// Memory of this process that is in RAM, in bytes; 0 where the kernel does not say.
pub(super) fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
