//! What requests use. From the first day, also while nobody is billed by it.
//!
//! A request is billed once, when its function has ended for whatever reason: one request, its
//! processor time and its reserved memory, each rounded up. What other functions of the artifact do for it is on the same bill. Bytes of answers count as they leave.
//! What a request does not get (a shed one, a fault of this machine) is not billed.

use super::allowance::Allowance;
use crate::control::Metrics;
use std::{
    sync::{
        Arc,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
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
    allowance: Arc<Allowance>,
    meter: Arc<Meter>,
    /// What is entered. Until somebody knows better, the client has left.
    pub(super) outcome: Outcome,
}

impl Bill {
    /// Begins a request that reserves so much memory, and spends of `allowance`.
    pub(super) fn new(memory_bytes: u64, allowance: Arc<Allowance>, meter: Arc<Meter>) -> Self {
        meter.running.fetch_add(1, Relaxed);
        Self {
            memory_bytes,
            started: Instant::now(),
            allowance,
            meter,
            outcome: Outcome::Abandoned,
        }
    }
}

impl Drop for Bill {
    fn drop(&mut self) {
        let (wall, cpu) = (self.started.elapsed(), self.allowance.spent());
        self.meter.bill(self.outcome, cpu, wall, self.memory_bytes);
        self.meter.running.fetch_sub(1, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::{Allowance, Bill, Meter, Outcome, mib_ms};
    use crate::config::Limits;
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
        let bill = || Bill::new(1 << 20, Allowance::new(&Limits::default()), meter.clone());
        drop(bill());
        let mut shed = bill();
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
}
