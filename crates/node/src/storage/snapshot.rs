//! All rows at one height, in one file that proves itself whole.
//!
//! `version u8 ‖ rows u64 ‖ (key length u32, key, value length u32, value)* ‖ sha256 of all before`. The file's
//! name is its height. A file that was being written when the node died does not match its hash and is removed.

use super::Error;
use commonware_cryptography::{Hasher as _, Sha256};
use commonware_runtime::{Blob as _, ReadOptions, WriteOptions};
use commonware_storage::Context;
use execution::state::{Diff, Rows};

const VERSION: u8 = 1;
const DIGEST_BYTES: usize = 32;
/// What is written or read at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// The folder of snapshots; it holds at most two.
pub(super) struct Snapshots<E: Context> {
    context: E,
    partition: String,
}

/// A snapshot that was read back.
pub(super) struct Snapshot {
    pub(super) height: u64,
    pub(super) rows: Rows,
    pub(super) bytes: u64,
}

impl<E: Context> Snapshots<E> {
    pub(super) fn new(context: E, partition: &str) -> Self {
        Self {
            context,
            partition: format!("{partition}-snapshots"),
        }
    }

    /// The newest snapshot that is whole; others are removed.
    pub(super) async fn load(&self) -> Result<Option<Snapshot>, Error> {
        let mut heights = self.heights().await?;
        while let Some(height) = heights.pop() {
            let (blob, length) = self
                .context
                .open(&self.partition, &height.to_be_bytes())
                .await?;
            let mut file = Vec::new();
            while (file.len() as u64) < length {
                let size =
                    CHUNK_BYTES.min(usize::try_from(length).unwrap_or(usize::MAX) - file.len());
                let chunk = blob
                    .read_at(file.len() as u64, size, ReadOptions::DONT_CACHE)
                    .await?;
                file.extend_from_slice(chunk.coalesce().as_ref());
            }
            drop(blob);
            if let Some(rows) = decode(&file) {
                self.keep_only(Some(height)).await?;
                return Ok(Some(Snapshot {
                    height,
                    rows,
                    bytes: length,
                }));
            }
        }
        self.keep_only(None).await?;
        Ok(None)
    }

    /// Writes and syncs a snapshot; gives its size in bytes.
    pub(super) async fn write(&self, height: u64, file: Vec<u8>) -> Result<u64, Error> {
        let (blob, _) = self
            .context
            .open(&self.partition, &height.to_be_bytes())
            .await?;
        blob.resize(0).await?;
        let mut offset = 0;
        for chunk in file.chunks(CHUNK_BYTES) {
            blob.write_at(offset, chunk.to_vec(), WriteOptions::DONT_CACHE)
                .await?;
            offset += chunk.len() as u64;
        }
        blob.sync().await?;
        Ok(offset)
    }

    /// Removes every file but that of `height`.
    pub(super) async fn keep_only(&self, height: Option<u64>) -> Result<(), Error> {
        for other in self.heights().await? {
            if Some(other) != height {
                self.context
                    .remove(&self.partition, Some(&other.to_be_bytes()))
                    .await?;
            }
        }
        Ok(())
    }

    async fn heights(&self) -> Result<Vec<u64>, Error> {
        let names = match self.context.scan(&self.partition).await {
            Ok(names) => names,
            Err(commonware_runtime::Error::PartitionMissing(_)) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let mut heights: Vec<_> = names
            .into_iter()
            .filter_map(|name| Some(u64::from_be_bytes(name.try_into().ok()?)))
            .collect();
        heights.sort_unstable();
        Ok(heights)
    }
}

/// The file that holds `rows`.
pub(super) fn encode(rows: &Rows) -> Vec<u8> {
    let mut file = vec![VERSION];
    file.extend_from_slice(&(rows.len() as u64).to_be_bytes());
    for (key, value) in rows.iter() {
        for part in [key, value] {
            let length = u32::try_from(part.len()).expect("a row is far below 4 GiB");
            file.extend_from_slice(&length.to_be_bytes());
            file.extend_from_slice(part);
        }
    }
    let digest = Sha256::hash(&[&file]);
    file.extend_from_slice(&digest);
    file
}

/// `None` unless the file is exactly what [`encode`] wrote.
fn decode(file: &[u8]) -> Option<Rows> {
    let (content, digest) = file.split_at_checked(file.len().checked_sub(DIGEST_BYTES)?)?;
    if Sha256::hash(&[content]).as_ref() != digest {
        return None;
    }
    let (&version, rest) = content.split_first()?;
    let (count, mut rest) = rest.split_first_chunk::<8>()?;
    if version != VERSION {
        return None;
    }
    let mut content = Diff::new();
    for _ in 0..u64::from_be_bytes(*count) {
        let (key, after) = part(rest)?;
        let (value, after) = part(after)?;
        content.insert(key.to_vec(), Some(value.to_vec()));
        rest = after;
    }
    let mut rows = Rows::default();
    rows.apply(&content);
    rest.is_empty().then_some(rows)
}

fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}
