//! A chain in memory, accounts that sign, and small assembled contracts.

use alloy_consensus::{SignableTransaction, TxEip1559, crypto::secp256k1::sign_message};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use execution::{
    Block, Book, Diff, Fault, Genesis, Outcome, Receipt, Rows,
    block::Transaction,
    call::{self, Called},
    chain, execute, genesis, state,
};
use marketplace::flt;
use std::collections::BTreeMap;

/// One FLT in wei.
pub(crate) const FLT: u128 = 1_000_000_000_000_000_000;
pub(crate) const GWEI: u128 = 1_000_000_000;
pub(crate) const CHAIN_ID: u64 = 31_337;
pub(crate) const FEE_ACCOUNT: Address = Address::repeat_byte(0xfe);

/// An account whose key we have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key(B256);

impl Key {
    pub(crate) fn new(name: &str) -> Self {
        Self(keccak256(name))
    }

    pub(crate) fn address(self) -> Address {
        let hash = B256::repeat_byte(1);
        let signature = self.sign_hash(hash);
        signature
            .recover_address_from_prehash(&hash)
            .expect("signed by us")
    }

    pub(crate) fn sign_hash(self, hash: B256) -> alloy_primitives::Signature {
        sign_message(self.0, hash).expect("a valid key")
    }

    pub(crate) fn sign<T>(self, transaction: T) -> Bytes
    where
        T: SignableTransaction<alloy_primitives::Signature>,
        Transaction: From<alloy_consensus::Signed<T>>,
    {
        let signature = self.sign_hash(transaction.signature_hash());
        Transaction::from(transaction.into_signed(signature))
            .encoded_2718()
            .into()
    }
}

/// A transaction with plenty of gas; change what matters.
pub(crate) fn transaction(nonce: u64, to: Address, data: impl Into<Bytes>) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 2_000_000,
        max_fee_per_gas: 100 * GWEI,
        max_priority_fee_per_gas: GWEI,
        to: TxKind::Call(to),
        value: U256::ZERO,
        access_list: Default::default(),
        input: data.into(),
    }
}

pub(crate) fn transfer(nonce: u64, to: Address, wei: u128) -> TxEip1559 {
    TxEip1559 {
        gas_limit: 21_000,
        value: U256::from(wei),
        ..transaction(nonce, to, Bytes::new())
    }
}

/// A genesis in which each of `keys` has 1,000 FLT and 1,000,000 USDC.
pub(crate) fn genesis_for(keys: &[Key]) -> Genesis {
    let rich = genesis::Allocation {
        flt: 1_000 * FLT,
        usdc: 1_000_000_000_000,
    };
    Genesis {
        chain_id: CHAIN_ID,
        time_ms: 1_700_000_000_000,
        parameters: BTreeMap::from([
            ("faucet_usdc".into(), 1_000_000_000),
            ("deposit_gwei".into(), 0),
            ("windows_per_epoch".into(), 0),
            ("commitments_required".into(), 0),
        ]),
        governance: None,
        oracle: None,
        allocations: keys.iter().map(|k| (k.address(), rich.clone())).collect(),
        contracts: BTreeMap::new(),
        validators: Vec::new(),
        group_key: String::new(),
    }
}

/// The block that would come next, one second later.
pub(crate) fn next(rows: &Rows, transactions: Vec<Bytes>) -> Block {
    let head = chain::head(rows).expect("a genesis");
    let height = head.height + 1;
    Block {
        height,
        parent_hash: head.hash,
        hash: keccak256(height.to_be_bytes()),
        time_ms: head.time_ms + 1_000,
        beacon: keccak256([head.hash.as_slice(), b"beacon"].concat()),
        fee_account: FEE_ACCOUNT,
        verdicts: Vec::new(),
        transactions,
    }
}

/// A chain that executes and commits blocks.
#[derive(Clone)]
pub(crate) struct Chain {
    pub(crate) rows: Rows,
    pub(crate) book: Book,
}

impl Chain {
    pub(crate) fn new(genesis: &Genesis) -> Self {
        let mut rows = Rows::default();
        rows.apply(&genesis::rows(genesis).expect("a valid genesis"));
        let book = state::book(&rows);
        Self { rows, book }
    }

    /// The block that would come next.
    pub(crate) fn next(&self, transactions: Vec<Bytes>) -> Block {
        next(&self.rows, transactions)
    }

    /// Executes the next block and commits it.
    pub(crate) fn block(&mut self, transactions: Vec<Bytes>) -> Outcome {
        self.commit(&self.next(transactions))
    }

    /// Executes a block and commits it.
    pub(crate) fn commit(&mut self, block: &Block) -> Outcome {
        let outcome = execute(&self.rows, &mut self.book, block).expect("no fault");
        assert_eq!(outcome.faults, [""; 0]);
        state::commit(&mut self.rows, &mut self.book, &outcome.diff);
        self.covers();
        outcome
    }

    /// The marketplace's account holds all FLT that the marketplace owes.
    fn covers(&self) {
        let owed = state::read(&self.rows, |cx| flt::held(cx.store)).expect("no fault");
        assert!(
            U256::from(owed.0) <= self.balance(abi::MARKETPLACE),
            "{owed}"
        );
    }

    /// Executes a block and forgets it.
    pub(crate) fn execute(&self, block: &Block) -> Result<Outcome, Fault> {
        execute(&self.rows, &mut self.book.clone(), block)
    }

    /// Executes and commits a block with one transaction, which must get in.
    pub(crate) fn send(&mut self, from: Key, transaction: TxEip1559) -> Receipt {
        let outcome = self.block(vec![from.sign(transaction)]);
        assert_eq!(outcome.skipped, []);
        let mut receipts = outcome.receipts.into_iter();
        let ours = receipts.find(|receipt| receipt.gas_used > 0);
        ours.expect("it got in")
    }

    pub(crate) fn nonce(&self, key: Key) -> u64 {
        state::account(&self.rows, key.address())
            .expect("no fault")
            .nonce
    }

    /// Calls as `eth_call` does.
    pub(crate) fn call(&self, from: Address, to: Address, data: impl Into<Bytes>) -> Called {
        let request = call::Request {
            from,
            to: Some(to),
            data: data.into(),
            ..call::Request::default()
        };
        call::call(&self.rows, &request, &|| false).expect("an answer")
    }

    pub(crate) fn balance(&self, address: Address) -> U256 {
        state::account(&self.rows, address)
            .expect("no fault")
            .balance
    }

    /// All FLT there is.
    pub(crate) fn flt(&self) -> U256 {
        state::total_flt(&self.rows).expect("no fault")
    }
}

/// Whether a diff touches anything but the chain's own rows.
pub(crate) fn touches_accounts(diff: &Diff) -> bool {
    diff.keys().any(|key| key[0] >= state::table::ACCOUNTS.id)
}
