//! The chains of units that prove now: two threads each, which stop within a step when a worker is to have the unit.

use super::{Doing, Figures, Prove};
use crate::units::{Core, THREADS, of_thread, topology};
use capacity::randomx::{Cache, Dataset, FullVm, LightVm, Mode};
use capacity::work::{Chain, Outcome, Shelf};
use capacity::{Caches, Control, Statement};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Items of a dataset that are made again and compared when a window is done: some thirty milliseconds. A dataset of
/// which a part `a` is garbled passes with a probability of `(1 - a)^CHECKED`.
const CHECKED: usize = 1 << 14;

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

/// How far the two chains of a unit's window are.
#[derive(Clone)]
struct Progress {
    window: u64,
    leaves: u64,
    steps: u64,
    /// Leaves that were done before.
    before: u64,
    /// What `control` had counted before.
    base: u64,
    began: Instant,
    control: Control,
}

impl Progress {
    /// What it says of its unit.
    fn write(&self, figures: &mut Figures) {
        let hashes = self.control.done().saturating_sub(self.base);
        let leaves = self.before.saturating_add(hashes / self.steps.max(1));
        figures.window = self.window;
        figures.leaves = self.leaves;
        figures.leaves_done = leaves.min(self.leaves);
        // Of chains that were finished before, nothing is known.
        if hashes > 0 {
            figures.hashes_per_second = hashes as f64 / self.began.elapsed().as_secs_f64();
        }
    }
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
        let stopped = {
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
        let (stopped, datasets) = stopped;
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

    /// Begins to say how far chains are.
    fn follow(&self, statement: &Statement, chains: &[Chain; 2], control: &Control) -> Progress {
        let shape = &statement.shape;
        let progress = Progress {
            window: statement.window,
            leaves: 2 * u64::from(shape.leaves()),
            steps: shape.steps().into(),
            before: chains.iter().map(|chain| u64::from(chain.done())).sum(),
            base: control.done(),
            began: Instant::now(),
            control: control.clone(),
        };
        let mut state = self.state();
        if let Some(running) = state.running.get_mut(&statement.unit.unit)
            && running.window == statement.window
        {
            running.progress = Some(progress.clone());
        }
        progress
    }

    /// Both chains of a unit; whether they came to their ends.
    fn run(
        &self,
        statement: &Statement,
        shelf: &Shelf,
        control: &Control,
    ) -> Result<bool, Trouble> {
        let unit = statement.unit.unit;
        self.pin(unit, None);
        let seed = statement.unit.seed().to_vec();
        let cache = self.shared.caches.get(&statement.unit.key)?;
        let dataset = match self.shared.prove {
            Prove::Full => Some(self.dataset(unit, &seed, &cache, control)?),
            Prove::Light => None,
        };
        let mode = self.shared.mode;
        let chains = shelf.chains(statement)?;
        let progress = self.follow(statement, &chains, control);
        let outcomes = std::thread::scope(|scope| {
            let mut place = 0..THREADS;
            let threads = chains.map(|mut chain| {
                let (cache, seed, dataset) = (&cache, &seed, dataset.clone());
                let thread = place.next();
                scope.spawn(move || -> Result<Outcome, Trouble> {
                    self.pin(unit, thread);
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
        self.tally(unit, |figures| progress.write(figures));
        let [first, second] = outcomes;
        let finished = [first?, second?]
            .iter()
            .all(|outcome| matches!(outcome, Outcome::Finished(_)));
        if finished
            && let Some(dataset) = dataset
            && !self.is_sound(unit, &dataset, &cache, &seed)?
        {
            // A window that is missed costs its reward, a leaf that is wrong looks like fraud.
            shelf.discard(statement.window)?;
            return Ok(false);
        }
        Ok(finished)
    }

    /// Whether some items of a unit's dataset, drawn by lot, are still what they were made as. If not, it goes.
    fn is_sound(
        &self,
        unit: u16,
        dataset: &Dataset,
        cache: &Cache,
        seed: &[u8],
    ) -> Result<bool, Trouble> {
        let items = std::iter::repeat_with(rand::random).take(CHECKED);
        let wrong = dataset.wrong_items(cache, seed, items)?;
        self.tally(unit, |figures| {
            figures.items_checked += CHECKED as u64;
            figures.items_wrong += wrong as u64;
        });
        if wrong > 0 {
            tracing::error!(
                unit,
                wrong,
                of = CHECKED,
                "memory has garbled a dataset: it is made again, and the work of its window too"
            );
            self.state().datasets.remove(&unit);
        }
        Ok(wrong == 0)
    }

    /// The whole dataset of a unit, built if it has none of this seed.
    fn dataset(
        &self,
        unit: u16,
        seed: &[u8],
        cache: &Cache,
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
        self.tally(unit, |figures| figures.datasets_built += 1);
        let mut state = self.state();
        if !state.held.contains(&unit) {
            let entry = (seed.to_vec(), dataset.clone());
            state.datasets.insert(unit, entry);
        }
        Ok(dataset)
    }

    /// Keeps this thread on the core of a unit, where it has one: on all of it, or on what is that thread's.
    fn pin(&self, unit: u16, thread: Option<usize>) {
        let core = self.shared.cores.get(usize::from(unit));
        let Some(core) = core.filter(|core| !core.is_empty()) else {
            return;
        };
        let processors = thread.map_or_else(|| core.clone(), |thread| of_thread(core, thread));
        if let Err(error) = topology::pin(&processors) {
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
