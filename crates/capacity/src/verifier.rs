//! What a validator checks answers with: two caches for all threads, and a machine for each. (E14)

use crate::{
    Audit, Digest, Verdict,
    randomx::{Cache, Error as RandomX, LightVm, Mode},
};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Caches that exist at any time.
pub const MAX_CACHES: usize = 2;

/// Why an answer could not be judged. It says nothing about the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The audit is of a key period that [`Caches::keep`] does not name.
    #[error("the key of this audit is not kept")]
    UnknownKey,
    /// No memory for a cache or machine. Trying again may help.
    #[error("no memory to verify with")]
    NoMemory,
}

/// The caches of the two key periods whose work is audited, shared by all threads. Never more than two are in memory:
/// where a third is wanted, it waits until nobody uses one of those that are not kept any more.
#[derive(Debug)]
pub struct Caches {
    mode: Mode,
    places: Arc<Places>,
    kept: Mutex<Vec<(Digest, Arc<Entry>)>>,
}

/// A cache that is made when it is first wanted.
type Entry = Mutex<Option<Arc<Held>>>;

/// A cache that takes one of two places.
#[derive(Debug)]
pub struct Held {
    /// Freed first.
    cache: Cache,
    _place: Place,
}

impl std::ops::Deref for Held {
    type Target = Cache;

    fn deref(&self) -> &Cache {
        &self.cache
    }
}

/// Counts places taken.
#[derive(Debug, Default)]
struct Places {
    taken: Mutex<usize>,
    freed: Condvar,
}

/// One place, as long as this lives.
#[derive(Debug)]
struct Place(Arc<Places>);

impl Places {
    /// Takes a place, when there is one.
    fn take(self: &Arc<Self>) -> Place {
        let mut taken = lock(&self.taken);
        while *taken >= MAX_CACHES {
            taken = self
                .freed
                .wait(taken)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *taken += 1;
        Place(Arc::clone(self))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *lock(&self.0.taken) -= 1;
        self.0.freed.notify_one();
    }
}

impl Caches {
    /// None yet. Verifiers run what others made up, so their `mode` should be [`secure`](Mode::secure).
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            places: Arc::default(),
            kept: Mutex::default(),
        }
    }

    /// From now on audits are of these two key periods at most. A cache of another one goes as soon as nobody uses it.
    /// Returns at once: caches are made when they are wanted, or by [`prepare`](Self::prepare).
    pub fn keep(&self, key: Digest, other: Option<Digest>) {
        let mut keys = vec![key];
        keys.extend(other.filter(|other| *other != key));
        let mut kept = lock(&self.kept);
        kept.retain(|(key, _)| keys.contains(key));
        for key in keys {
            if kept.iter().all(|(other, _)| *other != key) {
                kept.push((key, Arc::default()));
            }
        }
    }

    /// Makes the cache of a key that is kept, if it is not there: some tenths of a second. Others that want the same
    /// one wait for it.
    ///
    /// # Errors
    /// If the key is not kept, or there is no memory.
    pub fn prepare(&self, key: &Digest) -> Result<(), Error> {
        self.get(key).map(drop)
    }

    /// The cache of a key that is kept, made if it is not there. Whoever has it keeps it in memory.
    ///
    /// # Errors
    /// If the key is not kept, or there is no memory.
    pub fn get(&self, key: &Digest) -> Result<Arc<Held>, Error> {
        let entry = {
            let kept = lock(&self.kept);
            let mut entries = kept.iter().filter(|(other, _)| other == key);
            let (_, entry) = entries.next().ok_or(Error::UnknownKey)?;
            Arc::clone(entry)
        };
        let mut cache = lock(&entry);
        if let Some(cache) = &*cache {
            return Ok(Arc::clone(cache));
        }
        let place = self.places.take();
        let made = Held {
            cache: Cache::new(key, self.mode).map_err(no_memory)?,
            _place: place,
        };
        Ok(Arc::clone(cache.insert(Arc::new(made))))
    }

    /// How many are in memory now.
    pub fn count(&self) -> usize {
        *lock(&self.places.taken)
    }
}

/// What was changed under a lock is whole at every moment, so a panic of another thread does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn no_memory(_: RandomX) -> Error {
    Error::NoMemory
}

/// What one thread checks answers with. Between two answers it holds no cache.
#[derive(Debug)]
pub struct Verifier {
    caches: Arc<Caches>,
    vm: LightVm,
}

impl Verifier {
    /// A verifier that takes caches from there.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn new(caches: Arc<Caches>) -> Result<Self, Error> {
        let vm = LightVm::new(caches.mode).map_err(no_memory)?;
        Ok(Self { caches, vm })
    }

    /// What an answer is worth. The form comes first: only an answer that shows what was committed to makes a cache,
    /// and costs [`Audit::cost`] hashes.
    ///
    /// # Errors
    /// If it could not be judged, which says nothing about the answer.
    pub fn judge(&mut self, audit: &Audit, bytes: &[u8]) -> Result<Verdict, Error> {
        let answer = match audit.inspect(bytes) {
            Ok(answer) => answer,
            Err(malformed) => return Ok(Verdict::Malformed(malformed)),
        };
        let unit = &audit.statement.unit;
        let cache = self.caches.get(&unit.key)?;
        let mut step = self.vm.load(&cache, &unit.seed()).map_err(no_memory)?;
        Ok(audit.recompute(&answer, &mut step))
    }
}
