//! What a run is made of. Equal scenarios give equal runs.

/// A run: who takes part, what goes wrong, and how far it goes.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Drives every choice that is left open.
    pub seed: u64,
    /// How many validators there are.
    pub validators: u32,
    /// Every validator executes up to this height.
    pub height: u64,
    /// How messages travel between any two of them.
    pub link: Link,
    /// What there is to judge.
    pub audits: Audits,
    /// Who proves.
    pub proving: Option<Proving>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
}

/// Peers whose units prove in windows of twelve seconds with a grace of six. Each has a node of its own, as long as
/// there are so many validators.
#[derive(Clone, Copy, Debug)]
pub struct Proving {
    /// How many peers.
    pub peers: u32,
    /// Units of each.
    pub units: u16,
    /// The run goes on until every validator has seen so many windows open.
    pub windows: u64,
}

/// Answered audits that are there from the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Audits {
    /// How many; their verdicts fall due one after another.
    pub count: u64,
    /// Milliseconds that a validator takes for one.
    pub judging_ms: u64,
}

/// How messages travel.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Milliseconds on the way.
    pub latency_ms: u64,
    /// Standard deviation of that.
    pub jitter_ms: u64,
    /// Of a hundred messages so many are lost.
    pub loss_percent: u64,
}

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Again and again a validator, chosen at random, stops in the middle of everything and starts anew.
    Crashes {
        /// Milliseconds between two crashes.
        every_ms: u64,
        /// Milliseconds until it starts again.
        down_ms: u64,
    },
    /// The last validator joins with an empty disk when the others have executed this height.
    LateJoiner {
        /// The height.
        height: u64,
    },
    /// The last validator finds something wrong about every answer, and says so.
    WrongVerdicts,
    /// The last validator takes this long for an answer.
    SlowJudge {
        /// Milliseconds.
        judging_ms: u64,
    },
    /// Again and again provers die, their links to their nodes are cut, and validators die, preferably while they judge
    /// an answer; each for a random time. A peer that was cut off in any of these ways has peace for a while.
    Deaths {
        /// Milliseconds of the longest.
        longest_ms: u64,
        /// Milliseconds of peace.
        peace_ms: u64,
    },
    /// The last peer finds an empty disk whenever its prover starts again.
    LostWork,
    /// The last peer's units compute something else.
    WrongWork,
    /// At this height all validators stop at once, and what they had not synced is lost.
    PowerFailure {
        /// The height.
        height: u64,
    },
}

impl Scenario {
    /// The height at which the last validator joins; 0 if it is there from the start.
    pub(crate) fn late_height(&self) -> u64 {
        self.faults
            .iter()
            .find_map(|fault| match fault {
                Fault::LateJoiner { height } => Some(*height),
                _ => None,
            })
            .unwrap_or(0)
    }

    /// Milliseconds between crashes and until the restart.
    pub(crate) fn crashes(&self) -> Option<(u64, u64)> {
        self.faults.iter().find_map(|fault| match fault {
            Fault::Crashes { every_ms, down_ms } => Some((*every_ms, *down_ms)),
            _ => None,
        })
    }

    /// Milliseconds of the longest death, and of the peace after one.
    pub(crate) fn deaths(&self) -> Option<(u64, u64)> {
        self.faults.iter().find_map(|fault| match fault {
            Fault::Deaths {
                longest_ms,
                peace_ms,
            } => Some((*longest_ms, *peace_ms)),
            _ => None,
        })
    }

    /// Windows that every validator sees.
    pub(crate) fn windows(&self) -> u64 {
        self.proving.map_or(0, |proving| proving.windows)
    }

    /// Whether a validator lies about answers.
    pub(crate) fn lies(&self, validator: u32) -> bool {
        self.is_last(validator) && self.faults.contains(&Fault::WrongVerdicts)
    }

    /// Milliseconds that a validator takes for an answer.
    pub(crate) fn judging_ms(&self, validator: u32) -> u64 {
        let slow = self.faults.iter().find_map(|fault| match fault {
            Fault::SlowJudge { judging_ms } if self.is_last(validator) => Some(*judging_ms),
            _ => None,
        });
        slow.unwrap_or(self.audits.judging_ms)
    }

    fn is_last(&self, validator: u32) -> bool {
        validator + 1 == self.validators
    }

    /// Heights at which a phase of the run ends: at power failures, and at the end.
    pub(crate) fn phases(&self) -> Vec<u64> {
        let failures = self.faults.iter().filter_map(|fault| match fault {
            Fault::PowerFailure { height } => Some(*height),
            _ => None,
        });
        failures.chain([self.height]).collect()
    }
}
