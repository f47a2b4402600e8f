//! The chains of units that prove now: two threads each, which stop within a step when a worker is to have the unit.

use super::Prove;
use capacity::randomx::{Dataset, FullVm, LightVm, Mode};
use capacity::{Caches, Control, Statement, work::Outcome, work::Shelf};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Threads of a unit.
const THREADS: usize = 2;

/// A handle to all chains of a peer; clones are the same.
#[derive(Clone)]
pub(in crate::daemon) struct Chains {
    shared: Arc<Shared>,
}

struct Shared {
    caches: Arc<Caches>,
    mode: Mode,
    prove: Prove,
    /// For each unit, the logical processors it runs on.
    processors: Vec<Vec<u32>>,
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
}

struct Running {
    window: u64,
    control: Control,
    /// Whether both chains came to their ends; nothing comes if they were stopped.
    over: oneshot::Receiver<bool>,
}

impl Chains {
    pub(in crate::daemon) fn new(prove: Prove, processors: Vec<Vec<u32>>) -> Self {
        let mode = Mode::fastest();
        let shared = Shared {
            caches: Arc::new(Caches::new(mode)),
            mode,
            prove,
            processors,
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
    pub(super) fn keep(&self, key: [u8; 32], next: Option<[u8; 32]>) {
        self.shared.caches.keep(key, next);
    }

    /// Makes the chains of a unit, unless it has some or a worker has it.
    pub(super) fn begin(&self, statement: Statement, shelf: Shelf) {
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
        let stopped = {
            let mut state = self.state();
            state.held.extend(units);
            let stopped = units.iter().filter_map(|unit| {
                let running = state.running.remove(unit)?;
                running.control.stop();
                Some(running.over)
            });
            let stopped: Vec<_> = stopped.collect();
            for unit in units {
                state.datasets.remove(unit);
            }
            stopped
        };
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

    /// Both chains of a unit; whether they came to their ends.
    fn run(
        &self,
        statement: &Statement,
        shelf: &Shelf,
        control: &Control,
    ) -> Result<bool, Trouble> {
        let unit = statement.unit.unit;
        self.pin(unit);
        let chains = shelf.chains(statement)?;
        // Neither cache nor dataset is needed to see that a peer died when all was done.
        if chains.iter().all(|chain| chain.root().is_some()) {
            return Ok(true);
        }
        let seed = statement.unit.seed().to_vec();
        let cache = self.shared.caches.get(&statement.unit.key)?;
        let dataset = match self.shared.prove {
            Prove::Full => Some(self.dataset(unit, &seed, &cache, control)?),
            Prove::Light => None,
        };
        let mode = self.shared.mode;
        let outcomes = std::thread::scope(|scope| {
            let threads = chains.map(|mut chain| {
                let (cache, seed, dataset) = (&cache, &seed, dataset.clone());
                scope.spawn(move || -> Result<Outcome, Trouble> {
                    self.pin(unit);
                    Ok(match dataset {
                        Some(dataset) => chain.run(&mut FullVm::new(dataset, mode)?, control)?,
                        None => {
                            let mut vm = LightVm::new(mode)?;
                            chain.run(&mut vm.load(cache, seed)?, control)?
                        }
                    })
                })
            });
            threads.map(|thread| thread.join().unwrap_or(Err(Trouble::Panicked)))
        });
        let [first, second] = outcomes;
        Ok(matches!(
            (first?, second?),
            (Outcome::Finished(_), Outcome::Finished(_))
        ))
    }

    /// The whole dataset of a unit, built if it has none of this seed.
    fn dataset(
        &self,
        unit: u16,
        seed: &[u8],
        cache: &capacity::randomx::Cache,
        control: &Control,
    ) -> Result<Arc<Dataset>, Trouble> {
        if let Some((of, dataset)) = self.state().datasets.get(&unit)
            && of == seed
        {
            return Ok(dataset.clone());
        }
        // The old one goes before there is a new one: a unit has room for one.
        self.state().datasets.remove(&unit);
        let mode = self.shared.mode;
        let threads = NonZeroUsize::new(THREADS).unwrap_or(NonZeroUsize::MIN);
        let dataset = Arc::new(Dataset::build(cache, seed, mode, threads, control)?);
        let mut state = self.state();
        if !state.held.contains(&unit) {
            let entry = (seed.to_vec(), dataset.clone());
            state.datasets.insert(unit, entry);
        }
        Ok(dataset)
    }

    /// Keeps this thread on the processors of a unit, where it has some.
    fn pin(&self, unit: u16) {
        let processors = self.shared.processors.get(usize::from(unit));
        let Some(processors) = processors.filter(|all| !all.is_empty()) else {
            return;
        };
        let mut set = CpuSet::new();
        for processor in processors {
            if let Ok(processor) = usize::try_from(*processor)
                && processor < CpuSet::MAX_CPU
            {
                set.set(processor);
            }
        }
        if let Err(error) = sched_setaffinity(None, &set) {
            tracing::warn!(%error, unit, "a unit proves unpinned");
        }
    }
}

/// Why a window is not proven.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    RandomX(#[from] capacity::randomx::Error),
    #[error(transparent)]
    Cache(#[from] capacity::Error),
    #[error(transparent)]
    Work(#[from] capacity::work::Error),
    #[error("a thread of a chain panicked")]
    Panicked,
}
