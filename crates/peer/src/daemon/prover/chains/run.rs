//! One window of a unit: its dataset, and its two chains on the threads of its core.

use super::Chains;
use crate::daemon::prover::{Figures, Prove};
use crate::units::{THREADS, of_thread, topology};
use capacity::randomx::{Cache, Dataset, FullVm, LightVm};
use capacity::work::{Chain, Outcome, Shelf};
use capacity::{Control, Statement};
use std::{num::NonZeroUsize, sync::Arc, time::Instant};

/// Items of a dataset that are made again and compared when a window is done: some thirty milliseconds. A dataset of
/// which a part `a` is garbled passes with a probability of `(1 - a)^CHECKED`.
const CHECKED: usize = 1 << 14;

/// How far the two chains of a unit's window are.
#[derive(Clone)]
pub(super) struct Progress {
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
    pub(super) fn write(&self, figures: &mut Figures) {
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
    pub(super) fn run(
        &self,
        statement: &Statement,
        shelf: &Shelf,
        control: &Control,
    ) -> Result<bool, Trouble> {
        let unit = statement.unit.unit;
        self.pin(unit, None);
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
pub(super) enum Trouble {
    #[error(transparent)]
    RandomX(#[from] capacity::randomx::Error),
    #[error(transparent)]
    Cache(#[from] capacity::Error),
    #[error(transparent)]
    Work(#[from] capacity::work::Error),
    #[error("a thread of a chain panicked")]
    Panicked,
}
