//! Which leaves are asked for, and whether an answer is right.
//!
//! Promises (`docs/spec/capacity.md`): E10, E12, E13.

use crate::{
    Answer, Digest, NotAnAnswer, Seat, Shape, Statement,
    answer::{self, MAX_LEAVES},
    hash::{DRAW, stream},
    statement::THREADS,
    tree,
    work::{Labels, Leaf, Step},
};

/// Draws leaves of a unit's two chains, as many as that (but no more than there are, and at most [`MAX_LEAVES`]), no
/// leaf twice, each set of them as likely as any other; in ascending order.
///
/// A number below `m` is the next eight bytes of the stream `H("draw", seed)` that are below the greatest multiple of
/// `m` in 64 bits, modulo `m`. The `i`-th draw (from 0) takes one below `2n - i`, which counts the leaves that are not
/// drawn yet: those of thread 0, then those of thread 1.
pub fn draw(seed: &Digest, shape: Shape, count: usize) -> Vec<Leaf> {
    let all = u64::from(shape.leaves()) * u64::from(THREADS);
    let count = (count.min(MAX_LEAVES) as u64).min(all);
    let mut source = stream(DRAW, &[seed]);
    let mut drawn: Vec<u64> = Vec::new();
    for already in 0..count {
        let mut number = below(&mut source, all - already);
        let mut place = 0;
        while drawn.get(place).is_some_and(|other| *other <= number) {
            number += 1;
            place += 1;
        }
        drawn.insert(place, number);
    }
    let leaves = u64::from(shape.leaves());
    let leaf = |number| Leaf {
        thread: (number / leaves) as u8,
        index: (number % leaves) as u32,
    };
    drawn.into_iter().map(leaf).collect()
}

/// A number below `bound`, which is not 0, each as likely as any other.
fn below(source: &mut blake3::OutputReader, bound: u64) -> u64 {
    let even = u64::MAX - u64::MAX % bound;
    loop {
        let mut bytes = [0; 8];
        source.fill(&mut bytes);
        let number = u64::from_le_bytes(bytes);
        if number < even {
            return number % bound;
        }
    }
}

/// A question about one unit's window: all of it is known before the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// What the unit says it did.
    pub statement: Statement,
    /// What its peer committed to.
    pub peer_root: Digest,
    /// The unit's place among those its peer committed for.
    pub seat: Seat,
    /// The leaves asked for, as [`draw`] gives them.
    pub leaves: Vec<Leaf>,
}

/// What an answer is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every leaf is what the unit would have computed.
    Good,
    /// The answer shows what was committed to, and so many of the leaves in it are wrong.
    BadLeaves(u32),
    /// It does not show what was asked for. Nothing was computed for it.
    Malformed(Malformed),
}

/// What is wrong with an answer's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The bytes are none.
    #[error("no answer: {0}")]
    Bytes(#[from] NotAnAnswer),
    /// Other leaves than those asked for, or in another order.
    #[error("it shows other leaves than were asked for")]
    Leaves,
    /// A leaf's path does not lead to the root of its chain.
    #[error("leaf {} of thread {} does not lead to the root of its chain", .0.index, .0.thread)]
    Path(Leaf),
    /// The chains' roots do not lead to what the peer committed to.
    #[error("the unit does not lead to what its peer committed to")]
    Peer,
}

impl Audit {
    /// How many light hashes an answer costs to check: it follows from the question alone.
    pub fn cost(&self) -> u64 {
        self.leaves.len() as u64 * u64::from(self.statement.shape.steps())
    }

    /// How long the right answer is, in bytes: this too.
    pub fn answer_bytes(&self) -> usize {
        let leaves = self.statement.shape.leaves();
        let siblings = |leaf: &Leaf| tree::path_length(leaves, leaf.index);
        answer::bytes(self.seat.path_length(), self.leaves.iter().map(siblings))
    }

    /// Whether an answer shows, with the results it claims, leaves of what was committed to. Takes some
    /// microseconds; nothing of RandomX.
    ///
    /// # Errors
    /// What is wrong with its form.
    pub fn inspect(&self, bytes: &[u8]) -> Result<Answer, Malformed> {
        let answer = Answer::decode(bytes)?;
        let shown = answer.openings.iter().map(|opening| &opening.leaf);
        let exists =
            |leaf: &Leaf| leaf.thread < THREADS && leaf.index < self.statement.shape.leaves();
        if !shown.eq(&self.leaves) || !self.leaves.iter().all(exists) {
            return Err(Malformed::Leaves);
        }
        for opening in &answer.openings {
            let leaf = opening.leaf;
            let labels = Labels::new(&self.statement, leaf.thread);
            let label = labels.leaf(leaf.index, &opening.result);
            let leaves = self.statement.shape.leaves();
            let root = tree::root(&labels, leaves, leaf.index, label, &opening.path);
            if root.as_ref() != answer.roots.get(usize::from(leaf.thread)) {
                return Err(Malformed::Path(leaf));
            }
        }
        let unit_root = self.statement.unit_root(&answer.roots);
        if !self.seat.exists() || self.seat.root(unit_root, &answer.path) != Some(self.peer_root) {
            return Err(Malformed::Peer);
        }
        Ok(answer)
    }

    /// Inspects an answer and makes its leaves again, with a machine of the unit's programs.
    pub fn judge(&self, bytes: &[u8], step: &mut impl Step) -> Verdict {
        match self.inspect(bytes) {
            Err(malformed) => Verdict::Malformed(malformed),
            Ok(answer) => self.recompute(&answer, step),
        }
    }

    /// Makes the leaves of an answer that was inspected again.
    pub(crate) fn recompute(&self, answer: &Answer, step: &mut impl Step) -> Verdict {
        let leaves = self.statement.shape.leaves();
        let mut bad = 0;
        for opening in &answer.openings {
            let labels = Labels::new(&self.statement, opening.leaf.thread);
            let index = opening.leaf.index;
            let peaks = tree::peaks(leaves, index, &opening.path);
            let result = peaks.and_then(|peaks| labels.result(step, index, &peaks, || true));
            bad += u32::from(result != Some(opening.result));
        }
        match bad {
            0 => Verdict::Good,
            bad => Verdict::BadLeaves(bad),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::draw;
    use crate::{
        Shape,
        hash::{DRAW, hash},
    };
    use std::collections::BTreeMap;

    fn shape(leaves: u32) -> Shape {
        Shape::new(1, leaves, 1).expect("a shape")
    }

    #[test]
    fn leaves_are_drawn_without_repetition_and_all_if_there_are_few() {
        for seed in 0..50 {
            let drawn = draw(&[seed; 32], shape(9), 16);
            assert_eq!(drawn.len(), 16);
            assert!(drawn.is_sorted_by(|one, next| one < next));
            assert_eq!(draw(&[seed; 32], shape(3), 16).len(), 6);
            assert_eq!(draw(&[seed; 32], shape(1 << 15), 100).len(), 16);
        }
    }

    #[test]
    fn every_pair_of_leaves_is_equally_likely() {
        let mut times: BTreeMap<_, u32> = BTreeMap::new();
        for seed in 0..15_000_u32 {
            let seed = hash(DRAW, &[&seed.to_le_bytes()]);
            *times.entry(draw(&seed, shape(3), 2)).or_default() += 1;
        }
        // 15 pairs of 6 leaves: 1,000 each, with a deviation of 31.
        assert_eq!(times.len(), 15);
        for (pair, times) in times {
            assert!((850..1150).contains(&times), "{pair:?}: {times}");
        }
    }
}
