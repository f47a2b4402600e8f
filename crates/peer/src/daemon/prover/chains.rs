//! The chains of units that prove now: two threads each, which stop within a step when a worker is to have the unit.

mod run;

use super::{Doing, Figures, Prove};
use crate::units::Core;
use capacity::randomx::{Dataset, Mode};
use capacity::work::Shelf;
use capacity::{Caches, Control, Statement};
use run::Progress;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// A handle to all chains of a peer; clones are the same.
#[derive(Clone)]
pub struct Chains {
    shared: Arc<Shared>,
}

struct Shared {
    caches: Arc<Caches>,
    mode: Mode,
    prove: Prove,
    /// Of each unit.
    cores: Vec<Core>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By unit.
    running: BTreeMap<u16, Running>,
    /// Units that workers have.
    held: BTreeSet<u16>,
    /// Whole datasets by unit, with the seed they were made of.
    datasets: BTreeMap<u16, (Vec<u8>, Arc<Dataset>)>,
    /// Of units that were ever asked about.
    figures: BTreeMap<u16, Figures>,
}

struct Running {
    window: u64,
    control: Control,
    /// How far its chains are, once they have begun.
    progress: Option<Progress>,
    /// Whether both chains came to their ends; nothing comes if they were stopped.
    over: oneshot::Receiver<bool>,
}

impl Chains {
    /// For units with these cores.
    pub(in crate::daemon) fn new(prove: Prove, cores: Vec<Core>) -> Self {
        let mode = Mode::fastest();
        let shared = Shared {
            caches: Arc::new(Caches::new(mode)),
            mode,
            prove,
            cores,
            state: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What was changed under the lock is whole at every moment.
        let state = self.shared.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the caches of these keys, and no others.
    pub fn keep(&self, key: [u8; 32], next: Option<[u8; 32]>) {
        self.shared.caches.keep(key, next);
    }

    /// Makes the chains of a unit, unless it has some or a worker has it.
    pub fn begin(&self, statement: Statement, shelf: Shelf) {
        let unit = statement.unit.unit;
        let mut state = self.state();
        if state.held.contains(&unit) || state.running.contains_key(&unit) {
            return;
        }
        let control = Control::new();
        let (done, over) = oneshot::channel();
        let running = Running {
            window: statement.window,
            control: control.clone(),
            progress: None,
            over,
        };
        let this = self.clone();
        let spawned = std::thread::Builder::new()
            .name(format!("prove-{unit}"))
            .spawn(move || {
                let outcome = this.run(&statement, &shelf, &control);
                let finished = outcome.unwrap_or_else(|error| {
                    tracing::warn!(%error, unit, window = statement.window, "a window is not proven");
                    false
                });
                // Nobody listens when the unit was released.
                let _ = done.send(finished);
            });
        match spawned {
            Ok(_) => _ = state.running.insert(unit, running),
            Err(error) => tracing::warn!(%error, "a unit has no thread to prove on"),
        }
    }

    /// Units whose chains are over, with their windows and whether they came to their ends.
    pub(super) fn reap(&self) -> Vec<(u16, u64, bool)> {
        let mut state = self.state();
        let mut over = Vec::new();
        for (unit, running) in &mut state.running {
            match running.over.try_recv() {
                Ok(finished) => over.push((*unit, running.window, finished)),
                Err(oneshot::error::TryRecvError::Closed) => {
                    over.push((*unit, running.window, false));
                }
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
        }
        for (unit, ..) in &over {
            state.running.remove(unit);
        }
        over
    }

    /// Stops the chains of windows before this one: it is too late for them.
    pub(super) fn stop_before(&self, window: u64) {
        let state = self.state();
        let late = state.running.values();
        late.filter(|running| running.window < window)
            .for_each(|running| running.control.stop());
    }

    /// Stops all that units do here that a worker is to have, and frees their datasets. They stay away until they are
    /// taken back.
    pub(in crate::daemon) async fn release(&self, units: &[u16]) {
        let (stopped, datasets) = {
            let mut state = self.state();
            state.held.extend(units);
            let stopped = units.iter().filter_map(|unit| {
                let running = state.running.remove(unit)?;
                running.control.stop();
                Some(running.over)
            });
            let stopped: Vec<_> = stopped.collect();
            let datasets: Vec<_> = units
                .iter()
                .filter_map(|unit| state.datasets.remove(unit))
                .collect();
            (stopped, datasets)
        };
        // Giving two GiB back takes some time, in which others may have the lock.
        drop(datasets);
        for over in stopped {
            // The thread is gone when its end of the channel is.
            let _ = over.await;
        }
    }

    /// Units that no worker has any more.
    pub(in crate::daemon) fn take_back(&self, units: &[u16]) {
        let mut state = self.state();
        state.held.retain(|unit| !units.contains(unit));
    }

    /// Notes how long it took until a worker had these units.
    pub(in crate::daemon) fn handed_over(&self, units: &[u16], took: Duration) {
        tracing::info!(?units, took_ms = took.as_millis(), "handed over");
        for unit in units {
            self.tally(*unit, |figures| {
                figures.handovers += 1;
                figures.handover = took;
            });
        }
    }

    /// Changes what is known of a unit.
    pub(super) fn tally(&self, unit: u16, change: impl FnOnce(&mut Figures)) {
        change(self.state().figures.entry(unit).or_default());
    }

    /// What is known of each unit.
    #[must_use]
    pub fn figures(&self) -> BTreeMap<u16, Figures> {
        let state = self.state();
        let units = 0..u16::try_from(self.shared.cores.len()).unwrap_or(u16::MAX);
        let figures = units.map(|unit| {
            let mut figures = state.figures.get(&unit).cloned().unwrap_or_default();
            let running = state.running.get(&unit);
            let progress = running.and_then(|running| running.progress.as_ref());
            if let Some(progress) = progress {
                progress.write(&mut figures);
            }
            figures.has_dataset = state.datasets.contains_key(&unit);
            figures.doing = match (state.held.contains(&unit), running, progress) {
                (true, ..) => Doing::Serving,
                (false, None, _) => Doing::Idle,
                (false, Some(_), None) => Doing::Preparing,
                (false, Some(_), Some(_)) => Doing::Proving,
            };
            (unit, figures)
        });
        figures.collect()
    }
}
