//! Governance: one account, typically a multisig, changes parameters after a delay that everybody can see.
//!
//! Promises (`docs/spec/params.md`):
//! - G1: only the governance account of genesis proposes and cancels; without one, nothing ever changes.
//! - G2: a change acts after the delay, as of its time; it can be cancelled until then.
//! - G3: a value stays within its bounds, and what is fixed stays.
//! - G4: a deal keeps the parameters that act at creation as they were when it was posted.

use crate::call::Reply;
use crate::cx::Cx;
use crate::limits::MAX_CHANGES;
use crate::params::{Acts, PARAMS, Parameter, VERSIONS};
use crate::refusal::{Error, Object, Refusal, Role, ensure, fault, long, within};
use crate::store::Store;
use crate::table::Table;
use crate::time;
use crate::units::{ChangeId, Seconds, Time};
use borsh::{BorshDeserialize, BorshSerialize};

/// A change that has been proposed.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Name of the parameter.
    pub parameter: String,
    /// Its value to be.
    pub value: u64,
}

/// A change that waits, with when it acts.
pub type Waiting = ((Time, ChangeId), Change);

/// Changes that wait, by when they act.
pub const CHANGES: Table<(Time, ChangeId), Change> = Table::new(0x0b, "changes");
const COUNTER: u8 = 7;

/// Calls of the governance account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// A parameter is to have another value.
    Propose {
        /// Name of the parameter.
        parameter: String,
        /// Its value to be.
        value: u64,
    },
    /// A change that waits will not be made.
    Cancel {
        /// Which.
        change: ChangeId,
    },
}

/// What happens to parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A change waits.
    Proposed {
        /// Its id.
        change: ChangeId,
        /// Name of the parameter.
        parameter: String,
        /// Its value to be.
        value: u64,
        /// When it acts.
        at: Time,
    },
    /// A change will not be made.
    Cancelled {
        /// Which.
        change: ChangeId,
    },
    /// A parameter has another value.
    Changed {
        /// By which change.
        change: ChangeId,
        /// Name of the parameter.
        parameter: String,
        /// Its value.
        value: u64,
    },
}

/// One handler for each call.
pub(crate) fn apply<S: Store>(cx: &mut Cx<'_, S>, call: Call) -> Result<Reply, Error> {
    cx.authenticate(cx.params.governance, Role::Governance)?;
    match call {
        Call::Propose { parameter, value } => propose(cx, parameter, value),
        Call::Cancel { change } => cancel(cx, change),
    }
}

fn propose<S: Store>(cx: &mut Cx<'_, S>, name: String, value: u64) -> Result<Reply, Error> {
    let known = parameter(cx, &name);
    let what = "parameter: one that can be changed";
    let known = known.ok_or(Refusal::Malformed { what })?;
    ensure(known.acts != Acts::Never, Refusal::Malformed { what })?;
    within(known.name, value.into(), known.min.into(), known.max.into())?;
    let waiting = pending(cx.store)?.len();
    let most = MAX_CHANGES.saturating_sub(1);
    long("changes that wait", waiting, 0, most)?;

    let change = ChangeId(time::next_id(cx.store, COUNTER)?);
    let due = cx.now().after(Seconds(cx.params.governance_delay_seconds));
    let at = match known.acts {
        Acts::NextEpoch => next_epoch(due, cx.params.epoch()),
        Acts::Never | Acts::Now | Acts::AtCreation => due,
    };
    let row = Change {
        parameter: name.clone(),
        value,
    };
    CHANGES.put(cx.store, &(at, change), &row)?;
    cx.emit(Event::Proposed {
        change,
        parameter: name,
        value,
        at,
    });
    Ok(Reply::Change(change))
}

/// The beginning of the first epoch that begins at `due` or later.
fn next_epoch(due: Time, epoch: Seconds) -> Time {
    let begun = due.0.checked_rem(epoch.0).unwrap_or(0);
    match begun {
        0 => due,
        begun => due.after(Seconds(epoch.0.saturating_sub(begun))),
    }
}

fn parameter<S: Store>(cx: &Cx<'_, S>, name: &str) -> Option<Parameter> {
    let mut table = cx.params.table().into_iter();
    table.find(|parameter| parameter.name == name)
}

fn cancel<S: Store>(cx: &mut Cx<'_, S>, id: ChangeId) -> Result<Reply, Error> {
    let waiting = pending(cx.store)?.into_iter();
    let mut found = waiting.filter(|((_, change), _)| *change == id);
    let (key, _) = found.next().ok_or(Refusal::Unknown(Object::Change(id)))?;
    CHANGES.delete(cx.store, &key)?;
    cx.emit(Event::Cancelled { change: id });
    Ok(Reply::Done)
}

/// Makes the changes whose time has come; at most [`MAX_CHANGES`]. (G2)
pub(crate) fn make_due<S: Store>(cx: &mut Cx<'_, S>) -> Result<(), Error> {
    let mut from = None;
    loop {
        let next = CHANGES.first(cx.store, &(), from.as_ref())?;
        let Some((key, change)) = next.filter(|((at, _), _)| *at <= cx.now()) else {
            return Ok(());
        };
        CHANGES.delete(cx.store, &key)?;
        make(cx, key.1, change)?;
        from = Some(key);
    }
}

fn make<S: Store>(cx: &mut Cx<'_, S>, id: ChangeId, change: Change) -> Result<(), Error> {
    let Change { parameter, value } = change;
    let acts = self::parameter(cx, &parameter).map(|known| known.acts);
    if acts == Some(Acts::AtCreation) {
        VERSIONS.put(cx.store, &cx.params.version, &cx.params)?;
        cx.params.version = cx.params.version.saturating_add(1);
    }
    let known = cx.params.set(&parameter, value);
    known
        .then_some(())
        .ok_or_else(|| fault("a change of no parameter"))?;
    PARAMS.put(cx.store, &(), &cx.params)?;
    cx.emit(Event::Changed {
        change: id,
        parameter,
        value,
    });
    Ok(())
}

/// Changes that wait, soonest first.
///
/// # Errors
/// Out of work.
pub fn pending<S: Store>(store: &mut S) -> Result<Vec<Waiting>, Error> {
    CHANGES.list(store, &(), None, MAX_CHANGES)
}
