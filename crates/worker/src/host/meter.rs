//! What requests use. From the first day, also while nobody is billed by it.
//!
//! A request is billed once, when its function has ended for whatever reason: one request, its
//! processor time and its reserved memory, each rounded up. Bytes of answers count as they leave.
//! What a request does not get (a shed one, a fault of this machine) is not billed.

use crate::control::Metrics;
use rustix::time::{ClockId, clock_gettime};
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// The counters of one worker. Every thread adds; only sums are read, so no order is needed, except
/// that a request that runs no more has been billed.
#[derive(Default)]
pub(super) struct Meter {
    answered: AtomicU64,
    failed: AtomicU64,
    timed_out: AtomicU64,
    abandoned: AtomicU64,
    shed: AtomicU64,
    cpu_us: AtomicU64,
    memory_mib_ms: AtomicU64,
    egress_bytes: AtomicU64,
    outbound_requests: AtomicU64,
    outbound_bytes: AtomicU64,
    running: AtomicU64,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The function answered and ended.
    Answered,
    /// The function failed.
    Failed,
    /// A time limit ended it.
    TimedOut,
    /// The client left before the end.
    Abandoned,
    /// It never began; not billed.
    Shed,
}

impl Meter {
    /// Counts a request that was turned away.
    pub(super) fn shed(&self) {
        self.shed.fetch_add(1, Relaxed);
    }

    /// Counts bytes of an answer's body.
    pub(super) fn egress(&self, bytes: usize) {
        self.egress_bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// Counts a request that the function sends.
    pub(super) fn outbound(&self) {
        self.outbound_requests.fetch_add(1, Relaxed);
    }

    /// Counts bytes of such a request's body, or of the answer's.
    pub(super) fn outbound_bytes(&self, bytes: u64) {
        self.outbound_bytes.fetch_add(bytes, Relaxed);
    }

    /// Requests that run now.
    pub(super) fn running(&self) -> u64 {
        self.running.load(Acquire)
    }

    /// All counters; those of the log are added by who has it.
    pub(super) fn read(&self) -> Metrics {
        let get = |counter: &AtomicU64| counter.load(Relaxed);
        let (answered, failed) = (get(&self.answered), get(&self.failed));
        let (timed_out, abandoned) = (get(&self.timed_out), get(&self.abandoned));
        Metrics {
            requests: answered + failed + timed_out + abandoned,
            answered,
            failed,
            timed_out,
            abandoned,
            shed: get(&self.shed),
            cpu_us: get(&self.cpu_us),
            memory_mib_ms: get(&self.memory_mib_ms),
            egress_bytes: get(&self.egress_bytes),
            outbound_requests: get(&self.outbound_requests),
            outbound_bytes: get(&self.outbound_bytes),
            log_lines: 0,
            log_lines_dropped: 0,
        }
    }

    fn bill(&self, outcome: Outcome, cpu: Duration, wall: Duration, memory_bytes: u64) {
        let counter = match outcome {
            Outcome::Answered => &self.answered,
            Outcome::Failed => &self.failed,
            Outcome::TimedOut => &self.timed_out,
            Outcome::Abandoned => &self.abandoned,
            Outcome::Shed => return self.shed(),
        };
        counter.fetch_add(1, Relaxed);
        let cpu_us = cpu.as_nanos().div_ceil(1_000);
        self.cpu_us
            .fetch_add(u64::try_from(cpu_us).unwrap_or(u64::MAX), Relaxed);
        self.memory_mib_ms
            .fetch_add(mib_ms(memory_bytes, wall), Relaxed);
    }
}

fn mib_ms(memory_bytes: u64, wall: Duration) -> u64 {
    let product = u128::from(memory_bytes) * wall.as_nanos();
    u64::try_from(product.div_ceil((1 << 20) * 1_000_000)).unwrap_or(u64::MAX)
}

/// The bill of one request, entered when it is dropped, so that none is lost, however a request ends.
pub(super) struct Bill {
    memory_bytes: u64,
    started: Instant,
    cpu: Duration,
    aside: Aside,
    /// What is entered. Until somebody knows better, the client has left.
    pub(super) outcome: Outcome,
}

impl Bill {
    /// Begins a request that reserves so much memory, and for which other work goes on aside.
    pub(super) fn new(memory_bytes: u64, aside: Aside) -> Self {
        aside.meter.running.fetch_add(1, Relaxed);
        Self {
            memory_bytes,
            started: Instant::now(),
            cpu: Duration::ZERO,
            aside,
            outcome: Outcome::Abandoned,
        }
    }

    fn cpu(&self) -> Duration {
        self.cpu + self.aside.spent()
    }

    /// Runs `work` on this bill; `None` once the bill is above `limit` of processor time. A single poll
    /// is not interrupted, so `work` must pause now and then, as a function does at every tick.
    pub(super) async fn metered<W: Future>(
        &mut self,
        limit: Duration,
        work: W,
    ) -> Option<W::Output> {
        let work = std::pin::pin!(work);
        Metered {
            bill: self,
            limit,
            work,
        }
        .await
    }
}

impl Drop for Bill {
    fn drop(&mut self) {
        let wall = self.started.elapsed();
        let meter = &self.aside.meter;
        meter.bill(self.outcome, self.cpu(), wall, self.memory_bytes);
        meter.running.fetch_sub(1, Release);
    }
}

struct Metered<'a, 'w, W> {
    bill: &'a mut Bill,
    limit: Duration,
    work: Pin<&'w mut W>,
}

impl<W: Future> Future for Metered<'_, '_, W> {
    type Output = Option<W::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let before = thread_cpu();
        let polled = self.work.as_mut().poll(context);
        self.bill.cpu += thread_cpu().saturating_sub(before);
        match polled {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.bill.cpu() > self.limit => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// What goes on for a request beside its function: what it sends to others.
#[derive(Clone)]
pub(super) struct Aside {
    cpu_ns: Arc<AtomicU64>,
    meter: Arc<Meter>,
}

impl Aside {
    pub(super) fn new(meter: Arc<Meter>) -> Self {
        let cpu_ns = Arc::default();
        Self { cpu_ns, meter }
    }

    pub(super) fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// Does `work` at the request's expense.
    pub(super) fn metered<W: Future>(&self, work: W) -> impl Future<Output = W::Output> + use<W> {
        let cpu_ns = self.cpu_ns.clone();
        let mut work = Box::pin(work);
        std::future::poll_fn(move |context| {
            let before = thread_cpu();
            let polled = work.as_mut().poll(context);
            let cpu = thread_cpu().saturating_sub(before).as_nanos();
            cpu_ns.fetch_add(u64::try_from(cpu).unwrap_or(u64::MAX), Relaxed);
            polled
        })
    }

    fn spent(&self) -> Duration {
        Duration::from_nanos(self.cpu_ns.load(Relaxed))
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
    use super::{Aside, Bill, Meter, Outcome, mib_ms};
    use std::{sync::Arc, time::Duration};

    #[test]
    fn a_bill_is_rounded_up_once() {
        let meter = Meter::default();
        let tiny = Duration::from_nanos(1);
        meter.bill(Outcome::Answered, tiny, tiny, 64 << 10);
        let metrics = meter.read();
        assert_eq!((metrics.cpu_us, metrics.memory_mib_ms), (1, 1));
        assert_eq!(mib_ms(64 << 20, Duration::from_millis(1500)), 96_000);
    }

    #[test]
    fn a_request_that_nobody_ends_is_billed_and_a_shed_one_is_not() {
        let meter = Arc::new(Meter::default());
        drop(Bill::new(1 << 20, Aside::new(meter.clone())));
        let mut shed = Bill::new(1 << 20, Aside::new(meter.clone()));
        assert_eq!(meter.running(), 1);
        shed.outcome = Outcome::Shed;
        drop(shed);
        let metrics = meter.read();
        assert_eq!(
            (metrics.requests, metrics.abandoned, metrics.shed),
            (1, 1, 1)
        );
        assert_eq!(meter.running(), 0);
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
        let mut bill = Bill::new(1 << 20, Aside::new(Arc::default()));
        assert!(
            bill.metered(Duration::from_millis(5), busy())
                .await
                .is_none()
        );
        assert!(bill.cpu > Duration::from_millis(5));
    }

    #[tokio::test]
    async fn work_aside_is_on_the_same_bill() {
        let aside = Aside::new(Arc::default());
        let work = tokio::spawn(aside.metered(busy()));
        let mut bill = Bill::new(1 << 20, aside);
        let waiting = async {
            loop {
                tokio::task::yield_now().await;
            }
        };
        assert!(
            bill.metered(Duration::from_millis(50), waiting)
                .await
                .is_none()
        );
        assert!(bill.aside.spent() > bill.cpu);
        work.abort();
    }
}
