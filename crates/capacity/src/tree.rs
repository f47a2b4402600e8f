//! Padded binary trees: the shape that a chain's labels and a peer's units have in common.
//!
//! A tree of `n` leaves has depth `d = ceil(log2 n)`. A node at level `l` (leaves are level 0) and index `i` stands
//! for the leaves from `i * 2^l` on. One that stands for no leaf is *missing*: its label is 32 zero bytes, which is
//! never the label of anything else. A path has the siblings on a leaf's way to the root, from the leaf up, without
//! the missing ones: their places follow from `n`.

use crate::Digest;

/// How the nodes of a tree are labelled.
pub(crate) trait Join {
    /// The label of a node at that level and index, from its children's labels.
    fn join(&self, level: u32, index: u32, left: &Digest, right: &Digest) -> Digest;
}

/// The label of a node that stands for no leaf.
const MISSING: Digest = [0; 32];

/// Levels above the leaves in a tree of so many.
pub(crate) fn depth(leaves: u32) -> u32 {
    leaves.next_power_of_two().trailing_zeros()
}

/// On which side of a leaf's way a sibling is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Left,
    Right,
    Missing,
}

/// Where the siblings of a leaf are, from the leaf up.
fn sides(leaves: u32, leaf: u32) -> impl Iterator<Item = Side> {
    (0..depth(leaves)).map(move |level| {
        let sibling = u64::from(leaf >> level) ^ 1;
        match () {
            () if leaf >> level & 1 == 1 => Side::Left,
            () if sibling << level < u64::from(leaves) => Side::Right,
            () => Side::Missing,
        }
    })
}

/// How many siblings a path from this leaf has.
pub(crate) fn path_length(leaves: u32, leaf: u32) -> usize {
    let there = sides(leaves, leaf).filter(|side| *side != Side::Missing);
    there.count()
}

/// The left siblings among a path's, from the root down: labels of all that comes before the leaf. None if the path
/// has not the leaf's length.
pub(crate) fn peaks(leaves: u32, leaf: u32, path: &[Digest]) -> Option<Vec<Digest>> {
    if path.len() != path_length(leaves, leaf) {
        return None;
    }
    let there = sides(leaves, leaf).filter(|side| *side != Side::Missing);
    let left = there.zip(path).filter(|(side, _)| *side == Side::Left);
    let mut peaks: Vec<_> = left.map(|(_, label)| *label).collect();
    peaks.reverse();
    Some(peaks)
}

/// The root that a path leads to from the label of its leaf. None if the path has not the leaf's length.
pub(crate) fn root(
    labels: &impl Join,
    leaves: u32,
    leaf: u32,
    label: Digest,
    path: &[Digest],
) -> Option<Digest> {
    if path.len() != path_length(leaves, leaf) {
        return None;
    }
    let mut siblings = path.iter();
    let mut label = label;
    for (level, side) in (1..).zip(sides(leaves, leaf)) {
        let at = leaf >> level;
        label = match side {
            Side::Left => labels.join(level, at, siblings.next()?, &label),
            Side::Right => labels.join(level, at, &label, siblings.next()?),
            Side::Missing => labels.join(level, at, &label, &MISSING),
        };
    }
    Some(label)
}

/// A tree that grows leaf by leaf, with all labels: 64 bytes a leaf.
#[derive(Clone, Debug)]
pub(crate) struct Tree<J> {
    join: J,
    leaves: u32,
    /// Labels of the nodes all of whose leaves are there, by level.
    levels: Vec<Vec<Digest>>,
}

impl<J: Join> Tree<J> {
    /// A tree that will have so many leaves, at least one.
    pub(crate) fn new(join: J, leaves: u32) -> Self {
        Self {
            join,
            leaves,
            levels: vec![Vec::new(); depth(leaves) as usize + 1],
        }
    }

    /// How many leaves are there.
    pub(crate) fn len(&self) -> u32 {
        self.levels.first().map_or(0, Vec::len) as u32
    }

    /// Whether all leaves are there.
    pub(crate) fn is_full(&self) -> bool {
        self.len() == self.leaves
    }

    /// Adds a leaf. More than all are ignored.
    pub(crate) fn push(&mut self, label: Digest) {
        if self.is_full() {
            return;
        }
        let mut label = label;
        for level in 0.. {
            let Some(labels) = self.levels.get_mut(level) else {
                return;
            };
            labels.push(label);
            let [.., left, right] = labels.as_slice() else {
                return;
            };
            if labels.len() % 2 == 1 {
                return;
            }
            let at = labels.len() / 2 - 1;
            label = self.join.join(level as u32 + 1, at as u32, left, right);
        }
    }

    /// Labels of all that is there, from the root down: what a path's left siblings will be for the next leaf.
    pub(crate) fn peaks(&self) -> Vec<Digest> {
        let next = self.len();
        let levels = (0..depth(self.leaves)).rev();
        let left = levels.filter(|level| next >> level & 1 == 1);
        left.map(|level| self.label(level, (next >> level) - 1))
            .collect()
    }

    /// The root, if all leaves are there.
    pub(crate) fn root(&self) -> Option<Digest> {
        self.is_full().then(|| self.label(depth(self.leaves), 0))
    }

    /// The path of a leaf, if there is one and all leaves are there.
    pub(crate) fn path(&self, leaf: u32) -> Option<Vec<Digest>> {
        if !self.is_full() || leaf >= self.leaves {
            return None;
        }
        let siblings = (0..).zip(sides(self.leaves, leaf));
        let there = siblings.filter(|(_, side)| *side != Side::Missing);
        Some(
            there
                .map(|(level, _)| self.label(level, leaf >> level ^ 1))
                .collect(),
        )
    }

    /// The label of a node once all leaves are there, or of one whose leaves are.
    fn label(&self, level: u32, index: u32) -> Digest {
        let whole = self
            .levels
            .get(level as usize)
            .and_then(|labels| labels.get(index as usize));
        match whole {
            Some(label) => *label,
            None if u64::from(index) << level >= u64::from(self.leaves) => MISSING,
            // The one node of its level that is partly missing.
            None => {
                let left = self.label(level - 1, index * 2);
                let right = self.label(level - 1, index * 2 + 1);
                self.join.join(level, index, &left, &right)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Join, Tree, depth, path_length, peaks, root};
    use crate::{
        Digest,
        hash::{NODE, hash},
    };

    #[derive(Clone, Copy)]
    struct Plain;

    impl Join for Plain {
        fn join(&self, level: u32, index: u32, left: &Digest, right: &Digest) -> Digest {
            let place = [level.to_le_bytes(), index.to_le_bytes()];
            hash(NODE, &[place.as_flattened(), left, right])
        }
    }

    fn leaf(index: u32) -> Digest {
        hash(NODE, &[&index.to_le_bytes()])
    }

    #[test]
    fn depths_of_small_trees() {
        let depths = [1, 2, 3, 4, 5, 8, 9].map(depth);
        assert_eq!(depths, [0, 1, 2, 2, 3, 3, 4]);
    }

    #[test]
    fn every_leaf_of_every_small_tree_leads_to_the_root() {
        for leaves in 1..=40 {
            let mut tree = Tree::new(Plain, leaves);
            let mut before = Vec::new();
            for index in 0..leaves {
                assert_eq!((tree.root(), tree.path(0)), (None, None));
                before.push(tree.peaks());
                tree.push(leaf(index));
            }
            for (index, before) in (0..leaves).zip(before) {
                let path = tree.path(index).expect("a path");
                assert_eq!(path.len(), path_length(leaves, index));
                assert_eq!(root(&Plain, leaves, index, leaf(index), &path), tree.root());
                assert_eq!(peaks(leaves, index, &path), Some(before));
                let short = path.get(1..).unwrap_or(&[[0; 32]]);
                assert_eq!(root(&Plain, leaves, index, leaf(index), short), None);
            }
            assert_eq!(tree.path(leaves), None);
        }
    }

    #[test]
    fn a_tree_of_one_is_its_leaf_and_a_missing_one_is_zeros() {
        let mut one = Tree::new(Plain, 1);
        one.push(leaf(0));
        assert_eq!(one.root(), Some(leaf(0)));
        let mut three = Tree::new(Plain, 3);
        (0..3).for_each(|index| three.push(leaf(index)));
        let left = Plain.join(1, 0, &leaf(0), &leaf(1));
        let right = Plain.join(1, 1, &leaf(2), &[0; 32]);
        assert_eq!(three.root(), Some(Plain.join(2, 0, &left, &right)));
    }
}
