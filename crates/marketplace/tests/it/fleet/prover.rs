//! Who is simulated: honest peers, and liars of each kind. A peer is of one kind with all its units.

use super::validator::{forgery, opening};
use crate::dice::Dice;

/// How a peer proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Computes, commits in time, answers.
    Honest,
    /// Leaves out one leaf in five.
    Skips,
    /// Makes all of its results up.
    Fakes,
    /// Answers what does not open its root.
    Forges,
    /// Commits after the last second.
    Late,
    /// Commits, and never answers.
    Silent,
    /// Misses one window in four.
    Absent,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] = [
        Self::Honest,
        Self::Skips,
        Self::Fakes,
        Self::Forges,
        Self::Late,
        Self::Silent,
        Self::Absent,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Honest => "honest",
            Self::Skips => "skips",
            Self::Fakes => "fakes",
            Self::Forges => "forges",
            Self::Late => "late",
            Self::Silent => "silent",
            Self::Absent => "absent",
        }
    }

    /// Whether it commits to a window at all.
    pub(crate) fn commits(self, dice: &mut Dice) -> bool {
        self != Self::Absent || !dice.one_in(4)
    }

    /// What it answers to an audit; None: nothing.
    pub(crate) fn answer(self, leaves: u16, dice: &mut Dice) -> Option<Vec<u8>> {
        let bad = match self {
            Self::Silent => return None,
            Self::Forges => return Some(forgery()),
            Self::Skips => (0..leaves).filter(|_| dice.one_in(5)).count(),
            Self::Fakes => leaves.into(),
            Self::Honest | Self::Late | Self::Absent => 0,
        };
        Some(opening(leaves, bad as u16))
    }
}
