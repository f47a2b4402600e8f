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
        if self.0.len() <= word {
            self.0.resize(word.saturating_add(1), 0);
        }
        if let Some(bits) = self.0.get_mut(word) {
            *bits |= bit;
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

    /// Leaves those that are in `other` too.
    pub(super) fn intersect(&mut self, other: &Self) {
        self.0.truncate(other.0.len());
        for (bits, others) in self.0.iter_mut().zip(&other.0) {
            *bits &= others;
        }
    }
}

impl Extend<Slot> for Bits {
    fn extend<I: IntoIterator<Item = Slot>>(&mut self, slots: I) {
        slots.into_iter().for_each(|slot| self.insert(slot));
    }
}

#[cfg(test)]
mod tests {
    use super::Bits;

    #[test]
    fn sets_of_different_length_meet() {
        let (mut few, mut many) = (Bits::default(), Bits::default());
        few.extend([1, 63]);
        many.extend([1, 64, 700]);
        let mut both = many.clone();
        both.intersect(&few);
        assert!(both.contains(1) && !both.contains(63) && !both.contains(700));
        few.intersect(&many);
        many.remove(700);
        assert!(few.contains(1) && !few.contains(63) && !many.contains(700));
    }
}
