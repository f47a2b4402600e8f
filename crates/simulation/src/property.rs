//! What must hold after every block on every validator, whatever goes wrong.

use crate::audit::truth;
use alloy_primitives::{B256, U256};
use execution::{Rows, audit::AuditId, state};
use marketplace::flt;
use node::{block::Checkpoint, executor::Executed};
use std::collections::BTreeMap;

/// What all validators have executed so far.
#[derive(Debug, Default)]
pub(crate) struct Watcher {
    blocks: BTreeMap<u64, (B256, Checkpoint)>,
    /// Where each included transaction stands.
    transactions: BTreeMap<B256, u64>,
    /// Where each verdict stands.
    verdicts: BTreeMap<AuditId, u64>,
    /// Answers that each validator has judged.
    judged: BTreeMap<u32, u64>,
    heads: BTreeMap<u32, u64>,
    highest: u64,
    executions: u64,
    skipped: u64,
    events: u64,
}

impl Watcher {
    /// Checks what a validator has just executed.
    ///
    /// # Panics
    /// If validators differ, a height is left out, a transaction is executed twice, or a verdict is wrong or listed
    /// twice.
    pub(crate) fn executed(&mut self, validator: u32, executed: &Executed) {
        let height = executed.block.height;
        let ours = (executed.block.hash, executed.result);
        let agreed = *self.blocks.entry(height).or_insert(ours);
        assert_eq!(agreed, ours, "validator {validator} differs at {height}");
        assert!(
            height == 1 || self.blocks.contains_key(&(height - 1)),
            "nobody executed the block before {height}"
        );
        for included in &executed.outcome.transactions {
            let place = *self.transactions.entry(included.hash).or_insert(height);
            assert_eq!(place, height, "transaction {} runs twice", included.hash);
        }
        for (audit, verdict) in &executed.block.verdicts {
            assert_eq!(*verdict, truth(*audit), "audit {audit} at {height}");
            let place = *self.verdicts.entry(*audit).or_insert(height);
            assert_eq!(place, height, "audit {audit} is judged twice");
        }
        let head = self.heads.entry(validator).or_default();
        if height > *head {
            *head = height;
        }
        if height > self.highest {
            self.highest = height;
            self.events += executed.outcome.events.len() as u64;
        }
        assert_eq!(executed.outcome.faults, [""; 0], "at {height}");
        self.executions += 1;
        self.skipped += executed.outcome.skipped.len() as u64;
    }

    /// The height that a validator has executed; 0 if it never ran.
    pub(crate) fn head(&self, validator: u32) -> u64 {
        self.heads.get(&validator).copied().unwrap_or(0)
    }

    /// A validator has judged an answer.
    pub(crate) fn judged(&mut self, validator: u32) {
        *self.judged.entry(validator).or_default() += 1;
    }

    /// Answers that each of so many validators has judged.
    pub(crate) fn judged_by(&self, validators: u32) -> Vec<u64> {
        let judged = |validator| self.judged.get(&validator).copied().unwrap_or(0);
        (0..validators).map(judged).collect()
    }

    pub(crate) fn verdicts(&self) -> u64 {
        self.verdicts.len() as u64
    }

    pub(crate) fn transactions(&self) -> u64 {
        self.transactions.len() as u64
    }

    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    pub(crate) fn skipped(&self) -> u64 {
        self.skipped
    }

    pub(crate) fn executions(&self) -> u64 {
        self.executions
    }

    /// The result at a height that somebody has executed.
    pub(crate) fn result(&self, height: u64) -> Checkpoint {
        self.blocks[&height].1
    }
}

/// FLT is neither made nor lost: what all accounts hold is what genesis gave out less what was burned.
///
/// # Panics
/// If it is not.
pub(crate) fn flt_is_conserved(rows: &Rows, genesis_total: U256) {
    let head = execution::chain::head(rows).expect("the state has a head");
    let held = state::total_flt(rows).expect("account rows are sound");
    assert_eq!(
        held + U256::from(head.burned),
        genesis_total,
        "FLT at height {}",
        head.height
    );
}

/// Every invariant of the marketplace holds, and its account holds all FLT that it owes.
///
/// # Panics
/// If one does not; names all that do not.
pub(crate) fn marketplace_is_sound(rows: &Rows) {
    let violations = marketplace::invariants::check(rows.iter());
    assert!(violations.is_empty(), "{violations:#?}");
    let owed = state::read(rows, |cx| flt::held(cx.store)).expect("rows are sound");
    let account = state::account(rows, abi::MARKETPLACE).expect("account rows are sound");
    assert!(
        U256::from(owed.0) <= account.balance,
        "the marketplace owes {owed} wei"
    );
}
