//! What long work looks at, and what others see of it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

/// Stops long work and says how far it is. Clones are the same: one goes to the work, one stays.
#[derive(Clone, Debug, Default)]
pub struct Control {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    stopped: AtomicBool,
    done: AtomicU64,
}

impl Control {
    /// Nothing done, not stopped.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the work to end as soon as it can. There is no way back.
    pub fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to end.
    pub fn is_stopped(&self) -> bool {
        self.shared.stopped.load(Ordering::Relaxed)
    }

    /// How much is done, in what the work counts.
    pub fn done(&self) -> u64 {
        self.shared.done.load(Ordering::Relaxed)
    }

    /// Counts so much more.
    pub(crate) fn advance(&self, more: u64) {
        self.shared.done.fetch_add(more, Ordering::Relaxed);
    }
}
