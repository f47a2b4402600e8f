//! Deals: what was agreed, who serves, and the money.
//!
//! ```text
//!             placed            min run             worker gone
//! (posted) -> Matching -> Starting -> Active <=======> Degraded
//!                ^           |          |                 |
//!                |           +----------+------+----------+  paid-until
//!                +---- top-up (released) ---- Paused ---- top-up (kept) --> Active | Degraded | Starting
//!                                any of them ----> Ended
//! ```
//! Promises (`docs/spec/deal.md`): M1 to M9, named where they are kept.

use crate::call::Reply;
use crate::cx::Cx;
use crate::refusal::{Error, Refusal};
use crate::store::Store;
use crate::table::Table;
use crate::units::{
    Address, DealId, Epoch, Exact, PeerId, ProviderId, Rate, Seconds, Time, Usdc, WorkerId,
};
use borsh::{BorshDeserialize, BorshSerialize};

/// Where a deal stands.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
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
    Paused {
        /// The second it was.
        since: Time,
    },
    /// Over.
    Ended {
        /// Why.
        reason: EndReason,
        /// When.
        at: Time,
    },
}

/// Why a deal ended.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Its owner took the demand back.
    Cancelled,
    /// Its owner stopped it.
    Stopped,
    /// Its duration is over.
    Completed,
    /// It was paused too long.
    Unfunded,
    /// Two providers cannot run an artifact that nobody ran.
    BadArtifact,
}

/// Who is to blame.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nobody.
    Nobody,
    /// The developer.
    Developer,
    /// The provider.
    Provider,
}

/// Whether clearing will look at a deal.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queued {
    /// No: it has what it wants, or is paused or over.
    No,
    /// Yes, in this sweep.
    Due(u64),
    /// Again at this block, or when supply appears that could satisfy it.
    Asleep(u64),
}

/// A deal: all of it that changes.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Deal {
    /// Who pays.
    pub owner: Address,
    /// Where it stands.
    pub status: Status,
    /// When it was posted.
    pub posted: Time,

    /// Its place among demands.
    pub place: u64,
    /// Whether clearing will look at it.
    pub queued: Queued,
    /// The sweep in which clearing last looked at it.
    pub looked: u64,
    /// Blocks to sleep after the next fruitless look.
    pub pause_blocks: u64,

    /// Workers that have not run yet.
    pub assigned: u16,
    /// Workers that run.
    pub running: u16,
    /// Workers that are gone and not paid out.
    pub unpaid: u64,
    /// Places that a worker left and no other has taken.
    pub vacated: u16,
    /// Replacements in this epoch.
    pub replaced: (Epoch, u16),
    /// Peers that left it, and the epoch up to which they are no candidates.
    pub excluded: Vec<(PeerId, Epoch)>,
    /// Whether any worker ever ran its artifact.
    pub ran: bool,
    /// Providers who said that they cannot run it.
    pub cannot_run: Vec<ProviderId>,

    /// Escrow that is nobody's yet, as of `at`.
    pub free: Exact,
    /// Least pay of workers that have not run yet.
    pub set_aside: Exact,
    /// Rate of the running workers.
    pub rate: Rate,
    /// Rate of the assigned workers.
    pub assigned_rate: Rate,
    /// The second up to which money has accrued.
    pub at: Time,
    /// Seconds that were paid for up to `at`: all time outside pauses.
    pub paid_seconds: Seconds,
    /// The second since which it runs without a pause.
    pub resumed: Time,

    /// End of its duration; [`Time::NEVER`] while none is set.
    pub ends: Time,
    /// Its entry in the index of time; [`Time::NEVER`]: none.
    pub due: Time,
}

/// Deals, from posting to removal.
pub const DEALS: Table<DealId, Deal> = Table::new(0x21, "deals");

/// Calls about deals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Anyone adds to the escrow; it becomes the owner's.
    TopUp {
        /// Which.
        deal: DealId,
        /// How much.
        amount: Usdc,
    },
    /// The owner takes back what lies above the floor.
    WithdrawSurplus {
        /// Which.
        deal: DealId,
        /// How much.
        amount: Usdc,
    },
    /// The owner or the monitor ends a worker.
    Evict {
        /// Which.
        worker: WorkerId,
    },
    /// The owner ends the deal.
    Stop {
        /// Which.
        deal: DealId,
    },
    /// The owner removes an ended deal whose workers are all paid out.
    Remove {
        /// Which.
        deal: DealId,
    },
}

/// What happens to deals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It stands elsewhere.
    StatusChanged {
        /// Which.
        deal: DealId,
        /// Where.
        status: Status,
        /// Since this second.
        at: Time,
    },
    /// Somebody added to the escrow.
    ToppedUp {
        /// Which.
        deal: DealId,
        /// Who.
        by: Address,
        /// How much.
        amount: Usdc,
    },
    /// The owner took surplus back.
    SurplusWithdrawn {
        /// Which.
        deal: DealId,
        /// How much.
        amount: Usdc,
    },
    /// It is over, and the rest of the escrow went back to its owner.
    Ended {
        /// Which.
        deal: DealId,
        /// Why.
        reason: EndReason,
        /// Who is to blame.
        fault: Fault,
        /// What went back.
        refund: Usdc,
    },
    /// It is gone.
    Removed {
        /// Which.
        deal: DealId,
    },
}

/// One handler for each call.
pub(crate) fn apply<S: Store>(_cx: &mut Cx<'_, S>, _call: Call) -> Result<Reply, Error> {
    Err(Refusal::NotYet { what: "deal" }.into())
}
