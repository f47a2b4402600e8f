//! What a node keeps on disk, apart from the blocks that marshal archives.
//!
//! | part | holds | when lost |
//! |---|---|---|
//! | [`journal`] | the result of each block: row changes, roots, receipts | state is rebuilt from blocks |
//! | [`snapshot`] | all rows at some height, so that the journal can be cut | replayed from the journal or blocks |
//! | [`root`] | authenticated database over row hashes | replayed from the journal or blocks |
//!
//! Order of a block: journal synced → root committed → block acknowledged to marshal. So the root is never
//! ahead of the journal, and a crash anywhere loses nothing that was acknowledged.

pub mod journal;
pub mod root;
pub mod snapshot;
#[cfg(test)]
mod tests;

use crate::{
    block::{Block, Checkpoint, Digest},
    chain::{Chain, Remembered, Results},
};
use commonware_runtime::Spawner;
use commonware_storage::Context;
use execution::{
    Genesis,
    audit::Time,
    chain::time_after,
    genesis::Invalid,
    state::{Diff, Rows},
};
use journal::{Entry, Journal};
use root::Root;
use snapshot::Snapshots;

/// Why the disk cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The journal of results.
    #[error("the journal of results failed")]
    Journal(#[from] commonware_storage::journal::Error),
    /// The database under the state root.
    #[error("the state root's database failed: {0}")]
    Root(String),
    /// The archives of blocks and their finality.
    #[error("the archive of blocks failed")]
    Archive(#[from] commonware_storage::archive::Error),
    /// A file of a snapshot.
    #[error("a snapshot of the state failed")]
    Snapshot(#[from] commonware_runtime::Error),
}

/// Result and rows of block 0.
///
/// # Errors
/// A genesis that gives no state.
pub fn block_zero(genesis: &Genesis) -> Result<(Checkpoint, Diff), Invalid> {
    let first = Block::genesis(genesis.hash().0.into(), genesis.time_ms).executed;
    Ok((first, execution::genesis::rows(genesis)?))
}

/// The executed state on disk and what of it lives in memory.
pub struct Storage<E: Context + Spawner> {
    journal: Journal<E>,
    root: Root<E>,
    snapshots: Snapshots<E>,
    snapshot_height: u64,
    /// Bytes of the last snapshot and of the journal since: a snapshot is due when the second outgrows the first.
    snapshot_bytes: u64,
    journal_bytes: u64,
}

/// Journal bytes that are always worth keeping instead of a snapshot.
const MIN_SNAPSHOT_BYTES: u64 = 16 << 20;

/// What is in memory after opening.
pub struct Opened {
    /// All rows at the height of the last entry.
    pub rows: Rows,
    /// Results by height that a future block may still name, and the head's.
    pub results: Results,
}

impl<E: Context + Spawner> Storage<E> {
    /// Opens what is on disk under `partition`, or starts from block 0, with its result and rows.
    ///
    /// Whatever does not fit together (a lost folder, a snapshot without its journal, an index that ends below
    /// the state) is thrown away; the caller then executes the blocks again from the first.
    ///
    /// # Errors
    /// If the disk fails.
    pub async fn open(
        context: E,
        partition: &str,
        (first, rows): (Checkpoint, &Diff),
        indexed_height: Option<u64>,
    ) -> Result<(Self, Opened), Error> {
        let mut storage = Self::open_parts(&context, partition, 0).await?;
        let (_, end) = storage.journal.heights();
        if indexed_height.is_none_or(|height| height >= end)
            && let Some(opened) = storage.recover(rows, first).await?
        {
            return Ok((storage, opened));
        }
        tracing::warn!("the state on disk is incomplete: executing all blocks again");
        storage.journal.destroy().await?;
        storage.root.destroy().await?;
        storage.snapshots.keep_only(None).await?;
        storage = Self::open_parts(&context, partition, 1).await?;
        let opened = storage.recover(rows, first).await?;
        let opened = opened.ok_or_else(|| Error::Root("cannot start from an empty disk".into()))?;
        Ok((storage, opened))
    }

    async fn open_parts(context: &E, partition: &str, attempt: u64) -> Result<Self, Error> {
        let child = |label: &'static str| context.child(label).with_attribute("attempt", attempt);
        Ok(Self {
            journal: Journal::open(child("journal"), partition).await?,
            root: Root::open(child("root"), partition).await?,
            snapshots: Snapshots::new(child("snapshots"), partition),
            snapshot_height: 0,
            snapshot_bytes: 0,
            journal_bytes: 0,
        })
    }

    /// Brings rows and root to the end of the journal; `None` if the parts do not fit together.
    async fn recover(
        &mut self,
        genesis: &Diff,
        first: Checkpoint,
    ) -> Result<Option<Opened>, Error> {
        let (start, end) = self.journal.heights();
        let mut rows = Rows::default();
        match self.snapshots.load().await? {
            Some(snapshot) => {
                self.snapshot_height = snapshot.height;
                self.snapshot_bytes = snapshot.bytes;
                rows = snapshot.rows;
            }
            None => rows.apply(genesis),
        }
        let Some(root_height) = self.root.height().await? else {
            if start > 1 || self.snapshot_height > 0 {
                return Ok(None);
            }
            self.root.commit(0, genesis).await?;
            return self.replay(rows, first, 0).await.map(Some);
        };
        let snapshot_fits = (start..=end + 1).contains(&(self.snapshot_height + 1));
        if !snapshot_fits || root_height > end || root_height + 1 < start {
            return Ok(None);
        }
        self.replay(rows, first, root_height).await.map(Some)
    }

    /// Applies what the journal holds beyond the snapshot and beyond the root.
    async fn replay(
        &mut self,
        mut rows: Rows,
        first: Checkpoint,
        root_height: u64,
    ) -> Result<Opened, Error> {
        let (start, end) = self.journal.heights();
        let mut results = Results::new();
        let mut remembered = Remembered {
            result: first,
            time: Time::default(), // as at genesis; every block moves the clock
        };
        if start == 1 {
            results.insert(0, remembered);
        }
        for height in start..=end {
            let entry = self.journal.read(height).await?;
            remembered.result = entry.result;
            remembered.time = time_after(&entry.diff).unwrap_or(remembered.time);
            results.insert(height, remembered);
            if height > root_height {
                self.root.commit(height, &entry.diff).await?;
            }
            if height > self.snapshot_height {
                self.journal_bytes += entry.bytes();
                rows.apply(&entry.diff);
            }
        }
        Ok(Opened { rows, results })
    }

    /// The state root that `diff` would lead to at `height`, the next one.
    ///
    /// # Errors
    /// If the disk fails.
    pub async fn root_after(&mut self, height: u64, diff: &Diff) -> Result<Digest, Error> {
        self.root.prepare(height, diff).await
    }

    /// Makes the result of the next block durable. The last [`Storage::root_after`] was for the same block.
    ///
    /// # Errors
    /// If the disk fails.
    pub async fn append(&mut self, entry: &Entry) -> Result<(), Error> {
        self.journal.append(entry).await?;
        self.journal_bytes += entry.bytes();
        self.root.commit_prepared().await
    }

    /// Writes a snapshot if the journal has outgrown the last one, and cuts the journal: entries from
    /// `keep_from` on stay, because somebody still reads them.
    ///
    /// # Errors
    /// If the disk fails.
    pub(crate) async fn compact(&mut self, chain: &Chain, keep_from: u64) -> Result<(), Error> {
        if self.journal_bytes < self.snapshot_bytes.max(MIN_SNAPSHOT_BYTES) {
            return Ok(());
        }
        self.snapshot(chain, keep_from).await
    }

    async fn snapshot(&mut self, chain: &Chain, keep_from: u64) -> Result<(), Error> {
        let (_, height) = self.journal.heights();
        let file = snapshot::encode(&chain.rows());
        self.snapshot_bytes = self.snapshots.write(height, file).await?;
        self.snapshots.keep_only(Some(height)).await?;
        self.snapshot_height = height;
        self.journal_bytes = 0;
        self.journal.cut(keep_from.min(height + 1)).await
    }
}
