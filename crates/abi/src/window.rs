//! Windows: calls, events and records of `IWindow.sol`.

use crate::calldata::{Query, Request};
use crate::refusal::Revert;
use crate::sol::IWindow::{self as i, IWindowCalls as Calls};
use alloy_primitives::LogData;
use alloy_sol_types::{SolCall as _, SolEvent as _};
use marketplace::store::Store;
use marketplace::units::{Hash, PeerId};
use marketplace::window::{self, Call, Event, WINDOWS, Window};
use marketplace::{Cx, Error, Refusal};

pub(crate) fn decode(calls: Calls) -> Result<Request, Revert> {
    let call = match calls {
        Calls::commitWindow(c) => Call::Commit {
            peer: PeerId(c.peer.0),
            window: c.window,
            root: Hash(c.root.0),
            units: c.units,
        },
        Calls::getWindow(c) => return Ok(Request::Query(Query::Window(Some(c.window)))),
        Calls::getNewestWindow(_) => return Ok(Request::Query(Query::Window(None))),
    };
    Ok(Request::Call(marketplace::Call::Window(call)))
}

pub(crate) fn encode(call: &Call) -> Vec<u8> {
    match call.clone() {
        Call::Commit {
            peer,
            window,
            root,
            units,
        } => i::commitWindowCall {
            peer: peer.0.into(),
            window,
            root: root.0.into(),
            units,
        }
        .abi_encode(),
    }
}

pub(crate) fn log(event: &Event) -> LogData {
    match *event {
        Event::Opened { window, challenge } => {
            let challenge = challenge.into();
            i::WindowOpened { window, challenge }.encode_log_data()
        }
        Event::KeyDrawn { period, key } => {
            let key = key.into();
            i::CacheKeyDrawn { period, key }.encode_log_data()
        }
        Event::Committed {
            peer,
            window,
            commitment,
            units,
        } => i::WindowCommitted {
            peer: peer.0.into(),
            window,
            commitment: commitment.0,
            units,
        }
        .encode_log_data(),
    }
}

/// A window that has begun and may still count; None: the newest.
pub(crate) fn answer<S: Store>(cx: &mut Cx<'_, S>, window: Option<u64>) -> Result<Vec<u8>, Error> {
    let found = match window {
        Some(window) => WINDOWS.get(cx.store, &window)?.map(|row| (window, row)),
        None => window::newest(cx.store)?,
    };
    let window = window.unwrap_or_default();
    let (window, row) = found.ok_or(Refusal::WrongWindow { window })?;
    let record = record(cx, window, row)?;
    Ok(i::getWindowCall::abi_encode_returns(&record))
}

fn record<S: Store>(
    cx: &mut Cx<'_, S>,
    window: u64,
    row: Window,
) -> Result<i::WindowRecord, Error> {
    let period = cx.params.key_period(window);
    let key = window::key(cx.store, period)?;
    Ok(i::WindowRecord {
        window,
        begun: row.begun,
        begins: cx.params.window_begins(window).0,
        ends: cx.params.window_ends(window).0,
        commitBy: cx.params.commit_by(window).0,
        verdictAt: cx.params.verdict_time(window).0,
        owed: window::owable(&cx.params, window, &row),
        challenge: row.challenge.unwrap_or_default().into(),
        key: key.unwrap_or_default().into(),
        entries: row.entries,
    })
}
