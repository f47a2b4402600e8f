//! The pause of a deal whose money is used up: it keeps its workers for the time of its hold, at a part of their
//! price that was kept back for it, then lets them go; it resumes when somebody adds enough, and ends when nobody
//! does. (M6)

use super::deadline::Deadline;
use super::now::{DealNow, Pay};
use super::{Blame, Status};
use crate::refusal::Error;
use crate::units::{Seconds, Time};
use crate::worker::GoneReason;

impl DealNow {
    /// What ends this stage of a pause.
    pub(super) fn pause_deadline(&self, since: Time) -> (Time, Deadline) {
        let hold_over = since.after(self.terms.hold);
        if self.deal.workers() > 0 {
            return (hold_over, Deadline::HoldOver);
        }
        let epochs = self.params.pause_epochs;
        let seconds = epochs.saturating_mul(self.params.epoch_seconds);
        (hold_over.after(Seconds(seconds)), Deadline::PauseOver)
    }

    /// The money is used up.
    pub(super) fn pause(&mut self, since: Time) -> Result<(), Error> {
        self.set_status(Status::Paused { since }, since);
        if self.terms.hold == Seconds::default() {
            self.release()?;
        }
        Ok(())
    }

    /// A paused deal lets its workers go.
    pub(super) fn release(&mut self) -> Result<(), Error> {
        self.end_rollout();
        for id in self.live() {
            self.gone(id, GoneReason::Unfunded, Blame::Developer, Pay::ToNow)?;
        }
        self.deal.vacated = 0;
        Ok(())
    }

    /// Leaves a pause now, if the escrow holds the cover. All workers are loaded.
    pub(crate) fn try_resume(&mut self, now: Time) -> Result<(), Error> {
        let needed = self.deal.resume_cover(&self.params, &self.terms)?;
        if !self.deal.paused() || self.deal.uncharged()? < needed {
            return Ok(());
        }
        let kept_until = now.after(Seconds(self.params.lease_seconds));
        for id in self.live() {
            let (worker, lease) = self.loaded(id)?;
            let reached = self.deal.reported(worker, *lease);
            if let Some(run) = self.loaded_mut(id)?.0.stage.run_mut() {
                (run.reported, run.kept_until) = (reached, kept_until);
                self.changed.insert(id);
            }
        }
        self.deal.at = now;
        let before = match (self.deal.workers(), self.deal.began) {
            (0, _) => Status::Matching,
            (_, Some(_)) => Status::Degraded,
            (_, None) => Status::Starting,
        };
        self.set_status(self.counted_from(before), now);
        Ok(())
    }
}
