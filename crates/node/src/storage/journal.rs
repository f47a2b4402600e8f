//! The result of each block in order: a write-ahead log for everything that is derived from execution.

use super::Error;
use crate::block::{Checkpoint, Digest};
use bytes::BufMut;
use commonware_codec::{
    Buf, EncodeSize, Error as CodecError, FixedSize as _, RangeCfg, Read, ReadExt as _, Write,
};
use commonware_runtime::buffer::paged::CacheRef;
use commonware_storage::{
    Context,
    journal::contiguous::{
        Contiguous as _,
        variable::{Config, Journal as Variable},
    },
};
use commonware_utils::{NZU16, NZU64, NZUsize};
use execution::state::Diff;

/// What executing one block led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Digest of the block.
    pub block: Digest,
    /// Height and roots after it.
    pub result: Checkpoint,
    /// Changed rows.
    pub diff: Diff,
}

impl Entry {
    /// Roughly what the entry takes on disk.
    pub(super) fn bytes(&self) -> u64 {
        self.encode_size() as u64
    }
}

impl Write for Entry {
    fn write(&self, buf: &mut impl BufMut) {
        self.block.write(buf);
        self.result.write(buf);
        self.diff.write(buf);
    }
}

impl EncodeSize for Entry {
    fn encode_size(&self) -> usize {
        Digest::SIZE + self.result.encode_size() + self.diff.encode_size()
    }
}

impl Read for Entry {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, CodecError> {
        let any = || RangeCfg::from(0..);
        Ok(Self {
            block: Digest::read(buf)?,
            result: Checkpoint::read(buf)?,
            diff: Diff::read_cfg(buf, &(any(), ((any(), ()), (any(), ()))))?,
        })
    }
}

/// Entries by height; the first block's is at position 0.
pub(super) struct Journal<E: Context> {
    /// Taken while an operation runs, because the library's operations consume the journal; an operation that
    /// fails leaves nothing behind, and the node stops.
    inner: Option<Variable<E, Entry>>,
}

const ENTRIES_PER_SECTION: u64 = 256;

impl<E: Context> Journal<E> {
    pub(super) async fn open(context: E, partition: &str) -> Result<Self, Error> {
        let config = Config {
            partition: format!("{partition}-results"),
            items_per_section: NZU64!(ENTRIES_PER_SECTION),
            compression: None,
            codec_config: (),
            page_cache: CacheRef::new(NZU16!(4096), NZUsize!(256)),
            write_buffer: NZUsize!(1 << 16),
            replay_buffer: NZUsize!(1 << 20),
        };
        Ok(Self {
            inner: Some(Variable::init(context, config).await?),
        })
    }

    fn inner(&self) -> &Variable<E, Entry> {
        self.inner
            .as_ref()
            .expect("an operation that failed ended the node")
    }

    /// First and last height held.
    pub(super) fn heights(&self) -> (u64, u64) {
        let bounds = self.inner().bounds();
        (bounds.start + 1, bounds.end)
    }

    pub(super) async fn read(&self, height: u64) -> Result<Entry, Error> {
        Ok(self.inner().read(height.saturating_sub(1)).await?)
    }

    /// Appends and syncs the next height's entry.
    pub(super) async fn append(&mut self, entry: &Entry) -> Result<(), Error> {
        let journal = self
            .inner
            .take()
            .expect("an operation that failed ended the node");
        let (journal, position) = journal.append(entry).await?;
        assert_eq!(
            position + 1,
            entry.result.height.get(),
            "results are journaled in order, without gaps"
        );
        self.inner = Some(journal.commit().await?);
        Ok(())
    }

    /// Removes entries below `height`, as far as whole sections allow.
    pub(super) async fn cut(&mut self, height: u64) -> Result<(), Error> {
        let journal = self
            .inner
            .take()
            .expect("an operation that failed ended the node");
        let (journal, _) = journal.prune(height.saturating_sub(1)).await?;
        self.inner = Some(journal);
        Ok(())
    }

    pub(super) async fn destroy(mut self) -> Result<(), Error> {
        let journal = self
            .inner
            .take()
            .expect("an operation that failed ended the node");
        Ok(journal.destroy().await?)
    }
}
