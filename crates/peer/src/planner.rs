//! Decides what a peer does next: what the chain wants against what there is.
//!
//! [`Planner::handle`] takes one event and the time, and returns actions. It does no I/O, reads no
//! clock and keeps nothing on disk: after a restart it learns from [`Event::Inventory`] which
//! workers run and which artifacts are there, and goes on. An action that nobody answers is asked
//! for again, so whoever carries actions out must bear to be asked twice.
//!
//! Promises (`docs/spec/peer.md`, Planner): P1 to P10, named where they are kept.

mod plan;
#[cfg(test)]
mod tests;

use crate::observer::View;
use marketplace::{
    demand::Artifact,
    units::{DealId, Hash, PeerId, WorkerId},
    worker::{Call, Obstacle},
};
use std::collections::BTreeMap;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// What there is: comes once, before anything is done. (P1)
    Inventory {
        /// Workers that run.
        workers: Vec<Process>,
        /// Artifacts whose bytes are here.
        artifacts: Vec<Hash>,
    },
    /// What the chain says.
    View(View),
    /// [`Action::Fetch`] ended.
    Fetched {
        /// What was fetched.
        artifact: Hash,
        /// Whether the bytes are here.
        outcome: Result<(), Failure>,
    },
    /// [`Action::Start`] ended.
    Started {
        /// Which worker.
        worker: WorkerId,
        /// Whether it serves.
        outcome: Result<(), Failure>,
    },
    /// The worker's process is no more, whether or not it was asked to stop.
    Ended {
        /// Which worker.
        worker: WorkerId,
    },
    /// [`Action::Send`] ended.
    Sent {
        /// What was sent.
        call: Call,
        /// Whether it took effect.
        ok: bool,
    },
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Get the bytes of an artifact from its sources or from the deal's peers.
    Fetch {
        /// For whom.
        deal: DealId,
        /// What.
        artifact: Artifact,
    },
    /// Delete the bytes of an artifact that no worker needs, if they are here; before the next event is handled.
    Discard {
        /// Which.
        artifact: Hash,
    },
    /// Start a worker; one that runs already is left alone.
    Start {
        /// Which.
        process: Process,
        /// For each of its units the logical processors to run on.
        processors: Vec<Vec<u32>>,
    },
    /// Let a worker end its requests and exit; one that is not there is reported as ended.
    Stop {
        /// Which.
        process: Process,
    },
    /// Send a call to the chain.
    Send(Call),
}

/// A worker's process: what it is for, and what it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Which worker.
    pub worker: WorkerId,
    /// Whom it serves.
    pub deal: DealId,
    /// What it runs.
    pub artifact: Hash,
    /// Indices of its compute units.
    pub units: Vec<u16>,
}

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It would end the same on any peer.
    Never(Obstacle),
    /// The world's: another attempt may do.
    Trouble,
}

/// What the planner goes by. Times are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whose workers these are.
    pub peer: PeerId,
    /// The logical processors of each compute unit, by index. A unit with none is not pinned.
    pub units: Vec<Vec<u32>>,
    /// Distance of reports while workers run.
    pub report_ms: u64,
    /// A call to the chain without visible effect is sent again after this.
    pub resend_ms: u64,
    /// Fetching, starting or stopping without an end is asked for again after this.
    pub patience_ms: u64,
    /// The pause after the first failed attempt; it doubles with each.
    pub pause_ms: u64,
    /// So many attempts fail before a worker is given up.
    pub attempts: u32,
    /// A worker that ran for so long before it ended begins with all its attempts again.
    pub stable_ms: u64,
    /// Bytes that no worker needs are kept for so long: a deal that ran out of money may go on.
    pub retain_ms: u64,
    /// So many artifacts are kept that way at most.
    pub retain: usize,
}

impl Settings {
    /// The usual settings of a peer with these units, which reports every `report_ms`.
    #[must_use]
    pub fn new(peer: PeerId, units: Vec<Vec<u32>>, report_ms: u64) -> Self {
        Self {
            peer,
            units,
            report_ms,
            resend_ms: report_ms.clamp(1_000, 10_000),
            patience_ms: 120_000,
            pause_ms: 500,
            attempts: 6,
            stable_ms: 60_000,
            retain_ms: 86_400_000,
            retain: 16,
        }
    }
}

/// The decisions of one peer.
#[derive(Clone, Debug)]
pub struct Planner {
    settings: Settings,
    /// False until the inventory is known.
    is_open: bool,
    view: Option<View>,
    workers: BTreeMap<WorkerId, Worker>,
    artifacts: BTreeMap<Hash, Bytes>,
    report: Option<Report>,
}

/// What is known of a worker beyond what the chain says.
#[derive(Clone, Debug, Default)]
struct Worker {
    process: Option<(Process, Phase)>,
    attempts: Attempts,
    /// What the attempts are about: another artifact begins with all of them.
    tried: Hash,
    /// What the chain was last told about it, and when.
    told: Option<(Call, u64)>,
}

/// Where a process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting { asked: u64 },
    Running { since: u64 },
    Stopping { asked: u64 },
}

/// What is known of an artifact.
#[derive(Clone, Debug, Default)]
struct Bytes {
    place: Place,
    attempts: Attempts,
    /// Since when no worker needs them.
    idle: Option<u64>,
}

/// Where the bytes of an artifact are.
#[derive(Clone, Copy, Debug, Default)]
enum Place {
    Here,
    Coming {
        asked: u64,
    },
    #[default]
    Missing,
}

/// What came of earlier attempts.
#[derive(Clone, Copy, Debug, Default)]
struct Attempts {
    failed: u32,
    /// No other attempt before this.
    wait_until: u64,
    given_up: Option<Failure>,
}

/// The report that was sent last.
#[derive(Clone, Debug)]
struct Report {
    sent: u64,
    is_done: bool,
    stopped: Vec<WorkerId>,
}

impl Planner {
    /// A planner that knows nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            is_open: false,
            view: None,
            workers: BTreeMap::new(),
            artifacts: BTreeMap::new(),
            report: None,
        }
    }

    /// Takes in an event at `now` (milliseconds, never going back) and says what to do next.
    pub fn handle(&mut self, event: Event, now: u64) -> Vec<Action> {
        match event {
            Event::Inventory { workers, artifacts } => self.take_stock(workers, artifacts, now),
            Event::View(view) => self.look(view),
            Event::Fetched { artifact, outcome } => self.fetched(artifact, outcome, now),
            Event::Started { worker, outcome } => self.started(worker, outcome, now),
            Event::Ended { worker } => self.ended(worker, now),
            Event::Sent { call, ok } => self.sent(&call, ok),
            Event::Tick => {}
        }
        self.plan(now)
    }

    fn take_stock(&mut self, workers: Vec<Process>, artifacts: Vec<Hash>, now: u64) {
        if self.is_open {
            return;
        }
        self.is_open = true;
        for process in workers {
            let known = self.workers.entry(process.worker).or_default();
            known.process = Some((process, Phase::Running { since: now }));
        }
        for artifact in artifacts {
            self.artifacts.entry(artifact).or_default().place = Place::Here;
        }
    }

    fn look(&mut self, view: View) {
        let last = self.view.as_ref().map(|view| view.height);
        if last.is_none_or(|last| last <= view.height) {
            self.view = Some(view);
        }
    }

    fn fetched(&mut self, artifact: Hash, outcome: Result<(), Failure>, now: u64) {
        let bytes = self.artifacts.entry(artifact).or_default();
        match outcome {
            Ok(()) => bytes.place = Place::Here,
            Err(failure) => {
                // An answer that comes after the bytes, or twice, is no news.
                if matches!(bytes.place, Place::Coming { .. }) {
                    bytes.place = Place::Missing;
                    bytes.attempts.fail(failure, now, &self.settings);
                }
            }
        }
    }

    fn started(&mut self, worker: WorkerId, outcome: Result<(), Failure>, now: u64) {
        let Some(known) = self.workers.get_mut(&worker) else {
            return;
        };
        match (&mut known.process, outcome) {
            (Some((_, phase @ Phase::Starting { .. })), Ok(())) => {
                *phase = Phase::Running { since: now };
            }
            (Some((_, Phase::Starting { .. } | Phase::Stopping { .. })), Err(failure)) => {
                known.process = None;
                known.attempts.fail(failure, now, &self.settings);
            }
            _ => {}
        }
    }

    fn ended(&mut self, worker: WorkerId, now: u64) {
        let Some(known) = self.workers.get_mut(&worker) else {
            return;
        };
        match known.process.take() {
            Some((_, Phase::Running { since })) => {
                if now.saturating_sub(since) >= self.settings.stable_ms {
                    known.attempts = Attempts::default();
                }
                known.attempts.fail(Failure::Trouble, now, &self.settings);
            }
            // Until `Started` has come, it may still be there.
            Some((process, phase @ Phase::Starting { .. })) => {
                known.process = Some((process, phase));
            }
            Some((_, Phase::Stopping { .. })) | None => {}
        }
    }

    fn sent(&mut self, call: &Call, ok: bool) {
        if let (Call::Report { stopped, .. }, Some(report)) = (call, &mut self.report)
            && report.stopped == *stopped
        {
            report.is_done |= ok;
        }
    }
}

impl Attempts {
    /// Counts a failed attempt. (P6)
    fn fail(&mut self, failure: Failure, now: u64, settings: &Settings) {
        let pause = settings.pause_ms.saturating_mul(1 << self.failed.min(16));
        self.wait_until = now.saturating_add(pause);
        self.failed = self.failed.saturating_add(1);
        if matches!(failure, Failure::Never(_)) || self.failed >= settings.attempts {
            self.given_up = Some(failure);
        }
    }
}
