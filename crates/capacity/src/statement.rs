//! What a proof says: which unit worked, when, how much, and for whom.

use crate::{
    Digest,
    hash::{CONTEXT, UNIT_ROOT, UNIT_SEED, hash},
};

/// Highest class.
pub const MAX_CLASS: u8 = 16;
/// Most leaves for each class.
pub const MAX_LEAVES_PER_CLASS: u32 = 1 << 20;
/// Most steps of a leaf.
pub const MAX_STEPS: u16 = 256;
/// Threads of a unit, each with a chain of its own.
pub const THREADS: u8 = 2;

/// The identity of a unit within a key period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Key of the period: that of the cache.
    pub key: Digest,
    /// Number of the provider.
    pub provider: u64,
    /// Public key of the peer.
    pub peer: [u8; 32],
    /// Which unit of the peer.
    pub unit: u16,
    /// Number of its commitment.
    pub commitment: u64,
}

impl Unit {
    /// What the unit's programs are made from: `H("unit seed", key, provider, peer, unit, commitment)`.
    pub fn seed(&self) -> Digest {
        let parts: [&[u8]; 5] = [
            &self.key,
            &self.provider.to_le_bytes(),
            &self.peer,
            &self.unit.to_le_bytes(),
            &self.commitment.to_le_bytes(),
        ];
        hash(UNIT_SEED, &parts)
    }
}

/// How much work a window takes: two chains of as many leaves as [`leaves`](Self::leaves) says, each of so many steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    class: u8,
    leaves_per_class: u32,
    steps: u16,
}

/// A shape that no work has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no work has this shape: {what} is {is}, and must be 1 to {most}")]
pub struct BadShape {
    /// Which number.
    pub what: &'static str,
    /// What it is.
    pub is: u64,
    /// What it may be.
    pub most: u64,
}

impl Shape {
    /// The work of a class, where each class takes so many leaves of so many steps.
    ///
    /// # Errors
    /// If a number is 0 or above its limit.
    pub fn new(class: u8, leaves_per_class: u32, steps: u16) -> Result<Self, BadShape> {
        within("the class", class.into(), MAX_CLASS.into())?;
        let most = MAX_LEAVES_PER_CLASS.into();
        within("leaves per class", leaves_per_class.into(), most)?;
        within("steps of a leaf", steps.into(), MAX_STEPS.into())?;
        Ok(Self {
            class,
            leaves_per_class,
            steps,
        })
    }

    /// The class.
    pub fn class(self) -> u8 {
        self.class
    }

    /// Leaves of each of the two chains.
    pub fn leaves(self) -> u32 {
        u32::from(self.class) * self.leaves_per_class
    }

    /// Steps of a leaf.
    pub fn steps(self) -> u16 {
        self.steps
    }

    /// Steps of a chain.
    pub fn chain_steps(self) -> u64 {
        u64::from(self.leaves()) * u64::from(self.steps)
    }
}

fn within(what: &'static str, is: u64, most: u64) -> Result<(), BadShape> {
    if (1..=most).contains(&is) {
        Ok(())
    } else {
        Err(BadShape { what, is, most })
    }
}

/// All that a window's work of a unit is bound to. Work for one statement is worth nothing for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Number of the chain.
    pub chain: u64,
    /// Epoch of the window.
    pub epoch: u64,
    /// Number of the window.
    pub window: u64,
    /// What nobody knew before the window began.
    pub challenge: Digest,
    /// Who works.
    pub unit: Unit,
    /// How much.
    pub shape: Shape,
    /// Who is paid.
    pub payout: [u8; 20],
}

impl Statement {
    /// Length of [`encode`](Self::encode).
    pub const BYTES: usize = 165;

    /// All fields, in the order of their declaration, each at its width, little-endian.
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = Vec::with_capacity(Self::BYTES);
        let mut put = |field: &[u8]| bytes.extend_from_slice(field);
        put(&self.chain.to_le_bytes());
        put(&self.epoch.to_le_bytes());
        put(&self.window.to_le_bytes());
        put(&self.challenge);
        put(&self.unit.key);
        put(&self.unit.provider.to_le_bytes());
        put(&self.unit.peer);
        put(&self.unit.unit.to_le_bytes());
        put(&self.unit.commitment.to_le_bytes());
        put(&[self.shape.class]);
        put(&self.shape.leaves_per_class.to_le_bytes());
        put(&self.shape.steps.to_le_bytes());
        put(&self.payout);
        let mut fixed = [0; Self::BYTES];
        fixed.copy_from_slice(&bytes);
        fixed
    }

    /// What [`encode`](Self::encode) made these bytes from; none if it made no such bytes.
    pub fn decode(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let mut rest: &[u8] = bytes;
        let chain = u64::from_le_bytes(take(&mut rest)?);
        let epoch = u64::from_le_bytes(take(&mut rest)?);
        let window = u64::from_le_bytes(take(&mut rest)?);
        let challenge = take(&mut rest)?;
        let unit = Unit {
            key: take(&mut rest)?,
            provider: u64::from_le_bytes(take(&mut rest)?),
            peer: take(&mut rest)?,
            unit: u16::from_le_bytes(take(&mut rest)?),
            commitment: u64::from_le_bytes(take(&mut rest)?),
        };
        let [class] = take(&mut rest)?;
        let leaves_per_class = u32::from_le_bytes(take(&mut rest)?);
        let steps = u16::from_le_bytes(take(&mut rest)?);
        Some(Self {
            chain,
            epoch,
            window,
            challenge,
            unit,
            shape: Shape::new(class, leaves_per_class, steps).ok()?,
            payout: take(&mut rest)?,
        })
    }

    /// What every label of a thread's chain is bound to: `H("context", statement, thread)`.
    pub fn context(&self, thread: u8) -> Digest {
        hash(CONTEXT, &[&self.encode(), &[thread]])
    }

    /// What stands for the unit's window among those of its peer: `H("unit root", unit, class, payout, root of thread
    /// 0, root of thread 1)`.
    pub fn unit_root(&self, roots: &[Digest; 2]) -> Digest {
        let [zero, one] = roots;
        let unit = self.unit.unit.to_le_bytes();
        let class = [self.shape.class];
        hash(UNIT_ROOT, &[&unit, &class, &self.payout, zero, one])
    }
}

/// The first `N` bytes of what is left, if there are so many.
pub(crate) fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::{MAX_CLASS, MAX_LEAVES_PER_CLASS, MAX_STEPS, Shape, Statement, Unit};

    #[test]
    fn a_statement_is_read_as_it_was_written() {
        let statement = Statement {
            chain: 1,
            epoch: 2,
            window: 3,
            challenge: [4; 32],
            unit: Unit {
                key: [5; 32],
                provider: 6,
                peer: [7; 32],
                unit: 8,
                commitment: 9,
            },
            shape: Shape::new(10, 11, 12).expect("a shape"),
            payout: [13; 20],
        };
        assert_eq!(Statement::decode(&statement.encode()), Some(statement));
        assert_eq!(Statement::decode(&[0; Statement::BYTES]), None);
    }

    #[test]
    fn shapes_out_of_bounds_are_refused() {
        assert!(Shape::new(MAX_CLASS, MAX_LEAVES_PER_CLASS, MAX_STEPS).is_ok());
        let bad = [
            (0, 1, 1),
            (MAX_CLASS + 1, 1, 1),
            (1, 0, 1),
            (1, MAX_LEAVES_PER_CLASS + 1, 1),
            (1, 1, 0),
            (1, 1, MAX_STEPS + 1),
        ];
        for (class, leaves, steps) in bad {
            assert!(Shape::new(class, leaves, steps).is_err());
        }
    }
}
