//! Audits: units of a closed window are drawn, their peer opens what it computed, validators compute it again.

use crate::cx::Cx;
use crate::refusal::Error;
use crate::store::Store;
use crate::table::Table;
use crate::units::{Address, AuditId, CommitmentId, Epoch, Hash, PeerId, ProviderId, Time};
use borsh::{BorshDeserialize, BorshSerialize};

/// An audit that is not over. It holds all that a validator needs to judge an answer, beside the chain's id and the
/// parameters `leaves_per_class` and `steps_per_leaf`.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// The window that is audited.
    pub window: u64,
    /// The epoch in which that window began.
    pub epoch: Epoch,
    /// Who must answer.
    pub peer: PeerId,
    /// Whose peer that is.
    pub provider: ProviderId,
    /// The commitment under which the unit proved.
    pub commitment: CommitmentId,
    /// Index of the unit.
    pub unit: u16,
    /// The class that it declared.
    pub class: u8,
    /// Who earns for it.
    pub payout: Address,
    /// The cache key of the window's key period.
    pub key: [u8; 32],
    /// The window's challenge.
    pub challenge: [u8; 32],
    /// The root that the peer committed to for the window.
    pub root: Hash,
    /// How many of the units in that root have a lower index.
    pub seat: u16,
    /// How many units are in that root.
    pub seats: u16,
    /// What the asked leaves are drawn from.
    pub seed: [u8; 32],
    /// How many leaves are asked for.
    pub leaves: u16,
    /// Last second at which it can be answered.
    pub answer_by: Time,
    /// What the peer answered; only its length has been looked at.
    pub answer: Option<Answer>,
}

/// What a peer answered to an audit.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// From when on a block lists the verdict.
    pub due: Time,
    /// The opened leaves, as `capacity` encodes them.
    pub bytes: Vec<u8>,
}

/// What validators find when they compute the opened leaves again.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// So many of the opened leaves are not what the unit's programs give; none: all is well.
    Opened {
        /// How many.
        bad: u16,
    },
    /// The bytes do not open the asked leaves of the root at all: as if nothing had been answered.
    Malformed,
}

/// Audits that are not over, by id.
pub const AUDITS: Table<AuditId, Audit> = Table::new(0x46, "audits");
/// Answered audits that wait for their verdict, by when that is due.
pub const ANSWERED: Table<(Time, AuditId), ()> = Table::new(0x47, "answered");

/// Answered audits whose verdict is due at or before `upto`, in the order in which a block lists them.
///
/// # Errors
/// Out of work.
pub fn due<S: Store>(
    store: &mut S,
    upto: Time,
    limit: usize,
) -> Result<Vec<(AuditId, Audit)>, Error> {
    let mut audits = Vec::new();
    for ((at, id), ()) in ANSWERED.list(store, &(), None, limit)? {
        if at > upto {
            break;
        }
        audits.push((id, AUDITS.must(store, &id)?));
    }
    Ok(audits)
}

/// Takes over the verdicts that a block lists. One on an audit that is not there, or that has no answer, does nothing.
///
/// # Errors
/// Out of work.
pub(crate) fn judge<S: Store>(
    cx: &mut Cx<'_, S>,
    verdicts: &[(AuditId, Verdict)],
) -> Result<(), Error> {
    for (id, _) in verdicts {
        let audit = AUDITS.get(cx.store, id)?;
        if let Some(answer) = audit.and_then(|audit| audit.answer) {
            ANSWERED.delete(cx.store, &(answer.due, *id))?;
            AUDITS.delete(cx.store, id)?;
        }
    }
    Ok(())
}
