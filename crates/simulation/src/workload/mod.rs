//! Accounts that send transactions all the time.

mod market;
mod supplier;

use crate::scenario::Proving;
use alloy_consensus::{
    EthereumTxEnvelope, SignableTransaction as _, TxEip1559, TxEip4844,
    crypto::secp256k1::sign_message,
};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, TxKind, U256, keccak256};
use execution::{Genesis, fee::MIN_BASE_FEE, genesis::Allocation, state};
use market::{Market, Reading};
use marketplace::{Call, Error, commitment, pool, units::Flt};
use node::engine::Handle;
use rand_core::Rng;
use std::collections::BTreeMap;
pub(crate) use supplier::Supplier;

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

/// Windows of twelve seconds. A unit that lacks one window misses the epoch. When the chain stands still, that takes no more
/// of the grace than on the main network: an eighth of it there.
const PROVING: [(&str, u64); 12] = [
    ("max_step_seconds", 1),
    ("windows_per_epoch", 6),
    ("epoch_seconds", 72),
    ("commit_grace_seconds", 6),
    ("answer_seconds", 12),
    ("verdict_delay_seconds", 4),
    ("min_pass_ppm", 1_000_000),
    ("min_owed_windows", 1),
    ("leaves_per_class", 12),
    ("steps_per_leaf", 2),
    ("audit_budget", 5),
    ("flag_windows", 4),
];
/// How long the commitments of those who prove last.
const EPOCHS: u64 = 1_000;

/// An account whose key we have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    key: B256,
    address: Address,
}

/// All accounts of a run.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    accounts: Vec<Account>,
    market: Market,
    /// States the price of FLT, and fills the fund.
    oracle: Account,
    /// Those whose peers prove.
    suppliers: Vec<Supplier>,
    parameters: BTreeMap<String, u64>,
}

impl Workload {
    pub(crate) fn new(proving: Option<&Proving>) -> Self {
        let accounts: Vec<_> = (0..ACCOUNTS).map(account).collect();
        let market = Market::new(std::array::from_fn(|index| accounts[index]));
        let mut parameters = BTreeMap::from(PARAMETERS);
        parameters.extend(proving.iter().flat_map(|_| PROVING));
        let supplier = |peer: u32, units| {
            let first = ACCOUNTS + 1 + 2 * u64::from(peer);
            let (owner, operator) = (account(first), account(first + 1));
            Supplier::new(*b"DE", owner, operator, 10 + peer as u8, units)
        };
        let suppliers = proving.iter().flat_map(|proving| {
            let units = proving.units;
            (0..proving.peers).map(move |peer| supplier(peer, units))
        });
        Self {
            accounts,
            market,
            oracle: account(ACCOUNTS),
            suppliers: suppliers.collect(),
            parameters: parameters
                .into_iter()
                .map(|(name, value)| (name.into(), value))
                .collect(),
        }
    }

    /// Those whose peers prove.
    pub(crate) fn suppliers(&self) -> &[Supplier] {
        &self.suppliers
    }

    fn all(&self) -> impl Iterator<Item = &Account> {
        let suppliers = self.suppliers.iter();
        let suppliers = suppliers.flat_map(|supplier| [&supplier.owner, &supplier.operator]);
        self.accounts.iter().chain([&self.oracle]).chain(suppliers)
    }

    /// A genesis in which every account is rich.
    pub(crate) fn genesis(&self, time_ms: u64) -> Genesis {
        let rich = Allocation {
            flt: 1_000 * FLT,
            usdc: 1_000_000_000_000,
        };
        let allocations = self.all().map(|account| (account.address, rich.clone()));
        Genesis {
            chain_id: CHAIN_ID,
            time_ms,
            parameters: self.parameters.clone(),
            governance: None,
            oracle: Some(self.oracle.address),
            allocations: allocations.collect(),
            contracts: Default::default(),
            validators: Vec::new(),
            group_key: String::new(),
        }
    }

    /// What genesis gave out.
    pub(crate) fn total(&self) -> U256 {
        U256::from(1_000 * FLT) * U256::from(self.all().count())
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
        submit(node, &from, transaction);
    }

    /// What has to be done before this supplier's units can prove is done, one call after another.
    pub(crate) fn commit(&self, supplier: &Supplier, node: &Handle) {
        let step = state::read(&node.chain.rows(), |cx| self.commits(supplier, cx));
        let Some((from, call, value)) = step.expect("queries of executed rows succeed") else {
            return;
        };
        let account = state::account(&node.chain.rows(), from.address).expect("sound rows");
        // What was sent before is not executed yet.
        if node.pool.next_nonce(&from.address, &account) != account.nonce {
            return;
        }
        let value = U256::from(value.0);
        let call = market_call(&call);
        submit(node, &from, TxEip1559 { value, ..call });
    }

    fn commits(
        &self,
        supplier: &Supplier,
        cx: &mut Reading<'_, '_>,
    ) -> Result<Option<(Account, Call, Flt)>, Error> {
        if pool::PRICE.get(cx.store, &())?.is_none() {
            let call = pool::Call::SetPrice {
                flt_price_micro: 1_000_000,
                reward_usd_micro: 100_000,
            };
            return Ok(Some((self.oracle, Call::Pool(call), Flt::ZERO)));
        }
        if let Err((account, call)) = supplier.comes(cx)? {
            return Ok(Some((account, call, Flt::ZERO)));
        }
        let Some(pledge) = commitment::PLEDGES.get(cx.store, &supplier.peer())? else {
            let call = commitment::Call::Create(supplier.commitment());
            return Ok(Some((supplier.owner, Call::Commitment(call), Flt::ZERO)));
        };
        let commitment = pledge.current;
        let row = commitment::COMMITMENTS.must(cx.store, &commitment)?;
        let waits = row.status == commitment::Status::WaitCollateral;
        let call = Call::Commitment(commitment::Call::Deposit { commitment });
        Ok(waits.then(|| (supplier.owner, call, row.collateral())))
    }

    /// A peer makes a call.
    pub(crate) fn call(&self, supplier: &Supplier, node: &Handle, call: &Call) {
        submit(node, &supplier.operator, market_call(call));
    }
}

fn account(index: u64) -> Account {
    let key = keccak256(index.to_be_bytes());
    let hash = B256::ZERO;
    let signature = sign_message(key, hash).expect("a valid key");
    let address = signature.recover_address_from_prehash(&hash);
    Account {
        key,
        address: address.expect("signed just now"),
    }
}

/// Hands a transaction over. Refused when validators disagree on what waits; the next one then finds its place.
fn submit(node: &Handle, from: &Account, transaction: TxEip1559) {
    let account = state::account(&node.chain.rows(), from.address).expect("sound rows");
    let signed = from.sign(TxEip1559 {
        nonce: node.pool.next_nonce(&from.address, &account),
        ..transaction
    });
    let _ = node.submissions.submit(signed.encoded_2718().into());
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
