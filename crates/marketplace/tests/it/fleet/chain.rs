//! Blocks over the real rows: what waits is called until a block is full, what a validator found is listed.

use super::figures::Series;
use super::validator::{Claim, Validator};
use crate::world::{Work, World};
use marketplace::units::{Address, AuditId};
use marketplace::{Call, Event, Refusal, audit, window};
use std::collections::{BTreeSet, VecDeque};

/// Gas of a block, and of what is done in it: as in `execution`, from whose prices these are taken.
const BLOCK_GAS: u64 = 30_000_000;
const TRANSACTION_GAS: u64 = 21_000;
const READ: u64 = 800;
const READ_BYTE: u64 = 2;
const WRITE: u64 = 5_000;
const WRITE_BYTE: u64 = 40;
const STEP: u64 = 20;
/// A word of calldata, most of it zeros; a byte of an answer.
const WORD: u64 = 150;
const BYTE: u64 = 16;

fn gas(work: Work) -> u64 {
    work.reads * READ
        + work.read_bytes * READ_BYTE
        + work.writes * WRITE
        + work.written_bytes * WRITE_BYTE
        + work.steps * STEP
}

/// What it costs to send a call, before it does anything.
fn sending(call: &Call) -> u64 {
    let data = match call {
        Call::Window(window::Call::Commit { units, .. }) => units.len() as u64 * WORD,
        Call::Audit(audit::Call::Answer { bytes, .. }) => bytes.len() as u64 * BYTE,
        _ => 0,
    };
    TRANSACTION_GAS + data
}

/// What blocks did, one figure for each of them.
#[derive(Default)]
pub(crate) struct Load {
    /// Commits that were taken.
    pub(crate) commits: Series,
    pub(crate) answers: Series,
    pub(crate) audits: Series,
    pub(crate) verdicts: Series,
    /// Audits without an answer, and answers without a verdict, after the block.
    pub(crate) unanswered: Series,
    pub(crate) unjudged: Series,
    /// Calls that waited for another block.
    pub(crate) waiting: Series,
    /// Thousands of gas: of its calls, and of its beginning and its end.
    pub(crate) calls_kgas: Series,
    pub(crate) around_kgas: Series,
    /// Blocks so far ahead of the result they name that they carried nothing.
    pub(crate) behind: u64,
}

pub(crate) struct Chain {
    pub(crate) world: World,
    pub(crate) validator: Validator,
    pub(crate) load: Load,
    height: u64,
    waiting: VecDeque<(Address, Call)>,
    unanswered: BTreeSet<AuditId>,
}

/// What a block brought.
pub(crate) struct News {
    pub(crate) events: Vec<Event>,
    /// Who made a call that was refused, and why.
    pub(crate) refused: Vec<(Address, Refusal)>,
}

impl Chain {
    pub(crate) fn new(mut world: World, validator: Validator) -> Self {
        world.events.clear();
        Self {
            world,
            validator,
            load: Load::default(),
            height: 0,
            waiting: VecDeque::new(),
            unanswered: BTreeSet::new(),
        }
    }

    /// Sends a call; it waits for a block that has room.
    pub(crate) fn send(&mut self, caller: Address, call: Call) {
        self.waiting.push_back((caller, call));
    }

    /// Ends the open block, and makes the next, so many seconds later.
    pub(crate) fn block(&mut self, seconds: u64) -> News {
        self.world.end();
        let end = gas(self.world.work);
        self.validator.executed(self.height, self.world.now);
        self.height += 1;
        let now = self.world.now + seconds;
        self.validator.work(now);
        let Claim { verdicts, behind } = self.validator.claim(self.height, now);
        self.load.verdicts.push(verdicts.len() as u64);
        self.load.behind += u64::from(behind);
        self.world.verdicts = verdicts;
        self.world.begin(seconds);
        self.load
            .around_kgas
            .push((end + gas(self.world.work)) / 1_000);
        let refused = match behind {
            true => Vec::new(),
            false => self.fill(),
        };
        self.load.waiting.push(self.waiting.len() as u64);
        let events = std::mem::take(&mut self.world.events);
        let events: Vec<_> = events.into_iter().map(|(_, event)| event).collect();
        self.hear(&events);
        News { events, refused }
    }

    /// Makes calls that wait, until the block is full.
    fn fill(&mut self) -> Vec<(Address, Refusal)> {
        let (mut used, mut refused) = (0, Vec::new());
        while used < BLOCK_GAS {
            let Some((caller, call)) = self.waiting.pop_front() else {
                break;
            };
            if let Err(marketplace::Error::Refused(refusal)) = self.world.call(caller, &call) {
                refused.push((caller, refusal));
            }
            used += sending(&call) + gas(self.world.work);
        }
        self.load.calls_kgas.push(used / 1_000);
        refused
    }

    /// Counts what happened in a block, and tells the validator what there is to judge.
    fn hear(&mut self, events: &[Event]) {
        let (mut commits, mut answers, mut audits) = (0, 0, 0);
        let now = self.world.now;
        for event in events {
            match event {
                Event::Window(window::Event::Committed { .. }) => commits += 1,
                Event::Audit(audit::Event::Drawn { audit, .. }) => {
                    audits += 1;
                    self.unanswered.insert(*audit);
                }
                Event::Audit(audit::Event::Answered { audit, due }) => {
                    answers += 1;
                    self.unanswered.remove(audit);
                    let row = self.world.read(|cx| audit::get(cx.store, *audit));
                    let row = row.expect("it is not over");
                    self.validator.hear((*due, *audit), &row, now);
                }
                Event::Audit(audit::Event::Judged { audit, .. }) => {
                    self.unanswered.remove(audit);
                }
                _ => {}
            }
        }
        self.load.commits.push(commits);
        self.load.answers.push(answers);
        self.load.audits.push(audits);
        self.load.unanswered.push(self.unanswered.len() as u64);
        self.load.unjudged.push(self.validator.unjudged(now));
    }
}
