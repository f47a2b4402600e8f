//! The network folder: one `genesis.json` for all, and a folder with configuration and keys for each validator.
//!
//! ```text
//! genesis.json
//! node-0/node.toml   where it listens, whom it calls
//! node-0/key.json    its keys; whoever has them votes in its name
//! node-0/data/       what it keeps
//! ```

use crate::validators::{ValidatorKey, ValidatorKeyFile, Validators};
use alloy_primitives::Address;
pub use execution::genesis::{Allocation, Genesis};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// Why a network folder cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be written or read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error(
        "{path}: {reason}\nhint: make a new network folder with `mp testnet`, or mend the file"
    )]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The folder is in use.
    #[error("{path} exists already\nhint: choose another folder, or remove it")]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// Keys of validators do not fit.
    #[error(transparent)]
    Validators(#[from] crate::validators::Error),
}

/// Where one validator of a new network listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// For other validators.
    pub p2p: SocketAddr,
    /// For JSON-RPC.
    pub rpc: SocketAddr,
}

/// A validator's `node.toml`. Paths are relative to the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeFile {
    /// The network's genesis file.
    pub genesis: PathBuf,
    /// This validator's keys.
    pub key: PathBuf,
    /// What it keeps.
    pub data: PathBuf,
    /// Where it serves JSON-RPC; port 0 takes any free one.
    pub rpc: SocketAddr,
    /// Threads that judge answers to audits; with none, this validator never votes for a block that lists verdicts.
    #[serde(default = "two")]
    pub audit_threads: usize,
    /// Account that earns the tips of its blocks. In a new folder nobody's: name one.
    pub fee_account: Address,
    /// Where each validator listens for the others, itself included, in the order of the genesis file.
    pub validators: Vec<SocketAddr>,
}

/// Most threads that judge.
const MAX_AUDIT_THREADS: usize = 64;

fn two() -> usize {
    2
}

/// Everything a validator needs to start.
#[derive(Clone, Debug)]
pub struct Node {
    /// What everybody agrees on.
    pub genesis: Genesis,
    /// Who votes.
    pub validators: Validators,
    /// Its keys.
    pub key: ValidatorKey,
    /// Its configuration, with paths that can be used from anywhere.
    pub file: NodeFile,
}

/// Makes a network folder with a validator at each of `places`; gives their `node.toml` files. The keys of
/// `genesis` are replaced by new ones.
///
/// # Errors
/// If `folder` exists, or a file cannot be written.
pub fn create(
    folder: &Path,
    mut genesis: Genesis,
    places: &[Place],
    rng: &mut impl CryptoRng,
) -> Result<Vec<PathBuf>, Error> {
    if folder.exists() {
        let path = folder.to_path_buf();
        return Err(Error::Exists { path });
    }
    let count = u32::try_from(places.len()).unwrap_or(u32::MAX);
    let (validators, keys) = Validators::deal(rng, count)?;
    (genesis.validators, genesis.group_key) = validators.to_hex();
    make_folder(folder)?;
    write(&folder.join("genesis.json"), &json(&genesis), 0o644)?;
    let mut files = Vec::new();
    for (index, (place, key)) in places.iter().zip(keys).enumerate() {
        let home = folder.join(format!("node-{index}"));
        make_folder(&home)?;
        let file = NodeFile {
            genesis: "../genesis.json".into(),
            key: "key.json".into(),
            data: "data".into(),
            rpc: place.rpc,
            audit_threads: two(),
            fee_account: Address::ZERO,
            validators: places.iter().map(|place| place.p2p).collect(),
        };
        let text = toml::to_string(&file).map_err(|error| Error::Content {
            path: home.clone(),
            reason: error.to_string(),
        })?;
        write(&home.join("key.json"), &json(&key.to_file()), 0o600)?;
        write(&home.join("node.toml"), &text, 0o644)?;
        files.push(home.join("node.toml"));
    }
    Ok(files)
}

/// Reads a validator's `node.toml` and the files it names.
///
/// # Errors
/// If one of them cannot be read or does not fit the others.
pub fn open(path: &Path) -> Result<Node, Error> {
    let content = |reason: String| Error::Content {
        path: path.to_path_buf(),
        reason,
    };
    let text = read(path)?;
    let mut file: NodeFile = toml::from_str(&text).map_err(|error| content(error.to_string()))?;
    let home = path.parent().unwrap_or(Path::new("."));
    for path in [&mut file.genesis, &mut file.key, &mut file.data] {
        *path = home.join(&*path);
    }
    let genesis: Genesis = read_json(&file.genesis)?;
    let validators = Validators::from_hex(&genesis.validators, &genesis.group_key)?;
    let key = ValidatorKey::from_file(&read_json::<ValidatorKeyFile>(&file.key)?)?;
    let (named, expected) = (file.validators.len(), genesis.validators.len());
    if named != expected {
        let reason =
            format!("`validators` has {named} addresses, the genesis file {expected} keys");
        return Err(content(reason));
    }
    let threads = file.audit_threads;
    if threads > MAX_AUDIT_THREADS {
        let reason = format!("`audit_threads` is {threads}, and at most {MAX_AUDIT_THREADS}");
        return Err(content(reason));
    }
    Ok(Node {
        genesis,
        validators,
        key,
        file,
    })
}

fn json(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("plain data");
    text.push('\n');
    text
}

fn make_folder(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|source| failed(path, source))
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| failed(path, source))
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| failed(path, source))
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    serde_json::from_str(&read(path)?).map_err(|error| Error::Content {
        path: path.to_path_buf(),
        reason: error.to_string(),
    })
}

fn failed(path: &Path, source: std::io::Error) -> Error {
    Error::File {
        path: path.to_path_buf(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use commonware_utils::TestRng;

    /// What is read of a new network folder whose `node.toml` was changed.
    fn opened(change: impl FnOnce(String) -> String) -> Result<Node, Error> {
        let folder = tempfile::tempdir().expect("a folder");
        let genesis = Genesis {
            chain_id: 7,
            time_ms: 0,
            parameters: Default::default(),
            governance: None,
            oracle: None,
            allocations: Default::default(),
            contracts: Default::default(),
            validators: Vec::new(),
            group_key: String::new(),
        };
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let place = Place {
            p2p: address,
            rpc: address,
        };
        let network = folder.path().join("network");
        let files = create(&network, genesis, &[place], &mut TestRng::new(1))?;
        let text = change(fs::read_to_string(&files[0]).expect("written just now"));
        fs::write(&files[0], text).expect("a folder of ours");
        open(&files[0])
    }

    #[test]
    fn a_validator_judges_on_two_threads_unless_its_file_says_otherwise() {
        let threads = |opened: Result<Node, Error>| opened.expect("opens").file.audit_threads;
        let line = "audit_threads = 2\n";
        assert_eq!(threads(opened(|text| text)), 2);
        assert_eq!(threads(opened(|text| text.replace(line, ""))), 2);
        let other = "audit_threads = 64\n";
        assert_eq!(threads(opened(|text| text.replace(line, other))), 64);
        let error = opened(|text| text.replace(line, "audit_threads = 65\n"));
        let error = error.expect_err("too many").to_string();
        assert!(error.contains("`audit_threads` is 65"), "{error}");
        assert!(error.contains("hint:"), "{error}");
    }
}
