//! What one request of a client may use, over all functions that work for it: the first one, those that it asks, those
//! that they ask. None of it becomes more by asking somebody else.

use crate::config::Limits;
use rustix::time::{ClockId, clock_gettime};
use std::{
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, timeout_at};

/// What is left for one request.
pub(super) struct Allowance {
    deadline: Instant,
    cpu: Duration,
    spent_ns: AtomicU64,
    /// Bytes of memories.
    pub(super) memory_bytes: Left,
    memory_refused: AtomicBool,
    /// Operations with what the functions keep.
    pub(super) state_operations: Left,
    /// Requests to others.
    pub(super) outbound_requests: Left,
    calls: Left,
    calls_in_flight: Left,
}

/// Which time is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// Time on the wall.
    Wall,
    /// Time of the processor.
    Cpu,
}

/// How much of something may still be had.
pub(super) struct Left(AtomicU64);

impl Left {
    pub(super) fn new(most: u64) -> Self {
        Self(AtomicU64::new(most))
    }

    /// Takes all of `count`, or nothing.
    pub(super) fn take(&self, count: u64) -> bool {
        let less = |left: u64| left.checked_sub(count);
        self.0.fetch_update(Relaxed, Relaxed, less).is_ok()
    }

    /// Gives back what was taken.
    pub(super) fn give_back(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }
}

impl Allowance {
    /// What a request may use that begins now.
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            deadline: Instant::now() + Duration::from_millis(limits.wall_ms),
            cpu: Duration::from_millis(limits.cpu_ms),
            spent_ns: AtomicU64::new(0),
            memory_bytes: Left::new(limits.memory_bytes),
            memory_refused: AtomicBool::new(false),
            state_operations: Left::new(limits.state_operations.into()),
            outbound_requests: Left::new(limits.outbound_requests.into()),
            calls: Left::new(limits.calls.into()),
            calls_in_flight: Left::new(limits.calls_in_flight.into()),
        })
    }

    /// Processor time so far.
    pub(super) fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent_ns.load(Relaxed))
    }

    /// Takes bytes of memories, or nothing, which is remembered.
    pub(super) fn take_memory(&self, bytes: u64) -> bool {
        let is_left = self.memory_bytes.take(bytes);
        if !is_left {
            self.memory_refused.store(true, Relaxed);
        }
        is_left
    }

    /// Whether a function wanted more memory than was left.
    pub(super) fn was_refused_memory(&self) -> bool {
        self.memory_refused.load(Relaxed)
    }

    /// Counts the processor time that `work` takes beside a function: what it sends to others.
    pub(super) fn metered<W: Future>(
        self: &Arc<Self>,
        work: W,
    ) -> impl Future<Output = W::Output> + use<W> {
        let allowance = self.clone();
        let mut work = Box::pin(work);
        std::future::poll_fn(move |context| allowance.poll(work.as_mut(), context))
    }

    /// Does `work` while there is time. A single poll is not interrupted, so `work` must pause now and then, as a function
    /// does at every tick.
    ///
    /// # Errors
    /// Which time is used up.
    pub(super) async fn limited<W: Future>(&self, work: W) -> Result<W::Output, Over> {
        let mut work = pin!(work);
        let limited = std::future::poll_fn(|context| match self.poll(work.as_mut(), context) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending if self.spent() > self.cpu => Poll::Ready(Err(Over::Cpu)),
            Poll::Pending => Poll::Pending,
        });
        match timeout_at(self.deadline, limited).await {
            Ok(result) => result,
            Err(_) => Err(Over::Wall),
        }
    }

    fn poll<W: Future>(&self, work: Pin<&mut W>, context: &mut Context<'_>) -> Poll<W::Output> {
        let before = thread_cpu();
        let polled = work.poll(context);
        let cpu = thread_cpu().saturating_sub(before).as_nanos();
        let cpu = u64::try_from(cpu).unwrap_or(u64::MAX);
        self.spent_ns.fetch_add(cpu, Relaxed);
        polled
    }

    /// A place for a call of another function, until it is dropped; None if there were too many, or are at once.
    pub(super) fn call(self: &Arc<Self>) -> Option<Place> {
        if !self.calls_in_flight.take(1) {
            return None;
        }
        let place = Place(self.clone());
        self.calls.take(1).then_some(place)
    }
}

/// A place among the calls that are under way for one request.
pub(super) struct Place(Arc<Allowance>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.calls_in_flight.give_back(1);
    }
}

/// Processor time of this thread.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::{Allowance, Over};
    use crate::config::Limits;
    use std::{sync::Arc, time::Duration};

    fn allowance(cpu_ms: u64) -> Arc<Allowance> {
        Allowance::new(&Limits {
            cpu_ms,
            calls: 3,
            calls_in_flight: 2,
            ..Limits::default()
        })
    }

    /// Works and pauses without end.
    async fn busy() {
        loop {
            std::hint::black_box((0..10_000).sum::<u64>());
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn work_that_uses_too_much_processor_time_ends_at_its_next_pause() {
        let allowance = allowance(5);
        assert_eq!(allowance.limited(busy()).await, Err(Over::Cpu));
        assert!(allowance.spent() > Duration::from_millis(5));
    }

    #[tokio::test]
    async fn work_aside_counts_as_well() {
        let allowance = allowance(50);
        let work = tokio::spawn(allowance.metered(busy()));
        let waiting = async {
            loop {
                tokio::task::yield_now().await;
            }
        };
        assert_eq!(
            allowance.limited::<_>(waiting).await,
            Err::<(), _>(Over::Cpu)
        );
        work.abort();
    }

    #[tokio::test]
    async fn time_on_the_wall_is_counted_from_the_first_function_on() {
        let allowance = Allowance::new(&Limits {
            wall_ms: 1,
            ..Limits::default()
        });
        let never = std::future::pending::<()>;
        assert_eq!(allowance.limited(never()).await, Err(Over::Wall));
        assert_eq!(allowance.limited(never()).await, Err(Over::Wall));
    }

    /// (W27)
    #[test]
    fn calls_are_counted_at_once_and_together() {
        let allowance = allowance(1);
        let (first, second) = (allowance.call(), allowance.call());
        assert!(first.is_some() && second.is_some() && allowance.call().is_none());
        drop(first);
        assert!(allowance.call().is_some(), "the third");
        assert!(allowance.call().is_none(), "there is none left");
    }
}
