//! The first state, from one JSON file that every node of a network has.

use crate::chain::{self, Head};
use crate::fee::MIN_BASE_FEE;
use crate::gas::Meter;
use crate::state::{Account, Diff, Overlay, Rows, write_account, write_code, write_slot};
use crate::system::MARKER;
use abi::{MARKETPLACE, USDC};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use marketplace::Params;
use marketplace::units::Usdc;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What a network begins with. The file is this, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// Chain id, in every signature.
    pub chain_id: u64,
    /// Time of block 0, in milliseconds of the Unix epoch.
    pub time_ms: u64,
    /// Parameters of the marketplace that differ from the main network's, by name. `chain_id` is the one above.
    #[serde(default)]
    pub parameters: BTreeMap<String, u64>,
    /// The account that may change parameters and admit providers; none: nothing ever changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub governance: Option<Address>,
    /// The account that states the price of FLT and what a unit is to earn; none: nobody, so nobody can commit capacity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oracle: Option<Address>,
    /// Who has what.
    pub allocations: BTreeMap<Address, Allocation>,
    /// Contracts that are there from the start.
    #[serde(default)]
    pub contracts: BTreeMap<Address, Contract>,
    /// Public keys of the validators, as consensus writes them.
    #[serde(default)]
    pub validators: Vec<String>,
    /// The group's public key, as consensus writes it.
    #[serde(default)]
    pub group_key: String,
}

/// What an account begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allocation {
    /// FLT, in wei.
    #[serde(default, with = "abi::view::decimal")]
    pub flt: u128,
    /// USDC, in millionths.
    #[serde(default, with = "abi::view::decimal")]
    pub usdc: u128,
}

/// A contract that is there from the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// Its code at run time.
    pub code: Bytes,
    /// Its storage.
    #[serde(default)]
    pub storage: BTreeMap<U256, U256>,
}

impl Genesis {
    /// Hash of block 0: of this value as canonical JSON, so that the file's spacing does not matter.
    pub fn hash(&self) -> B256 {
        // Maps with text keys and integers only: this cannot fail.
        keccak256(serde_json::to_vec(self).unwrap_or_default())
    }
}

/// Why a genesis gives no state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// There is no parameter of this name.
    UnknownParameter(String),
    /// The code of this contract begins with 0xef, which is no code (EIP-3541).
    NotCode(Address),
    /// This address cannot have USDC: it shows another account, or nobody could spend it.
    CannotReceive(Address),
    /// The marketplace refuses it.
    Refused(marketplace::Error),
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownParameter(name) => write!(f, "genesis: there is no parameter {name:?}"),
            Self::NotCode(address) => {
                write!(f, "genesis: the code of {address} begins with 0xef")
            }
            Self::CannotReceive(address) => write!(f, "genesis: {address} cannot have USDC"),
            Self::Refused(error) => write!(f, "genesis: {error}"),
        }
    }
}

impl std::error::Error for Invalid {}

/// All rows of block 0.
///
/// # Errors
/// A parameter that does not exist or is out of bounds; code that is none; USDC for an account that cannot have it,
/// or more than can be.
pub fn rows(genesis: &Genesis) -> Result<Diff, Invalid> {
    let empty = Rows::default();
    let mut overlay = Overlay::new(&empty);
    for (address, allocation) in &genesis.allocations {
        let account = Account {
            balance: U256::from(allocation.flt),
            ..Account::default()
        };
        if allocation.flt > 0 {
            write_account(&mut overlay, *address, &account);
        }
    }
    for (address, contract) in &genesis.contracts {
        if contract.code.first() == Some(&0xef) {
            return Err(Invalid::NotCode(*address));
        }
        write_contract(&mut overlay, genesis, *address, &contract.code);
        for (slot, value) in &contract.storage {
            write_slot(&mut overlay, *address, *slot, *value);
        }
    }
    for address in [MARKETPLACE, USDC] {
        write_contract(&mut overlay, genesis, address, &MARKER);
    }
    write_marketplace(&mut overlay, genesis)?;
    chain::write_head(&mut overlay, &head(genesis));
    Ok(overlay.take_diff())
}

fn write_marketplace(overlay: &mut Overlay<'_>, genesis: &Genesis) -> Result<(), Invalid> {
    let mut params = Params::default();
    for (name, value) in &genesis.parameters {
        if !params.set(name, *value) {
            return Err(Invalid::UnknownParameter(name.clone()));
        }
    }
    params.chain_id = genesis.chain_id;
    let address = |account: Address| marketplace::units::Address(account.into_array());
    params.governance = genesis.governance.map(address).unwrap_or_default();
    params.oracle = genesis.oracle.map(address).unwrap_or_default();
    let mut balances = Vec::new();
    let allocations = genesis.allocations.iter();
    for (address, allocation) in allocations.filter(|(_, allocation)| allocation.usdc > 0) {
        if !abi::usdc::can_receive(*address) {
            return Err(Invalid::CannotReceive(*address));
        }
        let owner = marketplace::units::Address(address.into_array());
        balances.push((owner, Usdc(allocation.usdc)));
    }
    let mut store = Meter::new(overlay, u64::MAX);
    marketplace::genesis(&mut store, &params, &balances).map_err(Invalid::Refused)
}

fn write_contract(overlay: &mut Overlay<'_>, genesis: &Genesis, address: Address, code: &[u8]) {
    let hash = if code.is_empty() {
        KECCAK256_EMPTY
    } else {
        keccak256(code)
    };
    let flt = genesis.allocations.get(&address).map_or(0, |a| a.flt);
    let account = Account {
        nonce: 1, // as EIP-161 gives every contract
        balance: U256::from(flt),
        code_hash: hash,
    };
    write_code(overlay, hash, code);
    write_account(overlay, address, &account);
}

fn head(genesis: &Genesis) -> Head {
    let hash = genesis.hash();
    Head {
        chain_id: genesis.chain_id,
        height: 0,
        hash,
        time_ms: genesis.time_ms,
        beacon: hash,
        fee_account: Address::ZERO,
        base_fee: MIN_BASE_FEE,
        burned: 0,
    }
}
