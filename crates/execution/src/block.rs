//! Execution of one finalized block: rows and block in, differences and results out.
//! Promises: `docs/spec/block.md`.

mod around;

use crate::admission::{self, Checked, Refusal, environment};
use crate::chain::{self, Head};
use crate::evm::{Machine, Surroundings, fault, machine};
use crate::fault::Fault;
use crate::fee;
use crate::receipt::{self, Receipt};
use crate::state::{Account, Diff, Overlay, Rows, read_account, write_accounts};
use alloy_consensus::{
    EthereumTxEnvelope, Transaction as _, TxEip4844, proofs::calculate_transaction_root,
};
use alloy_primitives::{Address, B256, Bloom, Bytes, U256};
use around::Half;
use marketplace::audit::Verdict;
use marketplace::units::{AuditId, Seconds};
use marketplace::{Book, Event};
use revm::ExecuteEvm as _;
use revm::context_interface::result::ExecutionResult;
use revm::state::EvmState;

pub use around::SYSTEM_SENDER;

/// A signed transaction.
pub type Transaction = EthereumTxEnvelope<TxEip4844>;

/// A finalized block, as consensus hands it over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Its height; genesis is 0.
    pub height: u64,
    /// Hash of the block before it.
    pub parent_hash: B256,
    /// Its hash: the consensus digest.
    pub hash: B256,
    /// Its time, in milliseconds of the Unix epoch.
    pub time_ms: u64,
    /// The beacon value it carries, `PREVRANDAO`.
    pub beacon: B256,
    /// Account that earns its tips.
    pub fee_account: Address,
    /// Verdicts that it lists, for the marketplace; what there is nothing to judge for does nothing. (B12)
    pub verdicts: Vec<(AuditId, Verdict)>,
    /// Encoded signed transactions (EIP-2718), in their order.
    pub transactions: Vec<Bytes>,
}

/// A transaction that was executed.
#[derive(Clone, Debug)]
pub struct Included {
    /// The transaction.
    pub transaction: Transaction,
    /// Its hash.
    pub hash: B256,
    /// Who signed it.
    pub sender: Address,
}

/// What a block did.
/// (B2, B4, B8)
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What it changes in the rows.
    pub diff: Diff,
    /// Executed transactions, in order. If the beginning or the end of the block logged anything, a system
    /// transaction stands for it, first or last: legacy, from [`SYSTEM_SENDER`], unsigned, without gas.
    pub transactions: Vec<Included>,
    /// Their receipts, one each.
    pub receipts: Vec<Receipt>,
    /// Transactions of the block that did not get in: position in the block, and why. They pay nothing.
    pub skipped: Vec<(usize, Refusal)>,
    /// Merkle-Patricia root over `transactions`.
    pub transactions_root: B256,
    /// Merkle-Patricia root over `receipts`.
    pub receipts_root: B256,
    /// Bloom filter over all logs.
    pub logs_bloom: Bloom,
    /// Gas used by all transactions.
    pub gas_used: u64,
    /// Base fee of this block, in wei per gas.
    pub base_fee: u64,
    /// What happened in the marketplace, in order.
    pub events: Vec<Event>,
    /// Promises that the marketplace broke; what it was doing was taken back. For the operator's log.
    pub faults: Vec<&'static str>,
}

/// Executes `block` over `rows`, which stay as they are until [`Rows::apply`] takes the diff. `book` holds the
/// supply of exactly these rows; afterwards that of the rows with the diff, so commit both by
/// [`crate::state::commit`], or rebuild it by [`crate::state::book`] if the outcome is dropped.
///
/// # Errors
/// A [`Fault`] if the block is no child of the newest executed one, or rows are corrupt.
pub fn execute(rows: &Rows, book: &mut Book, block: &Block) -> Result<Outcome, Fault> {
    let head = chain::head(rows)?;
    if block.height != head.height + 1 || block.parent_hash != head.hash {
        return Err(Fault::NotNext {
            head: (head.height, head.hash),
            block: (block.height, block.parent_hash),
        });
    }
    let mut run = Run::new(rows, &head, block);
    let elapsed = Seconds((block.time_ms / 1000).saturating_sub(head.time_ms / 1000));
    run.system(Half::Begin, |cx| {
        marketplace::begin_block(cx, elapsed, &block.verdicts)
    })?;
    for (position, bytes) in block.transactions.iter().enumerate() {
        if let Err(refusal) = run.transaction(bytes)? {
            run.skipped.push((position, refusal));
        }
    }
    let done = run.system(Half::End, |cx| marketplace::end_block(cx, book))?;
    if !done {
        *book = Book::rebuild(rows.iter()); // it is ahead of what was taken back
    }
    Ok(run.finish(&head, block))
}

/// A block while it runs.
struct Run<'a> {
    machine: Machine<'a>,
    at: Surroundings,
    transactions: Vec<Included>,
    receipts: Vec<Receipt>,
    skipped: Vec<(usize, Refusal)>,
    gas_used: u64,
    /// Wei.
    burned: u128,
    events: Vec<Event>,
}

impl<'a> Run<'a> {
    fn new(rows: &'a Rows, head: &Head, block: &Block) -> Self {
        let at = Surroundings {
            height: block.height,
            time_ms: block.time_ms,
            beacon: block.beacon,
            fee_account: block.fee_account,
            ..Surroundings::of_head(head)
        };
        Self {
            machine: machine(Overlay::new(rows), &at),
            at,
            transactions: Vec::new(),
            receipts: Vec::new(),
            skipped: Vec::new(),
            gas_used: 0,
            burned: head.burned,
            events: Vec::new(),
        }
    }

    /// Runs one transaction, or says why it is skipped.
    fn transaction(&mut self, bytes: &[u8]) -> Result<Result<(), Refusal>, Fault> {
        let checked = match admission::check(bytes, self.at.chain_id) {
            Ok(checked) => checked,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let sender = read_account(self.overlay(), checked.sender)?.unwrap_or_default();
        if let Err(refusal) = self.admit(&checked, &sender) {
            return Ok(Err(refusal));
        }
        let environment = environment(&checked.transaction, checked.sender);
        match self.machine.transact_one(environment) {
            Ok(result) => {
                let state = self.machine.finalize();
                self.settle(state)?;
                self.include(checked, result);
                Ok(Ok(()))
            }
            Err(error) => {
                self.machine.finalize();
                let invalid = fault(error)?;
                Ok(Err(Refusal::Evm(invalid.to_string())))
            }
        }
    }

    fn admit(&self, checked: &Checked, sender: &Account) -> Result<(), Refusal> {
        let left = fee::BLOCK_GAS_LIMIT.saturating_sub(self.gas_used);
        let gas_limit = checked.gas_limit;
        if gas_limit > left {
            return Err(Refusal::BlockFull { gas_limit, left });
        }
        let base_fee = self.at.base_fee;
        if checked.tip(base_fee).is_none() {
            let max_fee = checked.max_fee;
            return Err(Refusal::FeeTooLow { max_fee, base_fee });
        }
        checked.against(sender, (0, U256::ZERO))
    }

    fn include(&mut self, checked: Checked, result: ExecutionResult) {
        let gas_used = result.tx_gas_used();
        self.gas_used += gas_used;
        let transaction = &checked.transaction;
        let contract_address = result.created_address();
        let succeeded = result.is_success();
        let logs = if succeeded {
            result.into_logs()
        } else {
            Vec::new()
        };
        self.receipts.push(Receipt {
            kind: transaction.tx_type(),
            succeeded,
            gas_used,
            cumulative_gas_used: self.gas_used,
            effective_gas_price: transaction.effective_gas_price(Some(self.at.base_fee)),
            contract_address,
            bloom: alloy_primitives::logs_bloom(&logs),
            logs,
        });
        self.transactions.push(Included {
            hash: checked.hash,
            sender: checked.sender,
            transaction: checked.transaction,
        });
    }

    /// Ends a transaction: what it wrote and what happened in it stay.
    fn settle(&mut self, state: EvmState) -> Result<(), Fault> {
        let burned = write_accounts(self.overlay(), state)?;
        self.burned = self.burned.saturating_add(burned.saturating_to());
        self.overlay().commit();
        let events = self.machine.ctx.journaled_state.take_events();
        self.events.extend(events);
        Ok(())
    }

    fn overlay(&mut self) -> &mut Overlay<'a> {
        self.machine.ctx.journaled_state.rows()
    }

    fn finish(mut self, head: &Head, block: &Block) -> Outcome {
        let base_fee = self.at.base_fee;
        let next = Head {
            height: block.height,
            hash: block.hash,
            time_ms: block.time_ms,
            beacon: block.beacon,
            fee_account: block.fee_account,
            base_fee: fee::next_base_fee(base_fee, self.gas_used),
            burned: self.burned,
            ..head.clone()
        };
        chain::write_head(self.overlay(), &next);
        let diff = self.overlay().take_diff();
        let envelopes: Vec<_> = self.transactions.iter().map(|i| &i.transaction).collect();
        Outcome {
            diff,
            transactions_root: calculate_transaction_root(&envelopes),
            receipts_root: receipt::root(&self.receipts),
            logs_bloom: receipt::bloom(&self.receipts),
            transactions: self.transactions,
            receipts: self.receipts,
            skipped: self.skipped,
            gas_used: self.gas_used,
            base_fee,
            events: self.events,
            faults: self.machine.ctx.journaled_state.take_faults(),
        }
    }
}
