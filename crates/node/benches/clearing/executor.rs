//! A chain in memory with what a node keeps of it on disk: blocks as a validator's executor makes them. Benchmarks share
//! it by its path.

use crate::harness::{self, Chain};
use alloy_primitives::Bytes;
use commonware_consensus::types::Height;
use commonware_runtime::tokio::Context;
use execution::{Genesis, Outcome, state};
use node::{
    block::{Checkpoint, Digest},
    storage::{Storage, block_zero, journal::Entry},
};
use std::{error::Error, mem};

/// What executes the blocks of a validator.
pub(crate) struct Executor {
    pub(crate) chain: Chain,
    storage: Storage<Context>,
}

impl Executor {
    pub(crate) async fn open(context: Context, genesis: &Genesis) -> Result<Self, Box<dyn Error>> {
        let (first, rows) = block_zero(genesis)?;
        let (storage, _) = Storage::open(context, "bench", (first, &rows), None).await?;
        let chain = Chain::new(genesis);
        Ok(Self { chain, storage })
    }

    /// Executes a block, lets `change` work on what it did, and makes that durable; gives it without its diff.
    pub(crate) async fn block(
        &mut self,
        transactions: Vec<Bytes>,
        change: impl FnOnce(&mut Outcome),
    ) -> Result<Outcome, Box<dyn Error>> {
        let Chain { rows, book } = &mut self.chain;
        let block = harness::next(rows, transactions);
        let mut outcome = execution::execute(rows, book, &block)?;
        assert_eq!(outcome.faults, [""; 0]);
        change(&mut outcome);
        let diff = mem::take(&mut outcome.diff);
        let result = Checkpoint {
            height: Height::new(block.height),
            state_root: self.storage.root_after(block.height, &diff).await?,
            receipts_root: Digest::from(outcome.receipts_root.0),
        };
        state::commit(rows, book, &diff);
        let block = Digest::from(block.hash.0);
        let entry = Entry {
            block,
            result,
            diff,
        };
        self.storage.append(&entry).await?;
        Ok(outcome)
    }
}
