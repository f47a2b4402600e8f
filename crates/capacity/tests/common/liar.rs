//! A prover that shares no code with the crate, written after its documentation: it checks the format, and it can lie.

use capacity::{
    Digest, Statement,
    work::{Leaf, Opening, STEP_BYTES},
};
use std::collections::BTreeMap;

/// The label of a node that stands for no leaf.
const MISSING: Digest = [0; 32];

/// `H(domain, parts…)`.
pub(crate) fn h(domain: &str, parts: &[&[u8]]) -> Digest {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend((part.len() as u64).to_le_bytes());
        bytes.extend(*part);
    }
    blake3::derive_key(&format!("marketplace+ capacity 1 {domain}"), &bytes)
}

/// A node: level and index.
type Node = (u32, u32);

/// One chain, made in whatever way.
pub(crate) struct Chain {
    context: Digest,
    leaves: u32,
    steps: u64,
    labels: BTreeMap<Node, Digest>,
    forged: BTreeMap<Node, Digest>,
    results: Vec<Digest>,
}

impl Chain {
    /// Nothing done. Nodes in `forged` have these labels, whatever is below them.
    pub(crate) fn new(statement: &Statement, thread: u8, forged: &[(Node, Digest)]) -> Self {
        Self {
            context: h("context", &[&statement.encode(), &[thread]]),
            leaves: statement.shape.leaves(),
            steps: statement.shape.steps().into(),
            labels: BTreeMap::new(),
            forged: forged.iter().copied().collect(),
            results: Vec::new(),
        }
    }

    /// Makes all leaves as they should be.
    pub(crate) fn work(mut self, mut step: impl FnMut(&[u8; STEP_BYTES]) -> Digest) -> Self {
        for leaf in 0..self.leaves {
            let result = self.result(leaf, &mut step);
            self.put(leaf, result);
        }
        self
    }

    /// What the steps of the next leaf give.
    pub(crate) fn result(
        &self,
        leaf: u32,
        step: &mut impl FnMut(&[u8; STEP_BYTES]) -> Digest,
    ) -> Digest {
        let peaks: Vec<u8> = (0..self.depth())
            .rev()
            .filter(|level| (leaf >> level) % 2 == 1)
            .flat_map(|level| self.label((level, (leaf >> level) - 1)))
            .collect();
        let index = u64::from(leaf).to_le_bytes();
        let mut value = h("leaf input", &[&self.context, &index, &peaks]);
        for number in 0..self.steps {
            let at = (u64::from(leaf) * self.steps + number).to_le_bytes();
            let input = [&self.context[..], &at, &value].concat();
            value = step(&input.try_into().expect("72 bytes"));
        }
        value
    }

    /// Claims that the next leaf gave that.
    pub(crate) fn put(&mut self, leaf: u32, result: Digest) {
        let index = u64::from(leaf).to_le_bytes();
        let label = h("leaf", &[&self.context, &index, &result]);
        self.results.push(result);
        self.labels.insert((0, leaf), label);
    }

    pub(crate) fn root(&self) -> Digest {
        self.label((self.depth(), 0))
    }

    /// Shows a leaf as well as it can.
    pub(crate) fn open(&self, leaf: Leaf) -> Opening {
        let siblings = (0..self.depth()).map(|level| (level, leaf.index >> level ^ 1));
        let there = siblings.filter(|(level, index)| index << level < self.leaves);
        Opening {
            leaf,
            result: self.results[leaf.index as usize],
            path: there.map(|node| self.label(node)).collect(),
        }
    }

    fn depth(&self) -> u32 {
        (0..32)
            .find(|depth| 1 << depth >= self.leaves)
            .expect("a depth")
    }

    fn label(&self, node: Node) -> Digest {
        let (level, index) = node;
        if let Some(label) = self.forged.get(&node).or(self.labels.get(&node)) {
            return *label;
        }
        if index << level >= self.leaves {
            return MISSING;
        }
        let left = self.label((level - 1, index * 2));
        let right = self.label((level - 1, index * 2 + 1));
        let (level, index) = (level.to_le_bytes(), index.to_le_bytes());
        h("node", &[&self.context, &level, &index, &left, &right])
    }
}
