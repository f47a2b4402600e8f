//! Artifacts on disk, and the stream that proves itself.
//!
//! Beside the bytes of an artifact lies the tree of its hash (1/16 of its size), from which any part
//! can be sent such that the receiver notices the first wrong kibibyte.

use super::half::Half;
use bao::encode::{Encoder, SliceExtractor};
use marketplace::units::{DealId, Hash};
use std::{
    fs::{self, File},
    io::{self, Read, Seek as _, Write},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;
use worker::ArtifactHash;

/// What only one deal's peers may have lies in a folder of that deal, whose name begins with this.
const DEAL: &str = "deal-";
/// The tree of an artifact has this at the end of its name.
const TREE: &str = "tree";
/// And this what is here of one whose transfer broke off.
pub(super) const HALF: &str = "half";

/// A folder of artifacts, each under its hash.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) folder: PathBuf,
}

/// Why an artifact was not received.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The bytes do not belong to the hash: whoever sent them is wrong, others may be right.
    #[error("the bytes are wrong")]
    Wrong(#[source] io::Error),
    /// The artifact is larger or smaller than the deal says: nobody can do better.
    #[error("the artifact does not have the size that the deal says")]
    Size,
    /// They did not come, or cannot be kept.
    #[error("the bytes do not come, or cannot be kept")]
    Trouble(#[from] io::Error),
}

impl Store {
    /// Opens the folder, makes it if there is none, and clears away what an earlier process left there and in the folders of
    /// deals, and nobody can go on with. Nobody may be at work there.
    ///
    /// # Errors
    /// The folder cannot be made or read.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let store = Self::make(folder)?;
        store.clear()?;
        for (_, folder) in store.deals()? {
            Self { folder }.clear()?;
        }
        Ok(store)
    }

    fn make(folder: &Path) -> io::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(folder)?;
        let folder = folder.into();
        Ok(Self { folder })
    }

    fn clear(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if hash_of(path.with_extension("").as_path()).is_none() && deal_of(&path).is_none() {
                fs::remove_file(path)?;
            }
        }
        self.keep_halves(|_| true)
    }

    /// The deals that have a folder, and that.
    fn deals(&self) -> io::Result<Vec<(DealId, PathBuf)>> {
        let mut deals = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            deals.extend(deal_of(&path).map(|deal| (deal, path)));
        }
        Ok(deals)
    }

    /// Where what only one deal's peers may have is: its functions' secrets. There need not be any.
    #[must_use]
    pub fn of(&self, deal: DealId) -> Self {
        Self {
            folder: self.folder.join(format!("{DEAL}{deal}")),
        }
    }

    /// The same, to put something there. Others may do so at the same time.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open_for(&self, deal: DealId) -> io::Result<Self> {
        Self::make(&self.of(deal).folder)
    }

    /// Deletes the folders of all deals but these.
    ///
    /// # Errors
    /// One cannot be deleted.
    pub fn keep_deals(&self, keep: impl Fn(DealId) -> bool) -> io::Result<()> {
        let mut deals = self.deals()?;
        deals.retain(|(deal, _)| !keep(*deal));
        deals
            .iter()
            .try_for_each(|(_, path)| fs::remove_dir_all(path))
    }

    /// The artifacts that are there.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn list(&self) -> io::Result<Vec<Hash>> {
        let mut hashes = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            hashes.extend(hash_of(&entry?.path()));
        }
        Ok(hashes)
    }

    /// Where the bytes of an artifact are, if they are there.
    #[must_use]
    pub fn path(&self, artifact: Hash) -> PathBuf {
        self.folder.join(ArtifactHash(artifact.0).to_string())
    }

    fn tree(&self, artifact: Hash) -> PathBuf {
        self.path(artifact).with_extension(TREE)
    }

    pub(super) fn half(&self, artifact: Hash) -> PathBuf {
        self.path(artifact).with_extension(HALF)
    }

    /// Adds a copy of a file of at most `most` bytes, and says its hash and size.
    ///
    /// # Errors
    /// The file cannot be read or copied, or is larger.
    pub fn add(&self, file: &Path, most: u64) -> io::Result<(Hash, u64)> {
        self.take(File::open(file)?, most)
    }

    /// Adds bytes, as [`Self::add`] adds a file.
    ///
    /// # Errors
    /// They cannot be kept.
    pub fn insert(&self, bytes: &[u8]) -> io::Result<(Hash, u64)> {
        self.take(bytes, bytes.len() as u64)
    }

    fn take(&self, from: impl Read, most: u64) -> io::Result<(Hash, u64)> {
        let mut copy = NamedTempFile::new_in(&self.folder)?;
        let size = io::copy(&mut from.take(most.saturating_add(1)), &mut copy)?;
        if size > most {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        let (tree, hash) = self.grow(&mut copy)?;
        self.keep(copy, tree, hash)?;
        Ok((hash, size))
    }

    /// Receives an artifact, or the rest of it, as [`Self::send`] sends it. No more is read or written than belongs to its
    /// size, and it is not there unless all of it is right. (O4)
    pub(super) fn receive(&self, mut half: Half, from: impl Read) -> Result<(), ReceiveError> {
        let mut file = NamedTempFile::new_in(&self.folder)?;
        half.receive(from, file.as_file_mut())?;
        let (tree, hash) = self.grow(&mut file)?;
        if hash != half.artifact() {
            // It was right when it was written.
            return Err(io::Error::other("the disk garbles what it is given").into());
        }
        self.keep(file, tree, hash)?;
        half.done();
        Ok(())
    }

    /// Sends an artifact that is there, from `offset` on.
    ///
    /// # Errors
    /// It is not there (`NotFound`), or nobody takes it.
    pub fn send(&self, artifact: Hash, offset: u64, to: &mut impl Write) -> io::Result<()> {
        let bytes = File::open(self.path(artifact))?;
        let tree = File::open(self.tree(artifact))?;
        let size = bytes.metadata()?.len();
        let rest = size.saturating_sub(offset);
        let mut slice = SliceExtractor::new_outboard(bytes, tree, offset, rest);
        io::copy(&mut slice, to)?;
        to.flush()
    }

    /// Deletes an artifact, and what is here of one that broke off; one that is not there is no error.
    ///
    /// # Errors
    /// It cannot be deleted.
    pub fn remove(&self, artifact: Hash) -> io::Result<()> {
        let all = [
            self.path(artifact),
            self.tree(artifact),
            self.half(artifact),
        ];
        all.iter().try_for_each(|path| remove(path))
    }

    /// Deletes what came first, until there are fewer than `most`.
    ///
    /// # Errors
    /// The folder cannot be read, or something not be deleted.
    pub fn make_room(&self, most: usize) -> io::Result<()> {
        let came = |hash: Hash| Ok((fs::metadata(self.path(hash))?.modified()?, hash));
        let mut all: Vec<_> = self
            .list()?
            .into_iter()
            .map(came)
            .collect::<io::Result<_>>()?;
        all.sort();
        let many = (all.len() + 1).saturating_sub(most);
        all.iter()
            .take(many)
            .try_for_each(|(_, hash)| self.remove(*hash))
    }

    /// The tree of a file, and with it its hash.
    fn grow(&self, file: &mut NamedTempFile) -> io::Result<(NamedTempFile, Hash)> {
        let tree = NamedTempFile::new_in(&self.folder)?;
        file.rewind()?;
        let mut encoder = Encoder::new_outboard(tree.reopen()?);
        io::copy(file, &mut encoder)?;
        let hash = encoder.finalize()?;
        Ok((tree, Hash(*hash.as_bytes())))
    }

    /// The tree comes first: where there are bytes, there is a tree.
    fn keep(&self, file: NamedTempFile, tree: NamedTempFile, hash: Hash) -> io::Result<()> {
        tree.as_file().sync_all()?;
        file.as_file().sync_all()?;
        tree.persist(self.tree(hash))?;
        file.persist(self.path(hash))?;
        Ok(())
    }
}

/// Copies what can be read, and tells a reader's lies from a writer's trouble. `right` hears how many bytes more were.
pub(super) fn copy_checked(
    from: &mut impl Read,
    mut to: impl Write,
    mut right: impl FnMut(u64),
) -> Result<(), ReceiveError> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(ReceiveError::Wrong(error));
            }
            Err(error) => return Err(error.into()),
        };
        to.write_all(&buffer[..count])?;
        right(count as u64);
    }
}

/// Deletes a file; one that is not there is no error.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The deal that a folder belongs to; None for everything else.
fn deal_of(path: &Path) -> Option<DealId> {
    let id = path.file_name()?.to_str()?.strip_prefix(DEAL)?;
    id.parse().ok().map(DealId)
}

/// The artifact that a file is; None for everything else.
pub(super) fn hash_of(path: &Path) -> Option<Hash> {
    let hash: ArtifactHash = path.file_name()?.to_str()?.parse().ok()?;
    Some(Hash(hash.0))
}
