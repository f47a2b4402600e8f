//! What a function keeps from one request to the next: keys and values in a file of this machine.
//!
//! Every write is seen by every later request at once, and is on disk within [`FLUSH`]: a worker that is stopped loses
//! nothing, one that is killed loses what it wrote last.

use super::{Refusal, process};
use crate::config::Limits;
use redb::{
    Database, Durability, Error, ReadableDatabase as _, ReadableTable, Table, TableDefinition,
};
use std::{
    fs::OpenOptions,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

/// Values by bucket and key.
const PAIRS: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("pairs");

/// How much there is.
const USED: TableDefinition<'_, &str, u64> = TableDefinition::new("used");
const KEYS: &str = "keys";
const BYTES: &str = "bytes";

/// How long a write may take to reach the disk.
const FLUSH: Duration = Duration::from_millis(200);

/// So much that was written is put on disk at once, by whoever writes it.
const UNFLUSHED_BYTES: u64 = 4 << 20;

/// What one write costs beside its bytes: pages of the file.
const WRITE_BYTES: u64 = 16 << 10;

/// Memory for pages of the file.
const CACHE_BYTES: usize = 4 << 20;

/// Bytes of a key, and of the name of a bucket.
const NAME_BYTES: usize = 256;

/// Keys in one list.
const LISTED: usize = 100;

/// Bytes that one call may read.
const READ_BYTES: usize = 2 << 20;

/// The state of one deal's function on one peer.
pub(super) struct State {
    database: Database,
    bytes: u64,
    keys: u64,
    value_bytes: usize,
    /// Written since the last flush.
    unflushed: AtomicU64,
}

/// Why a call did not do what it should, in words for the function.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("a key has at most {NAME_BYTES} bytes")]
    Key,
    #[error("a value has at most {0} bytes here")]
    Value(usize),
    #[error("there may be {0} keys, and so many there are")]
    Keys(u64),
    #[error("keys and values may have {0} bytes together, and would have more")]
    Bytes(u64),
    #[error("so much cannot be read at once; at most {READ_BYTES} bytes are")]
    Read,
    #[error("the value is no decimal number below 2^64, or would not be one")]
    NoNumber,
    #[error("the state cannot be read or written")]
    Broken(#[source] Error),
}

impl<E: Into<Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Broken(error.into())
    }
}

/// A key and its value.
type Pair = (String, Vec<u8>);

/// One list of keys, and where the next one begins.
pub(super) struct Listed {
    pub(super) keys: Vec<String>,
    pub(super) next: Option<u64>,
}

impl State {
    /// Opens the file at `path`, which no other process has open; makes it if there is none.
    ///
    /// # Errors
    /// It cannot be used.
    pub(super) fn open(path: &Path, limits: &Limits) -> Result<Arc<Self>, Refusal> {
        process::own_folder(path.parent().unwrap_or(Path::new(".")))?;
        let what = format!("cannot keep state in {}", path.display());
        let mut options = OpenOptions::new();
        let made = options
            .read(true)
            .write(true)
            .create(true)
            .mode(0o600)
            .open(path);
        made.map_err(|error| Refusal::host(&what, &error))?;
        let state = Self::create(path, limits).map_err(|error| Refusal::host(&what, &error))?;
        let state = Arc::new(state);
        let flushed = Arc::downgrade(&state);
        let flusher = thread::Builder::new().name("flusher".into());
        let started = flusher.spawn(move || flush(&flushed));
        started.map_err(|error| Refusal::host(&what, &error))?;
        Ok(state)
    }

    fn create(path: &Path, limits: &Limits) -> Result<Self, Error> {
        let mut database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create(path)?;
        // What was deleted gives its room back, once for each start.
        database.compact()?;
        let write = database.begin_write()?;
        write.open_table(PAIRS)?;
        write.open_table(USED)?;
        write.commit()?;
        Ok(Self {
            database,
            bytes: limits.state_bytes,
            keys: limits.state_keys.into(),
            value_bytes: limits.state_value_bytes as usize,
            unflushed: AtomicU64::new(0),
        })
    }

    pub(super) fn get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        let pairs = self.database.begin_read()?.open_table(PAIRS)?;
        Ok(pairs
            .get((bucket, key))?
            .map(|value| value.value().to_vec()))
    }

    pub(super) fn exists(&self, bucket: &str, key: &str) -> Result<bool, Fault> {
        let pairs = self.database.begin_read()?.open_table(PAIRS)?;
        Ok(pairs.get((bucket, key))?.is_some())
    }

    /// The values of several keys, of one moment.
    pub(super) fn get_many(
        &self,
        bucket: &str,
        keys: Vec<String>,
    ) -> Result<Vec<Option<Pair>>, Fault> {
        let pairs = self.database.begin_read()?.open_table(PAIRS)?;
        let mut left = READ_BYTES;
        let mut found = Vec::new();
        for key in keys {
            let value = pairs.get((bucket, key.as_str()))?;
            let value = value.map(|value| value.value().to_vec());
            let bytes = key.len() + value.as_ref().map_or(0, Vec::len);
            left = left.checked_sub(bytes).ok_or(Fault::Read)?;
            found.push(value.map(|value| (key, value)));
        }
        Ok(found)
    }

    /// Keys in order, from the one at place `from` on.
    pub(super) fn list(&self, bucket: &str, from: u64) -> Result<Listed, Fault> {
        let pairs = self.database.begin_read()?.open_table(PAIRS)?;
        let from = from.min(self.keys);
        let skipped = usize::try_from(from).unwrap_or(usize::MAX);
        let mut keys = Vec::new();
        for entry in pairs.range((bucket, "")..)?.skip(skipped) {
            let (key, _) = entry?;
            let (its_bucket, key) = key.value();
            if its_bucket != bucket {
                break;
            }
            if keys.len() == LISTED {
                let next = Some(from + LISTED as u64);
                return Ok(Listed { keys, next });
            }
            keys.push(key.to_owned());
        }
        Ok(Listed { keys, next: None })
    }

    /// Sets all of these, or none.
    pub(super) fn set(&self, bucket: &str, pairs: &[Pair]) -> Result<(), Fault> {
        self.write(|change| {
            pairs
                .iter()
                .try_for_each(|(key, value)| change.set(bucket, key, value))
        })
    }

    /// Deletes all of these; those that are not there are no fault.
    pub(super) fn delete(&self, bucket: &str, keys: &[String]) -> Result<(), Fault> {
        self.write(|change| keys.iter().try_for_each(|key| change.delete(bucket, key)))
    }

    /// Adds to a number, which is 0 if it is not there; gives the sum.
    pub(super) fn increment(&self, bucket: &str, key: &str, delta: u64) -> Result<u64, Fault> {
        self.write(|change| {
            let number = match change.pairs.get((bucket, key))? {
                Some(value) => {
                    let text = std::str::from_utf8(value.value()).map_err(|_| Fault::NoNumber)?;
                    text.parse().map_err(|_| Fault::NoNumber)?
                }
                None => 0,
            };
            let sum = delta.checked_add(number).ok_or(Fault::NoNumber)?;
            change.set(bucket, key, sum.to_string().as_bytes())?;
            Ok(sum)
        })
    }

    /// Makes a change: all of it is seen at once, or nothing of it ever.
    fn write<T>(
        &self,
        work: impl FnOnce(&mut Change<'_, '_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut write = self.database.begin_write()?;
        let mut done = 0;
        let result = {
            let mut used = write.open_table(USED)?;
            let mut change = Change {
                state: self,
                keys: counter(&used, KEYS)?,
                bytes: counter(&used, BYTES)?,
                pairs: write.open_table(PAIRS)?,
                written: &mut done,
            };
            let result = work(&mut change)?;
            let (keys, bytes) = (change.keys, change.bytes);
            drop(change);
            used.insert(KEYS, keys)?;
            used.insert(BYTES, bytes)?;
            result
        };
        let written = self.unflushed.fetch_add(done, Relaxed) + done;
        let durability = if written < UNFLUSHED_BYTES {
            Durability::None
        } else {
            self.unflushed.store(0, Relaxed);
            Durability::Immediate
        };
        write.set_durability(durability)?;
        write.commit()?;
        Ok(result)
    }

    /// Puts on disk what is not there yet.
    pub(super) fn flush(&self) -> Result<(), Error> {
        if self.unflushed.swap(0, Relaxed) > 0 {
            self.database.begin_write()?.commit()?;
        }
        Ok(())
    }
}

/// A change that is being made.
struct Change<'s, 't> {
    state: &'s State,
    pairs: Table<'t, (&'static str, &'static str), &'static [u8]>,
    keys: u64,
    bytes: u64,
    written: &'s mut u64,
}

impl Change<'_, '_> {
    fn set(&mut self, bucket: &str, key: &str, value: &[u8]) -> Result<(), Fault> {
        if key.len() > NAME_BYTES {
            return Err(Fault::Key);
        }
        if value.len() > self.state.value_bytes {
            return Err(Fault::Value(self.state.value_bytes));
        }
        let before = self.pairs.insert((bucket, key), value)?;
        let before = before.map(|value| value.value().len());
        *self.written += WRITE_BYTES + value.len() as u64;
        let bytes = size(bucket, key, value.len());
        match before {
            Some(length) => self.bytes = self.bytes.saturating_sub(size(bucket, key, length)),
            None => self.keys += 1,
        }
        self.bytes += bytes;
        if self.keys > self.state.keys {
            return Err(Fault::Keys(self.state.keys));
        }
        if self.bytes > self.state.bytes {
            return Err(Fault::Bytes(self.state.bytes));
        }
        Ok(())
    }

    fn delete(&mut self, bucket: &str, key: &str) -> Result<(), Fault> {
        let before = self.pairs.remove((bucket, key))?;
        *self.written += WRITE_BYTES;
        if let Some(length) = before.map(|value| value.value().len()) {
            self.keys = self.keys.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(size(bucket, key, length));
        }
        Ok(())
    }
}

fn size(bucket: &str, key: &str, value: usize) -> u64 {
    (bucket.len() + key.len() + value) as u64
}

fn counter(used: &impl ReadableTable<&'static str, u64>, name: &str) -> Result<u64, Fault> {
    Ok(used.get(name)?.map_or(0, |count| count.value()))
}

/// Until the state is closed.
fn flush(state: &Weak<State>) {
    loop {
        thread::sleep(FLUSH);
        let Some(state) = state.upgrade() else {
            return;
        };
        // The next write meets the same trouble, and says so.
        let _ = state.flush();
    }
}

#[cfg(test)]
mod tests;
