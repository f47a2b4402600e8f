//! Accounts that send transactions all the time.

use alloy_consensus::{
    EthereumTxEnvelope, SignableTransaction as _, TxEip1559, TxEip4844,
    crypto::secp256k1::sign_message,
};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, TxKind, U256, keccak256};
use execution::{Genesis, fee::MIN_BASE_FEE, genesis::Allocation, state};
use node::engine::Handle;
use rand_core::Rng;

const CHAIN_ID: u64 = 31_337;
const ACCOUNTS: u64 = 8;
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
        Self {
            accounts: accounts.collect(),
        }
    }

    /// A genesis in which every account is rich.
    pub(crate) fn genesis(&self, time_ms: u64) -> Genesis {
        let rich = Allocation {
            flt: 1_000 * FLT,
            usdc: 0,
        };
        let allocations = self
            .accounts
            .iter()
            .map(|account| (account.address, rich.clone()));
        Genesis {
            chain_id: CHAIN_ID,
            time_ms,
            parameters: Default::default(),
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

    /// One random account sends FLT to another through `node`.
    pub(crate) fn send(&self, rng: &mut impl Rng, node: &Handle) {
        let mut pick = || self.accounts[rng.next_u64() as usize % self.accounts.len()];
        let (from, to) = (pick(), pick());
        let account = state::account(&node.chain.rows(), from.address).expect("sound rows");
        let nonce = node.pool.next_nonce(&from.address, &account);
        let transfer = TxEip1559 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: 10 * u128::from(MIN_BASE_FEE),
            max_priority_fee_per_gas: 1,
            to: TxKind::Call(to.address),
            value: U256::from(rng.next_u32()),
            ..TxEip1559::default()
        };
        let signature = sign_message(from.key, transfer.signature_hash()).expect("a valid key");
        let signed: EthereumTxEnvelope<TxEip4844> = transfer.into_signed(signature).into();
        // Refused when validators disagree on what waits; the next one then finds its place.
        let _ = node.submissions.submit(signed.encoded_2718().into());
    }
}
