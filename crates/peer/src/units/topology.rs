//! What cores there are: Linux says which logical processors are siblings.

use super::Core;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::{collections::BTreeSet, fs, io, path::Path};

/// Where Linux says it.
pub const SYSTEM: &str = "/sys/devices/system/cpu";

/// The cores of this machine, as far as this process may use them.
///
/// # Errors
/// The system does not say which processors those are.
pub fn here() -> io::Result<Vec<Core>> {
    let set = sched_getaffinity(None)?;
    let allowed = (0_u32..).take(CpuSet::MAX_CPU);
    let allowed: Vec<_> = allowed.filter(|at| set.is_set(*at as usize)).collect();
    Ok(read(Path::new(SYSTEM), &allowed))
}

/// The cores in a folder like [`SYSTEM`] that these processors belong to, without others: in the order of their first
/// ones. A processor of which nothing is said is a core.
#[must_use]
pub fn read(folder: &Path, allowed: &[u32]) -> Vec<Core> {
    let mut left: BTreeSet<u32> = allowed.iter().copied().collect();
    let mut cores = Vec::new();
    while let Some(first) = left.pop_first() {
        let file = folder.join(format!("cpu{first}/topology/thread_siblings_list"));
        let said = fs::read_to_string(file).ok();
        let siblings = said.and_then(|text| list(&text)).unwrap_or_default();
        let mut core = vec![first];
        // Taken once: whatever is said, no processor is in two cores.
        core.extend(siblings.into_iter().filter(|sibling| left.remove(sibling)));
        cores.push(core);
    }
    cores
}

/// Reads `0-2,8`; none if it is no such list, or one of more processors than there can be.
fn list(text: &str) -> Option<BTreeSet<u32>> {
    let mut all = BTreeSet::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        if last as usize >= CpuSet::MAX_CPU {
            return None;
        }
        all.extend(first..=last);
    }
    Some(all)
}

/// Keeps this thread, and those it starts, on these processors.
///
/// # Errors
/// The machine has none of them, or this process may not use them.
pub fn pin(processors: &[u32]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for processor in processors {
        let processor = *processor as usize;
        if processor >= CpuSet::MAX_CPU {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        set.set(processor);
    }
    Ok(sched_setaffinity(None, &set)?)
}

#[cfg(test)]
mod tests {
    use super::{here, list, pin, read};
    use std::{fs, thread};

    /// A folder that says which processors are siblings.
    fn said(lists: &[(u32, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (processor, text) in lists {
            let place = folder.path().join(format!("cpu{processor}/topology"));
            fs::create_dir_all(&place).expect("a folder");
            fs::write(place.join("thread_siblings_list"), text).expect("a file");
        }
        folder
    }

    #[test]
    fn siblings_are_one_core() {
        let folder = said(&[(0, "0,2\n"), (1, "1,3\n"), (2, "0,2\n"), (3, "1,3\n")]);
        assert_eq!(read(folder.path(), &[0, 1, 2, 3]), [[0, 2], [1, 3]]);
        let folder = said(&[(0, "0-1\n"), (1, "0-1\n"), (2, "2-3\n"), (3, "2-3\n")]);
        assert_eq!(read(folder.path(), &[0, 1, 2, 3]), [[0, 1], [2, 3]]);
    }

    #[test]
    fn without_siblings_each_processor_is_a_core() {
        let folder = said(&[(0, "0\n"), (1, "1\n")]);
        assert_eq!(read(folder.path(), &[0, 1]), [[0], [1]]);
    }

    /// (U1)
    #[test]
    fn processors_that_the_process_may_not_use_are_left_out() {
        let folder = said(&[(0, "0,2\n"), (1, "1,3\n"), (2, "0,2\n"), (3, "1,3\n")]);
        assert_eq!(read(folder.path(), &[1, 2, 3]), [vec![1, 3], vec![2]]);
    }

    #[test]
    fn a_system_that_says_nothing_or_nonsense_has_processors_all_the_same() {
        let folder = said(&[(0, "zero"), (1, ""), (2, "2-99999999999")]);
        assert_eq!(read(folder.path(), &[0, 1, 2, 3]), [[0], [1], [2], [3]]);
        let folder = said(&[(0, "0-3"), (1, "1-2"), (2, "0"), (3, "3")]);
        assert_eq!(read(folder.path(), &[0, 1, 2, 3]), [[0, 1, 2, 3]]);
    }

    #[test]
    fn a_list_is_of_numbers_and_ranges() {
        let read = |text| list(text).map(Vec::from_iter);
        assert_eq!(read("0-2,8\n"), Some(vec![0, 1, 2, 8]));
        assert_eq!(read("3-1"), Some(vec![]));
        assert_eq!(read("0-4000000000"), None);
        assert_eq!(read("1,"), None);
    }

    /// (U3)
    #[test]
    fn a_thread_that_is_pinned_to_a_core_of_this_machine_runs_there() {
        let cores = here().expect("Linux says so");
        let last = cores.last().expect("one that we run on").clone();
        let seen = thread::spawn(move || {
            pin(&last).expect("it is ours");
            (here().expect("Linux says so"), last)
        });
        let (seen, last) = seen.join().expect("it ends");
        assert_eq!(seen, [last]);
        assert!(pin(&[]).is_err() && pin(&[u32::MAX]).is_err());
    }
}
