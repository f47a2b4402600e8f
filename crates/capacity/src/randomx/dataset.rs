//! Datasets: what a unit keeps in memory to be fast.

use super::{Cache, Error, Mode, NO_VM, RawCache, RawVm, check, ffi::RawDataset, view};
use crate::{Control, Digest};
use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// Items that a thread makes before it looks whether to stop: about ten milliseconds, half a MiB.
const PIECE: u64 = 1 << 13;

/// All items of a seed, 2.03 GiB. Freed when its last owner goes.
#[derive(Debug)]
pub struct Dataset {
    raw: RawDataset,
}

impl Dataset {
    /// Memory it takes, in bytes.
    pub const BYTES: u64 = (2048 << 20) + 33_554_368;

    /// How many items it has: an odd number, so threads cannot share them evenly.
    pub fn items() -> u64 {
        RawDataset::items()
    }

    /// Makes the dataset of a unit, which takes about a minute of processor time, shared by so many threads. They run
    /// on the cores that the calling thread may run on. `control` counts the items made, and stops it within a few
    /// hundredths of a second.
    ///
    /// # Errors
    /// If there is no memory, the seed is too long, or it was stopped.
    pub fn build(
        cache: &Cache,
        seed: &[u8],
        mode: Mode,
        threads: NonZeroUsize,
        control: &Control,
    ) -> Result<Self, Error> {
        let view = seeded(cache, seed, mode)?;
        Self::fill(&view, threads, control)
    }

    /// The dataset of unmodified RandomX, with the cache's own programs.
    ///
    /// # Errors
    /// If there is no memory, or it was stopped.
    pub fn plain(cache: &Cache, threads: NonZeroUsize, control: &Control) -> Result<Self, Error> {
        Self::fill(&cache.raw, threads, control)
    }

    /// `cache` is a cache, or a seeded view of one that lives.
    fn fill(cache: &RawCache, threads: NonZeroUsize, control: &Control) -> Result<Self, Error> {
        let raw = RawDataset::new().ok_or(Error::NoMemory {
            what: "a dataset",
            mib: Self::BYTES >> 20,
        })?;
        let next = AtomicU64::new(0);
        let work = || {
            while !control.is_stopped() {
                let first = next.fetch_add(PIECE, Ordering::Relaxed);
                let count = Self::items().saturating_sub(first).min(PIECE);
                if count == 0 {
                    break;
                }
                // SAFETY: the items are within the dataset, and no other thread has them: each first number is taken
                // once. Nobody reads the dataset before this function returns it. The cache is as its caller says.
                unsafe { raw.fill(cache, first, count) };
                control.advance(count);
            }
        };
        thread::scope(|scope| {
            for _ in 1..threads.get() {
                scope.spawn(work);
            }
            work();
        });
        if control.is_stopped() {
            return Err(Error::Stopped);
        }
        Ok(Self { raw })
    }

    /// How many of these items (each taken modulo their number) are not what they were made as, because memory forgot
    /// something: about two milliseconds for a thousand. A wrong item makes wrong hashes, which look like fraud.
    ///
    /// # Errors
    /// If there is no memory, or the seed is too long.
    pub fn wrong_items(
        &self,
        cache: &Cache,
        seed: &[u8],
        items: impl IntoIterator<Item = u64>,
    ) -> Result<usize, Error> {
        let view = seeded(cache, seed, Mode::fastest().interpreted())?;
        let items = items.into_iter().map(|item| item % Self::items());
        // SAFETY: the item is within the dataset, `seeded` has put the view over `cache`, which is borrowed here, and
        // a dataset that somebody has is not filled any more.
        Ok(items
            .filter(|item| !unsafe { self.raw.holds(&view, *item) })
            .count())
    }
}

/// A view over `cache` with the programs of a seed. It must not be used after the cache is gone.
fn seeded(cache: &Cache, seed: &[u8], mode: Mode) -> Result<RawCache, Error> {
    check(seed)?;
    let mut view = view(mode)?;
    if view.seed(&cache.raw, seed) {
        Ok(view)
    } else {
        Err(NO_VM)
    }
}

/// A machine that reads a dataset: this is what proves.
#[derive(Debug)]
pub struct FullVm {
    /// Freed before the dataset, which it points to.
    vm: RawVm,
    _dataset: Arc<Dataset>,
}

impl FullVm {
    /// A machine over that dataset.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn new(dataset: Arc<Dataset>, mode: Mode) -> Result<Self, Error> {
        // SAFETY: we hold the dataset as long as the machine, and a dataset that somebody has is not filled any more.
        let vm = unsafe { RawVm::full(mode.0, &dataset.raw) }.ok_or(NO_VM)?;
        Ok(Self {
            vm,
            _dataset: dataset,
        })
    }

    /// The RandomX hash of that.
    pub fn hash(&mut self, input: &[u8]) -> Digest {
        // SAFETY: the dataset that the machine was made for is in our hands.
        unsafe { self.vm.hash(input) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Dataset, RawDataset, seeded};
    use crate::randomx::{Cache, Mode};

    /// A dataset of which only these items are made, each of the seed beside it: the rest takes no memory.
    fn with(cache: &Cache, items: &[(u64, &[u8])]) -> Dataset {
        let raw = RawDataset::new().expect("memory");
        for (item, seed) in items {
            let view = seeded(cache, seed, Mode::fastest()).expect("memory");
            // SAFETY: the item is within the dataset, the view was seeded over `cache`, which lives, and nobody else
            // has the dataset.
            unsafe { raw.fill(&view, *item, 1) };
        }
        Dataset { raw }
    }

    /// (E3)
    #[test]
    fn a_damaged_item_is_found_wherever_it_is() {
        let cache = Cache::new(b"key", Mode::fastest()).expect("memory");
        let last = Dataset::items() - 1;
        let places = [0, 1, Dataset::items() / 2, last];
        let sound = with(&cache, &places.map(|item| (item, &b"unit"[..])));
        assert_eq!(sound.wrong_items(&cache, b"unit", places), Ok(0));
        for damaged in places {
            let seed = |item| if item == damaged { b"rust" } else { b"unit" };
            let dataset = with(&cache, &places.map(|item| (item, &seed(item)[..])));
            assert_eq!(dataset.wrong_items(&cache, b"unit", places), Ok(1));
            let others = places.into_iter().filter(|item| *item != damaged);
            assert_eq!(dataset.wrong_items(&cache, b"unit", others), Ok(0));
            let beyond = [damaged + Dataset::items()];
            assert_eq!(dataset.wrong_items(&cache, b"unit", beyond), Ok(1));
        }
    }
}
