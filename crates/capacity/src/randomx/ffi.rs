//! The functions of `glue.cpp`, and owners of what they make.

use crate::Digest;
use std::{marker::PhantomData, ptr::NonNull};

/// An object that only C++ looks into.
macro_rules! opaque {
    ($($(#[$about:meta])* $name:ident),*) => { $(
        $(#[$about])*
        #[repr(C)]
        struct $name {
            nothing: [u8; 0],
            // Neither `Send`, `Sync` nor `Unpin` by itself.
            marker: PhantomData<(*mut u8, std::marker::PhantomPinned)>,
        }
    )* };
}

opaque!(
    /// `randomx_cache`
    CacheObject,
    /// `randomx_vm`
    VmObject,
    /// `randomx_dataset`
    DatasetObject
);

unsafe extern "C" {
    safe fn mp_flags() -> i32;
    fn mp_cache_new(flags: i32, key: *const u8, length: usize) -> *mut CacheObject;
    fn mp_cache_free(cache: *mut CacheObject);
    fn mp_view_new(flags: i32) -> *mut CacheObject;
    fn mp_view_seed(
        view: *mut CacheObject,
        cache: *const CacheObject,
        seed: *const u8,
        length: usize,
    ) -> bool;
    fn mp_vm_light(flags: i32, cache: *mut CacheObject) -> *mut VmObject;
    fn mp_vm_full(flags: i32, dataset: *mut DatasetObject) -> *mut VmObject;
    fn mp_vm_set_cache(vm: *mut VmObject, cache: *mut CacheObject) -> bool;
    fn mp_vm_free(vm: *mut VmObject);
    fn mp_hash(vm: *mut VmObject, input: *const u8, length: usize, output: *mut u8);
    fn mp_dataset_new() -> *mut DatasetObject;
    safe fn mp_dataset_items() -> u64;
    fn mp_dataset_fill(
        dataset: *mut DatasetObject,
        cache: *mut CacheObject,
        first: u64,
        count: u64,
    );
    fn mp_dataset_holds(dataset: *const DatasetObject, cache: *mut CacheObject, item: u64) -> bool;
    fn mp_dataset_free(dataset: *mut DatasetObject);
}

/// What this machine can do, as RandomX's flags.
pub(super) fn flags() -> i32 {
    mp_flags()
}

/// A cache, or a view over another one.
#[derive(Debug)]
pub(super) struct RawCache(NonNull<CacheObject>);

// SAFETY: the object is on the heap, is reached through this owner only, and nothing in it belongs to a thread.
unsafe impl Send for RawCache {}
// SAFETY: through `&RawCache` C++ reads it only: making a machine, an item or a hash does not write to a cache.
unsafe impl Sync for RawCache {}

impl RawCache {
    /// A cache filled from a key; none if there is no memory.
    pub(super) fn of_key(flags: i32, key: &[u8]) -> Option<Self> {
        // SAFETY: pointer and length are those of a slice, which is read.
        NonNull::new(unsafe { mp_cache_new(flags, key.as_ptr(), key.len()) }).map(Self)
    }

    /// A view over nothing; none if there is no memory.
    pub(super) fn view(flags: i32) -> Option<Self> {
        // SAFETY: asks nothing of us.
        NonNull::new(unsafe { mp_view_new(flags) }).map(Self)
    }

    /// Puts a view over the memory of `cache`, with the programs of `seed`; false if there is no memory. The view
    /// then points into `cache`, so it must not be used after that is gone.
    pub(super) fn seed(&mut self, cache: &Self, seed: &[u8]) -> bool {
        // SAFETY: both objects live, `&mut` says that nobody uses the view, and what is written is the view alone.
        // Were `self` a cache, its own memory would be lost, not misused; only views are seeded.
        unsafe { mp_view_seed(self.0.as_ptr(), cache.0.as_ptr(), seed.as_ptr(), seed.len()) }
    }
}

impl Drop for RawCache {
    fn drop(&mut self) {
        // SAFETY: it came from `mp_cache_new` or `mp_view_new` and is freed here only.
        unsafe { mp_cache_free(self.0.as_ptr()) }
    }
}

/// A machine.
#[derive(Debug)]
pub(super) struct RawVm(NonNull<VmObject>);

// SAFETY: the object is on the heap and reached through this owner only. A hash sets the thread's floating-point mode
// and sets it back before it returns, so a machine leaves nothing behind on a thread.
unsafe impl Send for RawVm {}

impl RawVm {
    /// A machine that makes items itself; none if there is no memory.
    ///
    /// # Safety
    /// `cache` is a cache, or a view that was seeded; it must live and not move its programs whenever the machine is
    /// run.
    pub(super) unsafe fn light(flags: i32, cache: &RawCache) -> Option<Self> {
        // SAFETY: the caller's promise; making a machine reads the cache.
        NonNull::new(unsafe { mp_vm_light(flags, cache.0.as_ptr()) }).map(Self)
    }

    /// A machine that reads a dataset; none if there is no memory.
    ///
    /// # Safety
    /// The dataset must live whenever the machine is run, and nobody may fill it then.
    pub(super) unsafe fn full(flags: i32, dataset: &RawDataset) -> Option<Self> {
        // SAFETY: the caller's promise; making a machine does not touch the dataset's memory.
        NonNull::new(unsafe { mp_vm_full(flags, dataset.0.as_ptr()) }).map(Self)
    }

    /// Gives a light machine the programs that `cache` has now; false if there is no memory.
    ///
    /// # Safety
    /// As for [`light`](Self::light), which must have made this machine.
    pub(super) unsafe fn set_cache(&mut self, cache: &RawCache) -> bool {
        // SAFETY: the caller's promise; `&mut` says that nobody runs the machine.
        unsafe { mp_vm_set_cache(self.0.as_ptr(), cache.0.as_ptr()) }
    }

    /// The hash of `input`.
    ///
    /// # Safety
    /// What the machine was promised when it was made, or last given a cache, must be so now.
    pub(super) unsafe fn hash(&mut self, input: &[u8]) -> Digest {
        let mut output = [0; 32];
        // SAFETY: the caller's promise; the slice is read and 32 bytes are written, which is what RandomX gives.
        unsafe {
            mp_hash(
                self.0.as_ptr(),
                input.as_ptr(),
                input.len(),
                output.as_mut_ptr(),
            );
        }
        output
    }
}

impl Drop for RawVm {
    fn drop(&mut self) {
        // SAFETY: it came from `mp_vm_light` or `mp_vm_full` and is freed here only. Freeing does not look at the
        // cache or dataset.
        unsafe { mp_vm_free(self.0.as_ptr()) }
    }
}

/// A dataset's memory.
#[derive(Debug)]
pub(super) struct RawDataset(NonNull<DatasetObject>);

// SAFETY: the object is on the heap, is reached through this owner only, and nothing in it belongs to a thread.
unsafe impl Send for RawDataset {}
// SAFETY: through `&RawDataset` it is read, except in `fill`, whose caller promises that nobody else touches the items.
unsafe impl Sync for RawDataset {}

impl RawDataset {
    /// Memory with nothing in it; none if there is not enough.
    pub(super) fn new() -> Option<Self> {
        // SAFETY: asks nothing of us.
        NonNull::new(unsafe { mp_dataset_new() }).map(Self)
    }

    /// How many items a dataset has.
    pub(super) fn items() -> u64 {
        mp_dataset_items()
    }

    /// Makes `count` items from `first` on.
    ///
    /// # Safety
    /// `first + count` is at most [`items`](Self::items); `cache` is a cache, or a view that was seeded and whose
    /// memory lives; nobody reads or fills these items meanwhile.
    pub(super) unsafe fn fill(&self, cache: &RawCache, first: u64, count: u64) {
        // SAFETY: the caller's promise; the cache is read.
        unsafe { mp_dataset_fill(self.0.as_ptr(), cache.0.as_ptr(), first, count) }
    }

    /// Whether an item is what `fill` makes of it.
    ///
    /// # Safety
    /// `item` is below [`items`](Self::items); `cache` as for [`fill`](Self::fill); nobody fills the item meanwhile.
    pub(super) unsafe fn holds(&self, cache: &RawCache, item: u64) -> bool {
        // SAFETY: the caller's promise; both are read.
        unsafe { mp_dataset_holds(self.0.as_ptr(), cache.0.as_ptr(), item) }
    }
}

impl Drop for RawDataset {
    fn drop(&mut self) {
        // SAFETY: it came from `mp_dataset_new` and is freed here only.
        unsafe { mp_dataset_free(self.0.as_ptr()) }
    }
}
