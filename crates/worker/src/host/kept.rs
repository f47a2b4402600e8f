//! Instances that have served a request and wait for another one, where the plan lets them (`reuse`).
//!
//! Each unit keeps its own. One that waits works for nobody and is on no bill, so how many wait, with how much memory and
//! for how long is limited. Whoever finds none begins afresh: nothing is lost with one that is dropped.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// One waits at most so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Those of one unit, the one that waits longest first.
pub(super) struct Kept<I> {
    count: usize,
    bytes: u64,
    waiting: Mutex<VecDeque<Waiting<I>>>,
}

struct Waiting<I> {
    instance: I,
    bytes: u64,
    since: Instant,
}

impl<I> Kept<I> {
    /// Room for `count`, whose memories have `bytes` together.
    pub(super) fn new(count: usize, bytes: u64) -> Self {
        Self {
            count,
            bytes,
            waiting: Mutex::default(),
        }
    }

    /// Takes one of those that are wanted, which served last.
    pub(super) fn take(&self, is_wanted: impl Fn(&I) -> bool) -> Option<I> {
        let mut waiting = self.waiting();
        let place = waiting.iter().rposition(|one| is_wanted(&one.instance))?;
        waiting.remove(place).map(|one| one.instance)
    }

    /// Lets one wait that has so much memory. Where there is no room, those that wait longest go.
    pub(super) fn give(&self, instance: I, bytes: u64, now: Instant) {
        let mut waiting = self.waiting();
        waiting.push_back(Waiting {
            instance,
            bytes,
            since: now,
        });
        let mut total: u64 = waiting.iter().map(|one| one.bytes).sum();
        while waiting.len() > self.count || total > self.bytes {
            let Some(oldest) = waiting.pop_front() else {
                return;
            };
            total -= oldest.bytes;
        }
    }

    /// Drops those that have waited for too long. Does not end.
    pub(super) async fn watch(&self) {
        loop {
            sleep(PATIENCE / 2).await;
            self.forget(Instant::now());
        }
    }

    fn forget(&self, now: Instant) {
        let is_over = |one: &Waiting<I>| now.saturating_duration_since(one.since) >= PATIENCE;
        let mut waiting = self.waiting();
        while waiting.front().is_some_and(is_over) {
            waiting.pop_front();
        }
    }

    /// Drops all.
    pub(super) fn clear(&self) {
        self.waiting().clear();
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting<I>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Kept, PATIENCE};
    use std::time::Instant;

    #[test]
    fn the_one_that_served_last_serves_next_and_only_its_own_function() {
        let kept = Kept::new(3, 100);
        for instance in ["a1", "a2", "b1"] {
            kept.give(instance, 1, Instant::now());
        }
        let take = |function: &str| kept.take(|instance| instance.starts_with(function));
        assert_eq!(take("a"), Some("a2"));
        assert_eq!(take("a"), Some("a1"));
        assert_eq!(take("a"), None, "one at a time");
        assert_eq!(take("b"), Some("b1"));
    }

    #[test]
    fn there_is_room_for_so_many_and_so_much_memory() {
        let all = |kept: &Kept<u8>| {
            let mut all: Vec<u8> = std::iter::from_fn(|| kept.take(|_| true)).collect();
            all.reverse();
            all
        };
        let kept = Kept::new(2, 100);
        for instance in 1..=3 {
            kept.give(instance, 1, Instant::now());
        }
        assert_eq!(all(&kept), [2, 3]);
        for (instance, bytes) in [(1, 10), (2, 60), (3, 40)] {
            kept.give(instance, bytes, Instant::now());
        }
        assert_eq!(all(&kept), [2, 3]);
        kept.give(1, 101, Instant::now());
        assert!(all(&kept).is_empty(), "one that is too large does not wait");
    }

    #[test]
    fn nobody_waits_for_long() {
        let kept = Kept::new(2, 100);
        let begin = Instant::now();
        kept.give(1, 1, begin);
        kept.give(2, 1, begin + PATIENCE / 2);
        kept.forget(begin + PATIENCE);
        assert_eq!(kept.take(|_| true), Some(2));
        assert_eq!(kept.take(|_| true), None);
    }
}
