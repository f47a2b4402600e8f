//! What executed blocks say of those who prove.

use execution::audit::AuditId;
use marketplace::{Event, audit, commitment, units::Flt, window};
use node::executor::Executed;
use std::collections::BTreeMap;

/// What came of proving.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proved {
    /// Windows that got their challenge.
    pub windows: u64,
    /// Units that peers committed with, over all windows.
    pub committed: u64,
    /// Windows of good units that epochs counted.
    pub passed: u64,
    /// Epochs that units missed.
    pub missed: u64,
    /// Audits that were drawn; again after a bad leaf.
    pub audits: u64,
    /// Audits that were answered.
    pub answered: u64,
    /// How audits ended.
    pub good: u64,
    /// Without an answer, or with one that opens nothing.
    pub unanswered: u64,
    /// With a bad leaf.
    pub bad: u64,
    /// With few bad leaves, or many, when more were asked for.
    pub guilty: u64,
    /// Collateral that was taken.
    pub slashed: Flt,
    /// Milliseconds of the longest block.
    pub longest_block_ms: u64,
    /// Milliseconds of all blocks together.
    pub blocks_ms: u64,
    /// Blocks.
    pub blocks: u64,
    /// Milliseconds from the block with an answer to the one with its verdict, at most.
    pub slowest_verdict_ms: u64,
    last_block_ms: u64,
    /// When audits were answered that have no verdict.
    waiting: BTreeMap<AuditId, u64>,
}

impl Proved {
    /// Counts a block. Each is counted once.
    pub(crate) fn note(&mut self, executed: &Executed) {
        let now_ms = executed.block.time_ms;
        if self.blocks > 0 {
            let took_ms = now_ms - self.last_block_ms;
            self.longest_block_ms = self.longest_block_ms.max(took_ms);
            self.blocks_ms += took_ms;
        }
        self.last_block_ms = now_ms;
        self.blocks += 1;
        for event in &executed.outcome.events {
            match event {
                Event::Window(event) => self.window(event),
                Event::Audit(event) => self.audit(event, now_ms),
                Event::Commitment(event) => self.commitment(event),
                _ => {}
            }
        }
    }

    fn window(&mut self, event: &window::Event) {
        match event {
            window::Event::Opened { .. } => self.windows += 1,
            window::Event::Committed { units, .. } => self.committed += u64::from(*units),
            window::Event::KeyDrawn { .. } => {}
        }
    }

    fn audit(&mut self, event: &audit::Event, now_ms: u64) {
        match event {
            audit::Event::Drawn { .. } => self.audits += 1,
            audit::Event::Answered { audit, .. } => {
                self.answered += 1;
                self.waiting.insert(*audit, now_ms);
            }
            audit::Event::Judged { audit, outcome, .. } => {
                if let Some(answered_ms) = self.waiting.remove(audit) {
                    let took_ms = now_ms - answered_ms;
                    self.slowest_verdict_ms = self.slowest_verdict_ms.max(took_ms);
                }
                *self.outcome(*outcome) += 1;
            }
        }
    }

    fn outcome(&mut self, outcome: audit::Outcome) -> &mut u64 {
        match outcome {
            audit::Outcome::Passed => &mut self.good,
            audit::Outcome::NoAnswer => &mut self.unanswered,
            audit::Outcome::AskedAgain => &mut self.bad,
            audit::Outcome::Hardware | audit::Outcome::Fraud => &mut self.guilty,
        }
    }

    fn commitment(&mut self, event: &commitment::Event) {
        match event {
            commitment::Event::EpochClosed { passed, missed, .. } => {
                self.passed += passed;
                self.missed += u64::from(*missed);
            }
            commitment::Event::Slashed { amount, .. } => self.slashed.0 += amount.0,
            _ => {}
        }
    }
}
