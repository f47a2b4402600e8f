//! Verdicts on answered audits: which of them a block lists, and what a validator computes for one.
//!
//! Execution itself only takes over what a block lists; everything here reads rows for those who write and check
//! blocks. Promises: `docs/spec/block.md`.

mod verifier;

use crate::fault::Fault;
use crate::state::{Diff, Overlay, Rows};
use marketplace::params::PARAMS;
use std::collections::BTreeSet;

pub use marketplace::audit::{ANSWERED, AUDITS, Answer, Audit, Verdict};
pub use marketplace::limits::MAX_VERDICTS;
pub use marketplace::units::{AuditId, Time};
pub use verifier::{Trouble, Verifier, verdict};

/// Where an answered audit stands in the order of verdicts: by when its verdict is due. An audit that is answered a
/// second time has another place.
pub type Place = (Time, AuditId);

/// All that a verdict depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Chain whose id is in everything that was computed.
    pub chain_id: u64,
    /// Leaves of a chain for each class.
    pub leaves_per_class: u64,
    /// RandomX hashes of a leaf.
    pub steps_per_leaf: u64,
    /// The audit.
    pub audit: Audit,
    /// What its peer answered.
    pub answer: Answer,
}

/// The verdicts that a block lists which names a result with this protocol time: the answered audits due by then, but
/// for those in `listed` by blocks between that result and it, at most [`MAX_VERDICTS`]. (B13)
///
/// `rows` may be newer than that result, as long as `listed` holds what blocks above `rows` list: a row leaves only
/// by a verdict, and one that comes is due after its block.
///
/// # Errors
/// [`Fault::Corrupt`] if a key cannot be decoded.
pub fn due(rows: &Rows, upto: Time, listed: &BTreeSet<AuditId>) -> Result<Vec<Place>, Fault> {
    places(rows)
        .take_while(|place| !matches!(place, Ok((at, _)) if *at > upto))
        .filter(|place| !matches!(place, Ok((_, id)) if listed.contains(id)))
        .take(MAX_VERDICTS)
        .collect()
}

/// The first `limit` answered audits, in the order of their verdicts.
///
/// # Errors
/// [`Fault::Corrupt`] if a key cannot be decoded.
pub fn answered(rows: &Rows, limit: usize) -> Result<Vec<Place>, Fault> {
    places(rows).take(limit).collect()
}

fn places(rows: &Rows) -> impl Iterator<Item = Result<Place, Fault>> {
    let decode = |key: &[u8]| {
        let place = ANSWERED.decode_key(key);
        place.ok_or_else(|| Fault::Corrupt { key: key.to_vec() })
    };
    rows.range(&[ANSWERED.id], &[ANSWERED.id + 1])
        .map(move |(key, _)| decode(key))
}

/// The places that a block's changes remove.
pub fn removed(diff: &Diff) -> impl Iterator<Item = Place> {
    diff.range(vec![ANSWERED.id]..vec![ANSWERED.id + 1])
        .filter(|(_, row)| row.is_none())
        .filter_map(|(key, _)| ANSWERED.decode_key(key))
}

/// What has to be computed for the answer at `place`; `None` if there is none any more.
///
/// # Errors
/// [`Fault::Corrupt`] if a row cannot be decoded.
pub fn question(rows: &Rows, place: Place) -> Result<Option<Question>, Fault> {
    let overlay = Overlay::new(rows);
    let missing = || Fault::Corrupt {
        key: PARAMS.key(&()),
    };
    let params = overlay.read(&PARAMS, &())?.ok_or_else(missing)?;
    let Some(mut audit) = overlay.read(&AUDITS, &place.1)? else {
        return Ok(None);
    };
    let answer = audit.answer.take();
    let answer = answer.filter(|answer| answer.due == place.0);
    Ok(answer.map(|answer| Question {
        chain_id: params.chain_id,
        leaves_per_class: params.leaves_per_class,
        steps_per_leaf: params.steps_per_leaf,
        audit,
        answer,
    }))
}
