//! Capacity commitments: a provider's word, with collateral, that all idle units of a peer prove themselves.
//!
//! ```text
//! (created) -> WaitCollateral -> WaitStart -> Active -> Ended  -> (paid out: closed)
//!                   |                           +-----> Failed -> (paid out: closed)
//!                   +-> (closed, all deposits back)
//! ```
//! Promises (`docs/spec/commitment.md`):
//! - H1: price, class, share, lowest ask and the parameters that act at creation are fixed then.
//! - H2: until it is full, a delegator takes its deposit back and the provider cancels; after `collateral_wait_epochs`
//!   anybody closes it.
//! - H3: a full one starts with the next epoch, or when the one before it ends.
//! - H4: from its creation until it is over and no unit serves, units of its peer are neither added nor removed.
//! - H5: what becomes of it is found when it is next touched, and acts as of its own epoch.

mod agenda;
mod claim;
mod now;
mod pledge;
mod revenue;
mod reward;
mod view;

pub use agenda::AGENDA;
pub(crate) use agenda::step;
pub(crate) use now::CommitmentNow;
pub use now::{Entered, PROOFS, Proof, Proofs};
pub(crate) use pledge::{Bound, bound, flag_next, frozen, of_window, thaw};
pub use pledge::{PLEDGES, Pledge};
pub use revenue::Delegated;
pub(crate) use revenue::{charge, unbind};
pub use reward::{Credit, Held, REWARDS, Rewards};
pub use view::{Due, Proving, Unit, View, current, proving, view};

use crate::call::Reply;
use crate::cx::Cx;
use crate::flt::{self, Purse};
use crate::limits::{MAX_CLASS, MAX_DELEGATORS, MAX_PRICE};
use crate::params::{self, Params};
use crate::refusal::{Error, Object, Refusal, Role, ensure, fault, within};
use crate::store::Store;
use crate::table::Table;
use crate::units::{
    Address, CommitmentId, Epoch, Flt, PeerId, Price, ProviderId, Time, Usdc, WorkerId, mul_div,
};
use crate::{deposit, peer, pool, provider, time};
use borsh::{BorshDeserialize, BorshSerialize};

/// Where a commitment stands.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Its collateral is not complete.
    WaitCollateral,
    /// It is complete, and starts with this epoch.
    WaitStart {
        /// Which.
        start: Epoch,
    },
    /// Its units prove.
    Active {
        /// Its first epoch.
        start: Epoch,
        /// The epoch with whose beginning it is over.
        end: Epoch,
    },
    /// Its time is over.
    Ended {
        /// The epoch with whose beginning it was.
        end: Epoch,
    },
    /// Its units missed too much.
    Failed {
        /// The epoch with whose close it failed.
        epoch: Epoch,
    },
}

/// A commitment.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// Who committed.
    pub provider: ProviderId,
    /// Whose units.
    pub peer: PeerId,
    /// How many units; all of the peer's.
    pub units: u16,
    /// Class of the units: how many times the basic work each does in a window.
    pub class: u8,
    /// How long it lasts, in epochs.
    pub duration: u64,
    /// The delegators' part of rewards and of what deals pay.
    pub share_ppm: u32,
    /// The lowest price at which its units may be matched.
    pub min_ask: Price,
    /// The only account that may deposit; None: anybody.
    pub delegator: Option<Address>,
    /// Who gets the provider's part of rewards; bound into every proof.
    pub payout: Address,
    /// Collateral of each unit.
    pub per_unit: Flt,
    /// Collateral deposited so far.
    pub staked: Flt,
    /// Which parameters hold for it, of those that act at creation.
    pub version: u32,
    /// When it was created.
    pub created: Epoch,
    /// Where it stands.
    pub status: Status,
    /// Missed epochs of all its units.
    pub missed: u64,
    /// For so many windows to which it commits all its units are audited.
    pub flag: u64,
    /// Audits of its units that are not over.
    pub audits: u32,
    /// Workers of which it has, or is yet to get, a part of the pay.
    pub workers: u32,
    /// Whether its collateral went back.
    pub released: bool,
    /// Its storage deposit.
    pub deposit: Flt,
}

impl Commitment {
    /// One of no units that is over and has nothing, but for so many audits: what made-up audits hang on.
    #[must_use]
    pub fn of_no_units(audits: u32) -> Self {
        Self {
            provider: ProviderId::default(),
            peer: PeerId::default(),
            units: 0,
            class: 1,
            duration: 1,
            share_ppm: 0,
            min_ask: Price::ZERO,
            delegator: None,
            payout: Address::default(),
            per_unit: Flt::ZERO,
            staked: Flt::ZERO,
            version: 0,
            created: Epoch(1),
            status: Status::Failed { epoch: Epoch(1) },
            missed: 0,
            flag: 0,
            audits,
            workers: 0,
            released: true,
            deposit: Flt::ZERO,
        }
    }

    /// All its collateral, when it is complete.
    #[must_use]
    pub fn collateral(&self) -> Flt {
        Flt(self.per_unit.0.saturating_mul(self.units.into()))
    }
}

/// What an account deposited for a commitment.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delegation {
    /// How much.
    pub stake: Flt,
    /// Rewards it was paid.
    pub rewards: Flt,
    /// What it was paid of what deals paid.
    pub revenue: Usdc,
}

/// What a provider says of a new commitment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct New {
    /// Whose units.
    pub peer: PeerId,
    /// How long it lasts, in epochs.
    pub duration: u64,
    /// Class of the units, 1 to 16.
    pub class: u8,
    /// The delegators' part, in parts per million.
    pub share_ppm: u32,
    /// The lowest price at which its units may be matched.
    pub min_ask: Price,
    /// The only account that may deposit; None: anybody.
    pub delegator: Option<Address>,
    /// Who gets the provider's part of rewards.
    pub payout: Address,
}

/// Commitments by id, until they are paid out.
pub const COMMITMENTS: Table<CommitmentId, Commitment> = Table::new(0x38, "commitments");
/// Delegations by commitment and account.
pub const DELEGATIONS: Table<(CommitmentId, Address), Delegation> = Table::new(0x39, "delegations");
const COUNTER: u8 = 8;

/// Calls about commitments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// The provider's owner commits a peer's units, or, while a commitment is active, its successor.
    Create(New),
    /// An account deposits the FLT that comes with the call as collateral.
    Deposit {
        /// For which.
        commitment: CommitmentId,
    },
    /// A delegator takes all it deposited back, while the collateral is not complete.
    TakeBack {
        /// From which.
        commitment: CommitmentId,
    },
    /// The provider's owner takes it back while its collateral is not complete; when that took too long, anybody.
    Cancel {
        /// Which.
        commitment: CommitmentId,
    },
    /// Anybody has everything that is due paid out, to the provider's payout account and to all delegators: vested
    /// rewards, their part of what deals paid, and after its end the collateral.
    Claim {
        /// Of which.
        commitment: CommitmentId,
    },
}

/// Why FLT of a commitment was lost.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offence {
    /// Units missed an epoch.
    Missed,
    /// An audit was not answered.
    NoAnswer,
    /// Few leaves of a second audit were bad.
    Hardware,
    /// More leaves of a second audit were bad.
    Fraud,
    /// A worker did not start in time, or left without notice.
    Worker,
}

/// What happens to commitments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// There is a new one.
    Created {
        /// Its id.
        commitment: CommitmentId,
        /// Whose units.
        peer: PeerId,
        /// Who committed.
        provider: ProviderId,
        /// Its whole collateral.
        collateral: Flt,
    },
    /// Somebody deposited.
    Deposited {
        /// For which.
        commitment: CommitmentId,
        /// Who.
        delegator: Address,
        /// How much.
        amount: Flt,
    },
    /// A deposit went back before the collateral was complete.
    TakenBack {
        /// From which.
        commitment: CommitmentId,
        /// To whom.
        delegator: Address,
        /// How much.
        amount: Flt,
    },
    /// Its status changed.
    StatusChanged {
        /// Which.
        commitment: CommitmentId,
        /// Where it stands.
        status: Status,
    },
    /// An epoch was closed for it.
    EpochClosed {
        /// Which.
        commitment: CommitmentId,
        /// The epoch.
        epoch: Epoch,
        /// Windows that its good units passed.
        passed: u64,
        /// Units that missed the epoch.
        missed: u16,
    },
    /// Collateral went to the treasury.
    Slashed {
        /// Of which.
        commitment: CommitmentId,
        /// Why.
        offence: Offence,
        /// How much.
        amount: Flt,
    },
    /// Rewards of an epoch are its own from now on, and vest.
    Credited {
        /// Whose.
        commitment: CommitmentId,
        /// Of which epoch.
        epoch: Epoch,
        /// How much.
        amount: Flt,
        /// What went to the treasury, of units that lost theirs.
        lost: Flt,
    },
    /// Vested rewards were paid.
    RewardPaid {
        /// Of which.
        commitment: CommitmentId,
        /// To whom.
        to: Address,
        /// How much.
        amount: Flt,
    },
    /// The delegators' part of what a worker was paid came in.
    RevenueShared {
        /// Whose.
        commitment: CommitmentId,
        /// Of which worker.
        worker: WorkerId,
        /// How much.
        amount: Usdc,
    },
    /// A delegator's part of what deals paid was paid.
    RevenuePaid {
        /// Of which.
        commitment: CommitmentId,
        /// To whom.
        to: Address,
        /// How much.
        amount: Usdc,
    },
    /// Collateral went back.
    CollateralPaid {
        /// Of which.
        commitment: CommitmentId,
        /// To whom.
        to: Address,
        /// How much.
        amount: Flt,
    },
    /// It is gone.
    Closed {
        /// Which.
        commitment: CommitmentId,
    },
}

/// One handler for each call.
pub(crate) fn apply<S: Store>(cx: &mut Cx<'_, S>, call: Call) -> Result<Reply, Error> {
    match call {
        Call::Create(new) => return create(cx, &new),
        Call::Deposit { commitment } => deposit(cx, commitment),
        Call::TakeBack { commitment } => take_back(cx, commitment),
        Call::Cancel { commitment } => cancel(cx, commitment),
        Call::Claim { commitment } => claim::claim(cx, commitment),
    }?;
    Ok(Reply::Done)
}

fn create<S: Store>(cx: &mut Cx<'_, S>, new: &New) -> Result<Reply, Error> {
    let peer = peer::owned(cx, new.peer)?;
    let what = "commitments on a network without windows";
    ensure(cx.params.windows_per_epoch > 0, Refusal::NotYet { what })?;
    let longest = cx.params.max_commitment_epochs;
    within("duration", new.duration.into(), 1, longest.into())?;
    within("class", new.class.into(), 1, MAX_CLASS.into())?;
    within("share_ppm", new.share_ppm.into(), 0, 1_000_000)?;
    within("min_ask", new.min_ask.0, 0, MAX_PRICE.0)?;
    let units = peer::units(cx.store, new.peer)?;
    ensure(units.registered() > 0, Refusal::NoUnits(new.peer))?;
    let pledge = pledge::vacant(cx, new.peer, &units)?;
    let per_unit = per_unit(cx, new.class)?;
    let flag = pledge::flag(cx, new.peer)?;

    let id = CommitmentId(time::next_id(cx.store, COUNTER)?);
    let commitment = Commitment {
        provider: peer.provider,
        peer: new.peer,
        units: units.registered(),
        class: new.class,
        duration: new.duration,
        share_ppm: new.share_ppm,
        min_ask: new.min_ask,
        delegator: new.delegator,
        payout: new.payout,
        per_unit,
        staked: Flt::ZERO,
        version: cx.params.version,
        created: cx.epoch(),
        status: Status::WaitCollateral,
        missed: 0,
        flag,
        audits: 0,
        workers: 0,
        released: false,
        deposit: cx.params.deposit(1),
    };
    let pledge = match pledge {
        Some(running) => Pledge {
            successor: Some(id),
            ..running
        },
        None => Pledge::waiting(id, new.min_ask),
    };
    PLEDGES.put(cx.store, &new.peer, &pledge)?;
    let collateral = commitment.collateral();
    COMMITMENTS.put(cx.store, &id, &commitment)?;
    cx.emit(Event::Created {
        commitment: id,
        peer: new.peer,
        provider: peer.provider,
        collateral,
    });
    if collateral == Flt::ZERO {
        fill(cx, id, commitment)?;
    }
    Ok(Reply::Commitment(id))
}

/// Collateral of a unit of this class, at the price of now. (H1)
fn per_unit<S: Store>(cx: &mut Cx<'_, S>, class: u8) -> Result<Flt, Error> {
    const WEI: u128 = 1_000_000_000_000_000_000;
    let price = pool::fresh_price(cx)?.ok_or(Refusal::StalePrice)?;
    let target = u128::from(cx.params.collateral_usd_micro).checked_mul(class.into());
    let price = u128::from(price.flt_price_micro);
    let amount = target.and_then(|target| {
        let whole = mul_div(target, WEI, price)?;
        // Rounded up: the remainder of the product, taken without overflow.
        let rest = target
            .checked_rem(price)?
            .checked_mul(WEI.checked_rem(price)?)?;
        let up = u128::from(rest.checked_rem(price)? > 0);
        whole.checked_add(up)
    });
    Ok(Flt(
        amount.ok_or_else(|| fault("collateral beyond 128 bits"))?
    ))
}

fn deposit<S: Store>(cx: &mut Cx<'_, S>, id: CommitmentId) -> Result<(), Error> {
    let mut commitment = waiting(cx, id)?;
    let (delegator, amount) = (cx.caller(), cx.origin.value);
    if let Some(named) = commitment.delegator {
        cx.authenticate(named, Role::Delegator)?;
    }
    let collateral = commitment.collateral();
    let open = collateral.checked_sub(commitment.staked);
    let open = open.ok_or_else(|| fault("more staked than asked for"))?;
    let least = Flt(collateral.0.div_ceil(16)).min(open);
    within("collateral, in wei", amount.0, least.0, open.0)?;
    let before = DELEGATIONS.get(cx.store, &(id, delegator))?;
    if before.is_none() {
        let others = delegations(cx.store, id)?.len();
        ensure(others < MAX_DELEGATORS, Refusal::TooManyDelegators)?;
    }
    let mut delegation = before.unwrap_or_default();
    let grown = |sum: Flt| {
        sum.checked_add(amount)
            .ok_or_else(|| fault("stake beyond 128 bits"))
    };
    delegation.stake = grown(delegation.stake)?;
    commitment.staked = grown(commitment.staked)?;
    DELEGATIONS.put(cx.store, &(id, delegator), &delegation)?;
    flt::receive(cx, Purse::Commitment(id), amount)?;
    cx.emit(Event::Deposited {
        commitment: id,
        delegator,
        amount,
    });
    if commitment.staked == collateral {
        return fill(cx, id, commitment);
    }
    COMMITMENTS.put(cx.store, &id, &commitment)
}

/// Its collateral is complete: it starts with the next epoch, or when the one before it ends. (H3)
fn fill<S: Store>(
    cx: &mut Cx<'_, S>,
    id: CommitmentId,
    mut commitment: Commitment,
) -> Result<(), Error> {
    let mut pledge = PLEDGES.must(cx.store, &commitment.peer)?;
    let next = cx.epoch().plus(1);
    let start = if pledge.current == id {
        next
    } else {
        let start = pledge.ends.epoch(cx.params.epoch());
        let end = start.plus(commitment.duration);
        pledge.ends = cx.params.epoch_begins(end);
        PLEDGES.put(cx.store, &commitment.peer, &pledge)?;
        start.max(next)
    };
    commitment.status = Status::WaitStart { start };
    AGENDA.put(cx.store, &(start, id), &())?;
    COMMITMENTS.put(cx.store, &id, &commitment)?;
    cx.emit(Event::StatusChanged {
        commitment: id,
        status: commitment.status,
    });
    Ok(())
}

fn take_back<S: Store>(cx: &mut Cx<'_, S>, id: CommitmentId) -> Result<(), Error> {
    let mut commitment = waiting(cx, id)?;
    let delegator = cx.caller();
    let delegation = DELEGATIONS.get(cx.store, &(id, delegator))?;
    let refusal = Refusal::NotAllowed {
        caller: delegator,
        needs: Role::Delegator,
    };
    let delegation = delegation.ok_or(refusal)?;
    let left = commitment.staked.checked_sub(delegation.stake);
    commitment.staked = left.ok_or_else(|| fault("a delegation beyond what is staked"))?;
    COMMITMENTS.put(cx.store, &id, &commitment)?;
    give_back(cx, id, delegator, delegation.stake)
}

fn give_back<S: Store>(
    cx: &mut Cx<'_, S>,
    id: CommitmentId,
    delegator: Address,
    amount: Flt,
) -> Result<(), Error> {
    DELEGATIONS.delete(cx.store, &(id, delegator))?;
    flt::pay_out(cx, Purse::Commitment(id), delegator, amount)?;
    cx.emit(Event::TakenBack {
        commitment: id,
        delegator,
        amount,
    });
    Ok(())
}

/// (H2)
fn cancel<S: Store>(cx: &mut Cx<'_, S>, id: CommitmentId) -> Result<(), Error> {
    let commitment = waiting(cx, id)?;
    let params = params_of(cx, &commitment)?;
    let over = commitment.created.plus(params.collateral_wait_epochs) <= cx.epoch();
    if !over {
        provider::owned(cx, commitment.provider)?;
    }
    for (delegator, delegation) in delegations(cx.store, id)? {
        give_back(cx, id, delegator, delegation.stake)?;
    }
    pledge::forget(cx, commitment.peer, id)?;
    remove(cx, id, &commitment)
}

/// Deletes the row of a commitment that nobody is owed anything by.
fn remove<S: Store>(
    cx: &mut Cx<'_, S>,
    id: CommitmentId,
    commitment: &Commitment,
) -> Result<(), Error> {
    COMMITMENTS.delete(cx.store, &id)?;
    cx.emit(Event::Closed { commitment: id });
    let owner = provider::get(cx.store, commitment.provider)?;
    let owner = owner.map_or(commitment.payout, |provider| provider.owner);
    deposit::give_back(cx, owner, commitment.deposit)
}

/// The commitment, if its collateral is not complete.
fn waiting<S: Store>(cx: &mut Cx<'_, S>, id: CommitmentId) -> Result<Commitment, Error> {
    let commitment = known(cx.store, id)?;
    let refusal = Refusal::WrongState {
        object: Object::Commitment(id),
        state: commitment.status.name(),
    };
    ensure(commitment.status == Status::WaitCollateral, refusal)?;
    Ok(commitment)
}

impl Status {
    /// A word for it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::WaitCollateral => "waiting for collateral",
            Self::WaitStart { .. } => "waiting for its start",
            Self::Active { .. } => "active",
            Self::Ended { .. } => "ended",
            Self::Failed { .. } => "failed",
        }
    }
}

fn known<S: Store>(store: &mut S, id: CommitmentId) -> Result<Commitment, Error> {
    Ok(get(store, id)?.ok_or(Refusal::Unknown(Object::Commitment(id)))?)
}

/// The parameters that hold for a commitment.
fn params_of<S: Store>(cx: &mut Cx<'_, S>, commitment: &Commitment) -> Result<Params, Error> {
    params::of_version(cx.store, &cx.params, commitment.version)
}

/// The commitment with this id, if it is not paid out and gone.
///
/// # Errors
/// Out of work.
pub fn get<S: Store>(store: &mut S, id: CommitmentId) -> Result<Option<Commitment>, Error> {
    COMMITMENTS.get(store, &id)
}

/// Commitments after `after`, by id; at most `limit` and never more than a page.
///
/// # Errors
/// Out of work.
pub fn list<S: Store>(
    store: &mut S,
    after: Option<CommitmentId>,
    limit: usize,
) -> Result<Vec<(CommitmentId, Commitment)>, Error> {
    COMMITMENTS.page(store, &(), after.as_ref(), limit)
}

/// Who deposited for a commitment, by account; at most 16.
///
/// # Errors
/// Out of work.
pub fn delegations<S: Store>(
    store: &mut S,
    id: CommitmentId,
) -> Result<Vec<(Address, Delegation)>, Error> {
    let rows = DELEGATIONS.list(store, &id, None, MAX_DELEGATORS)?;
    let rows = rows.into_iter();
    Ok(rows.map(|((_, account), row)| (account, row)).collect())
}

/// When a status acts, for those that have a time: the end of an epoch that failed, or the end of its duration.
#[must_use]
pub fn over_at(status: Status, params: &Params) -> Time {
    match status {
        Status::Failed { epoch } => params.epoch_begins(epoch.plus(1)),
        Status::Ended { end } | Status::Active { end, .. } => params.epoch_begins(end),
        Status::WaitCollateral | Status::WaitStart { .. } => Time::NEVER,
    }
}
