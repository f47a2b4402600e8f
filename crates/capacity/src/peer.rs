//! One root for all units of a peer.
//!
//! The leaves are the [unit roots](crate::Statement::unit_root) in ascending order of unit; a unit's place in that
//! order is its [`Seat`]. Nodes are `H("peer node", level, index, left, right)`, padded as in [`work`](crate::work);
//! the root is `H("peer root", number of units, top)`. (E9)

use crate::{
    Digest,
    hash::{PEER_NODE, PEER_ROOT, hash},
    tree::{self, Join, Tree},
};

/// Most units under one root.
pub const MAX_UNITS: u16 = 1024;

/// The place of a unit among those whose work a peer commits to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// How many of them have a lower number.
    pub index: u16,
    /// How many there are.
    pub of: u16,
}

/// Why there is no root over these units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUnits {
    /// None, or more than [`MAX_UNITS`].
    #[error("a peer commits to 1 to {MAX_UNITS} units, not {0}")]
    Number(usize),
    /// Not in ascending order, or one twice.
    #[error("units are not in ascending order at {0}")]
    Order(u16),
}

/// The tree over a peer's units.
#[derive(Clone, Debug)]
pub struct PeerTree {
    units: Vec<u16>,
    tree: Tree<Labels>,
}

impl PeerTree {
    /// Over units and their roots, in ascending order of unit.
    ///
    /// # Errors
    /// If there is none, there are too many, or they are not in order.
    pub fn new(units: &[(u16, Digest)]) -> Result<Self, BadUnits> {
        if units.is_empty() || units.len() > MAX_UNITS.into() {
            return Err(BadUnits::Number(units.len()));
        }
        if let Some(pair) = units.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
            return Err(BadUnits::Order(pair[1].0));
        }
        let mut tree = Tree::new(Labels, units.len() as u32);
        for (_, root) in units {
            tree.push(*root);
        }
        let units = units.iter().map(|(unit, _)| *unit).collect();
        Ok(Self { units, tree })
    }

    /// What the peer commits to.
    pub fn root(&self) -> Digest {
        let top = self.tree.root().unwrap_or_default();
        peer_root(self.units.len() as u16, &top)
    }

    /// A unit's seat, and the path from its root.
    pub fn path(&self, unit: u16) -> Option<(Seat, Vec<Digest>)> {
        let index = self.units.binary_search(&unit).ok()? as u16;
        let of = self.units.len() as u16;
        Some((Seat { index, of }, self.tree.path(index.into())?))
    }
}

impl Seat {
    /// Whether there is such a seat.
    pub(crate) fn exists(self) -> bool {
        self.index < self.of && self.of <= MAX_UNITS
    }

    /// How many siblings a path from this seat has.
    pub(crate) fn path_length(self) -> usize {
        tree::path_length(self.of.into(), self.index.into())
    }

    /// The peer's root that a path from this seat leads to; none if it has not the right length.
    pub(crate) fn root(self, unit_root: Digest, path: &[Digest]) -> Option<Digest> {
        let top = tree::root(&Labels, self.of.into(), self.index.into(), unit_root, path)?;
        Some(peer_root(self.of, &top))
    }
}

/// How nodes over units are labelled.
#[derive(Clone, Copy, Debug)]
struct Labels;

impl Join for Labels {
    fn join(&self, level: u32, index: u32, left: &Digest, right: &Digest) -> Digest {
        let (level, index) = (level.to_le_bytes(), index.to_le_bytes());
        hash(PEER_NODE, &[&level, &index, left, right])
    }
}

fn peer_root(units: u16, top: &Digest) -> Digest {
    hash(PEER_ROOT, &[&units.to_le_bytes(), top])
}

#[cfg(test)]
mod tests {
    use super::{BadUnits, MAX_UNITS, PeerTree};

    #[test]
    fn every_unit_leads_to_the_root() {
        for count in 1..=20 {
            let units: Vec<_> = (0..count)
                .map(|unit| (unit * 3, [unit as u8; 32]))
                .collect();
            let tree = PeerTree::new(&units).expect("units");
            for (unit, root) in units {
                let (seat, path) = tree.path(unit).expect("a path");
                assert_eq!(seat.root(root, &path), Some(tree.root()));
                assert_eq!(path.len(), seat.path_length());
                assert_ne!(seat.root([99; 32], &path), Some(tree.root()));
            }
            assert!(tree.path(1).is_none());
        }
    }

    #[test]
    fn units_without_order_or_number_are_refused() {
        let refused = |units: &[_]| PeerTree::new(units).err();
        assert_eq!(refused(&[]), Some(BadUnits::Number(0)));
        let twice = [(1, [0; 32]), (1, [0; 32])];
        assert_eq!(refused(&twice), Some(BadUnits::Order(1)));
        let many: Vec<_> = (0..=MAX_UNITS).map(|unit| (unit, [0; 32])).collect();
        assert_eq!(refused(&many), Some(BadUnits::Number(1025)));
    }
}
