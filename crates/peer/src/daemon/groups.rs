//! Control groups of the kernel, version 2: one for each worker, with a limit of memory that the kernel keeps.
//!
//! Where they are is for the operator to say, because it must be given to the peer's user, with the controllers `memory`
//! and `pids` turned on for what lies below. Without, workers have the limits that they keep themselves.

use marketplace::units::WorkerId;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Memory of a unit, by default: what a worker's requests on it may have together, at their usual limits.
pub(super) const UNIT_MIB: u64 = 4_096;

/// What a worker needs beside its requests, in MiB.
const BASE_MIB: u64 = 256;

/// Threads and processes of a worker: units, lookups, a compiler, its own.
const TASKS: u64 = 1_024;

/// Where the groups of a peer's workers are.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    folder: PathBuf,
    unit_mib: u64,
}

impl Groups {
    pub(super) fn new(folder: &Path, unit_mib: u64) -> Self {
        Self {
            folder: folder.into(),
            unit_mib,
        }
    }

    /// Makes the group of a worker with so many units, or takes up the one that is there.
    pub(super) fn make(&self, worker: WorkerId, units: usize) -> io::Result<PathBuf> {
        let group = self.group(worker);
        match fs::create_dir(&group) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let memory_mib = self
            .unit_mib
            .saturating_mul(units as u64)
            .saturating_add(BASE_MIB);
        let memory = memory_mib.saturating_mul(1 << 20);
        for (file, value) in [
            ("memory.max", memory),
            ("memory.oom.group", 1),
            ("pids.max", TASKS),
        ] {
            fs::write(group.join(file), value.to_string())?;
        }
        Ok(group)
    }

    /// Removes the group of a worker that has ended.
    pub(super) fn remove(&self, worker: WorkerId) {
        // The next worker of that id, if there is one, takes it up.
        let _ = fs::remove_dir(self.group(worker));
    }

    fn group(&self, worker: WorkerId) -> PathBuf {
        self.folder.join(format!("worker-{worker}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Groups;
    use marketplace::units::WorkerId;
    use std::fs;

    /// (D6)
    #[test]
    fn a_group_says_how_much_a_worker_may_have() {
        // In a folder like any other: the kernel's has the same files, and keeps what they say.
        let folder = tempfile::tempdir().expect("a folder");
        let groups = Groups::new(folder.path(), 1_024);
        let group = groups.make(WorkerId(7), 2).expect("a group");
        assert_eq!(group, folder.path().join("worker-7"));
        let says = |file: &str| fs::read_to_string(group.join(file)).expect("a file");
        assert_eq!(
            says("memory.max"),
            ((2 * 1_024 + 256_u64) << 20).to_string()
        );
        assert_eq!(says("memory.oom.group"), "1");
        assert_eq!(says("pids.max"), "1024");
        groups.make(WorkerId(7), 1).expect("the same again");
        assert_eq!(says("memory.max"), ((1_024 + 256_u64) << 20).to_string());
        let nowhere = Groups::new(&folder.path().join("not").join("there"), 1);
        assert!(nowhere.make(WorkerId(7), 1).is_err());
    }
}
