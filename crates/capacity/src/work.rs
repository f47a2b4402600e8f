//! Proof of sequential work (Cohen and Pietrzak, eprint 2018/183) whose step is a RandomX hash.
//!
//! A unit's window has two chains, one for each of its threads. A chain has `n` leaves, made one after the other, each
//! of `c` steps; both numbers come from the statement's [`Shape`]. With `H` as in `hash.rs` and `ctx` the
//! [context](Statement::context) of statement and thread:
//!
//! ```text
//! peaks(k)      labels of the left siblings on the way from leaf k to the root, from the root down: all before leaf k
//! x             H("leaf input", ctx, k as u64, peaks(k) one after the other)
//! c times       x := RandomX of unit seed over  ctx ‖ k * c + j as u64 ‖ x      (72 bytes, j = 0 … c - 1)
//! result(k)     x
//! leaf label    H("leaf", ctx, k as u64, result(k))
//! node label    H("node", ctx, level as u32, index as u32, left, right)         (leaves are level 0)
//! missing       32 zero bytes: a node none of whose leaves is below n
//! ```
//!
//! A Merkle path thus fixes what its leaf was made from: the left siblings *are* the peaks. Whoever makes up the label
//! of a subtree, to work on both sides of it at once, can open no leaf within it. Whoever leaves out a part `a` of the
//! steps passes `s` openings with a probability of at most `(1 - a)^s`.
//!
//! Promises (`docs/spec/capacity.md`): E5 to E8.

mod chain;
mod file;
mod shelf;

pub use chain::{Chain, Outcome};
pub use shelf::{KEPT_WINDOWS, Shelf, Work};

use crate::{
    Digest, Shape, Statement,
    hash::{LEAF, LEAF_INPUT, NODE, hash},
    randomx::{FullVm, Loaded},
    tree::{Join, Tree},
};
use std::{io, path::PathBuf};

/// Bytes that go into a step.
pub const STEP_BYTES: usize = 72;

/// One step: slow, and the same on every machine. Tests of trees use one that is not slow.
pub trait Step {
    /// What comes out of these bytes.
    fn step(&mut self, input: &[u8; STEP_BYTES]) -> Digest;
}

impl Step for FullVm {
    fn step(&mut self, input: &[u8; STEP_BYTES]) -> Digest {
        self.hash(input)
    }
}

impl Step for Loaded<'_> {
    fn step(&mut self, input: &[u8; STEP_BYTES]) -> Digest {
        self.hash(input)
    }
}

/// Why work cannot be done or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refuses.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds work for another statement; it stays as it is.
    #[error("{} holds work for another statement", .0.display())]
    OtherStatement(PathBuf),
    /// Somebody else works on this chain.
    #[error("{} is in use", .0.display())]
    InUse(PathBuf),
}

/// The leaf that a seed asks for: one of a chain's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leaf {
    /// 0 or 1.
    pub thread: u8,
    /// Below the number of leaves.
    pub index: u32,
}

/// What shows that a leaf's result is in the chain, and what the leaf was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The leaf.
    pub leaf: Leaf,
    /// What its steps gave.
    pub result: Digest,
    /// Siblings on its way to the root, from the leaf up, without those that are missing.
    pub path: Vec<Digest>,
}

/// How the labels of one chain are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labels {
    context: Digest,
    shape: Shape,
}

impl Labels {
    pub(crate) fn new(statement: &Statement, thread: u8) -> Self {
        Self {
            context: statement.context(thread),
            shape: statement.shape,
        }
    }

    /// What the first step of a leaf takes.
    fn input(&self, leaf: u32, peaks: &[Digest]) -> Digest {
        let index = u64::from(leaf).to_le_bytes();
        hash(LEAF_INPUT, &[&self.context, &index, peaks.as_flattened()])
    }

    /// The steps of a leaf. `go_on` is asked before each; none if it said no.
    pub(crate) fn result(
        &self,
        step: &mut impl Step,
        leaf: u32,
        peaks: &[Digest],
        mut go_on: impl FnMut() -> bool,
    ) -> Option<Digest> {
        let mut value = self.input(leaf, peaks);
        let steps = u64::from(self.shape.steps());
        for number in 0..steps {
            if !go_on() {
                return None;
            }
            let mut input = [0; STEP_BYTES];
            let (context, rest) = input.split_at_mut(32);
            let (at, before) = rest.split_at_mut(8);
            context.copy_from_slice(&self.context);
            at.copy_from_slice(&(u64::from(leaf) * steps + number).to_le_bytes());
            before.copy_from_slice(&value);
            value = step.step(&input);
        }
        Some(value)
    }

    /// The label of a leaf with that result.
    pub(crate) fn leaf(&self, leaf: u32, result: &Digest) -> Digest {
        let index = u64::from(leaf).to_le_bytes();
        hash(LEAF, &[&self.context, &index, result])
    }

    /// The tree of the chain, with these results in it.
    pub(crate) fn tree(self, results: &[Digest]) -> Tree<Self> {
        let mut tree = Tree::new(self, self.shape.leaves());
        for (leaf, result) in (0..).zip(results) {
            tree.push(self.leaf(leaf, result));
        }
        tree
    }
}

impl Join for Labels {
    fn join(&self, level: u32, index: u32, left: &Digest, right: &Digest) -> Digest {
        let (level, index) = (level.to_le_bytes(), index.to_le_bytes());
        hash(NODE, &[&self.context, &level, &index, left, right])
    }
}
