//! Workers.

use super::decimal;
use alloy_primitives::B256;
use marketplace::deal::WorkerView;
use marketplace::worker as domain;
use serde::{Deserialize, Serialize};

/// Where a worker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// Placed; it must run by `keptUntil`.
    Assigned,
    /// It runs and accrues.
    Running,
    /// Under notice: it runs until its replacement does, or until the notice is over.
    Draining,
    /// Over.
    Gone,
}

/// A worker, as of the newest block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Worker {
    /// Its id.
    pub id: u64,
    /// Whom it serves.
    pub deal: u64,
    /// Where it runs.
    pub peer: B256,
    /// Who earns.
    pub provider: u64,
    /// The offer it came from.
    pub offer: u64,
    /// Indices of its units.
    pub units: Vec<u16>,
    /// What it costs per epoch, all units together.
    #[serde(with = "decimal")]
    pub rate: u128,
    /// When it was assigned.
    pub assigned: u64,
    /// Where it stands.
    pub stage: Stage,
    /// BLAKE3 hash of what it runs, or is to run first.
    pub runs: B256,
    /// BLAKE3 hash of what it is to run now.
    pub due: B256,
    /// What it earned up to the last report and was not paid.
    #[serde(with = "decimal")]
    pub unpaid: u128,
    /// What was paid out.
    #[serde(with = "decimal")]
    pub paid: u128,
    /// Until when it is kept without another report.
    pub kept_until: u64,
    /// When its notice is over; null: none was given.
    pub leaving: Option<u64>,
}

impl Worker {
    /// Whether it runs, under notice or not.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self.stage, Stage::Running | Stage::Draining)
    }
}

impl From<WorkerView> for Worker {
    fn from(view: WorkerView) -> Self {
        let worker = view.worker;
        Self {
            id: view.id.0,
            deal: worker.deal.0,
            peer: worker.peer.0.into(),
            provider: worker.provider.0,
            offer: worker.offer.0,
            units: worker.units,
            rate: worker.rate.0,
            assigned: worker.assigned.0,
            stage: match worker.stage {
                domain::Stage::Assigned { .. } => Stage::Assigned,
                domain::Stage::Running(_) => Stage::Running,
                domain::Stage::Draining { .. } => Stage::Draining,
                domain::Stage::Gone { .. } => Stage::Gone,
            },
            runs: worker.artifact.0.into(),
            due: view.due.0.into(),
            unpaid: view.unpaid.0,
            paid: worker.paid.0,
            kept_until: view.kept_until.0,
            leaving: match worker.stage {
                domain::Stage::Draining { until, .. } => Some(until.0),
                _ => None,
            },
        }
    }
}
