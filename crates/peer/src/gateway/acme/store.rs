//! The account and the certificates on disk, for this user only: whoever starts again orders nothing that is there.

use super::Error;
use crate::file;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, DirBuilder, File},
    io::{self, Read as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

/// The file with the account.
const ACCOUNT: &str = "account.json";
/// What the files of certificates end in.
const END: &str = ".pem";
/// No file is larger.
const MAX_BYTES: u64 = 1 << 20;
/// No more files than this are looked at.
const MAX_FILES: usize = 10_000;

/// The folder.
#[derive(Debug)]
pub(super) struct Store(PathBuf);

/// An account, and the directory of the server that knows it.
#[derive(Serialize, Deserialize)]
pub(super) struct Account<Credentials> {
    pub(super) directory: String,
    pub(super) credentials: Credentials,
}

impl Store {
    pub(super) fn open(folder: &Path) -> Result<Self, Error> {
        let mut builder = DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(folder);
        made.map_err(|source| failed(folder, source))?;
        Ok(Self(folder.to_owned()))
    }

    fn account_path(&self) -> PathBuf {
        self.0.join(ACCOUNT)
    }

    /// The file of a name, which has passed for a domain: nothing in it leads elsewhere.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}{END}"))
    }

    /// The names that there are files of.
    pub(super) fn names(&self) -> Result<Vec<String>, Error> {
        let entries = fs::read_dir(&self.0).map_err(|source| failed(&self.0, source))?;
        let names = entries.take(MAX_FILES).filter_map(|entry| {
            let file = entry.ok()?.file_name();
            Some(file.to_str()?.strip_suffix(END)?.to_owned())
        });
        Ok(names.collect())
    }

    pub(super) fn certificate(&self, name: &str) -> Result<Vec<u8>, Error> {
        let path = self.path(name);
        read(&path).map_err(|source| failed(&path, source))
    }

    /// Keeps chain and key of a name.
    pub(super) fn keep(&self, name: &str, pem: &str) -> Result<(), Error> {
        write(&self.path(name), pem.as_bytes())
    }

    pub(super) fn forget(&self, name: &str) -> Result<(), Error> {
        remove(&self.path(name))
    }

    /// The account of that server; None if there is none.
    pub(super) fn account<Credentials: for<'de> Deserialize<'de>>(
        &self,
        directory: &str,
    ) -> Result<Option<Credentials>, Error> {
        let path = self.account_path();
        let bytes = match read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|source| failed(&path, source))?,
        };
        let account: Account<Credentials> =
            serde_json::from_slice(&bytes).map_err(|error| failed(&path, error.into()))?;
        Ok((account.directory == directory).then_some(account.credentials))
    }

    pub(super) fn keep_account<Credentials: Serialize>(
        &self,
        account: &Account<Credentials>,
    ) -> Result<(), Error> {
        let path = self.account_path();
        let bytes = serde_json::to_vec(account).map_err(|error| failed(&path, error.into()))?;
        write(&path, &bytes)
    }

    pub(super) fn forget_account(&self) -> Result<(), Error> {
        remove(&self.account_path())
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    file::replace_secret(path, bytes).map_err(|source| failed(path, source))
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(path, error)),
        _ => Ok(()),
    }
}

fn failed(path: &Path, source: io::Error) -> Error {
    let path = path.to_owned();
    Error::Store { path, source }
}

#[cfg(test)]
mod tests {
    use super::{Account, Store};
    use std::os::unix::fs::PermissionsExt as _;

    fn mode(path: &std::path::Path) -> u32 {
        let metadata = std::fs::metadata(path).expect("it is there");
        metadata.permissions().mode() & 0o777
    }

    /// (G20)
    #[test]
    fn what_is_kept_is_there_again_and_nobody_else_reads_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().join("acme");
        let store = Store::open(&folder).expect("a folder");
        assert!(
            store
                .account::<String>("https://a/")
                .expect("none")
                .is_none()
        );
        store.keep("a.test", "first").expect("written");
        store.keep("a.test", "second").expect("written");
        let account = Account {
            directory: "https://a/".to_owned(),
            credentials: "secret".to_owned(),
        };
        store.keep_account(&account).expect("written");
        assert_eq!(mode(&folder), 0o700);
        for file in ["a.test.pem", "account.json"] {
            assert_eq!(mode(&folder.join(file)), 0o600, "{file}");
        }
        let store = Store::open(&folder).expect("a folder");
        assert_eq!(store.names().expect("names"), ["a.test"]);
        assert_eq!(store.certificate("a.test").expect("read"), b"second");
        let account = store.account("https://a/").expect("read");
        assert_eq!(account, Some("secret".to_owned()));
        let other = store.account::<String>("https://b/").expect("read");
        assert_eq!(other, None, "another server does not know it");
        store.forget("a.test").expect("removed");
        assert!(store.names().expect("names").is_empty());
    }
}
