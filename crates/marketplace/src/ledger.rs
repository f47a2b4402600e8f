//! Money in named accounts, moved in one function.
//!
//! Promises (`docs/spec/ledger.md`):
//! - L1: the sum of all accounts is the row `held`; only minting changes it.
//! - L2: no account is negative; an account of zero has no row.
//! - L3: [`transfer`] is the only way money moves, and each move is an event.

use crate::cx::Cx;
use crate::limits::MAX_SUPPLY;
use crate::refusal::{Error, Refusal, ensure, fault};
use crate::store::Store;
use crate::table::{Key, Table};
use crate::units::{Address, CommitmentId, DealId, Usdc};
use borsh::{BorshDeserialize, BorshSerialize};

/// Whose money it is. USDC outside the marketplace is the account of its owner.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Account {
    /// An account of the chain: what its ERC-20 balance shows.
    User(Address),
    /// The escrow of a deal, including what its workers have earned and not withdrawn.
    Deal(DealId),
    /// The treasury of the protocol.
    Treasury,
    /// What deals paid to the delegators of a commitment and they have not taken.
    Commitment(CommitmentId),
    /// Remainders of what is gone.
    Dust,
}

impl Key for Account {
    fn encode(&self, into: &mut Vec<u8>) {
        match self {
            Self::User(address) => (0u8, *address).encode(into),
            Self::Deal(deal) => (1u8, *deal).encode(into),
            Self::Treasury => 2u8.encode(into),
            Self::Commitment(id) => (3u8, *id).encode(into),
            Self::Dust => 4u8.encode(into),
        }
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        match u8::decode(bytes)? {
            0 => Key::decode(bytes).map(Self::User),
            1 => Key::decode(bytes).map(Self::Deal),
            2 => Some(Self::Treasury),
            3 => Key::decode(bytes).map(Self::Commitment),
            4 => Some(Self::Dust),
            _ => None,
        }
    }
}

/// USDC by account.
pub const BALANCES: Table<Account, Usdc> = Table::new(0x05, "balances");
/// All USDC there is: the ERC-20's total supply.
pub const HELD: Table<(), Usdc> = Table::new(0x06, "held");

/// What happens to money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// USDC moved.
    Moved {
        /// From this account; None: newly minted.
        from: Option<Account>,
        /// To this account.
        to: Account,
        /// How much; may be zero, as an ERC-20 transfer may.
        amount: Usdc,
    },
}

/// Moves USDC. The only function that does.
///
/// # Errors
/// `BalanceTooLow`, with nothing written.
pub fn transfer<S: Store>(
    cx: &mut Cx<'_, S>,
    from: Account,
    to: Account,
    amount: Usdc,
) -> Result<(), Error> {
    let available = balance(cx.store, from)?;
    let refusal = Refusal::BalanceTooLow {
        needed: amount,
        available,
    };
    let left = available.checked_sub(amount).ok_or(refusal)?;
    if from != to && amount != Usdc::ZERO {
        let grown = balance(cx.store, to)?.checked_add(amount);
        set(cx, from, left)?;
        set(
            cx,
            to,
            grown.ok_or_else(|| fault("balance beyond the supply"))?,
        )?;
    }
    cx.emit(Event::Moved {
        from: Some(from),
        to,
        amount,
    });
    Ok(())
}

/// Makes new USDC: for genesis and for the faucet of test networks.
///
/// # Errors
/// `SupplyTooLarge`.
pub(crate) fn mint<S: Store>(cx: &mut Cx<'_, S>, to: Address, amount: Usdc) -> Result<(), Error> {
    let held = held(cx.store)?
        .checked_add(amount)
        .ok_or(Refusal::SupplyTooLarge)?;
    ensure(held <= MAX_SUPPLY, Refusal::SupplyTooLarge)?;
    let to = Account::User(to);
    let grown = balance(cx.store, to)?.checked_add(amount);
    set(
        cx,
        to,
        grown.ok_or_else(|| fault("balance beyond the supply"))?,
    )?;
    HELD.put(cx.store, &(), &held)?;
    cx.emit(Event::Moved {
        from: None,
        to,
        amount,
    });
    Ok(())
}

fn set<S: Store>(cx: &mut Cx<'_, S>, account: Account, amount: Usdc) -> Result<(), Error> {
    if amount == Usdc::ZERO {
        return BALANCES.delete(cx.store, &account);
    }
    BALANCES.put(cx.store, &account, &amount)
}

/// What is in an account.
///
/// # Errors
/// Out of work.
pub fn balance<S: Store>(store: &mut S, account: Account) -> Result<Usdc, Error> {
    Ok(BALANCES.get(store, &account)?.unwrap_or_default())
}

/// All USDC there is.
///
/// # Errors
/// Out of work.
pub fn held<S: Store>(store: &mut S) -> Result<Usdc, Error> {
    Ok(HELD.get(store, &())?.unwrap_or_default())
}
