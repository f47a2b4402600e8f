//! Connections to workers that stay open from one request to the next.

use super::{
    answer::Body,
    count::{Counted, Written},
};
use crate::overlay::BoxStream;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use marketplace::units::WorkerId;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio_util::task::AbortOnDropHandle;

/// Less than a worker waits for a next request, so that it is seldom the worker who closes.
const IDLE: Duration = Duration::from_secs(20);
/// Connections that wait, of one worker.
const PER_WORKER: usize = 64;
/// Connections that wait, in all.
const IN_ALL: usize = 4096;

/// A connection to a worker. It ends with this.
pub(super) struct Lane {
    pub(super) sender: SendRequest<Body>,
    /// Whether it has carried a request before.
    pub(super) is_used: bool,
    /// What was written to it: all of it belongs to requests that are over, when another is given to it.
    pub(super) written: Written,
    since: Instant,
    _driver: AbortOnDropHandle<()>,
}

impl Lane {
    /// Over a stream that nothing was sent on.
    pub(super) async fn open(stream: BoxStream) -> Result<Self, hyper::Error> {
        let (stream, written) = Counted::new(stream);
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let driver = AbortOnDropHandle::new(tokio::spawn(async move {
            // What goes wrong is told to the request, too.
            let _ = connection.await;
        }));
        Ok(Self {
            sender,
            is_used: false,
            written,
            since: Instant::now(),
            _driver: driver,
        })
    }

    fn is_good(&self) -> bool {
        !self.sender.is_closed() && self.since.elapsed() < IDLE
    }
}

/// Connections that no request uses.
#[derive(Default)]
pub(super) struct Pool {
    lanes: Mutex<Lanes>,
}

#[derive(Default)]
struct Lanes {
    of: BTreeMap<WorkerId, Vec<Lane>>,
    count: usize,
}

impl Pool {
    /// The one that was used last: the others may end.
    pub(super) fn take(&self, worker: WorkerId) -> Option<Lane> {
        let mut lanes = self.lanes();
        let waiting = lanes.of.get_mut(&worker)?;
        let before = waiting.len();
        while waiting.pop_if(|lane| !lane.is_good()).is_some() {}
        // One whose request is not sent to its end, though its answer has come, is not ready.
        let ready = waiting.iter().rposition(|lane| lane.sender.is_ready());
        let taken = ready.map(|index| waiting.remove(index));
        lanes.count -= before - lanes.of[&worker].len();
        taken.filter(Lane::is_good)
    }

    /// Keeps a connection whose answer has come to its end.
    pub(super) fn put(&self, worker: WorkerId, mut lane: Lane) {
        let mut lanes = self.lanes();
        if lanes.count >= IN_ALL || lane.sender.is_closed() {
            return;
        }
        let waiting = lanes.of.entry(worker).or_default();
        if waiting.len() < PER_WORKER {
            lane.since = Instant::now();
            lane.is_used = true;
            waiting.push(lane);
            lanes.count += 1;
        }
    }

    /// Forgets all of a worker: one of them broke off, and the others may not have noticed yet.
    pub(super) fn forget(&self, worker: WorkerId) {
        let mut lanes = self.lanes();
        let gone = lanes.of.remove(&worker);
        lanes.count -= gone.map_or(0, |gone| gone.len());
    }

    /// Forgets those that ended, or that nobody used for a while.
    pub(super) fn sweep(&self) {
        let mut lanes = self.lanes();
        lanes.of.retain(|_, waiting| {
            waiting.retain(Lane::is_good);
            !waiting.is_empty()
        });
        lanes.count = lanes.of.values().map(Vec::len).sum();
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
