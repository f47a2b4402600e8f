//! Rollouts: the workers of a deal change to another artifact one at a time, in the order of their ids, so that what
//! does not run is found by one of them.
//!
//! ```text
//!          artifact set                 last one switched
//! (Done) -> Rolling(next) --------------------------> Done
//!             |    ^  next switched, or went by nobody's or the developer's doing: the one after it
//!             v    | artifact set (another, the one of before, or the same again)
//!           Stopped: next cannot run it, or went by its provider's fault
//! ```
//! Promises (`docs/spec/deal.md`): R1 to R5, named where they are kept.

use super::{Blame, Deal, DealNow};
use crate::change;
use crate::cx::Cx;
use crate::demand::{Artifact, Terms};
use crate::refusal::{Error, Object, Refusal, ensure};
use crate::store::Store;
use crate::table::Table;
use crate::units::{DealId, Hash, WorkerId};
use crate::worker::{GoneReason, Obstacle, Stage, Worker};
use borsh::{BorshDeserialize, BorshSerialize};

/// How far the workers are with the artifact of now.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rollout {
    /// All that run run it.
    #[default]
    Done,
    /// All before this worker run it; this one is to change.
    Rolling {
        /// Which.
        next: WorkerId,
    },
    /// It goes on when the owner sets an artifact.
    Stopped {
        /// At which worker.
        worker: WorkerId,
        /// Why.
        why: Halt,
    },
}

/// Why a rollout stopped.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// The worker runs on as before and cannot run the artifact of now.
    CannotRun(Obstacle),
    /// The worker went by its provider's fault.
    Gone(GoneReason),
}

impl Rollout {
    /// Whether it stopped because this worker said so.
    #[must_use]
    pub fn stopped_by(self, worker: WorkerId, obstacle: Obstacle) -> bool {
        let why = Halt::CannotRun(obstacle);
        self == Self::Stopped { worker, why }
    }
}

/// The artifact that the workers ran before the one of now, of deals that had another.
pub const PREVIOUS: Table<DealId, Artifact> = Table::new(0x27, "previous_artifacts");

impl Deal {
    /// What a worker is to run: the one whose turn it is, and those that did not run yet, the artifact of now; all
    /// others what they run. (R1)
    #[must_use]
    pub fn due_artifact(&self, terms: &Terms, id: WorkerId, worker: &Worker) -> Hash {
        match worker.stage {
            Stage::Assigned { .. } => terms.artifact.hash,
            _ if self.rollout == (Rollout::Rolling { next: id }) => terms.artifact.hash,
            _ => worker.artifact,
        }
    }
}

impl DealNow {
    /// Begins to change from the artifact `before` to that of the terms, or goes on where it stopped. (R1, R4)
    pub(crate) fn roll_out<S: Store>(
        &mut self,
        cx: &mut Cx<'_, S>,
        before: Artifact,
    ) -> Result<(), Error> {
        self.load_workers(cx)?;
        if before.hash != self.terms.artifact.hash {
            self.deal.artifact_version = self.deal.artifact_version.saturating_add(1);
            self.deal.cannot_run.clear();
            let back = self.way_back(cx, before)?;
            PREVIOUS.put(cx.store, &self.id, &back)?;
        }
        self.deal.rollout = self.first_behind();
        self.tell_rollout();
        Ok(())
    }

    /// What a rollback is to go to: what all workers ran last, so not an artifact of which the rollout is given up.
    fn way_back<S: Store>(&self, cx: &mut Cx<'_, S>, before: Artifact) -> Result<Artifact, Error> {
        let last = PREVIOUS.get(cx.store, &self.id)?;
        let given_up = self.deal.rollout != Rollout::Done;
        let other = |last: &Artifact| last.hash != self.terms.artifact.hash;
        Ok(last
            .filter(|last| given_up && other(last))
            .unwrap_or(before))
    }

    /// Notes what an assigned worker runs that begins; one of the artifact of before waits for its turn. (R2)
    pub(super) fn begins_with(&mut self, id: WorkerId, artifact: Hash) {
        if artifact == self.terms.artifact.hash {
            return;
        }
        let next = match self.deal.rollout {
            Rollout::Done => id,
            Rollout::Rolling { next } => next.min(id),
            Rollout::Stopped { .. } => return,
        };
        self.set_rollout(Rollout::Rolling { next });
    }

    /// A running worker runs the artifact of now from now on; the next one is to follow. (R1)
    pub(crate) fn switch(&mut self, id: WorkerId, artifact: Hash) -> Result<(), Error> {
        ensure(artifact == self.terms.artifact.hash, Refusal::WrongArtifact)?;
        let object = Object::Worker(id);
        let state = "not next in the rollout";
        let turn = self.deal.rollout == Rollout::Rolling { next: id };
        ensure(turn, Refusal::WrongState { object, state })?;
        self.loaded_mut(id)?.0.artifact = artifact;
        self.changed.insert(id);
        let deal = self.id;
        self.emit(change::Event::Switched {
            deal,
            worker: id,
            artifact,
        });
        self.set_rollout(self.first_behind());
        Ok(())
    }

    /// The worker whose turn it is cannot run the artifact of now, and runs on as before. (R3)
    pub(crate) fn stop_rollout(&mut self, worker: WorkerId, obstacle: Obstacle) {
        let why = Halt::CannotRun(obstacle);
        self.set_rollout(Rollout::Stopped { worker, why });
    }

    /// What the loss of a worker means for a rollout. (R3)
    pub(super) fn roll_without(&mut self, id: WorkerId, reason: GoneReason, blame: Blame) {
        let rollout = match self.deal.rollout {
            Rollout::Rolling { next } if next == id && blame == Blame::Provider => {
                let why = Halt::Gone(reason);
                match self.first_behind() {
                    // Nobody is left whom stopping would spare.
                    Rollout::Done => Rollout::Done,
                    _ => Rollout::Stopped { worker: id, why },
                }
            }
            Rollout::Rolling { next } if next == id => self.first_behind(),
            Rollout::Stopped { .. } if self.first_behind() == Rollout::Done => Rollout::Done,
            same => same,
        };
        self.set_rollout(rollout);
    }

    /// A worker under notice keeps what it runs: if it was to change, the one after it is. (R3)
    pub(super) fn roll_on(&mut self) {
        let next = self.first_behind();
        let goes_on = matches!(self.deal.rollout, Rollout::Rolling { .. });
        if goes_on || next == Rollout::Done {
            self.set_rollout(next);
        }
    }

    /// Nothing is left to change.
    pub(super) fn end_rollout(&mut self) {
        self.set_rollout(Rollout::Done);
    }

    /// Where a rollout stands that goes on: at the first running worker that runs something else. All workers are
    /// loaded.
    fn first_behind(&self) -> Rollout {
        let behind = |worker: &Worker| {
            let running = matches!(worker.stage, Stage::Running(_));
            running && worker.artifact != self.terms.artifact.hash
        };
        let mut workers = self.workers.iter();
        let next = workers.find(|(_, (worker, _))| behind(worker));
        next.map_or(Rollout::Done, |(id, _)| Rollout::Rolling { next: *id })
    }

    fn set_rollout(&mut self, rollout: Rollout) {
        if self.deal.rollout != rollout {
            self.deal.rollout = rollout;
            self.tell_rollout();
        }
    }

    fn tell_rollout(&mut self) {
        let (deal, version, rollout) = (self.id, self.deal.artifact_version, self.deal.rollout);
        self.emit(change::Event::RolloutChanged {
            deal,
            version,
            rollout,
        });
    }
}
