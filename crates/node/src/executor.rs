//! Runs the state machine over finalized blocks, in order, each once, and makes the result durable before the
//! block is acknowledged.

use crate::{
    audit::Verdicts,
    block::{Block, Checkpoint, Digest},
    chain::{Chain, beacon},
    consensus::Marshal,
    mempool::Pool,
    storage::{Error, Storage, journal::Entry},
};
use commonware_actor::Feedback;
use commonware_consensus::{Heightable as _, Reporter, marshal::Update, types::Height};
use commonware_cryptography::{Digested, Digestible as _};
use commonware_runtime::Spawner;
use commonware_storage::Context;
use commonware_utils::{Acknowledgement as _, channel::mpsc};
use execution::{Book, Outcome, state};
use std::sync::Arc;

/// What the rest of the process learns of an executed block.
#[derive(Clone, Debug)]
pub struct Executed {
    /// The block as it was executed.
    pub block: execution::Block,
    /// What it did.
    pub outcome: Outcome,
    /// The result that later blocks name.
    pub result: Checkpoint,
}

/// Told of every executed block before its result is durable: so what it keeps is never behind the state, but it
/// may be told of a block again. Execution waits for it.
pub type Observer = Arc<dyn Fn(&Executed) + Send + Sync>;

/// Marshal's end of the queue of finalized blocks; its limit of unacknowledged blocks bounds the queue.
#[derive(Clone)]
pub(crate) struct Delivery(pub(crate) mpsc::UnboundedSender<Update<Block>>);

impl Reporter for Delivery {
    type Activity = Update<Block>;

    fn report(&mut self, update: Self::Activity) -> Feedback {
        match self.0.send(update) {
            Ok(()) => Feedback::Ok,
            Err(_) => Feedback::Closed,
        }
    }
}

pub(crate) struct Executor<E: Context + Spawner> {
    storage: Storage<E>,
    book: Book,
    chain: Arc<Chain>,
    pool: Pool,
    verdicts: Verdicts,
    genesis: Digest,
    observer: Observer,
}

impl<E: Context + Spawner> Executor<E> {
    pub(crate) fn new(
        storage: Storage<E>,
        chain: Arc<Chain>,
        pool: Pool,
        verdicts: Verdicts,
        genesis: Digest,
        observer: Observer,
    ) -> Self {
        let book = state::book(&chain.rows());
        Self {
            storage,
            book,
            chain,
            pool,
            verdicts,
            genesis,
            observer,
        }
    }

    /// `processed` is the last height that marshal counts as acknowledged.
    ///
    /// # Panics
    /// If the disk fails, a row is corrupt, or our state differs from a quorum's: a node that goes on then does
    /// harm.
    pub(crate) async fn run(
        mut self,
        marshal: Marshal,
        processed: Height,
        mut updates: mpsc::UnboundedReceiver<Update<Block>>,
    ) {
        self.refresh_pool();
        let head = self.chain.executed().height.get();
        for height in head + 1..=processed.get() {
            let block = marshal.get_block(Height::new(height)).await;
            self.step(&block.expect("acknowledged blocks are archived"))
                .await;
        }
        while let Some(update) = updates.recv().await {
            let (block, acknowledgement) = match update {
                Update::Block(block, acknowledgement) => (block, acknowledgement),
                Update::Tip(_, height, _) => {
                    self.chain.finalized(height);
                    continue;
                }
            };
            if block.height() > self.chain.executed().height {
                self.step(&block).await;
            }
            acknowledgement.acknowledge();
        }
    }

    async fn step(&mut self, block: &Digested<Block>) {
        if let Err(error) = self.execute(block).await {
            panic!("block {} cannot be made durable: {error}", block.height());
        }
    }

    async fn execute(&mut self, block: &Digested<Block>) -> Result<(), Error> {
        let named = block.inner().executed;
        assert_eq!(
            self.chain.remembered(named.height),
            Some(named),
            "our state differs from a quorum's"
        );
        let input = self.input(block);
        let outcome = execution::execute(&self.chain.rows(), &mut self.book, &input)
            .unwrap_or_else(|fault| panic!("block {} cannot be executed: {fault}", input.height));
        for promise in &outcome.faults {
            tracing::error!(
                height = input.height,
                promise,
                "the marketplace broke a promise"
            );
        }
        let result = Checkpoint {
            height: block.height(),
            state_root: self.storage.root_after(input.height, &outcome.diff).await?,
            receipts_root: Digest::from(outcome.receipts_root.0),
        };
        let executed = Executed {
            block: input,
            outcome,
            result,
        };
        (self.observer)(&executed);
        let entry = Entry {
            block: block.digest(),
            result,
            diff: executed.outcome.diff,
        };
        self.storage.append(&entry).await?;
        self.chain
            .advance(result, named.height, &entry.diff, &mut self.book);
        self.verdicts.follow(&entry.diff);
        self.refresh_pool();
        self.storage.compact(&self.chain, named.height.get()).await
    }

    /// The block in the words of execution. The genesis block is known by the hash of the genesis file.
    fn input(&self, block: &Digested<Block>) -> execution::Block {
        let digest = block.digest();
        let block = block.inner();
        let first = block.height.get() == 1;
        let parent = if first { self.genesis } else { block.parent };
        execution::Block {
            height: block.height.get(),
            parent_hash: parent.0.into(),
            hash: digest.0.into(),
            time_ms: block.time_ms,
            beacon: beacon(block.beacon.as_ref(), self.genesis).into(),
            fee_account: block.fee_account.into(),
            verdicts: block
                .verdicts
                .iter()
                .map(|listed| (listed.audit, listed.verdict))
                .collect(),
            transactions: block.transactions.iter().cloned().map(Into::into).collect(),
        }
    }

    fn refresh_pool(&self) {
        let rows = self.chain.rows();
        let head = execution::chain::head(&rows).expect("the state has a head");
        self.pool.advance(head.base_fee, |address| {
            state::account(&rows, address).expect("account rows are sound")
        });
    }
}
