//! Capacity commitments, what they owe, and where peers stand with them.

use super::decimal;
use super::window::Window;
use alloy_primitives::{Address, B256};
use marketplace::Params;
use marketplace::commitment::{self as domain, Due, View};
use marketplace::units::{self, CommitmentId, PeerId, Time};
use serde::{Deserialize, Serialize};

/// Where a commitment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// Its collateral is not complete.
    WaitCollateral,
    /// It is complete, and waits for its first epoch.
    WaitStart,
    /// Its units prove.
    Active,
    /// Its time is over.
    Ended,
    /// Its units missed too much.
    Failed,
}

/// A commitment, as of the newest block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Commitment {
    /// Its id.
    pub id: u64,
    /// Who committed.
    pub provider: u64,
    /// Whose units.
    pub peer: B256,
    /// How many: all of the peer's.
    pub units: u16,
    /// How many times the basic work each does in a window.
    pub class: u8,
    /// Epochs.
    pub duration: u64,
    /// The delegators' part of rewards and of what deals pay, in millionths.
    pub share_ppm: u32,
    /// The lowest price at which its units may be matched.
    #[serde(with = "decimal")]
    pub min_ask: u128,
    /// The only account that may deposit; null: anybody.
    pub delegator: Option<Address>,
    /// Who gets the provider's part of rewards.
    pub payout: Address,
    /// Where it stands.
    pub status: Status,
    /// The epoch in which it was created.
    pub created: u64,
    /// The epoch from which anybody may close it, if its collateral is not complete by then.
    pub closes: u64,
    /// Its first epoch, while it waits for it or is active.
    pub start: Option<u64>,
    /// The epoch with whose beginning it is, or was, over.
    pub end: Option<u64>,
    /// The epoch with whose close it failed.
    pub failed: Option<u64>,
    /// Missed epochs of all its units.
    pub missed: u64,
    /// With how many it fails.
    pub miss_limit: u64,
    /// For so many windows to which it commits all its units are audited.
    pub flag: u64,
    /// Audits of its units that are not over.
    pub audits: u32,
    /// Workers whose pay is shared with its delegators.
    pub workers: u32,
    /// Its collateral.
    pub collateral: Collateral,
    /// Its rewards.
    pub rewards: Rewards,
    /// What deals paid and its delegators have not taken, in millionths of USDC.
    #[serde(with = "decimal")]
    pub revenue: u128,
    /// Who deposited.
    pub delegators: Vec<Delegation>,
    /// The epoch that its units are counted in.
    pub epoch: u64,
    /// What its units proved, by index; empty before its start.
    pub proofs: Vec<Proof>,
}

/// Collateral of a commitment, in wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Collateral {
    /// Of each unit.
    #[serde(with = "decimal")]
    pub per_unit: u128,
    /// Of all of them.
    #[serde(with = "decimal")]
    pub needed: u128,
    /// Deposited so far.
    #[serde(with = "decimal")]
    pub staked: u128,
    /// What is there, after what was slashed.
    #[serde(with = "decimal")]
    pub left: u128,
    /// Whether it went back.
    pub released: bool,
}

/// Rewards of a commitment, in wei. Those of an epoch count from its close on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rewards {
    /// Held back, of units that lost none.
    #[serde(with = "decimal")]
    pub held_back: u128,
    /// Credited, and not vested.
    #[serde(with = "decimal")]
    pub vesting: u128,
    /// Vested since its start, paid out or not.
    #[serde(with = "decimal")]
    pub vested: u128,
    /// What a claim would pay now, to all.
    #[serde(with = "decimal")]
    pub claimable: u128,
    /// What of that is for the provider's payout account.
    #[serde(with = "decimal")]
    pub claimable_by_provider: u128,
}

/// What an account deposited, was paid, and would be paid by a claim now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delegation {
    /// Who.
    pub account: Address,
    /// What it deposited, in wei.
    #[serde(with = "decimal")]
    pub stake: u128,
    /// Rewards it was paid, in wei.
    #[serde(with = "decimal")]
    pub rewards: u128,
    /// What it was paid of what deals paid, in millionths of USDC.
    #[serde(with = "decimal")]
    pub revenue: u128,
    /// Rewards that are due to it, in wei.
    #[serde(with = "decimal")]
    pub due_rewards: u128,
    /// What is due to it of what deals paid, in millionths of USDC.
    #[serde(with = "decimal")]
    pub due_revenue: u128,
    /// Collateral that is due to it, in wei.
    #[serde(with = "decimal")]
    pub due_collateral: u128,
}

/// What a unit proved in the epoch that it is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    /// Its index.
    pub unit: u16,
    /// Windows that it owes so far.
    pub owed: u64,
    /// Windows that it passed.
    pub passed: u16,
    /// Windows that its peer committed to for it and that do not count yet.
    pub entered: u64,
    /// What it lost of its collateral, in wei.
    #[serde(with = "decimal")]
    pub slashed: u128,
    /// Whether its provider let a worker down and it has not passed a window since.
    pub unready: bool,
    /// Whether a fraud expelled it.
    pub expelled: bool,
}

/// Where a peer stands with its commitments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pledge {
    /// The commitment that holds now, or held last.
    pub current: u64,
    /// The one before, to whose last windows the peer may still commit.
    pub previous: Option<u64>,
    /// The one that is to follow without a gap.
    pub successor: Option<u64>,
    /// Whether the current one is active: its units prove, or serve.
    pub active: bool,
    /// When the current one started.
    pub since: Option<u64>,
    /// Until when its units are committed, by it and by its successor if that is complete.
    pub ends: Option<u64>,
    /// As of when it failed.
    pub failed: Option<u64>,
    /// The lowest price at which its units may be matched.
    #[serde(with = "decimal")]
    pub min_ask: u128,
    /// The most units that passed one and the same window.
    pub proven: u16,
    /// Units that must pass a window before they are matched again: their provider let a worker down.
    pub unready: Vec<u16>,
}

fn status(status: domain::Status) -> Status {
    match status {
        domain::Status::WaitCollateral => Status::WaitCollateral,
        domain::Status::WaitStart { .. } => Status::WaitStart,
        domain::Status::Active { .. } => Status::Active,
        domain::Status::Ended { .. } => Status::Ended,
        domain::Status::Failed { .. } => Status::Failed,
    }
}

impl From<(CommitmentId, View)> for Commitment {
    fn from((id, view): (CommitmentId, View)) -> Self {
        let row = &view.commitment;
        let stands = row.status;
        Self {
            id: id.0,
            provider: row.provider.0,
            peer: row.peer.0.into(),
            units: row.units,
            class: row.class,
            duration: row.duration,
            share_ppm: row.share_ppm,
            min_ask: row.min_ask.0,
            delegator: row.delegator.map(|account| account.0.into()),
            payout: row.payout.0.into(),
            status: status(stands),
            created: row.created.0,
            closes: view.closes.0,
            start: match stands {
                domain::Status::WaitStart { start } | domain::Status::Active { start, .. } => {
                    Some(start.0)
                }
                _ => None,
            },
            end: match stands {
                domain::Status::Active { end, .. } | domain::Status::Ended { end } => Some(end.0),
                _ => None,
            },
            failed: match stands {
                domain::Status::Failed { epoch } => Some(epoch.0),
                _ => None,
            },
            missed: row.missed,
            miss_limit: view.miss_limit,
            flag: row.flag,
            audits: row.audits,
            workers: row.workers,
            collateral: Collateral {
                per_unit: row.per_unit.0,
                needed: row.collateral().0,
                staked: row.staked.0,
                left: view.left.0,
                released: row.released,
            },
            rewards: rewards(&view),
            revenue: view.revenue.0,
            epoch: view.epoch.0,
            proofs: view.units.iter().zip(0_u16..).map(Into::into).collect(),
            delegators: view.delegators.into_iter().map(Into::into).collect(),
        }
    }
}

fn rewards(view: &View) -> Rewards {
    let delegators = view.delegators.iter();
    let theirs = delegators.fold(0_u128, |sum, (_, _, due)| sum.saturating_add(due.rewards.0));
    Rewards {
        held_back: view.held_back.0,
        vesting: view.vesting.0,
        vested: view.vested.0,
        claimable: theirs.saturating_add(view.provider.rewards.0),
        claimable_by_provider: view.provider.rewards.0,
    }
}

impl From<(units::Address, domain::Delegation, Due)> for Delegation {
    fn from((account, row, due): (units::Address, domain::Delegation, Due)) -> Self {
        Self {
            account: account.0.into(),
            stake: row.stake.0,
            rewards: row.rewards.0,
            revenue: row.revenue.0,
            due_rewards: due.rewards.0,
            due_revenue: due.revenue.0,
            due_collateral: due.collateral.0,
        }
    }
}

impl From<(&domain::Unit, u16)> for Proof {
    fn from((of, unit): (&domain::Unit, u16)) -> Self {
        Self {
            unit,
            owed: of.owed,
            passed: of.proof.passed,
            entered: of.entered,
            slashed: of.proof.slashed.0,
            unready: of.proof.faulted_in.is_some(),
            expelled: of.proof.expelled,
        }
    }
}

impl From<domain::Pledge> for Pledge {
    fn from(pledge: domain::Pledge) -> Self {
        let known = |at: Time| (at != Time::NEVER).then_some(at.0);
        Self {
            current: pledge.current.0,
            previous: pledge.previous.map(|id| id.0),
            successor: pledge.successor.map(|id| id.0),
            active: pledge.active,
            since: known(pledge.since),
            ends: known(pledge.ends),
            failed: pledge.failed.map(|at| at.0),
            min_ask: pledge.min_ask.0,
            proven: pledge.proven,
            unready: pledge.unready,
        }
    }
}

/// What a peer is to do in a window, and all that its proofs are bound to beside the chain's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proving {
    /// The peer.
    pub peer: B256,
    /// The window.
    pub window: Window,
    /// Under which commitment.
    pub commitment: u64,
    /// Whose peer it is.
    pub provider: u64,
    /// Class of its units.
    pub class: u8,
    /// Leaves that each chain of a unit computes, for each class.
    pub leaves_per_class: u64,
    /// RandomX hashes one after another for a leaf.
    pub steps_per_leaf: u64,
    /// Who earns the provider's part.
    pub payout: Address,
    /// Indices of the units that may prove in it, ascending.
    pub units: Vec<u16>,
    /// What the peer committed to already.
    pub committed: Option<Committed>,
}

/// What a peer committed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Committed {
    /// Root over the roots of its units.
    pub root: B256,
    /// Indices of the units whose roots are in it, ascending.
    pub seats: Vec<u16>,
    /// Of those, the ones that count: they did not serve.
    pub units: Vec<u16>,
}

impl Proving {
    /// What a peer is to do in a window.
    #[must_use]
    pub fn new(params: &Params, peer: PeerId, window: Window, proving: domain::Proving) -> Self {
        let committed = |row: marketplace::window::Committed| Committed {
            root: row.root.0.into(),
            seats: row.seats,
            units: row.units,
        };
        Self {
            peer: peer.0.into(),
            window,
            commitment: proving.commitment.0,
            provider: proving.provider.0,
            class: proving.class,
            leaves_per_class: params.leaves_per_class,
            steps_per_leaf: params.steps_per_leaf,
            payout: proving.payout.0.into(),
            units: proving.units,
            committed: proving.committed.map(committed),
        }
    }
}
