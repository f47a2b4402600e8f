//! The pace of functions: one that runs pauses every millisecond.
//!
//! In a pause its limits are looked at, other requests have their turn, and so has whoever waits for its core. Left to
//! itself, a kernel takes the core from a function that began after a rest only at its own next tick, up to 4 ms later;
//! the gateway and the neighbours' requests would wait so long.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread::{self, Thread},
    time::Duration,
};
use wasmtime::{Engine, Store, UpdateDeadline};

/// From one pause to the next.
const TICK: Duration = Duration::from_millis(1);

/// Ticks without a function that runs, after which the ticker rests.
const REST: u32 = 100;

/// Whoever makes functions pause. A function that did not [begin](Pace::begin) here would never.
pub(super) struct Pace {
    /// Functions that run.
    running: Arc<AtomicU32>,
    ticker: Thread,
}

/// A function that runs, as long as this lives.
pub(super) struct Running<'a>(&'a AtomicU32);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Pace {
    /// Of all functions of this engine, as long as the process lives.
    ///
    /// # Errors
    /// There cannot be another thread.
    pub(super) fn new(engine: &Engine) -> io::Result<Self> {
        let running = Arc::new(AtomicU32::new(0));
        let (engine, looks) = (engine.clone(), running.clone());
        let ticker = thread::Builder::new().name("ticker".into());
        let ticker = ticker.spawn(move || tick(&engine, &looks))?;
        Ok(Self {
            running,
            ticker: ticker.thread().clone(),
        })
    }

    /// A function begins to run.
    pub(super) fn begin(&self) -> Running<'_> {
        if self.running.fetch_add(1, Ordering::SeqCst) == 0 {
            self.ticker.unpark();
        }
        Running(&self.running)
    }
}

/// Has functions in this store pause.
pub(super) fn keep<T>(store: &mut Store<T>) {
    store.epoch_deadline_callback(|_| {
        rustix::thread::sched_yield();
        Ok(UpdateDeadline::Yield(1))
    });
    resume(store);
}

/// The store is entered (again).
pub(super) fn resume<T>(store: &mut Store<T>) {
    store.set_epoch_deadline(1);
}

fn tick(engine: &Engine, running: &AtomicU32) {
    let mut idle = 0;
    loop {
        engine.increment_epoch();
        idle = match running.load(Ordering::SeqCst) {
            0 => idle + 1,
            _ => 0,
        };
        if idle < REST {
            thread::sleep(TICK);
        } else {
            // A function that has begun since that look has left a token, with which this returns at once.
            thread::park();
            idle = 0;
        }
    }
}
