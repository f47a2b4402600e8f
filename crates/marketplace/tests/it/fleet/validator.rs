//! A validator as far as audits go: threads that judge answers, those first whose verdict is due first, and what a block
//! may list. What an answer opens is made up: it says itself how many of its leaves are bad.
//!
//! Its judging and naming are those of `docs/spec/block.md`, B12 to B16. All validators are taken to be as fast as this
//! one, so that a verdict it lacks is lacking everywhere.

use marketplace::audit::{Audit, Verdict};
use marketplace::limits::MAX_VERDICTS;
use marketplace::units::{AuditId, Time};
use std::collections::{BTreeMap, VecDeque};

/// How far a block with calls or verdicts may be ahead of the result it names.
const MAX_BACKLOG: u64 = 16;

/// Where an answer stands in the order of verdicts.
pub(crate) type Place = (Time, AuditId);

/// An answer of which a validator finds so many bad leaves; it is as long as a real one of class 1.
pub(crate) fn opening(leaves: u16, bad: u16) -> Vec<u8> {
    // Its units' path and roots, and for each leaf its place, its result and a path of 15.
    let mut bytes = vec![0; 320 + usize::from(leaves) * 518];
    bytes[..2].copy_from_slice(&(bad + 1).to_le_bytes());
    bytes
}

/// An answer that opens nothing.
pub(crate) fn forgery() -> Vec<u8> {
    vec![0; 320]
}

/// What a validator finds when it computes an answer again.
pub(crate) fn judge(bytes: &[u8]) -> Verdict {
    match u16::from_le_bytes([bytes[0], bytes[1]]) {
        0 => Verdict::Malformed,
        more => Verdict::Opened { bad: more - 1 },
    }
}

/// Threads that judge, and what they found. Times are milliseconds since genesis.
pub(crate) struct Validator {
    /// What a hash costs, in microseconds of a core.
    hash_us: u64,
    steps_per_leaf: u64,
    /// When each thread is free.
    threads: Vec<u64>,
    waiting: BTreeMap<Place, Job>,
    /// Verdicts that no block has listed, and when they are found.
    found: BTreeMap<Place, (u64, Verdict)>,
    /// Microseconds of judging so far.
    pub(crate) busy_us: u64,
    /// Height and protocol time of the newest results.
    results: VecDeque<(u64, u64)>,
    named: u64,
}

struct Job {
    since_ms: u64,
    cost_us: u64,
    verdict: Verdict,
}

/// What a block lists, and whether it is so far ahead of the result it names that it carries nothing else.
pub(crate) struct Claim {
    pub(crate) verdicts: Vec<(AuditId, Verdict)>,
    pub(crate) behind: bool,
}

impl Validator {
    pub(crate) fn new(threads: usize, hash_us: u64, steps_per_leaf: u64) -> Self {
        Self {
            hash_us,
            steps_per_leaf,
            threads: vec![0; threads],
            waiting: BTreeMap::new(),
            found: BTreeMap::new(),
            busy_us: 0,
            results: VecDeque::new(),
            named: 0,
        }
    }

    /// Hears of an answer. What opens nothing is found out by its form, without a hash.
    pub(crate) fn hear(&mut self, place: Place, audit: &Audit, now: u64) {
        let answer = audit.answer.as_ref().expect("it was answered");
        let verdict = judge(&answer.bytes);
        let hashes = match verdict {
            Verdict::Malformed => 0,
            Verdict::Opened { .. } => u64::from(audit.leaves) * self.steps_per_leaf,
        };
        let job = Job {
            since_ms: now * 1_000,
            cost_us: hashes * self.hash_us,
            verdict,
        };
        self.waiting.insert(place, job);
    }

    /// Answers that nobody has judged.
    pub(crate) fn unjudged(&self, now: u64) -> u64 {
        let under_way = self.found.values().filter(|(at, _)| *at > now * 1_000);
        (self.waiting.len() + under_way.count()) as u64
    }

    /// Lets the threads work until then.
    pub(crate) fn work(&mut self, now: u64) {
        let until = now * 1_000;
        while let Some(entry) = self.waiting.first_entry() {
            let thread = self.threads.iter_mut().min().expect("there is a thread");
            let begins = (*thread).max(entry.get().since_ms);
            if begins >= until {
                return;
            }
            let (place, job) = entry.remove_entry();
            self.busy_us += job.cost_us;
            *thread = begins + job.cost_us.div_ceil(1_000);
            self.found.insert(place, (*thread, job.verdict));
        }
    }

    /// A block of this height was executed, and had this time.
    pub(crate) fn executed(&mut self, height: u64, time: u64) {
        self.results.push_back((height, time));
        if self.results.len() > 4 * MAX_BACKLOG as usize {
            self.results.pop_front();
        }
    }

    /// What the block of this height lists at that time: all that is due in the newest result in which no verdict is
    /// missing. (B13, B15)
    pub(crate) fn claim(&mut self, height: u64, now: u64) -> Claim {
        let backlog = |named: u64| height > named + MAX_BACKLOG;
        let missing = self.missing(now).map(|(due, _)| due.0);
        let may = |(named, time): &&(u64, u64)| {
            missing.is_none_or(|missing| *time < missing) || backlog(*named)
        };
        let newest = self.results.iter().rev().find(may).copied();
        let newer = newest.filter(|(result, _)| *result > self.named);
        let mut verdicts = Vec::new();
        if let Some((result, time)) = newer {
            self.named = result;
            if !backlog(result) {
                verdicts = self.list(time);
            }
        }
        let behind = backlog(self.named);
        Claim { verdicts, behind }
    }

    /// The first answer whose verdict is not found.
    fn missing(&self, now: u64) -> Option<Place> {
        let under_way = self.found.iter().find(|(_, (at, _))| *at > now * 1_000);
        let under_way = under_way.map(|(place, _)| *place);
        let waiting = self.waiting.first_key_value().map(|(place, _)| *place);
        under_way.into_iter().chain(waiting).min()
    }

    fn list(&mut self, time: u64) -> Vec<(AuditId, Verdict)> {
        let due = self.found.keys().take_while(|(due, _)| due.0 <= time);
        let due: Vec<_> = due.take(MAX_VERDICTS).copied().collect();
        let listed = due.into_iter().map(|place| {
            let (_, verdict) = self.found.remove(&place).expect("it is there");
            (place.1, verdict)
        });
        listed.collect()
    }
}
