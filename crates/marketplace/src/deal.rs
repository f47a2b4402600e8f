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
//! Promises (`docs/spec/deal.md`): M1 to M11, named where they are kept.

mod deadline;
mod hold;
mod money;
mod notice;
mod now;
mod payout;
mod rollout;
mod save;
mod view;
mod warning;

pub(crate) use now::{DealNow, Pay};
pub(crate) use payout::{pay_now, withdraw};
pub use rollout::{Halt, PREVIOUS, Rollout};
pub use view::{Member, View, WorkerView, get, list, subnet, view, worker, workers};
pub(crate) use warning::next_warning;

use crate::call::Reply;
use crate::cx::Cx;
use crate::demand::DEMANDS;
use crate::deposit;
use crate::ledger::{self, Account};
use crate::limits::MAX_SUPPLY;
use crate::matching::LOOKS;
use crate::refusal::{Error, Object, Refusal, Role, ensure, within};
use crate::store::Store;
use crate::table::Table;
use crate::units::{
    Address, DealId, Epoch, Exact, Flt, Part, PeerId, ProviderId, Rate, Seconds, Time, Usdc,
    WorkerId,
};
use crate::worker::{GoneReason, WORKERS};
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
pub enum Blame {
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
    /// Who may become its owner.
    pub heir: Option<Address>,
    /// Where it stands.
    pub status: Status,
    /// When it was posted.
    pub posted: Time,
    /// Which parameters hold for it, of those that act at creation.
    pub version: u32,
    /// Its storage deposit.
    pub deposit: Flt,

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
    /// Workers that run and are not under notice.
    pub running: u16,
    /// Workers under notice; they run, too.
    pub draining: u16,
    /// Workers that are gone and not paid out.
    pub unpaid: u64,
    /// Places that a worker left and no other has taken.
    pub vacated: u16,
    /// Replacements in this epoch.
    pub replaced: (Epoch, u16),
    /// Peers that left it, and the epoch up to which they are no candidates.
    pub excluded: Vec<(PeerId, Epoch)>,
    /// How many artifacts it had.
    pub artifact_version: u32,
    /// How far its workers are with the one of now.
    pub rollout: Rollout,
    /// When its first worker began to run.
    pub began: Option<Time>,
    /// Providers who said that they cannot run its artifact, before any ran one; two end the deal.
    pub cannot_run: Vec<ProviderId>,

    /// Escrow that is nobody's yet, as of `at`, but for what live workers earned in holds: see [`Deal::spare`].
    pub free: Exact,
    /// What live workers earned in holds.
    pub held: Part,
    /// What a hold costs, in millionths of what running costs.
    pub hold_ppm: u64,
    /// Least pay of workers that have not run yet.
    pub set_aside: Exact,
    /// Rate of the live workers: those that run, under notice or not.
    pub rate: Rate,
    /// Rate of the assigned workers.
    pub assigned_rate: Rate,
    /// The second up to which money has accrued.
    pub at: Time,
    /// Seconds that were paid for up to `at`: all time outside pauses.
    pub paid_seconds: Seconds,
    /// Seconds of holds up to `at`.
    pub held_seconds: Seconds,

    /// How many of [`WARNINGS`] were given; those that lie behind paid-until again are given again.
    pub warned: u8,
    /// End of its duration; [`Time::NEVER`] while none is set.
    pub ends: Time,
    /// Its entry in the index of time; [`Time::NEVER`]: none.
    pub due: Time,
}

/// Epochs before paid-until at which a deal's owner is warned.
pub const WARNINGS: [u64; 2] = [10, 2];

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
    /// The owner removes an ended deal whose workers are all paid out; long after its end anybody may, which pays them.
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
    /// The escrow lasts for no more than so many epochs.
    FundsLow {
        /// Which.
        deal: DealId,
        /// So many.
        epochs: u64,
        /// The second up to which it pays.
        paid_until: Time,
    },
    /// It is over, and the rest of the escrow went back to its owner.
    Ended {
        /// Which.
        deal: DealId,
        /// Why.
        reason: EndReason,
        /// Who is to blame.
        blame: Blame,
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
pub(crate) fn apply<S: Store>(cx: &mut Cx<'_, S>, call: Call) -> Result<Reply, Error> {
    match call {
        Call::TopUp { deal, amount } => top_up(cx, deal, amount),
        Call::WithdrawSurplus { deal, amount } => withdraw_surplus(cx, deal, amount),
        Call::Evict { worker } => evict(cx, worker),
        Call::Stop { deal } => stop(cx, deal),
        Call::Remove { deal } => remove(cx, deal),
    }?;
    Ok(Reply::Done)
}

fn top_up<S: Store>(cx: &mut Cx<'_, S>, id: DealId, amount: Usdc) -> Result<(), Error> {
    let mut now = DealNow::load(cx, id)?;
    refuse_ended(&now)?;
    within("top-up", amount.0, 1, MAX_SUPPLY.0)?;
    let by = cx.caller();
    now.deposit(amount)?;
    now.emit(Event::ToppedUp {
        deal: id,
        by,
        amount,
    });
    if now.deal.paused() {
        now.load_workers(cx)?;
        now.try_resume(cx.now())?;
    }
    ledger::transfer(cx, Account::User(by), Account::Deal(id), amount)?;
    now.save(cx)
}

fn withdraw_surplus<S: Store>(cx: &mut Cx<'_, S>, id: DealId, amount: Usdc) -> Result<(), Error> {
    let mut now = DealNow::load(cx, id)?;
    cx.authenticate(now.deal.owner, Role::DealOwner)?;
    refuse_ended(&now)?;
    let surplus = now.surplus()?;
    within("surplus", amount.0, 1, MAX_SUPPLY.0)?;
    ensure(
        amount <= surplus,
        Refusal::SurplusTooSmall {
            asked: amount,
            surplus,
        },
    )?;
    now.withdraw(amount)?;
    now.emit(Event::SurplusWithdrawn { deal: id, amount });
    now.save(cx)
}

fn evict<S: Store>(cx: &mut Cx<'_, S>, id: WorkerId) -> Result<(), Error> {
    let worker = WORKERS.get(cx.store, &id)?;
    let worker = worker.ok_or(Refusal::Unknown(Object::Worker(id)))?;
    let mut now = DealNow::load(cx, worker.deal)?;
    if now.terms.monitor != Some(cx.caller()) {
        cx.authenticate(now.deal.owner, Role::DealOwnerOrMonitor)?;
    }
    now.require_live(cx, id)?;
    now.gone(
        id,
        GoneReason::Evicted,
        Blame::Developer,
        Pay::AtLeastMinimum,
    )?;
    now.save(cx)
}

/// A worker is gone, for a fraud of a unit it runs on.
pub(crate) fn expel<S: Store>(cx: &mut Cx<'_, S>, id: WorkerId) -> Result<(), Error> {
    let worker = WORKERS.must(cx.store, &id)?;
    let mut now = DealNow::load(cx, worker.deal)?;
    now.load_worker(cx, id)?;
    if now.live_worker(id).is_some() {
        now.gone(id, GoneReason::Fraud, Blame::Provider, Pay::ToNow)?;
    }
    now.save(cx)
}

fn stop<S: Store>(cx: &mut Cx<'_, S>, id: DealId) -> Result<(), Error> {
    let mut now = DealNow::load(cx, id)?;
    cx.authenticate(now.deal.owner, Role::DealOwner)?;
    refuse_ended(&now)?;
    now.load_workers(cx)?;
    let reason = match now.deal.status {
        Status::Matching => EndReason::Cancelled,
        _ => EndReason::Stopped,
    };
    now.end(reason, Blame::Developer, cx.now())?;
    now.save(cx)
}

/// Decides by the row as it is written: what is due and not written yet still moves money and workers. Long after
/// the end anybody may, for the deposit; providers who did not come are paid first.
fn remove<S: Store>(cx: &mut Cx<'_, S>, id: DealId) -> Result<(), Error> {
    let object = Object::Deal(id);
    let deal = DEALS.get(cx.store, &id)?.ok_or(Refusal::Unknown(object))?;
    let abandoned = deal.abandoned(&cx.params, cx.now());
    if !abandoned {
        cx.authenticate(deal.owner, Role::DealOwner)?;
    }
    let state = "not ended";
    ensure(deal.ended(), Refusal::WrongState { object, state })?;
    let state = "not paid out to its providers";
    let paid = deal.unpaid == 0 || abandoned;
    ensure(paid, Refusal::WrongState { object, state })?;
    payout::pay_all(cx, id)?;
    let deal = DEALS.must(cx.store, &id)?;
    if deal.unpaid > 0 {
        return Ok(()); // more than one call pays; the next goes on
    }
    DEALS.delete(cx.store, &id)?;
    DEMANDS.delete(cx.store, &id)?;
    PREVIOUS.delete(cx.store, &id)?;
    LOOKS.delete(cx.store, &id)?;
    cx.emit(Event::Removed { deal: id });
    deposit::give_back(cx, cx.caller(), deal.deposit)
}

pub(crate) fn refuse_ended(now: &DealNow) -> Result<(), Error> {
    let object = Object::Deal(now.id);
    ensure(
        !now.deal.ended(),
        Refusal::WrongState {
            object,
            state: "ended",
        },
    )
}
