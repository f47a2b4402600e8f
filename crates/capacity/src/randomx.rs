//! RandomX v1 with its official parameters: caches, datasets and the machines that hash over them.
//!
//! Upstream makes a cache's memory (256 MiB, by Argon2) and its programs from one key. Here one memory serves
//! everybody, and each unit has programs from a seed of its own: a [`Cache`] is made once for a key period, a
//! [`LightVm`] is loaded with a unit's seed in a millisecond, and a [`Dataset`] (2.03 GiB) is what makes a unit fast.
//! No item of a dataset is shared between seeds. With the seed equal to the key, all of it is plain RandomX, bit for
//! bit; so are [`PlainVm`] and [`Dataset::plain`], which use the cache's own programs.
//!
//! | type | memory | may be shared |
//! |---|---|---|
//! | [`Cache`] | 256 MiB | `Send`, `Sync` |
//! | [`LightVm`] | 2 MiB | `Send`; hashes only while it is loaded, and then borrows the cache |
//! | [`Dataset`] | 2.03 GiB | `Send`, `Sync` |
//! | [`FullVm`] | 2 MiB | `Send`; holds the dataset |
//!
//! All `unsafe` code of this crate is here. C++ objects are reached through four owners (`ffi.rs`), which are never
//! null, free what they own once, and give no reference into it to Rust. What each call asks of the objects is said
//! at the call.
//!
//! Promises (`docs/spec/capacity.md`): E1 to E4.
#![allow(
    unsafe_code,
    reason = "RandomX is C++; everything outside this module is safe Rust"
)]

mod dataset;
mod ffi;

pub use dataset::{Dataset, FullVm};

use crate::Digest;
use ffi::{RawCache, RawVm};
use std::marker::PhantomData;

/// Longest key or seed, in bytes: RandomX makes programs from no more than that.
pub const MAX_SEED: usize = 60;

/// Why RandomX cannot run.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The system gave no memory.
    #[error("no memory for {what} ({mib} MiB)")]
    NoMemory {
        /// What it was for.
        what: &'static str,
        /// How much of it.
        mib: u64,
    },
    /// A key or seed above [`MAX_SEED`].
    #[error("a key or seed of {bytes} bytes; at most {MAX_SEED} count")]
    SeedTooLong {
        /// Its length.
        bytes: usize,
    },
    /// Somebody asked to stop through [`Control`](crate::Control).
    #[error("stopped")]
    Stopped,
}

/// How RandomX runs on this machine. Every way gives the same hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(i32);

impl Mode {
    const JIT: i32 = 8;
    const SECURE: i32 = 16;

    /// The fastest that processor and system allow: compiled programs, instructions for AES and vectors.
    pub fn fastest() -> Self {
        Self(ffi::flags())
    }

    /// With pages that are never written and executed at once (W^X), for whoever hashes what others made up. A few
    /// per cent slower.
    #[must_use]
    pub fn secure(self) -> Self {
        Self(self.0 | Self::SECURE)
    }

    /// Without compiling programs: some six times slower. For comparing.
    #[must_use]
    pub fn interpreted(self) -> Self {
        Self(self.0 & !(Self::JIT | Self::SECURE))
    }

    /// Whether programs are compiled.
    pub fn compiles(self) -> bool {
        self.0 & Self::JIT != 0
    }
}

/// The memory that all units of a key period share, 256 MiB.
#[derive(Debug)]
pub struct Cache {
    raw: RawCache,
}

impl Cache {
    /// Memory it takes, in bytes.
    pub const BYTES: u64 = 256 << 20;

    /// Fills a cache from a key, which takes some tenths of a second.
    ///
    /// # Errors
    /// If there is no memory, or the key is too long.
    pub fn new(key: &[u8], mode: Mode) -> Result<Self, Error> {
        check(key)?;
        let raw = RawCache::of_key(mode.0, key).ok_or(Error::NoMemory {
            what: "a cache",
            mib: Self::BYTES >> 20,
        })?;
        Ok(Self { raw })
    }
}

/// Refuses keys and seeds of which RandomX would leave a part out.
fn check(seed: &[u8]) -> Result<(), Error> {
    match seed.len() {
        0..=MAX_SEED => Ok(()),
        bytes => Err(Error::SeedTooLong { bytes }),
    }
}

/// A view over no memory yet.
fn view(mode: Mode) -> Result<RawCache, Error> {
    RawCache::view(mode.0).ok_or(Error::NoMemory {
        what: "a unit's programs",
        mib: 1,
    })
}

/// The error for a machine that could not be made.
const NO_VM: Error = Error::NoMemory {
    what: "a machine",
    mib: 3,
};

/// A machine that makes what it reads of a dataset from the cache: five to eight times slower than with the dataset,
/// ready for another unit in a millisecond. This is what verifies.
#[derive(Debug)]
pub struct LightVm {
    /// Freed before the view, which it points to.
    vm: Option<RawVm>,
    view: RawCache,
    mode: Mode,
}

impl LightVm {
    /// A machine for no unit yet.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn new(mode: Mode) -> Result<Self, Error> {
        let (vm, view) = (None, view(mode)?);
        Ok(Self { vm, view, mode })
    }

    /// Makes it the machine of the unit with this seed, in the key period of this cache. Nothing else can use the
    /// machine's programs, so they can change; the cache is only read, and lives at least as long as the answer.
    ///
    /// # Errors
    /// If there is no memory, or the seed is too long.
    pub fn load<'a>(&'a mut self, cache: &'a Cache, seed: &[u8]) -> Result<Loaded<'a>, Error> {
        check(seed)?;
        if !self.view.seed(&cache.raw, seed) {
            return Err(NO_VM);
        }
        let vm = match self.vm.take() {
            Some(mut vm) => {
                // SAFETY: the view was seeded just now, so it has programs and lies over the memory of `cache`, which
                // outlives `Loaded`, without which the machine is never run. The view lives as long as the machine:
                // both are ours, and the machine is freed first. `&mut self`: nobody runs it.
                unsafe { vm.set_cache(&self.view) }.then_some(vm)
            }
            // SAFETY: the same.
            None => unsafe { RawVm::light(self.mode.0, &self.view) },
        };
        let vm = self.vm.insert(vm.ok_or(NO_VM)?);
        Ok(Loaded {
            vm,
            cache: PhantomData,
        })
    }
}

/// A [`LightVm`] that can hash.
#[derive(Debug)]
pub struct Loaded<'a> {
    vm: &'a mut RawVm,
    cache: PhantomData<&'a Cache>,
}

impl Loaded<'_> {
    /// The RandomX hash of that.
    pub fn hash(&mut self, input: &[u8]) -> Digest {
        // SAFETY: whoever made this pointed the machine to a view or cache with programs, whose memory the lifetime
        // keeps.
        unsafe { self.vm.hash(input) }
    }
}

/// A machine of unmodified RandomX, with the cache's own programs: nothing of ours is in it. To compare with.
#[derive(Debug)]
pub struct PlainVm<'a> {
    vm: RawVm,
    cache: PhantomData<&'a Cache>,
}

impl<'a> PlainVm<'a> {
    /// A machine over that cache.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn new(cache: &'a Cache, mode: Mode) -> Result<Self, Error> {
        // SAFETY: a `Cache` has programs, which never change, and outlives the machine.
        let vm = unsafe { RawVm::light(mode.0, &cache.raw) }.ok_or(NO_VM)?;
        let cache = PhantomData;
        Ok(Self { vm, cache })
    }

    /// The RandomX hash of that.
    pub fn hash(&mut self, input: &[u8]) -> Digest {
        // SAFETY: the cache that the machine was made for outlives it.
        unsafe { self.vm.hash(input) }
    }
}
