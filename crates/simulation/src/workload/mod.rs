//! Accounts that send transactions all the time.

mod market;

use alloy_consensus::{
    EthereumTxEnvelope, SignableTransaction as _, TxEip1559, TxEip4844,
    crypto::secp256k1::sign_message,
};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, TxKind, U256, keccak256};
use execution::{Genesis, fee::MIN_BASE_FEE, genesis::Allocation, state};
use market::Market;
use marketplace::Call;
use node::engine::Handle;
use rand_core::Rng;

const CHAIN_ID: u64 = 31_337;
const ACCOUNTS: u64 = 8;
/// Short times, so that much happens in a run.
const PARAMETERS: [(&str, u64); 7] = [
    ("deposit_gwei", 0),
    ("windows_per_epoch", 0),
    ("commitments_required", 0),
    ("epoch_seconds", 20),
    ("min_charge_seconds", 2),
    ("lease_seconds", 10),
    ("start_timeout_seconds", 10),
];
const FLT: u128 = 1_000_000_000_000_000_000;

/// An account whose key we have.
#[derive(Clone, Copy, Debug)]
struct Account {
    key: B256,
    address: Address,
}

/// All accounts of a run.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    accounts: Vec<Account>,
    market: Market,
}

impl Workload {
    pub(crate) fn new() -> Self {
        let accounts = (0..ACCOUNTS).map(|index| {
            let key = keccak256(index.to_be_bytes());
            let hash = B256::ZERO;
            let signature = sign_message(key, hash).expect("a valid key");
            let address = signature.recover_address_from_prehash(&hash);
            Account {
                key,
                address: address.expect("signed just now"),
            }
        });
        let accounts: Vec<_> = accounts.collect();
        let market = Market::new(std::array::from_fn(|index| accounts[index]));
        Self { accounts, market }
    }

    /// A genesis in which every account is rich.
    pub(crate) fn genesis(&self, time_ms: u64) -> Genesis {
        let rich = Allocation {
            flt: 1_000 * FLT,
            usdc: 1_000_000_000_000,
        };
        let allocations = self
            .accounts
            .iter()
            .map(|account| (account.address, rich.clone()));
        Genesis {
            chain_id: CHAIN_ID,
            time_ms,
            parameters: PARAMETERS.map(|(name, value)| (name.into(), value)).into(),
            governance: None,
            oracle: None,
            allocations: allocations.collect(),
            contracts: Default::default(),
            validators: Vec::new(),
            group_key: String::new(),
        }
    }

    /// What genesis gave out.
    pub(crate) fn total(&self) -> U256 {
        U256::from(1_000 * FLT) * U256::from(self.accounts.len())
    }

    /// Somebody does something through `node`: sends FLT, or acts on the marketplace.
    pub(crate) fn send(&self, rng: &mut impl Rng, node: &Handle) {
        let step = match rng.next_u32().is_multiple_of(2) {
            true => self.market.next(rng, &node.chain.rows()),
            false => None,
        };
        let (from, transaction) = match step {
            Some((from, call)) => (from, market_call(&call)),
            None => {
                let mut pick = || self.accounts[rng.next_u64() as usize % self.accounts.len()];
                let (from, to) = (pick(), pick());
                (from, transfer(to.address, U256::from(rng.next_u32())))
            }
        };
        let account = state::account(&node.chain.rows(), from.address).expect("sound rows");
        let signed = from.sign(TxEip1559 {
            nonce: node.pool.next_nonce(&from.address, &account),
            ..transaction
        });
        // Refused when validators disagree on what waits; the next one then finds its place.
        let _ = node.submissions.submit(signed.encoded_2718().into());
    }
}

fn transfer(to: Address, value: U256) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        gas_limit: 21_000,
        max_fee_per_gas: 10 * u128::from(MIN_BASE_FEE),
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(to),
        value,
        ..TxEip1559::default()
    }
}

fn market_call(call: &Call) -> TxEip1559 {
    TxEip1559 {
        gas_limit: 2_000_000,
        input: abi::calldata::encode(call).into(),
        ..transfer(abi::MARKETPLACE, U256::ZERO)
    }
}

impl Account {
    fn sign(&self, transaction: TxEip1559) -> EthereumTxEnvelope<TxEip4844> {
        let hash = transaction.signature_hash();
        let signature = sign_message(self.key, hash).expect("a valid key");
        transaction.into_signed(signature).into()
    }
}
