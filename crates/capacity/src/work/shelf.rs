//! What a unit has done in the window that runs and in those before it, one file for each chain.

use super::{Chain, Error, Labels, Leaf, Opening, file};
use crate::{Digest, Statement, statement::THREADS, tree::Tree};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Windows before the newest whose work is kept, to be opened when it is asked for: for a second audit too where
/// windows are shorter than what is given for an answer.
pub const KEPT_WINDOWS: u64 = 8;

/// A unit's folder. Nothing else may be in it.
#[derive(Clone, Debug)]
pub struct Shelf {
    folder: PathBuf,
}

impl Shelf {
    /// Uses that folder, making it if it is not there.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
        let folder = folder.into();
        Ok(Self { folder })
    }

    /// The chains of the two threads, from where they came to. Work more than [`KEPT_WINDOWS`] before this window goes.
    ///
    /// # Errors
    /// If the file holds work for another statement, is in use, or cannot be read and written.
    pub fn chains(&self, statement: &Statement) -> Result<[Chain; 2], Error> {
        for window in self.windows()? {
            if window.saturating_add(KEPT_WINDOWS) < statement.window {
                self.discard(window)?;
            }
        }
        let open = |thread| Chain::open(&self.path(statement.window, thread), statement, thread);
        Ok([open(0)?, open(1)?])
    }

    /// The windows of which there is some work, oldest first.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn windows(&self) -> Result<Vec<u64>, Error> {
        let failed = |source| failed(&self.folder, source);
        let mut windows = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            windows.extend(name.to_str().and_then(window_of));
        }
        windows.sort_unstable();
        windows.dedup();
        Ok(windows)
    }

    /// The work of a window, if both chains are finished. Reads all of it: some 100 bytes a leaf of each chain.
    ///
    /// # Errors
    /// If a file cannot be read, or is not of that window or of the same statement as the other.
    pub fn work(&self, window: u64) -> Result<Option<Work>, Error> {
        let [zero, one] = [0, 1].map(|thread| self.read(window, thread));
        let (Some(zero), Some(one)) = (zero?, one?) else {
            return Ok(None);
        };
        if zero.statement != one.statement {
            return Err(Error::OtherStatement(self.path(window, 1)));
        }
        let results = [zero.results, one.results];
        Ok(Work::new(zero.statement, results))
    }

    fn read(&self, window: u64, thread: u8) -> Result<Option<file::Contents>, Error> {
        let path = self.path(window, thread);
        match file::read(&path)? {
            Some(found) if (found.statement.window, found.thread) != (window, thread) => {
                Err(Error::OtherStatement(path))
            }
            found => Ok(found),
        }
    }

    /// Throws the work of a window away.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn discard(&self, window: u64) -> Result<(), Error> {
        for thread in 0..THREADS {
            let path = self.path(window, thread);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed(&path, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn path(&self, window: u64, thread: u8) -> PathBuf {
        self.folder.join(format!("{window}-{thread}.leaves"))
    }
}

/// The window in a file's name.
fn window_of(name: &str) -> Option<u64> {
    let (window, thread) = name.strip_suffix(".leaves")?.split_once('-')?;
    matches!(thread, "0" | "1").then(|| window.parse().ok())?
}

fn failed(path: &Path, source: io::Error) -> Error {
    let path = path.into();
    Error::Io { path, source }
}

/// The finished work of a unit's window.
#[derive(Debug)]
pub struct Work {
    statement: Statement,
    results: [Vec<Digest>; 2],
    trees: [Tree<Labels>; 2],
    roots: [Digest; 2],
}

impl Work {
    /// From the results of both chains; none if one is not whole.
    fn new(statement: Statement, results: [Vec<Digest>; 2]) -> Option<Self> {
        let [zero, one] = &results;
        let trees = [
            Labels::new(&statement, 0).tree(zero),
            Labels::new(&statement, 1).tree(one),
        ];
        let roots = [trees[0].root()?, trees[1].root()?];
        Some(Self {
            statement,
            results,
            trees,
            roots,
        })
    }

    /// What it was done for.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Roots of the two chains.
    pub fn roots(&self) -> [Digest; 2] {
        self.roots
    }

    /// What stands for this unit among its peer's.
    pub fn unit_root(&self) -> Digest {
        self.statement.unit_root(&self.roots)
    }

    /// Shows a leaf; none if there is no such leaf.
    pub fn open(&self, leaf: Leaf) -> Option<Opening> {
        let thread = usize::from(leaf.thread);
        Some(Opening {
            leaf,
            result: *self.results.get(thread)?.get(leaf.index as usize)?,
            path: self.trees.get(thread)?.path(leaf.index)?,
        })
    }
}
