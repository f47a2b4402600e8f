//! Warnings that the money of a deal runs out, each once as often as paid-until comes that near. (M10)

use super::now::DealNow;
use super::{Event, WARNINGS};
use crate::params::Params;
use crate::refusal::Error;
use crate::units::{Seconds, Time};

/// The second at which the next warning is due for a deal that was given `warned` of them; never if all were.
pub(crate) fn next_warning(params: &Params, warned: u8, paid_until: Time) -> Time {
    match WARNINGS.get(usize::from(warned)) {
        Some(epochs) if paid_until != Time::NEVER => paid_until.before(span(params, *epochs)),
        _ => Time::NEVER,
    }
}

fn span(params: &Params, epochs: u64) -> Seconds {
    Seconds(epochs.saturating_mul(params.epoch_seconds))
}

impl DealNow {
    /// When the next warning is due, not before the present: paid-until may have come nearer at once.
    pub(super) fn warning_deadline(&self) -> Time {
        let paid_until = self.deal.paid_until(&self.terms);
        next_warning(&self.params, self.deal.warned, paid_until).max(self.deal.at)
    }

    /// Gives the next warning.
    pub(super) fn warn(&mut self) -> Result<(), Error> {
        if let Some(epochs) = WARNINGS.get(usize::from(self.deal.warned)) {
            self.emit(Event::FundsLow {
                deal: self.id,
                epochs: *epochs,
                paid_until: self.deal.paid_until(&self.terms),
            });
        }
        self.deal.warned = self.deal.warned.saturating_add(1);
        Ok(())
    }

    /// Takes warnings back that are not true any more. That nothing runs at the moment is no such news.
    pub(super) fn rearm(&mut self) {
        let paid_until = self.deal.paid_until(&self.terms);
        while let Some(last) = self.deal.warned.checked_sub(1) {
            let due = next_warning(&self.params, last, paid_until);
            if due == Time::NEVER || due <= self.deal.at {
                return;
            }
            self.deal.warned = last;
        }
    }
}
