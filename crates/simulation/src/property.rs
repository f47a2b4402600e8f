//! What must hold after every block on every validator, whatever goes wrong.

use crate::{
    audit::{Found, truth},
    tally::Proved,
};
use alloy_primitives::{B256, U256};
use execution::{
    Rows,
    audit::{AUDITS, AuditId, Verdict},
    state,
};
use marketplace::{Event, flt, window};
use node::{block::Checkpoint, executor::Executed};
use std::collections::{BTreeMap, BTreeSet};

/// What all validators have executed so far.
#[derive(Debug, Default)]
pub(crate) struct Watcher {
    blocks: BTreeMap<u64, (B256, Checkpoint)>,
    /// Where each included transaction stands.
    transactions: BTreeMap<B256, u64>,
    /// Where each verdict stands.
    verdicts: BTreeMap<AuditId, u64>,
    /// Whether answers are real.
    examines: bool,
    /// Validators that judge an answer now.
    judging: BTreeSet<u32>,
    /// What the leaves of an audit were drawn from.
    seeds: BTreeMap<AuditId, [u8; 32]>,
    /// What validators found about answers, by what their leaves were drawn from.
    found: BTreeMap<[u8; 32], Verdict>,
    /// The newest window that each validator saw open.
    windows: BTreeMap<u32, u64>,
    proved: Proved,
    /// Answers that each validator has judged.
    judged: BTreeMap<u32, u64>,
    heads: BTreeMap<u32, u64>,
    highest: u64,
    executions: u64,
    skipped: u64,
    events: u64,
}

impl Watcher {
    /// One that has seen nothing. Answers are real, or made up.
    pub(crate) fn new(examines: bool) -> Self {
        Self {
            examines,
            ..Self::default()
        }
    }

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
        if !self.examines {
            self.listed(executed);
        }
        for event in &executed.outcome.events {
            if let Event::Window(window::Event::Opened { window, .. }) = event {
                let newest = self.windows.entry(validator).or_default();
                *newest = (*newest).max(*window);
            }
        }
        let head = self.heads.entry(validator).or_default();
        if height > *head {
            *head = height;
        }
        if height > self.highest {
            self.highest = height;
            self.events += executed.outcome.events.len() as u64;
            self.proved.note(executed);
            if self.examines {
                self.examined(executed);
            }
        }
        assert_eq!(executed.outcome.faults, [""; 0], "at {height}");
        self.executions += 1;
        self.skipped += executed.outcome.skipped.len() as u64;
    }

    /// Verdicts on audits that were made up are true, and listed once.
    fn listed(&mut self, executed: &Executed) {
        let height = executed.block.height;
        for (audit, verdict) in &executed.block.verdicts {
            assert_eq!(*verdict, truth(*audit), "audit {audit} at {height}");
            let place = *self.verdicts.entry(*audit).or_insert(height);
            assert_eq!(place, height, "audit {audit} is judged twice");
        }
    }

    /// Verdicts on real answers are what validators found.
    fn examined(&mut self, executed: &Executed) {
        for (audit, verdict) in &executed.block.verdicts {
            let seed = self.seeds[audit];
            let height = executed.block.height;
            assert_eq!(self.found[&seed], *verdict, "audit {audit} at {height}");
            self.verdicts.insert(*audit, height);
        }
        let (from, to) = (vec![AUDITS.id], vec![AUDITS.id + 1]);
        for (key, row) in executed.outcome.diff.range(from..to) {
            let row = row.as_ref().and_then(|row| AUDITS.decode_row(row));
            if let Some((id, audit)) = AUDITS.decode_key(key).zip(row) {
                self.seeds.insert(id, audit.seed);
            }
        }
    }

    /// A validator judges an answer.
    ///
    /// # Panics
    /// If validators differ.
    pub(crate) fn found(&mut self, validator: u32, found: Found) {
        match found {
            Found::Begun => {
                self.judging.insert(validator);
            }
            Found::Verdict(seed, verdict) => {
                self.judging.remove(&validator);
                self.judged(validator);
                let first = *self.found.entry(seed).or_insert(verdict);
                assert_eq!(first, verdict, "validator {validator} judges differently");
            }
        }
    }

    /// Validators that judge an answer now.
    pub(crate) fn judging(&self) -> Vec<u32> {
        self.judging.iter().copied().collect()
    }

    /// A validator dies.
    pub(crate) fn dies(&mut self, validator: u32) {
        self.judging.remove(&validator);
    }

    /// The newest window that a validator saw open.
    pub(crate) fn window(&self, validator: u32) -> u64 {
        self.windows.get(&validator).copied().unwrap_or(0)
    }

    pub(crate) fn proved(&self) -> &Proved {
        &self.proved
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
