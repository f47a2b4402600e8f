//! What concerns the process as a whole.

use super::Refusal;
use crate::{Config, config::Limits};
use rustix::{
    io::Errno,
    process::{
        Resource, Rlimit, Signal, geteuid, getrlimit, nice, set_parent_process_death_signal,
        setrlimit,
    },
    thread::set_no_new_privs,
};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    path::Path,
};

/// Files of a compiler: what it is given, and the kernel's own.
const COMPILER_FILES: u64 = 16;

/// Files of a worker besides connections: of its supervisor, of runtimes, of state, of lookups.
const SPARE_FILES: u64 = 256;

/// How far functions stand back behind the processes that serve everybody, the peer and the gateway; a compiler twice as far.
const NICE: i32 = 5;

/// Gives up what no worker needs: new rights, a picture of its memory on disk, and its place in front of others. Comes before
/// any thread is started, so that all inherit it.
pub(super) fn confine() -> Result<(), Refusal> {
    nice(NICE).map_err(|error| Refusal::host("cannot stand back", &error))?;
    set_no_new_privs(true).map_err(|error| Refusal::host("cannot give up new rights", &error))?;
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)
        .map_err(|error| Refusal::host("cannot forbid core files", &error))
}

/// Limits what a compiler may take: memory, time, files, and its life to that of who started it.
pub(super) fn confine_compiler(limits: &Limits) -> Result<(), Refusal> {
    let refusal = |error: Errno| Refusal::host("cannot limit a compiler", &error);
    nice(NICE).map_err(refusal)?;
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(refusal)?;
    for (resource, most) in [
        (Resource::As, limits.compile_memory_bytes),
        (Resource::Cpu, limits.compile_seconds),
        (Resource::Nofile, COMPILER_FILES),
        (Resource::Fsize, 0),
    ] {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, limit).map_err(refusal)?;
    }
    Ok(())
}

/// Limits the files and sockets that a worker has open, to what its limits allow it.
pub(super) fn limit_files(config: &Config) -> Result<(), Refusal> {
    let limits = &config.limits;
    let units = config.units.len() as u64;
    let wanted =
        u64::from(limits.connections) * units + u64::from(limits.outbound_in_flight) + SPARE_FILES;
    let most = getrlimit(Resource::Nofile)
        .maximum
        .unwrap_or(u64::MAX)
        .min(wanted);
    let limit = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    setrlimit(Resource::Nofile, limit)
        .map_err(|error| Refusal::host("cannot limit open files", &error))
}

/// Joins a control group, if there is one to join; whether there is.
pub(super) fn join(group: Option<&Path>) -> Result<bool, Refusal> {
    let Some(group) = group else {
        return Ok(false);
    };
    let members = group.join("cgroup.procs");
    let joined = OpenOptions::new().write(true).open(&members);
    joined
        .and_then(|mut file| write!(file, "{}", std::process::id()))
        .map_err(|error| Refusal::host(&format!("cannot join {}", group.display()), &error))?;
    Ok(true)
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
