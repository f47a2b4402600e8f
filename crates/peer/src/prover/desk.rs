//! What a prover keeps on disk: the work of its units, and what it committed to.
//!
//! A commit is written down before the chain hears of it. A peer may commit to a window twice, since it may die before
//! it learns that the first attempt was taken: so all that it ever sent is kept, and an audit says by its root which
//! one stands.

use crate::file::replace;
use capacity::work::{self, Shelf};
use capacity::{Answer, Digest, PeerTree, draw};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

/// Windows whose commits are remembered, for audits of them.
const REMEMBERED: usize = 32;

/// Units and their roots, in ascending order.
type Units = Vec<(u16, Digest)>;
/// All that was sent, by window.
type Sent = BTreeMap<u64, Vec<Units>>;

/// The folder of a prover.
#[derive(Clone, Debug)]
pub struct Desk {
    folder: PathBuf,
}

/// What is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Root over the roots of the units.
    pub root: Digest,
    /// Indices of the units, ascending.
    pub units: Vec<u16>,
}

/// What an audit asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// About which window.
    pub window: u64,
    /// About which unit.
    pub unit: u16,
    /// What the peer committed to.
    pub root: Digest,
    /// What the leaves are drawn from.
    pub seed: Digest,
    /// How many of them.
    pub leaves: u16,
}

/// Why the disk is of no use.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Of a unit's work.
    #[error(transparent)]
    Work(#[from] work::Error),
    /// Of what was committed to.
    #[error("{}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Desk {
    /// Uses that folder, which need not be there.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The work of a unit.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn shelf(&self, unit: u16) -> Result<Shelf, Error> {
        Ok(Shelf::open(&self.folder.join(format!("unit-{unit}")))?)
    }

    /// What these units did in a window, written down before it is sent; none if no work of theirs is there.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn commit(&self, window: u64, units: &[u16]) -> Result<Option<Commit>, Error> {
        let mut done = Units::new();
        for unit in units {
            if let Some(work) = self.shelf(*unit)?.work(window)? {
                done.push((*unit, work.unit_root()));
            }
        }
        let Ok(tree) = PeerTree::new(&done) else {
            return Ok(None);
        };
        let units = done.iter().map(|(unit, _)| *unit).collect();
        self.remember(window, done)?;
        let root = tree.root();
        Ok(Some(Commit { root, units }))
    }

    /// The answer to an audit; none if the work is not there, or nothing like it was committed to.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn answer(&self, question: &Question) -> Result<Option<Vec<u8>>, Error> {
        let sent = self.sent()?.remove(&question.window).unwrap_or_default();
        let mut trees = sent.iter().filter_map(|units| PeerTree::new(units).ok());
        let tree = trees.find(|tree| tree.root() == question.root);
        let path = tree.and_then(|tree| tree.path(question.unit));
        let work = self.shelf(question.unit)?.work(question.window)?;
        let Some((work, (_, path))) = work.zip(path) else {
            return Ok(None);
        };
        let shape = work.statement().shape;
        let leaves = draw(&question.seed, shape, question.leaves.into());
        Ok(Answer::new(&work, path, &leaves).map(|answer| answer.encode()))
    }

    fn path(&self) -> PathBuf {
        self.folder.join("commits.json")
    }

    fn sent(&self) -> Result<Sent, Error> {
        let path = self.path();
        match fs::read(&path) {
            Ok(text) => Ok(serde_json::from_slice(&text).unwrap_or_else(|error| {
                tracing::warn!(%error, path = %path.display(), "what was committed to is forgotten");
                Sent::new()
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Sent::new()),
            Err(source) => Err(Error::File { path, source }),
        }
    }

    fn remember(&self, window: u64, units: Units) -> Result<(), Error> {
        let mut all = self.sent()?;
        let sent = all.entry(window).or_default();
        if sent.contains(&units) {
            return Ok(());
        }
        sent.push(units);
        while all.len() > REMEMBERED {
            all.pop_first();
        }
        let path = self.path();
        let text = serde_json::to_vec(&all).unwrap_or_default();
        replace(&path, &text).map_err(|source| Error::File { path, source })
    }
}
