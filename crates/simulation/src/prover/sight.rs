//! What a node tells a peer that proves.

use super::What;
use capacity::Shape;
use execution::{Rows, chain::head};
use marketplace::{
    Cx, Error, Store, audit, commitment,
    units::{AuditId, PeerId, Time},
    window,
};
use peer::prover::{Asked, Window, desk::Question};
use std::collections::BTreeMap;

/// Whether a call under way did what it was made for.
pub(super) fn took_effect<S: Store>(
    cx: &mut Cx<'_, S>,
    peer: PeerId,
    what: What,
) -> Result<bool, Error> {
    Ok(match what {
        What::Commit(window) => window::COMMITTED.get(cx.store, &(window, peer))?.is_some(),
        What::Answer(asked) => {
            let audit = audit::get(cx.store, AuditId(asked.audit))?;
            audit.is_none_or(|audit| audit.answer.is_some() || audit.seed != asked.seed)
        }
    })
}

/// A window as a node shows it to its peer; none if the peer has no commitment for it.
pub(super) fn window_of<S: Store>(
    cx: &mut Cx<'_, S>,
    rows: &Rows,
    peer: PeerId,
    number: u64,
) -> Result<Option<Window>, Error> {
    let row = window::WINDOWS.get(cx.store, &number)?;
    let proving = commitment::proving(cx, peer, number)?;
    let Some((row, proving)) = row.zip(proving) else {
        return Ok(None);
    };
    let params = &cx.params;
    let period = params.key_period(number);
    let leaves = params.leaves_per_class as u32;
    let shape = Shape::new(proving.class, leaves, params.steps_per_leaf as u16);
    let now = clock(cx, rows);
    let wall = |at: Time| now.wall_ms_at(at.0);
    Ok(Some(Window {
        window: number,
        epoch: params.epoch_of_window(number).0,
        owed: window::owable(params, number, &row),
        committed: proving.committed.is_some(),
        challenge: row.challenge,
        ends_ms: wall(params.window_ends(number)),
        commit_by_ms: wall(params.commit_by(number)),
        chain: params.chain_id,
        provider: proving.provider.0,
        peer: peer.0,
        commitment: proving.commitment.0,
        shape: shape.expect("a shape of this network"),
        payout: proving.payout.0,
        units: proving.units,
        key: window::key(cx.store, period)?,
        next_key: window::key(cx.store, period + 1)?,
    }))
}

fn clock<S: Store>(cx: &Cx<'_, S>, rows: &Rows) -> abi::view::time::Time {
    let head = head(rows).expect("the state has a head");
    abi::view::time::Time::new(head.height, cx.now().0, head.time_ms, 1)
}

/// What a peer has to answer, and when it is too late to.
pub(super) fn questions<S: Store>(
    cx: &mut Cx<'_, S>,
    rows: &Rows,
    peer: PeerId,
) -> Result<BTreeMap<Asked, (Question, u64)>, Error> {
    let now = clock(cx, rows);
    let audits = audit::of_peer(cx.store, peer, 256)?.into_iter();
    let open = audits.filter(|(_, audit)| audit.answer.is_none() && audit.answer_by != Time::NEVER);
    let questions = open.map(|(id, audit)| {
        let asked = Asked {
            audit: id.0,
            seed: audit.seed,
        };
        let question = Question {
            window: audit.window,
            unit: audit.unit,
            root: audit.root.0,
            seed: audit.seed,
            leaves: audit.leaves,
        };
        (asked, (question, now.wall_ms_at(audit.answer_by.0)))
    });
    Ok(questions.collect())
}
