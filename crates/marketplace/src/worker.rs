//! Workers: units of one peer serving one deal, and what peers say of them.
//!
//! ```text
//! (clearing) -> Assigned -> Running -> Gone -> (paid out, removed)
//!                   +--------------------^
//! ```
//! Promises (`docs/spec/deal.md`): W1 to W7, named where they are kept.

use crate::call::Reply;
use crate::cx::Cx;
use crate::deal::Fault;
use crate::refusal::{Error, Refusal};
use crate::store::Store;
use crate::table::Table;
use crate::units::{
    DealId, Hash, OfferId, PeerId, ProviderId, Rate, Seconds, Time, Usdc, WorkerId,
};
use borsh::{BorshDeserialize, BorshSerialize};

/// Where a worker stands.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Placed; must run by the deadline.
    Assigned {
        /// Last second at which it may begin to run.
        deadline: Time,
    },
    /// Runs and accrues. Seconds here are the deal's paid seconds.
    Running {
        /// Where it began.
        from: Seconds,
        /// Up to where it is reported whatever the peer's lease says: where it began, or was resumed.
        reported: Seconds,
        /// Until when it is kept whatever the peer's lease says.
        kept_until: Time,
    },
    /// Over; what it earned waits for its provider.
    Gone {
        /// Why.
        reason: GoneReason,
        /// All that it earned.
        earned: Usdc,
    },
}

/// Why a worker is gone.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoneReason {
    /// Its peer says that it cannot run the artifact.
    CannotRun,
    /// It did not run in time.
    NeverStarted,
    /// It ran, and its peer says that it does no more.
    Failed,
    /// Its peer did not report in time.
    Silent,
    /// The developer or the monitor ended it.
    Evicted,
    /// The developer stopped the deal.
    Stopped,
    /// The deal's duration is over.
    Completed,
    /// The deal was paused for longer than its hold.
    Unfunded,
    /// The deal ended because its artifact cannot be run.
    BadArtifact,
}

/// Why a peer cannot run an artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// No source gives its bytes.
    Unavailable,
    /// Its bytes are not what the hash, the size or the kind say.
    Invalid,
    /// It asks for something that the host does not have.
    Unsupported,
}

/// A worker.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// Whom it serves.
    pub deal: DealId,
    /// Where it runs.
    pub peer: PeerId,
    /// Who earns.
    pub provider: ProviderId,
    /// The offer it came from.
    pub offer: OfferId,
    /// Indices of its units.
    pub units: Vec<u16>,
    /// What it costs per epoch, all units together: the ask at assignment.
    pub rate: Rate,
    /// When it was assigned.
    pub assigned: Time,
    /// Where it stands.
    pub stage: Stage,
    /// What was paid out of what it earned.
    pub paid: Usdc,
}

/// Workers until they are gone and paid out.
pub const WORKERS: Table<WorkerId, Worker> = Table::new(0x22, "workers");
/// Workers of a deal that are not gone.
pub const BY_DEAL: Table<(DealId, WorkerId), ()> = Table::new(0x23, "workers_by_deal");
/// Workers of a peer that are not gone.
pub const BY_PEER: Table<(PeerId, WorkerId), ()> = Table::new(0x24, "workers_by_peer");
/// Workers of a provider that may have something to withdraw: all that have a row.
pub const BY_PROVIDER: Table<(ProviderId, WorkerId), ()> = Table::new(0x25, "workers_by_provider");

/// Calls about workers, made by the operator key of their peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// The worker runs this artifact from now on.
    Running {
        /// Which.
        worker: WorkerId,
        /// BLAKE3 hash of what it runs.
        artifact: Hash,
    },
    /// The worker cannot be run.
    CannotRun {
        /// Which.
        worker: WorkerId,
        /// Why.
        obstacle: Obstacle,
    },
    /// All workers of the peer run, but for those named.
    Report {
        /// Which peer.
        peer: PeerId,
        /// Those it no longer runs; ones already gone are passed over.
        stopped: Vec<WorkerId>,
    },
}

/// What happens to workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Clearing placed it.
    Assigned {
        /// Its id.
        worker: WorkerId,
        /// Whom it serves.
        deal: DealId,
        /// Who earns.
        provider: ProviderId,
        /// Where it is to run.
        peer: PeerId,
        /// Indices of its units.
        units: Vec<u16>,
        /// What it costs per epoch.
        rate: Rate,
        /// Last second at which it may begin to run.
        deadline: Time,
    },
    /// It runs.
    Running {
        /// Which.
        worker: WorkerId,
        /// Whom it serves.
        deal: DealId,
    },
    /// It is gone.
    Gone {
        /// Which.
        worker: WorkerId,
        /// Whom it served.
        deal: DealId,
        /// Why.
        reason: GoneReason,
        /// Who is to blame.
        fault: Fault,
        /// The second up to which it is paid, or as of which it is gone.
        at: Time,
        /// All that it earned.
        earned: Usdc,
    },
    /// Its provider withdrew.
    Paid {
        /// Which.
        worker: WorkerId,
        /// Who earns.
        provider: ProviderId,
        /// How much this time.
        amount: Usdc,
    },
}

/// One handler for each call.
pub(crate) fn apply<S: Store>(_cx: &mut Cx<'_, S>, _call: Call) -> Result<Reply, Error> {
    Err(Refusal::NotYet { what: "worker" }.into())
}
