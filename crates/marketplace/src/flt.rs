//! FLT that the marketplace holds, in named purses, moved in one function.
//!
//! FLT outside the marketplace is the native coin: it comes in with a call, and goes out when the call is done.
//!
//! Promises (`docs/spec/ledger.md`):
//! - L7: the sum of all purses is the row `flt_held`, which only money that comes in or goes out changes.
//! - L8: no purse is negative; an empty one has no row.

use crate::cx::Cx;
use crate::refusal::{Error, fault};
use crate::store::Store;
use crate::table::{Key, Table};
use crate::units::{Address, CommitmentId, Epoch, Flt};

/// Whose FLT it is, or what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purse {
    /// Storage deposits of all objects.
    Deposits,
    /// What rewards are paid from, filled beforehand by anybody.
    Fund,
    /// The rewards of an epoch that are not credited yet.
    Pool(Epoch),
    /// Collateral of a commitment, and rewards credited to it.
    Commitment(CommitmentId),
    /// The treasury of the protocol: what was slashed.
    Treasury,
    /// Remainders of what is gone.
    Dust,
}

impl Key for Purse {
    fn encode(&self, into: &mut Vec<u8>) {
        match self {
            Self::Deposits => 0u8.encode(into),
            Self::Fund => 1u8.encode(into),
            Self::Pool(epoch) => (2u8, *epoch).encode(into),
            Self::Commitment(id) => (3u8, *id).encode(into),
            Self::Treasury => 4u8.encode(into),
            Self::Dust => 5u8.encode(into),
        }
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        match u8::decode(bytes)? {
            0 => Some(Self::Deposits),
            1 => Some(Self::Fund),
            2 => Key::decode(bytes).map(Self::Pool),
            3 => Key::decode(bytes).map(Self::Commitment),
            4 => Some(Self::Treasury),
            5 => Some(Self::Dust),
            _ => None,
        }
    }
}

/// FLT by purse.
pub const PURSES: Table<Purse, Flt> = Table::new(0x0c, "purses");
/// All FLT that the marketplace owes. No row: none.
pub const FLT_HELD: Table<(), Flt> = Table::new(0x0d, "flt_held");

/// Moves FLT from one purse to another. With [`receive`] and [`pay_out`] the only function that does.
pub(crate) fn transfer<S: Store>(
    cx: &mut Cx<'_, S>,
    from: Purse,
    to: Purse,
    amount: Flt,
) -> Result<(), Error> {
    take(cx, from, amount)?;
    add(cx, to, amount)
}

/// Puts FLT that came with the call into a purse.
pub(crate) fn receive<S: Store>(cx: &mut Cx<'_, S>, to: Purse, amount: Flt) -> Result<(), Error> {
    let all = held(cx.store)?.checked_add(amount);
    set_held(cx, all.ok_or_else(|| fault("FLT beyond 128 bits"))?)?;
    add(cx, to, amount)
}

/// Pays FLT out of a purse, when the call is done.
pub(crate) fn pay_out<S: Store>(
    cx: &mut Cx<'_, S>,
    from: Purse,
    to: Address,
    amount: Flt,
) -> Result<(), Error> {
    if amount == Flt::ZERO {
        return Ok(());
    }
    take(cx, from, amount)?;
    let all = held(cx.store)?.checked_sub(amount);
    set_held(cx, all.ok_or_else(|| fault("less FLT than its purses"))?)?;
    cx.payouts.push((to, amount));
    Ok(())
}

fn take<S: Store>(cx: &mut Cx<'_, S>, from: Purse, amount: Flt) -> Result<(), Error> {
    let left = purse(cx.store, from)?.checked_sub(amount);
    let left = left.ok_or_else(|| fault("a purse holds less than is taken"))?;
    set(cx, from, left)
}

fn add<S: Store>(cx: &mut Cx<'_, S>, to: Purse, amount: Flt) -> Result<(), Error> {
    let grown = purse(cx.store, to)?.checked_add(amount);
    let grown = grown.ok_or_else(|| fault("a purse beyond 128 bits"))?;
    set(cx, to, grown)
}

fn set<S: Store>(cx: &mut Cx<'_, S>, purse: Purse, amount: Flt) -> Result<(), Error> {
    match amount {
        Flt::ZERO => PURSES.delete(cx.store, &purse),
        amount => PURSES.put(cx.store, &purse, &amount),
    }
}

fn set_held<S: Store>(cx: &mut Cx<'_, S>, amount: Flt) -> Result<(), Error> {
    match amount {
        Flt::ZERO => FLT_HELD.delete(cx.store, &()),
        amount => FLT_HELD.put(cx.store, &(), &amount),
    }
}

/// What is in a purse.
///
/// # Errors
/// Out of work.
pub fn purse<S: Store>(store: &mut S, purse: Purse) -> Result<Flt, Error> {
    Ok(PURSES.get(store, &purse)?.unwrap_or_default())
}

/// All FLT that the marketplace owes.
///
/// # Errors
/// Out of work.
pub fn held<S: Store>(store: &mut S) -> Result<Flt, Error> {
    Ok(FLT_HELD.get(store, &())?.unwrap_or_default())
}
