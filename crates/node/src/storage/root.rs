//! The authenticated database whose root stands in block headers.
//!
//! Its keys are hashes of row keys and its values hashes of rows: cells of fixed size that can be proven. Its
//! root depends on its history, so every block is exactly one batch, written in key order, empty blocks included.
//! The only file that knows the library's database, whose disk format may change: then it is rebuilt.

use super::Error;
use crate::block::Digest;
use commonware_cryptography::{Hasher as _, Sha256};
use commonware_parallel::Sequential;
use commonware_runtime::{Spawner, buffer::paged::CacheRef};
use commonware_storage::{
    Context,
    journal::contiguous::fixed::Config as LogConfig,
    mmr::{self, full::Config as MerkleConfig},
    qmdb::{
        any::{FixedConfig, batch::MerkleizedBatch, unordered::fixed},
        floor::Proportional,
    },
    translator::EightCap,
};
use commonware_utils::{NZU16, NZU64, NZUsize};
use execution::state::Diff;
use std::sync::Arc;

type Database<E> = fixed::Db<mmr::Family, E, Digest, Digest, Sha256, EightCap, Sequential>;
type Batch = MerkleizedBatch<mmr::Family, Digest, fixed::Update<Digest, Digest>, Sequential>;

/// After so many batches the library also writes what makes opening fast.
const SYNC_EVERY: u64 = 256;

pub(super) struct Root<E: Context + Spawner> {
    /// Taken while an operation runs, because the library's operations consume the database; an operation that
    /// fails leaves nothing behind, and the node stops.
    database: Option<Database<E>>,
    prepared: Option<(u64, Arc<Batch>)>,
}

impl<E: Context + Spawner> Root<E> {
    pub(super) async fn open(context: E, partition: &str) -> Result<Self, Error> {
        let database = Database::init(context, config(partition), None).await;
        Ok(Self {
            database: Some(database.map_err(failed)?),
            prepared: None,
        })
    }

    fn take(&mut self) -> Database<E> {
        self.database
            .take()
            .expect("an operation that failed ended the node")
    }

    /// Height of the last batch; `None` in a new database.
    pub(super) async fn height(&self) -> Result<Option<u64>, Error> {
        let database = self.database.as_ref().expect("open");
        let metadata = database.get_metadata().await.map_err(failed)?;
        Ok(metadata.and_then(|metadata| {
            let height = metadata.as_ref().first_chunk::<8>()?;
            Some(u64::from_be_bytes(*height))
        }))
    }

    /// The root after `diff`, which is not written yet.
    pub(super) async fn prepare(&mut self, height: u64, diff: &Diff) -> Result<Digest, Error> {
        let database = self.database.as_ref().expect("open");
        let mut batch = database.new_batch();
        for (key, row) in diff {
            let cell = row.as_ref().map(|row| Sha256::hash(&[row]));
            batch = batch.write(Sha256::hash(&[key]), cell);
        }
        let mut metadata = [0; 32];
        metadata[..8].copy_from_slice(&height.to_be_bytes());
        let batch = batch
            .merkleize(database, Some(Digest::from(metadata)), &mut Proportional)
            .await
            .map_err(failed)?;
        let root = batch.root();
        self.prepared = Some((height, batch));
        Ok(root)
    }

    /// Writes what was prepared last.
    pub(super) async fn commit_prepared(&mut self) -> Result<(), Error> {
        let (height, batch) = self.prepared.take().expect("prepared before");
        let database = self.take().apply_batch(batch).await.map_err(failed)?;
        let synced = if height.is_multiple_of(SYNC_EVERY) {
            database.sync().await
        } else {
            database.commit().await
        };
        self.database = Some(synced.map_err(failed)?);
        Ok(())
    }

    /// Prepares and writes the batch of one block.
    pub(super) async fn commit(&mut self, height: u64, diff: &Diff) -> Result<Digest, Error> {
        let root = self.prepare(height, diff).await?;
        self.commit_prepared().await?;
        Ok(root)
    }

    pub(super) async fn destroy(mut self) -> Result<(), Error> {
        self.take().destroy().await.map_err(failed)
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Root(error.to_string())
}

fn config(partition: &str) -> FixedConfig<EightCap, Sequential> {
    let page_cache = CacheRef::new(NZU16!(4096), NZUsize!(2048));
    FixedConfig {
        merkle_config: MerkleConfig {
            journal_partition: format!("{partition}-root-nodes"),
            metadata_partition: format!("{partition}-root-metadata"),
            items_per_blob: NZU64!(1 << 18),
            write_buffer: NZUsize!(1 << 16),
            replay_buffer: NZUsize!(1 << 20),
            strategy: Sequential,
            page_cache: page_cache.clone(),
        },
        journal_config: LogConfig {
            partition: format!("{partition}-root-log"),
            items_per_blob: NZU64!(1 << 18),
            page_cache,
            write_buffer: NZUsize!(1 << 16),
            replay_buffer: NZUsize!(1 << 20),
        },
        translator: EightCap,
        init_cache: Some(NZUsize!(1 << 16)),
        init_buffer: NZUsize!(1 << 20),
        init_concurrency: (),
    }
}
