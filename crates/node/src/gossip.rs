//! Brings transactions to the validators: takes them from outside, keeps them over a restart, tells the others.
//!
//! What this node accepted and no block has executed stands in a journal that is synced every
//! `SYNC_INTERVAL`; after a restart it is offered again. What came from other validators is theirs to keep.

use crate::{
    chain::Chain,
    mempool::{Pool, Refused, Waiting},
    storage::Error,
};
use alloy_primitives::B256;
use bytes::Bytes;
use commonware_codec::{Decode as _, Encode as _, RangeCfg};
use commonware_macros::select;
use commonware_p2p::{Receiver, Recipients, Sender};
use commonware_runtime::{Clock, IoBuf, Spawner, buffer::paged::CacheRef};
use commonware_storage::{
    Context,
    journal::contiguous::{
        Contiguous as _,
        variable::{Config, Journal},
    },
};
use commonware_utils::{NZU16, NZU64, NZUsize, channel::mpsc};
use execution::admission;
use std::{sync::Arc, time::Duration};

/// The largest message: a batch of transactions.
pub(crate) const MAX_MESSAGE_BYTES: usize = 256 << 10;

/// Transactions in one message.
const MAX_BATCH: usize = 512;

/// Bytes of transactions after which a batch is sent; one more may still fit.
const BATCH_BYTES: usize = 64 << 10;

/// Transactions that wait for the gossip task; more are refused.
const QUEUE: usize = 4096;

/// How long an accepted transaction may stand in memory only.
const SYNC_INTERVAL: Duration = Duration::from_millis(100);

/// The journal is rewritten when it holds so many times more than what still waits.
const REWRITE_FACTOR: u64 = 4;
const ENTRIES_PER_SECTION: u64 = 1024;

/// Takes transactions from outside; cheap to clone.
#[derive(Clone)]
pub struct Submissions {
    chain: Arc<Chain>,
    pool: Pool,
    queue: mpsc::Sender<Arc<Waiting>>,
}

impl Submissions {
    /// Checks a signed transaction and lets it wait for a block; gives its hash. Submitting it again is harmless.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn submit(&self, bytes: Bytes) -> Result<B256, Refused> {
        let waiting = self.pool.check(bytes)?;
        let hash = waiting.checked.hash;
        let room = self.queue.try_reserve().map_err(|_| Refused::Full)?;
        if offer(&self.chain, &self.pool, waiting.clone())? {
            room.send(waiting);
        }
        Ok(hash)
    }
}

/// Puts a checked transaction into the pool if the executed state allows it.
fn offer(chain: &Chain, pool: &Pool, waiting: Arc<Waiting>) -> Result<bool, Refused> {
    let account = execution::state::account(&chain.rows(), waiting.checked.sender)
        .map_err(|fault| admission::Refusal::Evm(fault.to_string()))?;
    pool.insert(waiting, account)
}

pub(crate) async fn start<E, S, R>(
    context: E,
    partition: String,
    chain: Arc<Chain>,
    pool: Pool,
    (sender, receiver): (S, R),
) -> Result<Submissions, Error>
where
    E: Context + Clock + Spawner,
    S: Sender,
    R: Receiver,
{
    let config = Config {
        partition,
        items_per_section: NZU64!(ENTRIES_PER_SECTION),
        compression: None,
        codec_config: RangeCfg::from(0..=admission::MAX_BYTES),
        page_cache: CacheRef::new(NZU16!(4096), NZUsize!(64)),
        write_buffer: NZUsize!(1 << 16),
        replay_buffer: NZUsize!(1 << 16),
    };
    let journal = Journal::init(context.child("journal"), config).await?;
    let (queue, submitted) = mpsc::channel(QUEUE);
    let again = reoffer(&journal, &chain, &pool).await?;
    let task = Gossip {
        chain: chain.clone(),
        pool: pool.clone(),
        sender,
        batch: again.iter().map(|waiting| waiting.bytes.clone()).collect(),
        kept: again,
        unsynced: false,
    };
    context
        .child("task")
        .spawn(move |context| task.run(context, journal, submitted, receiver));
    Ok(Submissions { chain, pool, queue })
}

/// Offers what the journal holds to the pool; gives what still waits. Executed ones are refused by their nonce.
async fn reoffer<E: Context>(
    journal: &Journal<E, Bytes>,
    chain: &Chain,
    pool: &Pool,
) -> Result<Vec<Arc<Waiting>>, Error> {
    let mut again = Vec::new();
    for position in journal.bounds() {
        let Ok(waiting) = pool.check(journal.read(position).await?) else {
            continue;
        };
        if matches!(offer(chain, pool, waiting.clone()), Ok(true)) {
            again.push(waiting);
        }
    }
    Ok(again)
}

struct Gossip<S> {
    chain: Arc<Chain>,
    pool: Pool,
    sender: S,
    /// Not yet sent to the others.
    batch: Vec<Bytes>,
    /// Ours, not yet executed when last looked at.
    kept: Vec<Arc<Waiting>>,
    unsynced: bool,
}

impl<S: Sender> Gossip<S> {
    async fn run<E: Context + Clock>(
        mut self,
        context: E,
        mut journal: Journal<E, Bytes>,
        mut submitted: mpsc::Receiver<Arc<Waiting>>,
        mut receiver: impl Receiver,
    ) {
        let mut tick = context.current() + SYNC_INTERVAL;
        loop {
            select! {
                // First, since the first branch that is ready runs: others must not keep the journal from the disk.
                _ = context.sleep_until(tick) => {
                    tick = context.current() + SYNC_INTERVAL;
                    self.flush();
                    journal = self.tidy(journal).await.expect("the journal of submissions can be written");
                },
                waiting = submitted.recv() => {
                    let Some(waiting) = waiting else { return };
                    let appended = journal.append(&waiting.bytes).await;
                    (journal, _) = appended.expect("the journal of submissions can be written");
                    self.unsynced = true;
                    self.batch.push(waiting.bytes.clone());
                    self.kept.push(waiting);
                    while self.batch_bytes() < BATCH_BYTES
                        && self.batch.len() < MAX_BATCH
                        && let Ok(waiting) = submitted.try_recv()
                    {
                        let appended = journal.append(&waiting.bytes).await;
                        (journal, _) = appended.expect("the journal of submissions can be written");
                        self.batch.push(waiting.bytes.clone());
                        self.kept.push(waiting);
                    }
                    self.flush();
                },
                message = receiver.recv() => {
                    let Ok((_, message)) = message else { return };
                    self.receive(message);
                },
            }
        }
    }

    fn batch_bytes(&self) -> usize {
        self.batch.iter().map(Bytes::len).sum()
    }

    /// Sends what is new to the others.
    fn flush(&mut self) {
        while !self.batch.is_empty() {
            let mut bytes = 0;
            let take = self.batch.iter().take(MAX_BATCH).take_while(|transaction| {
                let fits = bytes < BATCH_BYTES;
                bytes += transaction.len();
                fits
            });
            let count = take.count();
            let batch: Vec<_> = self.batch.drain(..count).collect();
            self.sender.send(Recipients::All, batch.encode(), false);
        }
    }

    fn receive(&self, message: IoBuf) {
        let limits = (
            RangeCfg::from(0..=MAX_BATCH),
            RangeCfg::from(0..=admission::MAX_BYTES),
        );
        let Ok(batch) = Vec::<Bytes>::decode_cfg(message, &limits) else {
            return;
        };
        for bytes in batch {
            // Another validator's view of the state may differ a little: what does not fit ours is left to it.
            let offered = self
                .pool
                .check(bytes)
                .and_then(|waiting| offer(&self.chain, &self.pool, waiting));
            if let Err(refused) = offered {
                tracing::debug!(%refused, "transaction of another validator not taken");
            }
        }
    }

    /// Syncs the journal, and rewrites it once most of it has been executed.
    async fn tidy<E: Context>(
        &mut self,
        journal: Journal<E, Bytes>,
    ) -> Result<Journal<E, Bytes>, Error> {
        self.kept
            .retain(|waiting| self.pool.get(&waiting.checked.hash).is_some());
        let mut journal = journal;
        let bounds = journal.bounds();
        let held = bounds.end - bounds.start;
        if held > ENTRIES_PER_SECTION + REWRITE_FACTOR * self.kept.len() as u64 {
            for waiting in &self.kept {
                (journal, _) = journal.append(&waiting.bytes).await?;
            }
            journal = journal.commit().await?;
            (journal, _) = journal.prune(bounds.end).await?;
            self.unsynced = false;
        }
        if std::mem::take(&mut self.unsynced) {
            journal = journal.commit().await?;
        }
        Ok(journal)
    }
}
