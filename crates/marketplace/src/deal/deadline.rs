//! When something of a deal falls due, and what happens then: each at its own second, in their order.

use super::now::{DealNow, Pay};
use super::{Blame, EndReason, Status};
use crate::commitment::Bound;
use crate::cx::Cx;
use crate::peer::Lease;
use crate::refusal::Error;
use crate::store::Store;
use crate::units::{Time, WorkerId};
use crate::worker::{GoneReason, Stage, Worker};

/// Something with a time; the order among those of one second is that of the variants. (T4)
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Deadline {
    CommitmentFailed(WorkerId),
    LeaseLapses(WorkerId),
    StartTimeout(WorkerId),
    NoticeOver(WorkerId),
    CommitmentEnding(WorkerId),
    DurationOver,
    Warning,
    PaidUntil,
    HoldOver,
    PauseOver,
}

impl DealNow {
    /// Lets deadlines take effect in their order, each at its own second. (T2, T3)
    pub(super) fn settle<S: Store>(&mut self, cx: &mut Cx<'_, S>, upto: Time) -> Result<(), Error> {
        self.load_workers(cx)?;
        while let Some((at, what)) = self.next_deadline() {
            if at > upto {
                break;
            }
            self.deal.accrue(at, self.terms.hold)?;
            self.meet(at, what)?;
            self.rearm();
        }
        Ok(())
    }

    pub(super) fn next_deadline(&self) -> Option<(Time, Deadline)> {
        let mut all = vec![(self.deal.ends, Deadline::DurationOver)];
        match self.deal.status {
            Status::Ended { .. } => return None,
            Status::Paused { since } => all.push(self.pause_deadline(since)),
            _ => {
                all.push((self.deal.paid_until(&self.terms), Deadline::PaidUntil));
                all.push((self.warning_deadline(), Deadline::Warning));
                let workers = self.workers.iter();
                all.extend(workers.filter_map(|(id, (worker, lease))| silent(*id, worker, *lease)));
            }
        }
        for (id, (worker, _)) in &self.workers {
            let bound = self.bounds.get(id).copied().unwrap_or(Bound::NONE);
            all.extend(notice_over(*id, worker, bound));
            all.extend(commitment_over(*id, worker, bound, self.outlasts(bound)));
        }
        all.into_iter().filter(|(at, _)| *at != Time::NEVER).min()
    }

    /// Whether the deal goes on when a commitment ends. One of a duration that has not begun was placed so that it
    /// does not.
    fn outlasts(&self, bound: Bound) -> bool {
        let begins = self.deal.began.is_none() && self.terms.duration.is_some();
        !begins && bound.ends < self.deal.ends
    }

    /// Workers whose commitment leaves them no more time than their notice get it now: their deal lasts longer than it
    /// did, or their peer's commitment has just begun. All are loaded.
    pub(crate) fn heed_commitments(&mut self, now: Time) -> Result<(), Error> {
        for id in self.staying() {
            let bound = self.bounds.get(&id).copied().unwrap_or(Bound::NONE);
            let outlasted = self.outlasts(bound);
            let over = self.live_worker(id).and_then(|worker| {
                commitment_over(
                    id,
                    worker,
                    Bound {
                        failed: None,
                        ..bound
                    },
                    outlasted,
                )
            });
            if over.is_some_and(|(at, _)| at <= now) {
                self.commitment_ends(id, now)?;
            }
        }
        Ok(())
    }

    fn meet(&mut self, at: Time, what: Deadline) -> Result<(), Error> {
        match what {
            Deadline::LeaseLapses(worker) => {
                self.gone(worker, GoneReason::Silent, Blame::Provider, Pay::Reported)
            }
            Deadline::StartTimeout(worker) => self.gone_at(
                worker,
                GoneReason::NeverStarted,
                Blame::Provider,
                Pay::Reported,
                at,
            ),
            Deadline::NoticeOver(worker) => self.notice_kept(worker, at),
            Deadline::CommitmentFailed(worker) => {
                let reason = GoneReason::CommitmentFailed;
                self.gone_at(worker, reason, Blame::Provider, Pay::ToNow, at)
            }
            Deadline::CommitmentEnding(worker) => self.commitment_ends(worker, at),
            Deadline::DurationOver => self.end(EndReason::Completed, Blame::Nobody, at),
            Deadline::Warning => self.warn(),
            Deadline::PaidUntil => self.pause(at),
            Deadline::HoldOver => self.release(),
            Deadline::PauseOver => self.end(EndReason::Unfunded, Blame::Developer, at),
        }
    }
}

/// When a worker is over if its peer says nothing. In a pause nothing needs to be said.
fn silent(id: WorkerId, worker: &Worker, lease: Lease) -> Option<(Time, Deadline)> {
    match worker.stage {
        Stage::Assigned { deadline } => Some((deadline, Deadline::StartTimeout(id))),
        Stage::Running(run) | Stage::Draining { run, .. } => {
            Some((lease.until.max(run.kept_until), Deadline::LeaseLapses(id)))
        }
        Stage::Gone { .. } => None,
    }
}

/// When a notice is over, in a pause too: who gave it may leave then. No worker outlasts its commitment.
fn notice_over(id: WorkerId, worker: &Worker, bound: Bound) -> Option<(Time, Deadline)> {
    match worker.stage {
        Stage::Draining { until, .. } => Some((until.min(bound.ends), Deadline::NoticeOver(id))),
        _ => None,
    }
}

/// When its commitment failed, or leaves it no more time than its notice, if its deal goes on.
fn commitment_over(
    id: WorkerId,
    worker: &Worker,
    bound: Bound,
    outlasted: bool,
) -> Option<(Time, Deadline)> {
    let ending = (
        bound.ends.before(worker.notice).max(bound.since),
        Deadline::CommitmentEnding(id),
    );
    let failed = bound.failed.map(|at| (at, Deadline::CommitmentFailed(id)));
    let staying = matches!(worker.stage, Stage::Assigned { .. } | Stage::Running(_));
    let ending = (staying && outlasted).then_some(ending);
    match worker.stage {
        Stage::Gone { .. } => None,
        _ => failed.into_iter().chain(ending).min(),
    }
}
