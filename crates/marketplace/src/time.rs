//! Protocol time, counters, and the index of deals by the second at which something falls due.
//!
//! Promises (`docs/spec/time.md`):
//! - T1: time starts at 0; a block advances it by its distance to its parent in whole seconds, at most
//!   `max_step_seconds`. A halted chain stands still for everybody.
//! - T2: a deadline takes effect at its own second, whenever it is looked at; a call in the first block whose
//!   time is the deadline still meets it.
//! - T3: a drained budget changes only when events appear.

use crate::audit::{self, Verdict};
use crate::cx::Cx;
use crate::deal::DealNow;
use crate::governance;
use crate::refusal::{Error, fault};
use crate::store::Store;
use crate::table::Table;
use crate::units::{AuditId, DealId, Seconds, Time};
use borsh::{BorshDeserialize, BorshSerialize};

/// The one row of the clock.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Protocol time of this block.
    pub now: Time,
    /// Deadlines up to here (inclusive) have passed: no call of this block can meet them any more.
    pub passed: Time,
    /// Blocks since genesis.
    pub block: u64,
}

/// The clock.
pub const CLOCK: Table<(), Clock> = Table::new(0x02, "clock");
/// Last id handed out, by kind of object.
pub(crate) const COUNTERS: Table<u8, u64> = Table::new(0x03, "counters");
/// Deals by the second at which something of them may fall due; never later than that second.
pub const DUE: Table<(Time, DealId), ()> = Table::new(0x04, "due");

/// The clock as the last block set it.
///
/// # Errors
/// Out of work, or a fault before genesis.
pub fn clock<S: Store>(store: &mut S) -> Result<Clock, Error> {
    CLOCK.must(store, &())
}

/// The next id of a kind of object.
pub(crate) fn next_id<S: Store>(store: &mut S, kind: u8) -> Result<u64, Error> {
    next_ids(store, kind, 1)?
        .next()
        .ok_or_else(|| fault("out of ids"))
}

/// The next so many ids of a kind of object.
pub(crate) fn next_ids<S: Store>(
    store: &mut S,
    kind: u8,
    count: u64,
) -> Result<std::ops::Range<u64>, Error> {
    let last = COUNTERS.get(store, &kind)?.unwrap_or(0);
    let end = last.checked_add(count).and_then(|end| end.checked_add(1));
    let end = end.ok_or_else(|| fault("out of ids"))?;
    if count > 0 {
        COUNTERS.put(store, &kind, &end.saturating_sub(1))?;
    }
    Ok(last.saturating_add(1)..end)
}

impl Clock {
    /// The clock of the next block, `elapsed` whole seconds after this one. (T1, T2)
    #[must_use]
    pub fn step(self, elapsed: Seconds, max_step: Seconds) -> Self {
        let now = self.now.after(elapsed.min(max_step));
        // Equal times: an earlier block of this second has ended, and its end closed all deadlines up to now.
        let passed = if now == self.now {
            now
        } else {
            Time(now.0.saturating_sub(1))
        };
        Self {
            now,
            passed,
            block: self.block.saturating_add(1),
        }
    }
}

/// Begins a block: advances the clock and brings what fell due before now up to its second.
/// `elapsed`: whole seconds between the wall-clock times of this block and its parent. `verdicts`: those that the
/// block lists, at most [`MAX_VERDICTS`](crate::limits::MAX_VERDICTS).
///
/// # Errors
/// Out of work (the host gives the beginning of a block an ample budget), or a fault.
pub fn begin_block<S: Store>(
    cx: &mut Cx<'_, S>,
    elapsed: Seconds,
    verdicts: &[(AuditId, Verdict)],
) -> Result<(), Error> {
    cx.clock = cx.clock.step(elapsed, Seconds(cx.params.max_step_seconds));
    CLOCK.put(cx.store, &(), &cx.clock)?;
    audit::judge(cx, verdicts)?;
    settle_due(cx, cx.clock.passed)?;
    governance::make_due(cx)
}

/// Lets deadlines up to and including `upto` take effect, within `due_budget`, in which a deal counts as one and
/// each of its workers too. True if none is left; the index itself is the cursor. (T3)
pub(crate) fn settle_due<S: Store>(cx: &mut Cx<'_, S>, upto: Time) -> Result<bool, Error> {
    let (mut spent, mut from) = (0_u64, None);
    loop {
        let next = DUE.first(cx.store, &(), from.as_ref())?;
        let Some((at, ())) = next.filter(|((at, _), ())| *at <= upto) else {
            return Ok(true);
        };
        if spent >= cx.params.due_budget {
            return Ok(false);
        }
        let now = DealNow::settled(cx, at.1, upto)?;
        let workers = u64::try_from(now.workers.len()).unwrap_or(u64::MAX);
        spent = spent.saturating_add(workers).saturating_add(1);
        now.save(cx)?;
        from = Some(at);
    }
}
