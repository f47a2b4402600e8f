//! Decides what a peer proves: in which windows its units compute, when it commits, what it answers.
//!
//! [`Prover::handle`] takes one event and the time, and returns actions. It does no I/O, reads no clock and keeps
//! nothing on disk: after a restart it takes up the newest window and the one before, which may still be committed to,
//! and whoever carries actions out finds what is done already on disk. What fails is asked for again, and
//! [`Action::Begin`] all the time, so whoever carries actions out must bear to be asked twice.
//!
//! Promises (`docs/spec/peer.md`, Prover): N1 to N5, named where they are kept.

pub mod desk;
#[cfg(test)]
mod tests;

use capacity::{Digest, Shape, Statement, Unit};
use std::collections::{BTreeMap, BTreeSet};

/// Settled windows that are remembered, so that nobody asks for them again.
const REMEMBERED: u64 = 4;

/// Who has less than this to answer does so at once.
const SPREAD_MS: u64 = 60_000;

/// A transaction gets half of the grace, and no more than this, to be in a block.
const LAST_CALL_MS: u64 = 30_000;

/// What the chain says of a window to a peer with a commitment for it. Times are milliseconds of the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its number.
    pub window: u64,
    /// The epoch in which it began.
    pub epoch: u64,
    /// Whether it can be committed to.
    pub owed: bool,
    /// Whether the peer committed to it.
    pub committed: bool,
    /// What its units compute on; none: not known yet, or never.
    pub challenge: Option<Digest>,
    /// Cache key of its key period.
    pub key: Option<Digest>,
    /// Cache key of the next.
    pub next_key: Option<Digest>,
    /// When it ends.
    pub ends_ms: u64,
    /// When it is too late to commit to it.
    pub commit_by_ms: u64,
    /// Number of the chain.
    pub chain: u64,
    /// Number of the provider.
    pub provider: u64,
    /// Public key of the peer.
    pub peer: [u8; 32],
    /// Number of the commitment.
    pub commitment: u64,
    /// How much each unit computes.
    pub shape: Shape,
    /// Who is paid.
    pub payout: [u8; 20],
    /// Indices of the units that may prove in it, ascending.
    pub units: Vec<u16>,
}

/// An audit that waits for an answer. Its leaves may be drawn twice, from another seed each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    /// Its id.
    pub audit: u64,
    /// What the leaves are drawn from.
    pub seed: Digest,
}

/// What the chain says of everything that the peer has to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The windows that [`Prover::asks`] named, and the newest, oldest first; without those for which the peer has no
    /// commitment.
    pub windows: Vec<Window>,
    /// Audits that the peer has not answered, and when it is too late to.
    pub audits: Vec<(Asked, u64)>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The chain was looked at.
    Seen(Seen),
    /// The chains of a unit are over.
    Over {
        /// Which unit.
        unit: u16,
        /// Of which window.
        window: u64,
        /// Whether they came to their ends.
        finished: bool,
    },
    /// [`Action::Commit`] ended.
    Committed {
        /// To which window.
        window: u64,
        /// Whether there is no more to be done.
        done: bool,
    },
    /// [`Action::Answer`] ended.
    Answered {
        /// Which audit.
        asked: Asked,
        /// Whether there is no more to be done.
        done: bool,
    },
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Keep the caches of these keys, and no others.
    Keep {
        /// The one that is needed first.
        key: Digest,
        /// The other one.
        next: Option<Digest>,
    },
    /// Stop the chains of all windows before this one: it is too late for them.
    StopBefore(u64),
    /// Go on with the chains of a unit, unless it has some already.
    Begin(Statement),
    /// Commit to what these units did.
    Commit {
        /// In which window.
        window: u64,
        /// Indices of the units, ascending.
        units: Vec<u16>,
    },
    /// Answer an audit.
    Answer(Asked),
}

/// A window in which units prove.
#[derive(Clone, Debug, Default)]
struct Round {
    begun: BTreeSet<u16>,
    finished: BTreeSet<u16>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Units compute.
    #[default]
    Open,
    /// A commit is under way.
    Sending,
    /// There is no more to be done.
    Settled,
}

/// Decides what a peer proves.
#[derive(Clone, Debug, Default)]
pub struct Prover {
    rounds: BTreeMap<u64, Round>,
    /// When it is the turn of audits that wait; None: the answer is under way, or there is none.
    turns: BTreeMap<Asked, Option<u64>>,
}

impl Prover {
    /// One that has just started.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Windows that have to be looked at beside the newest: the one before, which this peer may have died in, and those
    /// that were begun. (N1)
    #[must_use]
    pub fn asks(&self, newest: Option<u64>) -> Vec<u64> {
        let open = self.rounds.iter().filter(|(_, round)| round.is_open());
        let mut asks: BTreeSet<_> = open.map(|(window, _)| *window).collect();
        if let Some(newest) = newest {
            asks.extend(
                newest
                    .checked_sub(1)
                    .filter(|before| !self.settled(*before)),
            );
            asks.remove(&newest);
        }
        asks.into_iter().collect()
    }

    fn settled(&self, window: u64) -> bool {
        self.rounds
            .get(&window)
            .is_some_and(|round| !round.is_open())
    }

    /// Everything to be done now that this has happened.
    pub fn handle(&mut self, event: Event, now_ms: u64) -> Vec<Action> {
        match event {
            Event::Seen(seen) => return self.see(&seen, now_ms),
            Event::Over {
                unit,
                window,
                finished,
            } => self.over(unit, window, finished),
            Event::Committed { window, done } => {
                if let Some(round) = self.rounds.get_mut(&window) {
                    round.phase = if done { Phase::Settled } else { Phase::Open };
                }
            }
            Event::Answered { asked, done } => {
                if let Some(turn) = self.turns.get_mut(&asked).filter(|_| !done) {
                    *turn = Some(now_ms);
                }
            }
        }
        Vec::new()
    }

    fn over(&mut self, unit: u16, window: u64, finished: bool) {
        let Some(round) = self.rounds.get_mut(&window) else {
            return;
        };
        if finished {
            round.finished.insert(unit);
        } else {
            round.begun.remove(&unit);
        }
    }

    fn see(&mut self, seen: &Seen, now_ms: u64) -> Vec<Action> {
        // An audit has less time than anything else.
        let mut actions = self.answer(&seen.audits, now_ms);
        for (window, round) in &mut self.rounds {
            if seen.windows.iter().all(|shown| shown.window != *window) {
                round.phase = Phase::Settled;
            }
        }
        let Some(newest) = seen.windows.last() else {
            self.rounds.clear();
            return actions;
        };
        for window in &seen.windows {
            self.note(window, newest.window);
        }
        let open: Vec<_> = seen
            .windows
            .iter()
            .filter(|window| !self.settled(window.window) && now_ms <= window.commit_by_ms)
            .collect();
        let first = open.first().map_or(newest.window, |first| first.window);
        actions.extend(keys(&open, newest));
        actions.push(Action::StopBefore(first));
        for window in open {
            self.advance(window, now_ms, &mut actions);
        }
        let old = newest.window.saturating_sub(REMEMBERED);
        self.rounds.retain(|window, _| *window >= old);
        actions
    }

    /// Answers each audit once when its turn has come, unless that failed. (N4)
    fn answer(&mut self, audits: &[(Asked, u64)], now_ms: u64) -> Vec<Action> {
        self.turns
            .retain(|asked, _| audits.iter().any(|(other, _)| other == asked));
        let mut actions = Vec::new();
        for (asked, answer_by_ms) in audits {
            let turn = self.turns.entry(*asked);
            let turn = turn.or_insert_with(|| Some(asked.turn_ms(*answer_by_ms, now_ms)));
            if turn.take_if(|turn| *turn <= now_ms).is_some() {
                actions.push(Action::Answer(*asked));
            }
        }
        actions
    }

    /// Takes a window up, or settles it.
    fn note(&mut self, window: &Window, newest: u64) {
        let round = self.rounds.entry(window.window).or_default();
        // The newest one may be about to get its challenge.
        let void = !window.owed && window.window < newest;
        if window.committed || void {
            round.phase = Phase::Settled;
        }
    }

    /// Begins the chains of all units that may prove in an open window, and commits when it is time. (N2, N3)
    fn advance(&mut self, window: &Window, now_ms: u64, actions: &mut Vec<Action>) {
        let (Some(key), Some(challenge), true) = (window.key, window.challenge, window.owed) else {
            return;
        };
        let Some(round) = self.rounds.get_mut(&window.window) else {
            return;
        };
        if round.phase != Phase::Open {
            return;
        }
        for unit in &window.units {
            if !round.finished.contains(unit) {
                round.begun.insert(*unit);
                let statement = window.statement(*unit, key, challenge);
                actions.push(Action::Begin(statement));
            }
        }
        if let Some(units) = round.ready(window, now_ms) {
            round.phase = Phase::Sending;
            let window = window.window;
            actions.push(Action::Commit { window, units });
        }
    }
}

impl Asked {
    /// When an audit that is first seen now is to be answered: at a time of its own in the first two thirds of what is
    /// left. Validators judge all answers of a window, and would do nothing else if they came together.
    fn turn_ms(&self, answer_by_ms: u64, now_ms: u64) -> u64 {
        let left = answer_by_ms.saturating_sub(now_ms);
        if left < SPREAD_MS {
            return now_ms;
        }
        let lot = self
            .seed
            .iter()
            .take(2)
            .fold(0, |lot, byte| lot << 8 | u64::from(*byte));
        now_ms.saturating_add((left / 3 * 2).saturating_mul(lot) / 0x1_0000)
    }
}

impl Round {
    fn is_open(&self) -> bool {
        self.phase != Phase::Settled
    }

    /// The units to commit with, if all are done, or the last moment has come and some are. (N3)
    fn ready(&self, window: &Window, now_ms: u64) -> Option<Vec<u16>> {
        let may = |unit: &&u16| window.units.contains(unit);
        let units: Vec<_> = self.finished.iter().filter(may).copied().collect();
        let mut begun = self.begun.iter().filter(may);
        let all = begun.all(|unit| self.finished.contains(unit));
        let ready = all || now_ms >= window.last_call_ms();
        (ready && !units.is_empty()).then_some(units)
    }
}

impl Window {
    /// When a commit does not wait for anybody any more.
    fn last_call_ms(&self) -> u64 {
        let grace = self.commit_by_ms.saturating_sub(self.ends_ms);
        self.commit_by_ms
            .saturating_sub((grace / 2).min(LAST_CALL_MS))
    }

    fn statement(&self, unit: u16, key: Digest, challenge: Digest) -> Statement {
        Statement {
            chain: self.chain,
            epoch: self.epoch,
            window: self.window,
            challenge,
            unit: Unit {
                key,
                provider: self.provider,
                peer: self.peer,
                unit,
                commitment: self.commitment,
            },
            shape: self.shape,
            payout: self.payout,
        }
    }
}

/// The two caches that are needed first: those of open windows, oldest first, then that of the next key period. (N5)
fn keys(open: &[&Window], newest: &Window) -> Option<Action> {
    let mut keys: Vec<Digest> = Vec::new();
    let wanted = open.iter().map(|window| window.key);
    for key in wanted.chain([newest.key, newest.next_key]).flatten() {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let key = *keys.first()?;
    let next = keys.get(1).copied();
    Some(Action::Keep { key, next })
}
