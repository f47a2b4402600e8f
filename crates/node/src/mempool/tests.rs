//! The rules of the mempool, one test each.

use super::*;
use alloy_consensus::{
    EthereumTxEnvelope, SignableTransaction as _, TxEip1559, TxEip4844,
    crypto::secp256k1::sign_message,
};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{TxKind, keccak256};

const CHAIN_ID: u64 = 7;
const GWEI: u128 = 1_000_000_000;
/// What one of our transactions may cost: 21,000 gas at its highest fee.
const COST: u128 = 21_000 * 100 * GWEI;

fn pooled(who: &str, nonce: u64, tip: u128) -> Arc<Waiting> {
    with_fee(who, nonce, 100 * GWEI, tip)
}

fn with_fee(who: &str, nonce: u64, max_fee: u128, tip: u128) -> Arc<Waiting> {
    let transaction = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: max_fee,
        max_priority_fee_per_gas: tip,
        to: TxKind::Call(Address::ZERO),
        ..TxEip1559::default()
    };
    let signature = sign_message(keccak256(who), transaction.signature_hash()).expect("a key");
    let signed: EthereumTxEnvelope<TxEip4844> = transaction.into_signed(signature).into();
    let bytes = Bytes::from(signed.encoded_2718());
    let checked = admission::check(&bytes, CHAIN_ID).expect("well-formed");
    Arc::new(Waiting { checked, bytes })
}

fn account(nonce: u64, balance: u128) -> Account {
    Account {
        nonce,
        balance: U256::from(balance),
        ..Account::default()
    }
}

fn rich(nonce: u64) -> Account {
    account(nonce, 1_000 * COST)
}

/// Whose transactions a block would carry, by the nonces and tips that were given.
fn selected(mempool: &Mempool, in_flight: &InFlight) -> Vec<(u64, u128)> {
    let chosen = mempool.select(in_flight);
    let decode = |bytes: &Bytes| admission::check(bytes, CHAIN_ID).expect("well-formed");
    let read = chosen.iter().map(decode);
    read.map(|checked| (checked.nonce, checked.max_tip))
        .collect()
}

#[test]
fn a_transaction_that_waits_already_is_welcome_and_changes_nothing() {
    let mut mempool = Mempool::default();
    let transaction = pooled("alice", 0, 1);
    assert_eq!(mempool.insert(transaction.clone(), rich(0)), Ok(true));
    assert_eq!(mempool.insert(transaction.clone(), rich(0)), Ok(false));
    assert_eq!(mempool.len(), 1);
    assert!(mempool.get(&transaction.checked.hash).is_some());
}

#[test]
fn nonces_below_the_account_or_far_above_it_are_refused() {
    let mut mempool = Mempool::default();
    let low = mempool.insert(pooled("alice", 4, 1), rich(5));
    assert!(matches!(
        low,
        Err(Refused::Invalid(admission::Refusal::NonceTooLow { .. }))
    ));
    let far = mempool.insert(pooled("alice", 5 + MAX_AHEAD + 1, 1), rich(5));
    assert!(matches!(far, Err(Refused::TooFarAhead { .. })));
    assert_eq!(
        mempool.insert(pooled("alice", 5 + MAX_AHEAD, 1), rich(5)),
        Ok(true)
    );
    assert_eq!(mempool.len(), 1);
}

#[test]
fn all_transactions_of_a_sender_are_payable_together() {
    let mut mempool = Mempool::default();
    let owner = account(0, 2 * COST);
    assert_eq!(mempool.insert(pooled("alice", 0, 1), owner), Ok(true));
    assert_eq!(mempool.insert(pooled("alice", 1, 1), owner), Ok(true));
    let third = mempool.insert(pooled("alice", 2, 1), owner);
    assert!(matches!(
        third,
        Err(Refused::Invalid(
            admission::Refusal::InsufficientFunds { .. }
        ))
    ));
}

#[test]
fn a_replacement_pays_a_tenth_more_in_fee_and_in_tip() {
    let mut mempool = Mempool::default();
    let first = with_fee("alice", 0, 100 * GWEI, 10 * GWEI);
    mempool.insert(first.clone(), rich(0)).expect("fits");
    for (fee, tip) in [(109, 11), (110, 10), (200, 10)] {
        let poor = with_fee("alice", 0, fee * GWEI, tip * GWEI);
        assert_eq!(mempool.insert(poor, rich(0)), Err(Refused::Underpriced));
    }
    let better = with_fee("alice", 0, 110 * GWEI, 11 * GWEI);
    assert_eq!(mempool.insert(better, rich(0)), Ok(true));
    assert_eq!(mempool.len(), 1);
    assert!(mempool.get(&first.checked.hash).is_none());
}

#[test]
fn a_block_takes_the_highest_tips_but_keeps_the_order_of_a_senders_nonces() {
    let mut mempool = Mempool::default();
    for (who, nonce, tip) in [
        ("alice", 0, 1),
        ("alice", 1, 9),
        ("bob", 0, 5),
        ("bob", 1, 2),
    ] {
        mempool
            .insert(pooled(who, nonce, tip), rich(0))
            .expect("fits");
    }
    let order = selected(&mempool, &InFlight::new());
    assert_eq!(order, [(0, 5), (1, 2), (0, 1), (1, 9)]);
}

#[test]
fn nothing_is_taken_beyond_a_gap_of_nonces() {
    let mut mempool = Mempool::default();
    for nonce in [0, 1, 3] {
        mempool
            .insert(pooled("alice", nonce, 1), rich(0))
            .expect("fits");
    }
    assert_eq!(selected(&mempool, &InFlight::new()), [(0, 1), (1, 1)]);
    assert_eq!(
        mempool.next_nonce(&pooled("alice", 0, 1).checked.sender, &rich(0)),
        2
    );
}

#[test]
fn what_is_in_flight_is_not_taken_again_and_counts_against_the_limit() {
    let mut mempool = Mempool::default();
    for nonce in 0..20 {
        mempool
            .insert(pooled("alice", nonce, 1), rich(0))
            .expect("fits");
    }
    let sender = pooled("alice", 0, 1).checked.sender;
    let all = selected(&mempool, &InFlight::new());
    assert_eq!(all.len() as u64, MAX_IN_FLIGHT);
    let in_flight = InFlight::from([(sender, (10, 10))]);
    let nonces: Vec<_> = selected(&mempool, &in_flight)
        .into_iter()
        .map(|(nonce, _)| nonce)
        .collect();
    assert_eq!(nonces, [10, 11, 12, 13, 14, 15]);
    let in_flight = InFlight::from([(sender, (16, 16))]);
    assert!(!mempool.has_work(&in_flight));
}

#[test]
fn a_transaction_below_the_base_fee_waits() {
    let mut mempool = Mempool::default();
    mempool
        .insert(pooled("alice", 0, 1), rich(0))
        .expect("fits");
    mempool.advance(u64::try_from(200 * GWEI).expect("small"), |_| rich(0));
    assert!(!mempool.has_work(&InFlight::new()));
    mempool.advance(u64::try_from(GWEI).expect("small"), |_| rich(0));
    assert!(mempool.has_work(&InFlight::new()));
}

#[test]
fn executed_transactions_and_those_that_cannot_be_paid_any_more_leave() {
    let mut mempool = Mempool::default();
    for nonce in 0..3 {
        mempool
            .insert(pooled("alice", nonce, 1), rich(0))
            .expect("fits");
    }
    mempool.advance(0, |_| account(1, COST));
    assert_eq!(mempool.len(), 1, "one is executed, one of two can be paid");
    mempool.advance(0, |_| account(2, COST));
    assert!(mempool.is_empty());
    assert_eq!(mempool.bytes, 0);
}

#[test]
fn a_block_stays_within_its_gas() {
    let mut mempool = Mempool::default();
    for sender in 0..100 {
        for nonce in 0..MAX_IN_FLIGHT {
            let transaction = pooled(&format!("sender {sender}"), nonce, 1);
            mempool.insert(transaction, rich(0)).expect("fits");
        }
    }
    let chosen = selected(&mempool, &InFlight::new());
    assert_eq!(chosen.len() as u64, BLOCK_GAS_LIMIT / 21_000);
}

#[test]
fn what_cannot_be_executed_next_gets_half_of_the_room() {
    let mut mempool = Mempool::default();
    let large = |who: &str, nonce| {
        let waiting = pooled(who, nonce, 1);
        Arc::new(Waiting {
            checked: waiting.checked.clone(),
            bytes: vec![0; MAX_BYTES / 64].into(),
        })
    };
    for nonce in 1..=32 {
        assert_eq!(mempool.insert(large("ann", nonce), rich(0)), Ok(true));
    }
    let gap = mempool.insert(large("bob", 1), rich(0));
    assert_eq!(gap, Err(Refused::Full), "half is full of gaps");
    assert_eq!(mempool.insert(large("bob", 0), rich(0)), Ok(true));
    assert_eq!(mempool.insert(large("bob", 1), rich(0)), Ok(true));
}
