//! One chain of a unit's window, as it is being made.

use super::{Error, Labels, Step, file::Leaves};
use crate::{Control, Digest, Statement, tree::Tree};
use std::path::Path;

/// How far [`Chain::run`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All leaves are done; this is the root.
    Finished(Digest),
    /// It was stopped. What is done is kept.
    Stopped,
}

/// A chain that is being made, with its file. It takes 64 bytes a leaf of memory and 40 on disk.
#[derive(Debug)]
pub struct Chain {
    labels: Labels,
    tree: Tree<Labels>,
    leaves: Leaves,
}

impl Chain {
    /// Opens the file of a chain and goes on after the last leaf in it that is whole.
    pub(super) fn open(path: &Path, statement: &Statement, thread: u8) -> Result<Self, Error> {
        let (leaves, results) = Leaves::open(path, statement, thread)?;
        let labels = Labels::new(statement, thread);
        Ok(Self {
            labels,
            tree: labels.tree(&results),
            leaves,
        })
    }

    /// How many leaves are done.
    pub fn done(&self) -> u32 {
        self.tree.len()
    }

    /// The root, if all leaves are done.
    pub fn root(&self) -> Option<Digest> {
        self.tree.root()
    }

    /// Makes the leaves that are not done. `control` counts steps as they begin, and stops between two of them: a leaf
    /// that is not whole then is begun again.
    ///
    /// # Errors
    /// If the file cannot be written. The chain can be run again.
    pub fn run(&mut self, step: &mut impl Step, control: &Control) -> Result<Outcome, Error> {
        loop {
            if let Some(root) = self.tree.root() {
                self.leaves.sync()?;
                return Ok(Outcome::Finished(root));
            }
            let leaf = self.tree.len();
            let peaks = self.tree.peaks();
            let go_on = || {
                let go_on = !control.is_stopped();
                control.advance(go_on.into());
                go_on
            };
            let Some(result) = self.labels.result(step, leaf, &peaks, go_on) else {
                return Ok(Outcome::Stopped);
            };
            self.leaves.append(&result)?;
            self.tree.push(self.labels.leaf(leaf, &result));
        }
    }
}
