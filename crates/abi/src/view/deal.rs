//! Deals and their subnets.

use super::decimal;
use super::demand::{Artifact, Demand};
use super::worker::Worker;
use alloy_primitives::{Address, B256};
use marketplace::deal::{self as domain, EndReason, Halt};
use marketplace::units::{DealId, Time};
use serde::{Deserialize, Serialize};

/// Where a deal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// No worker; looked at until enough can be placed.
    Matching,
    /// Workers are placed; fewer than the minimum have run.
    Starting,
    /// At least the minimum run.
    Active,
    /// Fewer than the minimum run.
    Degraded,
    /// The money is used up.
    Paused,
    /// Its owner took the demand back.
    Cancelled,
    /// Its owner stopped it.
    Stopped,
    /// Its duration is over.
    Completed,
    /// It was paused too long.
    Unfunded,
    /// Its artifact cannot be run.
    BadArtifact,
}

/// How far the workers of a deal are with its artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum Rollout {
    /// All that run run it.
    Done,
    /// All before this worker run it; this one is to change.
    Rolling {
        /// Which.
        worker: u64,
    },
    /// It goes on when the owner sets an artifact.
    Stopped {
        /// At which worker.
        worker: u64,
        /// Whether that cannot run the artifact (and runs on as before), or is gone: in words.
        why: String,
    },
}

impl From<domain::Rollout> for Rollout {
    fn from(rollout: domain::Rollout) -> Self {
        match rollout {
            domain::Rollout::Done => Self::Done,
            domain::Rollout::Rolling { next } => Self::Rolling { worker: next.0 },
            domain::Rollout::Stopped { worker, why } => Self::Stopped {
                worker: worker.0,
                why: match why {
                    Halt::CannotRun(obstacle) => format!("cannot run: {obstacle:?}"),
                    Halt::Gone(reason) => format!("gone: {reason:?}"),
                }
                .to_lowercase(),
            },
        }
    }
}

/// A deal (or the demand it began as), as of the newest block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deal {
    /// Its id.
    pub id: u64,
    /// Who pays.
    pub owner: Address,
    /// Where it stands.
    pub status: Status,
    /// When it was posted.
    pub posted: u64,
    /// Workers that have not run yet.
    pub assigned: u16,
    /// Workers that run and are not under notice.
    pub running: u16,
    /// Workers under notice; they run, too.
    pub draining: u16,
    /// Workers that are gone and not paid out.
    pub unpaid: u64,
    /// What all that run cost per epoch.
    #[serde(with = "decimal")]
    pub rate: u128,
    /// Escrow that is nobody's yet.
    #[serde(with = "decimal")]
    pub free: u128,
    /// What its owner may take back.
    #[serde(with = "decimal")]
    pub surplus: u128,
    /// When the escrow is used up; null: nothing runs.
    pub paid_until: Option<u64>,
    /// When its duration is over; null: not known, or while funded.
    pub ends: Option<u64>,
    /// The account that it is offered to.
    pub heir: Option<Address>,
    /// How many artifacts it had.
    pub artifact_version: u32,
    /// How far its workers are with the one of now.
    pub rollout: Rollout,
    /// What its workers ran before, if that was something else.
    pub previous: Option<Artifact>,
    /// What was asked for.
    pub terms: Demand,
    /// Workers that are not gone.
    pub workers: Vec<Worker>,
}

impl Deal {
    /// Workers that serve, under notice or not.
    #[must_use]
    pub fn live(&self) -> u16 {
        self.running.saturating_add(self.draining)
    }
}

/// A peer that the overlay admits for a deal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The worker.
    pub worker: u64,
    /// Its peer.
    pub peer: B256,
    /// Where that listens.
    pub endpoints: Vec<String>,
    /// Where that stands.
    pub datacenter: u64,
    /// Whether it runs, under notice or not, or is only placed.
    pub running: bool,
}

impl From<domain::Status> for Status {
    fn from(status: domain::Status) -> Self {
        match status {
            domain::Status::Matching => Self::Matching,
            domain::Status::Starting => Self::Starting,
            domain::Status::Active => Self::Active,
            domain::Status::Degraded => Self::Degraded,
            domain::Status::Paused { .. } => Self::Paused,
            domain::Status::Ended { reason, .. } => match reason {
                EndReason::Cancelled => Self::Cancelled,
                EndReason::Stopped => Self::Stopped,
                EndReason::Completed => Self::Completed,
                EndReason::Unfunded => Self::Unfunded,
                EndReason::BadArtifact => Self::BadArtifact,
            },
        }
    }
}

impl From<(DealId, domain::View)> for Deal {
    fn from((id, view): (DealId, domain::View)) -> Self {
        let deal = view.deal;
        let some = |time: Time| (time != Time::NEVER).then_some(time.0);
        Self {
            id: id.0,
            owner: deal.owner.0.into(),
            status: deal.status.into(),
            posted: deal.posted.0,
            assigned: deal.assigned,
            running: deal.running,
            draining: deal.draining,
            unpaid: deal.unpaid,
            rate: deal.rate.0,
            free: view.free.0,
            surplus: view.surplus.0,
            paid_until: some(view.paid_until),
            ends: some(deal.ends),
            heir: deal.heir.map(|to| to.0.into()),
            artifact_version: deal.artifact_version,
            rollout: deal.rollout.into(),
            previous: view.previous.map(Into::into),
            terms: view.terms.into(),
            workers: view.workers.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<domain::Member> for Member {
    fn from(member: domain::Member) -> Self {
        Self {
            worker: member.worker.0,
            peer: member.peer.0.into(),
            endpoints: member.endpoints,
            datacenter: member.datacenter.0,
            running: member.running,
        }
    }
}
