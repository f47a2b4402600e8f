//! Sets of slots, as bits.

/// Where the index keeps a peer. Numbers are used again, so nothing that follows from rows alone may depend on them.
pub(super) type Slot = u32;

/// A set of slots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bits(Vec<u64>);

/// Word and bit of a slot.
fn place(slot: Slot) -> (usize, u64) {
    let word = usize::try_from(slot >> 6).unwrap_or(usize::MAX);
    (word, 1_u64 << (slot & 63))
}

impl Bits {
    pub(super) fn insert(&mut self, slot: Slot) {
        let (word, bit) = place(slot);
        match self.0.get_mut(word) {
            Some(bits) => *bits |= bit,
            None => {
                self.0.resize(word, 0);
                self.0.push(bit);
            }
        }
    }

    pub(super) fn remove(&mut self, slot: Slot) {
        let (word, bit) = place(slot);
        if let Some(bits) = self.0.get_mut(word) {
            *bits &= !bit;
        }
    }

    pub(super) fn contains(&self, slot: Slot) -> bool {
        let (word, bit) = place(slot);
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }

    /// Adds those of `other`.
    fn unite(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (bits, others) in self.0.iter_mut().zip(&other.0) {
            *bits |= others;
        }
    }

    /// All of them, in order.
    fn iter(&self) -> impl Iterator<Item = Slot> {
        self.0.iter().zip(0_u32..).flat_map(|(bits, word)| {
            let bit = (0..64).filter(move |bit| (bits >> bit) & 1 == 1);
            bit.map(move |bit: u32| (word << 6) | bit)
        })
    }

    /// Leaves those that are in `met` too. Gives how many went: those in `there`, and the others.
    pub(super) fn retain(&mut self, met: &Self, there: &Self) -> (usize, usize) {
        let (mut known, mut unknown) = (0_usize, 0_usize);
        let others = met.words().zip(there.words());
        for (bits, (met, there)) in self.0.iter_mut().zip(others) {
            let gone = *bits & !met;
            known = known.saturating_add(count(gone & there));
            unknown = unknown.saturating_add(count(gone & !there));
            *bits &= met;
        }
        (known, unknown)
    }

    /// Its words, and zeros without end.
    fn words(&self) -> impl Iterator<Item = u64> {
        self.0.iter().copied().chain(std::iter::repeat(0))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|bits| *bits == 0)
    }
}

fn count(bits: u64) -> usize {
    usize::try_from(bits.count_ones()).unwrap_or(usize::MAX)
}

/// A set of slots that takes as little room and time as its size allows.
#[derive(Clone, Debug)]
pub(super) enum Posting {
    /// Sorted.
    Few(Vec<Slot>),
    /// Some, and how many.
    Many(Bits, usize),
}

/// Members above which a set is kept as bits, and half of which it becomes a list again.
const MANY: usize = 64;

impl Default for Posting {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Posting {
    pub(super) fn insert(&mut self, slot: Slot) {
        match self {
            Self::Few(slots) => {
                if let Err(place) = slots.binary_search(&slot) {
                    slots.insert(place, slot);
                }
                if slots.len() > MANY {
                    let mut bits = Bits::default();
                    slots.iter().for_each(|slot| bits.insert(*slot));
                    *self = Self::Many(bits, slots.len());
                }
            }
            Self::Many(bits, count) => {
                *count = count.saturating_add(usize::from(!bits.contains(slot)));
                bits.insert(slot);
            }
        }
    }

    pub(super) fn remove(&mut self, slot: Slot) {
        match self {
            Self::Few(slots) => {
                if let Ok(place) = slots.binary_search(&slot) {
                    slots.remove(place);
                }
            }
            Self::Many(bits, count) => {
                *count = count.saturating_sub(usize::from(bits.contains(slot)));
                bits.remove(slot);
                if *count < MANY / 2 {
                    *self = Self::Few(bits.iter().collect());
                }
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Few(slots) if slots.is_empty())
    }

    /// Adds its members to a set.
    pub(super) fn add_to(&self, set: &mut Bits) {
        match self {
            Self::Few(slots) => slots.iter().for_each(|slot| set.insert(*slot)),
            Self::Many(bits, _) => set.unite(bits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Bits, MANY, Posting, Slot};

    fn bits(slots: impl IntoIterator<Item = Slot>) -> Bits {
        let mut bits = Bits::default();
        slots.into_iter().for_each(|slot| bits.insert(slot));
        bits
    }

    #[test]
    fn sets_of_different_length_meet() {
        let mut many = bits([1, 3, 64, 700]);
        let (known, unknown) = many.retain(&bits([1, 63]), &bits([1, 700]));
        assert_eq!(many.iter().collect::<Vec<_>>(), [1]);
        assert_eq!((known, unknown), (1, 2));
        many.unite(&bits([900]));
        many.remove(1);
        assert_eq!(many.iter().collect::<Vec<_>>(), [900]);
        many.remove(900);
        assert!(many.is_empty());
    }

    #[test]
    fn a_set_stays_the_same_while_it_grows_and_shrinks() {
        let mut posting = Posting::default();
        let most = 3 * Slot::try_from(MANY).expect("small");
        let members = |posting: &Posting| {
            let mut set = Bits::default();
            posting.add_to(&mut set);
            set.iter().collect::<Vec<_>>()
        };
        for slot in (0..most).rev() {
            posting.insert(slot);
            posting.insert(slot);
            assert_eq!(members(&posting), (slot..most).collect::<Vec<_>>());
        }
        for slot in 0..most {
            assert!(!posting.is_empty());
            posting.remove(slot);
            posting.remove(slot);
            assert_eq!(members(&posting), (slot + 1..most).collect::<Vec<_>>());
        }
        assert!(posting.is_empty());
    }
}
