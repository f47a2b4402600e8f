//! Bytes that nobody honest sends, as transactions and as calldata.

use crate::dice::Fuzz;
use crate::harness::{Chain, FEE_ACCOUNT, Key, genesis_for, transaction, transfer};
use crate::market::{market, people, supply_calls};
use abi::{MARKETPLACE, USDC, calldata};
use alloy_primitives::{Address, Bytes, U256};
use execution::{admission, chain};

/// Whatever the bytes are, the block is executed and no FLT appears or is lost.
fn execute_transactions(chain: &mut Chain, transactions: Vec<Bytes>) {
    let (flt, count) = (chain.flt(), transactions.len());
    let burned = |chain: &Chain| chain::head(&chain.rows).expect("a head").burned;
    let before = burned(chain);
    let outcome = chain.block(transactions);
    let ours = outcome.transactions.iter();
    let included = ours.filter(|each| each.sender != execution::block::SYSTEM_SENDER);
    assert_eq!(included.count() + outcome.skipped.len(), count);
    assert_eq!(flt - chain.flt(), U256::from(burned(chain) - before));
}

#[test]
fn mutated_transactions_are_executed_or_skipped() {
    let alice = Key::new("alice");
    let mut chain = Chain::new(&genesis_for(&[alice]));
    let mut fuzz = Fuzz::begin();
    while let Some(dice) = fuzz.round() {
        let nonce = chain.nonce(alice);
        let mut transactions = Vec::new();
        for _ in 0..40 {
            let mut bytes = alice.sign(transfer(nonce, FEE_ACCOUNT, 1)).to_vec();
            dice.mutate(&mut bytes);
            let _ = admission::check(&bytes, crate::harness::CHAIN_ID);
            transactions.push(bytes.into());
        }
        transactions.push(alice.sign(transfer(nonce, FEE_ACCOUNT, 1)));
        execute_transactions(&mut chain, transactions);
    }
}

#[test]
fn mutated_calldata_is_executed_or_refused_and_no_promise_breaks() {
    let [owner, ..] = people();
    let mut chain = market();
    let samples: Vec<Vec<u8>> = supply_calls()
        .iter()
        .map(|(_, call)| calldata::encode(call))
        .collect();
    let mut fuzz = Fuzz::begin();
    while let Some(dice) = fuzz.round() {
        let nonce = chain.nonce(owner);
        let calls = (0..8).map(|count| {
            let mut data = dice.of(&samples);
            if !dice.one_in(4) {
                dice.mutate(&mut data);
            }
            let to = if dice.one_in(8) { USDC } else { MARKETPLACE };
            owner.sign(transaction(nonce + count, to, data))
        });
        let transactions = calls.collect();
        execute_transactions(&mut chain, transactions);
        let violations = marketplace::invariants::check(chain.rows.iter());
        assert!(violations.is_empty(), "{violations:?}");
    }
    assert_eq!(chain.balance(Address::ZERO), U256::ZERO);
}
