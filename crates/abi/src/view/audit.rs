//! Audits.

use super::time::Time;
use super::window::Moment;
use alloy_primitives::{Address, B256};
use marketplace::audit as domain;
use marketplace::units::{self, AuditId};
use serde::{Deserialize, Serialize};

/// An audit that is not over. Beside the chain's id and the shape of the work it holds all that its leaves, and the
/// labels in them, are made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    /// Its id.
    pub id: u64,
    /// The window that is audited.
    pub window: u64,
    /// The epoch in which that window began.
    pub epoch: u64,
    /// Who must answer.
    pub peer: B256,
    /// Whose peer that is.
    pub provider: u64,
    /// The commitment under which the unit proved.
    pub commitment: u64,
    /// Index of the unit.
    pub unit: u16,
    /// The class that it declared.
    pub class: u8,
    /// Who earns for it.
    pub payout: Address,
    /// The cache key of the window's key period.
    pub key: B256,
    /// The window's challenge.
    pub challenge: B256,
    /// The root that the peer committed to for the window.
    pub root: B256,
    /// How many of the units in that root have a lower index.
    pub seat: u16,
    /// How many units are in that root.
    pub seats: u16,
    /// What the asked leaves are drawn from.
    pub seed: B256,
    /// How many leaves are asked for.
    pub leaves: u16,
    /// Last second at which it can be answered; null: its leaves are not drawn yet.
    pub answer_by: Option<Moment>,
    /// From when on a block lists the verdict; null: it is not answered.
    pub verdict_from: Option<Moment>,
}

impl Audit {
    /// Whether its peer has to answer it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.answer_by.is_some() && self.verdict_from.is_none()
    }

    /// An audit as seen from now.
    #[must_use]
    pub fn new(now: &Time, id: AuditId, audit: &domain::Audit) -> Self {
        let moment = |at: units::Time| (at != units::Time::NEVER).then(|| Moment::new(now, at.0));
        let answer = audit.answer.as_ref();
        Self {
            id: id.0,
            window: audit.window,
            epoch: audit.epoch.0,
            peer: audit.peer.0.into(),
            provider: audit.provider.0,
            commitment: audit.commitment.0,
            unit: audit.unit,
            class: audit.class,
            payout: audit.payout.0.into(),
            key: audit.key.into(),
            challenge: audit.challenge.into(),
            root: audit.root.0.into(),
            seat: audit.seat,
            seats: audit.seats,
            seed: audit.seed.into(),
            leaves: audit.leaves,
            answer_by: moment(audit.answer_by),
            verdict_from: answer.and_then(|answer| moment(answer.due)),
        }
    }
}
