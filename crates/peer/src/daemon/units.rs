//! The cores of this peer's units: listed in its configuration, or given to them once and remembered.

use super::{Config, Error, executor::make_folder, file};
use crate::file::replace;
use crate::units::{Core, Wanted, allot, topology};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs, io, path::Path};

/// Where it is remembered, in the peer's data folder.
const MEMORY: &str = "units.json";

/// The compute units of a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "`units` is their number, or a list with the logical processors of each"
)]
pub enum Units {
    /// So many; each gets a core of the machine.
    Number(u16),
    /// For each, by index, the logical processors it runs on. A unit with none is not pinned.
    Listed(Vec<Core>),
}

impl From<Vec<Core>> for Units {
    fn from(cores: Vec<Core>) -> Self {
        Self::Listed(cores)
    }
}

/// The core of each unit, by index. (U2, U4)
///
/// # Errors
/// There are too few, or it cannot be read or written which they are.
pub(super) fn cores(config: &Config) -> Result<Vec<Core>, Error> {
    let units = match &config.units {
        Units::Listed(cores) => return Ok(cores.clone()),
        Units::Number(units) => *units,
    };
    let machine = match &config.cores {
        Some(cores) => cores.clone(),
        None => topology::here().map_err(Error::Topology)?,
    };
    let wanted = Wanted {
        units,
        system_cores: config.system_cores,
        oversubscribe: config.oversubscribe,
    };
    make_folder(&config.data).map_err(|source| file(&config.data, source))?;
    let path = config.data.join(MEMORY);
    let known = recall(&path)?;
    let allotted = allot(&machine, &known, wanted)?;
    if allotted != known {
        tracing::info!(?allotted, "units have cores");
        let text = serde_json::to_vec(&allotted).map_err(io::Error::from);
        text.and_then(|text| replace(&path, &text))
            .map_err(|source| file(&path, source))?;
    }
    Ok(allotted.into_values().collect())
}

fn recall(path: &Path) -> Result<BTreeMap<u16, Core>, Error> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        text => text.map_err(|source| file(path, source))?,
    };
    serde_json::from_slice(&text).map_err(|source| Error::Memory {
        path: path.into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::{Units, cores};
    use crate::daemon::{Config, Error};
    use std::{fs, path::Path};

    /// What every configuration says, and these lines.
    fn config(data: &Path, lines: &str) -> Config {
        let text = format!(
            "rpc = \"http://127.0.0.1:1\"\nkey = \"key.json\"\ndata = \"{}\"\nlisten = \"127.0.0.1:0\"\n\
             worker = [\"mp\", \"worker\"]\n{lines}\n",
            data.display()
        );
        toml::from_str(&text).expect("a configuration")
    }

    /// (U4)
    #[test]
    fn listed_units_are_taken_as_they_are() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = config(folder.path(), "units = [[0, 8], []]");
        assert_eq!(config.units, Units::Listed(vec![vec![0, 8], vec![]]));
        assert_eq!(cores(&config).expect("listed"), [vec![0, 8], vec![]]);
        assert!(!folder.path().join("units.json").exists());
        let text = toml::to_string(&config).expect("TOML");
        assert_eq!(toml::from_str::<Config>(&text).expect("the same"), config);
    }

    /// (U2)
    #[test]
    fn a_number_of_units_keeps_its_cores_over_restarts_and_other_machines() {
        let folder = tempfile::tempdir().expect("a folder");
        let with = |lines: &str| cores(&config(folder.path(), lines));
        let four = "cores = [[0, 4], [1, 5], [2, 6], [3, 7]]";
        let two = with(&format!("units = 2\n{four}")).expect("room");
        assert_eq!(two, [[1, 5], [2, 6]]);
        let three = with(&format!("units = 3\nsystem_cores = 0\n{four}")).expect("room");
        assert_eq!(three, [[1, 5], [2, 6], [0, 4]], "who was there stays");
        let again = with(&format!("units = 3\n{four}")).expect("room");
        assert_eq!(again, three);
        let refused = with(&format!("units = 4\n{four}"));
        assert!(matches!(refused, Err(Error::TooFew(_))), "{refused:?}");
        let other = with("units = 3\ncores = [[0], [2], [8], [9]]").expect("room");
        assert_eq!(other, [[9], [2], [0]]);
    }

    #[test]
    fn a_refused_number_of_units_leaves_what_is_remembered() {
        let folder = tempfile::tempdir().expect("a folder");
        let with = |lines: &str| cores(&config(folder.path(), lines));
        with("units = 1\ncores = [[0], [1]]").expect("room");
        let memory = folder.path().join("units.json");
        let before = fs::read(&memory).expect("it is there");
        with("units = 3\ncores = [[0], [1]]").expect_err("two are there");
        assert_eq!(fs::read(&memory).expect("it is there"), before);
        let sharing = with("units = 3\noversubscribe = true\ncores = [[0], [1]]");
        assert_eq!(sharing.expect("they share"), [vec![0], vec![1], vec![]]);
    }

    #[test]
    fn a_garbled_memory_is_named_and_not_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let memory = folder.path().join("units.json");
        fs::write(&memory, "{\"0\":").expect("writes");
        let refused = cores(&config(folder.path(), "units = 1\ncores = [[0]]"));
        let text = refused.expect_err("it is garbled").to_string();
        assert!(
            text.contains("units.json") && text.contains("\nhint: "),
            "{text}"
        );
        assert_eq!(fs::read(&memory).expect("it is there"), b"{\"0\":");
    }

    #[test]
    fn this_machine_has_a_core_for_one_unit() {
        let folder = tempfile::tempdir().expect("a folder");
        let found = cores(&config(folder.path(), "units = 1")).expect("room");
        assert!(found.len() == 1 && !found[0].is_empty(), "{found:?}");
    }
}
