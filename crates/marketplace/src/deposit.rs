//! Storage deposits: FLT that every object takes while it has rows, and gives back when they go.
//!
//! Promises (`docs/spec/deposit.md`):
//! - F1: a call that makes objects takes `deposit_gwei` for each, and a unit of a peer is one; too little is refused,
//!   what is too much goes back at once. Beside them only collateral and gifts to the fund take FLT.
//! - F2: the deposit of an object stands in its row and goes to its owner when it is removed.
//! - F3: the purse `Deposits` is the sum of all of them.

use crate::call::Call;
use crate::cx::Cx;
use crate::flt::{self, Purse};
use crate::params::Params;
use crate::refusal::{Error, Refusal, ensure, fault};
use crate::store::Store;
use crate::units::{Address, Flt};
use crate::{commitment, datacenter, demand, offer, peer, pool, provider};

/// What happens to deposits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody deposited.
    Taken {
        /// Who.
        from: Address,
        /// How much.
        amount: Flt,
    },
    /// A deposit went back.
    Returned {
        /// To whom.
        to: Address,
        /// How much.
        amount: Flt,
    },
}

impl Params {
    /// The deposit of so many objects.
    #[must_use]
    pub fn deposit(&self, objects: u16) -> Flt {
        let wei = u128::from(self.deposit_gwei).saturating_mul(1_000_000_000);
        Flt(wei.saturating_mul(objects.into()))
    }
}

/// How many objects, units of peers among them, a call makes; None: it takes no FLT.
#[must_use]
pub fn objects(call: &Call) -> Option<u16> {
    match call {
        Call::Provider(provider::Call::Register { .. })
        | Call::Datacenter(datacenter::Call::Register(_))
        | Call::Offer(offer::Call::Post { .. })
        | Call::Commitment(commitment::Call::Create(_))
        | Call::Demand(demand::Call::Post { .. }) => Some(1),
        Call::Peer(peer::Call::Register(new)) => Some(new.units.saturating_add(1)),
        Call::Peer(peer::Call::AddUnits { count, .. }) => Some(*count),
        _ => None,
    }
}

/// Whether FLT that comes with a call is an amount that its handler takes.
fn takes_money(call: &Call) -> bool {
    matches!(
        call,
        Call::Commitment(commitment::Call::Deposit { .. }) | Call::Pool(pool::Call::Fund)
    )
}

/// Refuses a call that brings too little FLT, or any if it takes none. Gives what it takes. (F1)
pub(crate) fn check<S>(cx: &Cx<'_, S>, call: &Call) -> Result<Option<Flt>, Error> {
    let given = cx.origin.value;
    if takes_money(call) {
        return Ok(None);
    }
    let Some(objects) = objects(call) else {
        ensure(given == Flt::ZERO, Refusal::NotPayable { value: given })?;
        return Ok(None);
    };
    let needed = cx.params.deposit(objects);
    ensure(given >= needed, Refusal::DepositTooSmall { needed, given })?;
    Ok(Some(needed))
}

/// Takes what a call deposits out of what came with it, and gives the rest back.
pub(crate) fn take<S: Store>(cx: &mut Cx<'_, S>, amount: Flt) -> Result<(), Error> {
    let from = cx.caller();
    let rest = cx.origin.value.checked_sub(amount);
    let rest = rest.ok_or_else(|| fault("less was sent than is deposited"))?;
    if rest != Flt::ZERO {
        cx.payouts.push((from, rest));
    }
    if amount == Flt::ZERO {
        return Ok(());
    }
    flt::receive(cx, Purse::Deposits, amount)?;
    cx.emit(Event::Taken { from, amount });
    Ok(())
}

/// Gives a deposit back, whose row no longer has it. (F2)
pub(crate) fn give_back<S: Store>(
    cx: &mut Cx<'_, S>,
    to: Address,
    amount: Flt,
) -> Result<(), Error> {
    if amount == Flt::ZERO {
        return Ok(());
    }
    flt::pay_out(cx, Purse::Deposits, to, amount)?;
    cx.emit(Event::Returned { to, amount });
    Ok(())
}

/// All FLT that is deposited.
///
/// # Errors
/// Out of work.
pub fn held<S: Store>(store: &mut S) -> Result<Flt, Error> {
    flt::purse(store, Purse::Deposits)
}
