//! The memories and tables of one store, counted against what its request may have.

use super::{
    allowance::Allowance,
    engine::{MEMORIES, MODULES, TABLE_ENTRIES, TABLES},
};
use std::sync::Arc;
use wasmtime::{ResourceLimiter, Result};

/// Counts what all memories and tables of a store have together. None of it is given back before the store goes.
pub(super) struct Reserved {
    /// Of the request that it works for.
    allowance: Option<Arc<Allowance>>,
    memory_bytes: u64,
    table_entries: usize,
    is_refused: bool,
}

impl Reserved {
    pub(super) fn new(allowance: Arc<Allowance>) -> Self {
        Self {
            allowance: Some(allowance),
            memory_bytes: 0,
            table_entries: 0,
            is_refused: false,
        }
    }

    /// Counts for another request, if that has so much left.
    pub(super) fn begin(&mut self, allowance: Arc<Allowance>) -> bool {
        let is_left = allowance.memory_bytes.take(self.memory_bytes);
        self.allowance = is_left.then_some(allowance);
        is_left
    }

    /// What all memories have.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    /// Whether it wanted more than there was.
    pub(super) fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// Counts for nobody any more.
    pub(super) fn end(&mut self) {
        if let Some(allowance) = self.allowance.take() {
            allowance.memory_bytes.give_back(self.memory_bytes);
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.end();
    }
}

impl ResourceLimiter for Reserved {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        let more = desired.saturating_sub(current) as u64;
        let allowance = self.allowance.as_ref();
        let is_left = allowance.is_some_and(|allowance| allowance.take_memory(more));
        if is_left {
            self.memory_bytes += more;
        }
        self.is_refused |= !is_left;
        Ok(is_left)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        let more = desired.saturating_sub(current);
        let is_left = more <= TABLE_ENTRIES - self.table_entries;
        if is_left {
            self.table_entries += more;
        }
        self.is_refused |= !is_left;
        Ok(is_left)
    }

    fn instances(&self) -> usize {
        MODULES as usize
    }

    fn tables(&self) -> usize {
        TABLES as usize
    }

    fn memories(&self) -> usize {
        MEMORIES as usize
    }
}

#[cfg(test)]
mod tests {
    use super::{Allowance, Reserved};
    use crate::config::Limits;
    use wasmtime::ResourceLimiter as _;

    #[test]
    fn all_memories_of_a_request_share_one_limit() {
        let allowance = Allowance::new(&Limits {
            memory_bytes: 100,
            ..Limits::default()
        });
        let grow = |reserved: &mut Reserved, current, desired| {
            let grown = reserved.memory_growing(current, desired, None);
            grown.expect("an answer")
        };
        let mut first = Reserved::new(allowance.clone());
        assert!(grow(&mut first, 0, 60));
        assert!(!grow(&mut first, 0, 41));
        let mut second = Reserved::new(allowance.clone());
        assert!(!grow(&mut second, 0, 41), "the first one's count");
        assert!(grow(&mut second, 0, 40));
        drop(second);
        assert!(grow(&mut first, 60, 100), "they are free again");
        assert!(!grow(&mut first, 100, 101));
    }

    /// (W28)
    #[test]
    fn an_instance_that_is_kept_counts_for_whom_it_works_and_for_nobody_between() {
        let allowance = |memory_bytes| {
            Allowance::new(&Limits {
                memory_bytes,
                ..Limits::default()
            })
        };
        let first = allowance(100);
        let mut kept = Reserved::new(first.clone());
        assert!(kept.memory_growing(0, 60, None).expect("an answer"));
        kept.end();
        assert!(first.memory_bytes.take(100), "all of it is free again");
        assert!(!kept.begin(allowance(59)), "it has more already");
        let second = allowance(100);
        assert!(kept.begin(second.clone()));
        assert!(!second.memory_bytes.take(41));
        assert!(!kept.is_refused);
        assert!(!kept.memory_growing(60, 101, None).expect("an answer"));
        assert!(kept.is_refused);
        drop(kept);
        assert!(second.memory_bytes.take(100) && !second.memory_bytes.take(1));
    }
}
