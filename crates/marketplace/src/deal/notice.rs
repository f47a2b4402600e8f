//! How a provider takes a worker out of a deal: with notice, or at once. (W8 to W11)

use super::Blame;
use super::now::{DealNow, Pay};
use crate::refusal::{Error, Refusal, fault};
use crate::units::{Time, WorkerId};
use crate::worker::{self, GoneReason, Run, Stage};

impl DealNow {
    /// A worker that runs drains from now on; one that does not is gone. A notice cannot be withdrawn. (W8)
    pub(crate) fn give_notice(&mut self, id: WorkerId, now: Time) -> Result<(), Error> {
        let (worker, _) = self.loaded(id)?;
        let run = match worker.stage {
            Stage::Assigned { .. } => return self.decline(id),
            Stage::Running(run) => run,
            Stage::Draining { until, .. } => {
                return Err(Refusal::AlreadyLeaving { worker: id, until }.into());
            }
            Stage::Gone { .. } => return Err(fault("worker is gone already")),
        };
        let until = now.after(worker.notice);
        self.drain(id, run, now, until)
    }

    /// Its commitment ends when its notice would be over: one that runs serves until then, one that does not is gone.
    pub(super) fn commitment_ends(&mut self, id: WorkerId, now: Time) -> Result<(), Error> {
        let Stage::Running(run) = self.loaded(id)?.0.stage else {
            let reason = GoneReason::CommitmentEnded;
            // A commitment may have begun before the second up to which the deal has been counted.
            let at = now.max(self.deal.at);
            return self.gone_at(id, reason, Blame::Nobody, Pay::ToNow, at);
        };
        let ends = self.bounds.get(&id).map_or(now, |bound| bound.ends);
        self.drain(id, run, now, ends.max(now))
    }

    fn drain(&mut self, id: WorkerId, run: Run, now: Time, until: Time) -> Result<(), Error> {
        self.loaded_mut(id)?.0.stage = Stage::Draining {
            run,
            since: now,
            until,
        };
        self.changed.insert(id);
        self.deal.drain()?;
        self.deal.vacated = self.deal.vacated.saturating_add(1);
        self.woken = true;
        self.roll_on();
        self.emit(worker::Event::NoticeGiven {
            worker: id,
            deal: self.id,
            until,
        });
        match until > now {
            true => Ok(()),
            false => self.notice_kept(id, now),
        }
    }

    /// A worker is gone at once, by its provider's fault unless its notice is over this second. (W10)
    pub(crate) fn leave_at_once(&mut self, id: WorkerId, now: Time) -> Result<(), Error> {
        match self.loaded(id)?.0.stage {
            Stage::Assigned { .. } => self.decline(id),
            Stage::Draining { until, .. } if until <= now => self.notice_kept(id, now),
            _ => self.gone(id, GoneReason::Left, Blame::Provider, Pay::ToNow),
        }
    }

    fn decline(&mut self, id: WorkerId) -> Result<(), Error> {
        self.gone(id, GoneReason::Declined, Blame::Provider, Pay::Reported)
    }

    /// A worker under notice has served as long as it had to. (W9)
    pub(super) fn notice_kept(&mut self, id: WorkerId, at: Time) -> Result<(), Error> {
        self.gone_at(id, GoneReason::NoticeKept, Blame::Nobody, Pay::ToNow, at)
    }

    /// Lets workers under notice go, the oldest notice first, while more than the target are live: each has a
    /// replacement that runs. All workers are loaded, if any is under notice. (W9)
    pub(crate) fn release_replaced(&mut self) -> Result<(), Error> {
        while self.deal.live() > self.terms.target_workers {
            let draining = self.workers.iter().filter_map(|(id, (worker, _))| {
                let Stage::Draining { since, .. } = worker.stage else {
                    return None;
                };
                Some((since, *id))
            });
            let Some((_, oldest)) = draining.min() else {
                return Ok(());
            };
            self.notice_kept(oldest, self.deal.at)?;
        }
        Ok(())
    }
}
