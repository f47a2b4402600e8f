//! USDC as its holders see it: what an ERC-20 with permit and transfer authorizations needs.
//!
//! Signatures and wall-clock deadlines are checked outside; [`permit`], [`transfer_authorized`] and
//! [`cancel_authorization`] are for a host that has checked them, and are no calls.

use crate::call::Reply;
use crate::cx::Cx;
use crate::ledger::{self, Account};
use crate::refusal::{Error, Refusal, ensure, within};
use crate::store::Store;
use crate::table::Table;
use crate::units::{Address, Hash, Usdc};

/// An allowance of this size is never used up, as holders of ERC-20 tokens expect.
pub const UNLIMITED: Usdc = Usdc(u128::MAX);

/// What a spender may still take from an owner.
pub(crate) const ALLOWANCES: Table<(Address, Address), Usdc> = Table::new(0x07, "allowances");
/// Permits used by an owner.
pub(crate) const NONCES: Table<Address, u64> = Table::new(0x08, "permit_nonces");
/// Authorizations used or cancelled by an owner.
pub(crate) const AUTHORIZATIONS: Table<(Address, Hash), ()> = Table::new(0x09, "authorizations");

/// Calls about USDC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Moves the caller's USDC.
    Transfer {
        /// New owner.
        to: Address,
        /// How much.
        amount: Usdc,
    },
    /// Sets what `spender` may take from the caller.
    Approve {
        /// Who may take.
        spender: Address,
        /// How much; [`UNLIMITED`] is never used up.
        amount: Usdc,
    },
    /// Moves USDC of an owner who allowed it.
    TransferFrom {
        /// Whose USDC.
        from: Address,
        /// New owner.
        to: Address,
        /// How much.
        amount: Usdc,
    },
    /// Makes USDC out of nothing, on networks whose parameters allow it.
    Faucet {
        /// How much, at most `faucet_usdc`.
        amount: Usdc,
    },
}

/// Events of USDC beside the ledger's moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An allowance was set.
    Approved {
        /// Whose USDC.
        owner: Address,
        /// Who may take.
        spender: Address,
        /// How much.
        amount: Usdc,
    },
    /// The nonce of an authorization is used up.
    AuthorizationUsed {
        /// Who signed.
        authorizer: Address,
        /// The nonce.
        nonce: Hash,
    },
    /// The nonce of an authorization was cancelled by its signer.
    AuthorizationCancelled {
        /// Who signed.
        authorizer: Address,
        /// The nonce.
        nonce: Hash,
    },
}

/// One handler for each call.
pub(crate) fn apply<S: Store>(cx: &mut Cx<'_, S>, call: Call) -> Result<Reply, Error> {
    let caller = cx.caller();
    match call {
        Call::Transfer { to, amount } => {
            ledger::transfer(cx, Account::User(caller), Account::User(to), amount)?;
        }
        Call::Approve { spender, amount } => approve(cx, caller, spender, amount)?,
        Call::TransferFrom { from, to, amount } => transfer_from(cx, from, to, amount)?,
        Call::Faucet { amount } => {
            within("faucet amount", amount.0, 1, cx.params.faucet().0)?;
            ledger::mint(cx, caller, amount)?;
        }
    }
    Ok(Reply::Done)
}

fn approve<S: Store>(
    cx: &mut Cx<'_, S>,
    owner: Address,
    spender: Address,
    amount: Usdc,
) -> Result<(), Error> {
    set_allowance(cx, owner, spender, amount)?;
    cx.emit(Event::Approved {
        owner,
        spender,
        amount,
    });
    Ok(())
}

fn transfer_from<S: Store>(
    cx: &mut Cx<'_, S>,
    from: Address,
    to: Address,
    amount: Usdc,
) -> Result<(), Error> {
    let spender = cx.caller();
    let available = allowance(cx.store, from, spender)?;
    let refusal = Refusal::AllowanceTooLow {
        needed: amount,
        available,
    };
    let left = available.checked_sub(amount).ok_or(refusal)?;
    ledger::transfer(cx, Account::User(from), Account::User(to), amount)?;
    if available != UNLIMITED {
        set_allowance(cx, from, spender, left)?;
    }
    Ok(())
}

fn set_allowance<S: Store>(
    cx: &mut Cx<'_, S>,
    owner: Address,
    spender: Address,
    amount: Usdc,
) -> Result<(), Error> {
    if amount == Usdc::ZERO {
        return ALLOWANCES.delete(cx.store, &(owner, spender));
    }
    ALLOWANCES.put(cx.store, &(owner, spender), &amount)
}

/// Sets an allowance by a permit whose signature over [`nonce`] and deadline the host has checked.
///
/// # Errors
/// Out of work.
pub fn permit<S: Store>(
    cx: &mut Cx<'_, S>,
    owner: Address,
    spender: Address,
    amount: Usdc,
) -> Result<(), Error> {
    let used = nonce(cx.store, owner)?.saturating_add(1);
    approve(cx, owner, spender, amount)?;
    NONCES.put(cx.store, &owner, &used)
}

/// Moves USDC by an authorization whose signature and validity in time the host has checked.
///
/// # Errors
/// `AuthorizationUsed`, `BalanceTooLow`.
pub fn transfer_authorized<S: Store>(
    cx: &mut Cx<'_, S>,
    from: Address,
    to: Address,
    amount: Usdc,
    nonce: Hash,
) -> Result<(), Error> {
    let used = authorization_used(cx.store, from, nonce)?;
    ensure(!used, Refusal::AuthorizationUsed)?;
    ledger::transfer(cx, Account::User(from), Account::User(to), amount)?;
    AUTHORIZATIONS.put(cx.store, &(from, nonce), &())?;
    cx.emit(Event::AuthorizationUsed {
        authorizer: from,
        nonce,
    });
    Ok(())
}

/// Cancels an authorization by a signature that the host has checked.
///
/// # Errors
/// `AuthorizationUsed`.
pub fn cancel_authorization<S: Store>(
    cx: &mut Cx<'_, S>,
    authorizer: Address,
    nonce: Hash,
) -> Result<(), Error> {
    let used = authorization_used(cx.store, authorizer, nonce)?;
    ensure(!used, Refusal::AuthorizationUsed)?;
    AUTHORIZATIONS.put(cx.store, &(authorizer, nonce), &())?;
    cx.emit(Event::AuthorizationCancelled { authorizer, nonce });
    Ok(())
}

/// USDC of an account.
///
/// # Errors
/// Out of work.
pub fn balance_of<S: Store>(store: &mut S, owner: Address) -> Result<Usdc, Error> {
    ledger::balance(store, Account::User(owner))
}

/// What `spender` may still take from `owner`.
///
/// # Errors
/// Out of work.
pub fn allowance<S: Store>(store: &mut S, owner: Address, spender: Address) -> Result<Usdc, Error> {
    Ok(ALLOWANCES
        .get(store, &(owner, spender))?
        .unwrap_or_default())
}

/// The nonce that the owner's next permit must sign.
///
/// # Errors
/// Out of work.
pub fn nonce<S: Store>(store: &mut S, owner: Address) -> Result<u64, Error> {
    Ok(NONCES.get(store, &owner)?.unwrap_or(0))
}

/// Whether an authorization was used or cancelled.
///
/// # Errors
/// Out of work.
pub fn authorization_used<S: Store>(
    store: &mut S,
    authorizer: Address,
    nonce: Hash,
) -> Result<bool, Error> {
    Ok(AUTHORIZATIONS.get(store, &(authorizer, nonce))?.is_some())
}
