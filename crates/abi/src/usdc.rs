//! USDC: calls, events and signed messages of `IUSDC.sol`.
//!
//! Accounts of the ledger show as addresses: a user's as itself, a deal's escrow as `Deal` and its id, what delegators
//! of a commitment have not taken as `Commit` and its id, the treasury's as `Treasury`, remainders as `Dust`; so the `Transfer` logs account for every millionth.

use crate::sol::IUSDC as i;
use alloy_primitives::{Address, B256, LogData, U256, address};
use alloy_sol_types::{Eip712Domain, SolCall as _, SolEvent as _, SolStruct, sol};
use marketplace::ledger::{self, Account};
use marketplace::units::{self, CommitmentId, DealId, Usdc};
use marketplace::usdc::{Call, Event, UNLIMITED};

/// Its ERC-20 name, also of the EIP-712 domain.
pub const NAME: &str = "USDC";
/// Version of the EIP-712 domain.
pub const VERSION: &str = "1";
/// Decimals of an amount.
pub const DECIMALS: u8 = 6;

/// Where the treasury's account shows.
pub const TREASURY: Address = address!("0x5472656173757279000000000000000000000001");
/// Where remainders of what is gone show.
pub const DUST: Address = address!("0x4475737400000000000000000000000000000001");
/// The first twelve bytes of an escrow's address; the deal's id follows.
const DEAL: [u8; 12] = *b"Deal\0\0\0\0\0\0\0\0";
/// The same of a commitment.
const COMMITMENT: [u8; 12] = *b"Commit\0\0\0\0\0\0";

sol! {
    /// What the owner signs to set an allowance (EIP-2612).
    #[derive(Debug, PartialEq, Eq)]
    struct Permit {
        address owner;
        address spender;
        uint256 value;
        uint256 nonce;
        uint256 deadline;
    }

    /// What the owner signs for a transfer that anyone may send (EIP-3009).
    #[derive(Debug, PartialEq, Eq)]
    struct TransferWithAuthorization {
        address from;
        address to;
        uint256 value;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
    }

    /// What the owner signs for a transfer that only the payee may send (EIP-3009).
    #[derive(Debug, PartialEq, Eq)]
    struct ReceiveWithAuthorization {
        address from;
        address to;
        uint256 value;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
    }

    /// What the owner signs to make an authorization unusable (EIP-3009).
    #[derive(Debug, PartialEq, Eq)]
    struct CancelAuthorization {
        address authorizer;
        bytes32 nonce;
    }
}

/// The domain that messages about USDC of this chain are signed in.
pub fn domain(chain_id: u64) -> Eip712Domain {
    Eip712Domain {
        name: Some(NAME.into()),
        version: Some(VERSION.into()),
        chain_id: Some(U256::from(chain_id)),
        verifying_contract: Some(crate::USDC),
        salt: None,
    }
}

/// The hash to sign for a message about USDC of this chain.
pub fn signing_hash(message: &impl SolStruct, chain_id: u64) -> B256 {
    message.eip712_signing_hash(&domain(chain_id))
}

/// The address that shows an account of the ledger.
pub fn address_of(account: Account) -> Address {
    match account {
        Account::User(address) => address.0.into(),
        Account::Deal(DealId(id)) => numbered(DEAL, id),
        Account::Commitment(CommitmentId(id)) => numbered(COMMITMENT, id),
        Account::Treasury => TREASURY,
        Account::Dust => DUST,
    }
}

fn numbered(kind: [u8; 12], id: u64) -> Address {
    let mut address = [0; 20];
    address[..12].copy_from_slice(&kind);
    address[12..].copy_from_slice(&id.to_be_bytes());
    address.into()
}

/// The account of the ledger that an address shows.
pub fn account_at(address: Address) -> Account {
    let number = |id: &[u8]| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(id);
        u64::from_be_bytes(bytes)
    };
    match address.split_first_chunk::<12>() {
        Some((&DEAL, id)) => Account::Deal(DealId(number(id))),
        Some((&COMMITMENT, id)) => Account::Commitment(CommitmentId(number(id))),
        _ if address == TREASURY => Account::Treasury,
        _ if address == DUST => Account::Dust,
        _ => Account::User(units::Address(address.into_array())),
    }
}

/// Whether anybody could spend what `address` receives.
pub fn can_receive(address: Address) -> bool {
    let system = [Address::ZERO, crate::MARKETPLACE, crate::USDC];
    !system.contains(&address) && matches!(account_at(address), Account::User(_))
}

/// An amount; more than there can be becomes the largest number, which no balance covers and, as an allowance, is
/// never used up.
pub fn amount(value: U256) -> Usdc {
    Usdc(value.saturating_to())
}

/// An allowance as it shows: unlimited is the largest number of 256 bits, which wallets know.
pub fn allowance(amount: Usdc) -> U256 {
    if amount == UNLIMITED {
        U256::MAX
    } else {
        U256::from(amount.0)
    }
}

pub(crate) fn encode(call: &Call) -> Vec<u8> {
    match *call {
        Call::Transfer { to, amount } => i::transferCall {
            to: to.0.into(),
            value: U256::from(amount.0),
        }
        .abi_encode(),
        Call::Approve { spender, amount } => i::approveCall {
            spender: spender.0.into(),
            value: allowance(amount),
        }
        .abi_encode(),
        Call::TransferFrom { from, to, amount } => i::transferFromCall {
            from: from.0.into(),
            to: to.0.into(),
            value: U256::from(amount.0),
        }
        .abi_encode(),
        Call::Faucet { amount } => i::faucetCall {
            value: U256::from(amount.0),
        }
        .abi_encode(),
    }
}

pub(crate) fn log(event: &Event) -> LogData {
    match *event {
        Event::Approved {
            owner,
            spender,
            amount,
        } => i::Approval {
            owner: owner.0.into(),
            spender: spender.0.into(),
            value: allowance(amount),
        }
        .encode_log_data(),
        Event::AuthorizationUsed { authorizer, nonce } => {
            let (authorizer, nonce) = (authorizer.0.into(), nonce.0.into());
            i::AuthorizationUsed { authorizer, nonce }.encode_log_data()
        }
        Event::AuthorizationCancelled { authorizer, nonce } => {
            let (authorizer, nonce) = (authorizer.0.into(), nonce.0.into());
            i::AuthorizationCanceled { authorizer, nonce }.encode_log_data()
        }
    }
}

pub(crate) fn log_of_ledger(event: &ledger::Event) -> LogData {
    match *event {
        ledger::Event::Moved { from, to, amount } => i::Transfer {
            from: from.map(address_of).unwrap_or_default(),
            to: address_of(to),
            value: U256::from(amount.0),
        }
        .encode_log_data(),
    }
}
