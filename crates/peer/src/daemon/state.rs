//! What functions keep on this machine: a folder for each deal.

use super::executor::make_folder;
use marketplace::units::DealId;
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// How long state is kept after the deal has left: the chain may bring it back, and a node that is behind may not know yet
/// that it is here.
const RETAIN: Duration = Duration::from_secs(3_600);

/// The states of a peer's deals.
#[derive(Clone, Debug)]
pub(super) struct States {
    folder: PathBuf,
}

impl States {
    /// Opens the folder, makes it if there is none.
    pub(super) fn open(data: &Path) -> io::Result<Self> {
        let folder = data.join("state");
        make_folder(&folder)?;
        Ok(Self { folder })
    }

    /// The file of a deal's state.
    pub(super) fn file(&self, deal: DealId) -> PathBuf {
        self.folder.join(deal.to_string()).join("state.redb")
    }

    /// Deletes the state of deals that left long ago; `is_here` says which have not.
    pub(super) fn forget(&self, is_here: impl Fn(DealId) -> bool) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let folder = entry?.path();
            let name = folder.file_name().and_then(|name| name.to_str());
            let Some(deal) = name.and_then(|name| name.parse().ok()).map(DealId) else {
                continue;
            };
            let open = File::open(&folder)?;
            if is_here(deal) {
                open.set_modified(SystemTime::now())?;
            } else if open.metadata()?.modified()? + RETAIN < SystemTime::now() {
                fs::remove_dir_all(folder)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{RETAIN, States};
    use marketplace::units::DealId;
    use std::{fs, time::SystemTime};

    /// (D5)
    #[test]
    fn state_outlives_its_deal_for_an_hour() {
        let data = tempfile::tempdir().expect("a folder");
        let states = States::open(data.path()).expect("states");
        let folder = |deal: u64| data.path().join("state").join(deal.to_string());
        for deal in 1..=3 {
            fs::create_dir(folder(deal)).expect("a folder");
        }
        let old = SystemTime::now() - RETAIN * 2;
        for deal in [1, 2] {
            let open = fs::File::open(folder(deal)).expect("a folder");
            open.set_modified(old).expect("an age");
        }
        states.forget(|deal| deal == DealId(1)).expect("forgotten");
        assert!(folder(1).exists(), "it is here");
        assert!(!folder(2).exists(), "it left long ago");
        assert!(folder(3).exists(), "it left just now");
        // It was here a moment ago.
        states.forget(|_| false).expect("forgotten");
        assert!(folder(1).exists());
    }
}
