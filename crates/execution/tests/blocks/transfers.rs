//! Transfers, fees, skipped transactions, receipts.

use crate::harness::{
    CHAIN_ID, Chain, FEE_ACCOUNT, FLT, GWEI, Key, genesis_for, touches_accounts, transaction,
    transfer,
};
use alloy_consensus::{
    Receipt, ReceiptEnvelope, ReceiptWithBloom, SignableTransaction as _, TxEip1559, TxEip2930,
    TxEip7702, TxLegacy, proofs::calculate_receipt_root,
};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, bytes};
use execution::{Fault, Refusal, admission, chain, fee};

const BOB: Address = Address::repeat_byte(0xb0);

fn alice() -> Key {
    Key::new("alice")
}

fn chain_of_alice() -> Chain {
    Chain::new(&genesis_for(&[alice()]))
}

/// (B5)
#[test]
fn a_transfer_moves_flt_burns_the_base_fee_and_tips_the_proposer() {
    let mut chain = chain_of_alice();
    let before = chain.flt();
    let outcome = chain.block(vec![alice().sign(transfer(0, BOB, 5 * FLT))]);
    let base_fee = u128::from(outcome.base_fee);
    assert_eq!(outcome.gas_used, 21_000);
    assert_eq!(chain.balance(BOB), U256::from(5 * FLT));
    assert_eq!(chain.balance(FEE_ACCOUNT), U256::from(21_000 * GWEI));
    let paid = 21_000 * (base_fee + GWEI);
    let left = 1_000 * FLT - 5 * FLT - paid;
    assert_eq!(chain.balance(alice().address()), U256::from(left));
    let burned = chain::head(&chain.rows).expect("a head").burned;
    assert_eq!(burned, 21_000 * base_fee);
    assert_eq!(before - chain.flt(), U256::from(burned));
}

/// (B6)
#[test]
fn all_flt_is_genesis_less_burned_over_full_blocks() {
    let keys: Vec<Key> = (0..8).map(|i| Key::new(&format!("key {i}"))).collect();
    let mut chain = Chain::new(&genesis_for(&keys));
    let genesis = chain.flt();
    let mut fees = Vec::new();
    for nonce in 0..5 {
        // The invalid opcode burns all of the gas.
        let init: Bytes = bytes!("fe");
        let spend = |key: &Key| {
            key.sign(TxEip1559 {
                to: TxKind::Create,
                gas_limit: 3_700_000,
                ..transaction(nonce, BOB, init.clone())
            })
        };
        let outcome = chain.block(keys.iter().map(spend).collect());
        assert_eq!(outcome.gas_used, 8 * 3_700_000);
        fees.push(outcome.base_fee);
        let burned = chain::head(&chain.rows).expect("a head").burned;
        assert_eq!(genesis - chain.flt(), U256::from(burned));
    }
    assert!(fees.windows(2).all(|pair| pair[0] < pair[1]), "{fees:?}");
    let fee = |chain: &Chain| chain::head(&chain.rows).expect("a head").base_fee;
    let before = fee(&chain);
    chain.block(Vec::new());
    assert!(fee(&chain) < before, "an empty block lowers it");
}

#[test]
fn flt_destroyed_with_a_contract_counts_as_burned() {
    let mut chain = chain_of_alice();
    let genesis = chain.flt();
    // selfdestruct(address()) while it is created
    let create = TxEip1559 {
        to: TxKind::Create,
        value: U256::from(FLT),
        ..transaction(0, BOB, bytes!("30ff"))
    };
    assert!(chain.send(alice(), create).succeeded);
    let burned = chain::head(&chain.rows).expect("a head").burned;
    assert!(burned > FLT);
    assert_eq!(genesis - chain.flt(), U256::from(burned));
}

/// (B3)
#[test]
fn every_supported_type_of_transaction_gets_in() {
    let mut chain = chain_of_alice();
    let (gas_price, gas_limit) = (100 * GWEI, 21_000);
    let (to, value) = (TxKind::Call(BOB), U256::from(1));
    let legacy = TxLegacy {
        chain_id: Some(CHAIN_ID),
        nonce: 0,
        gas_price,
        gas_limit,
        to,
        value,
        input: Bytes::new(),
    };
    let listed = TxEip2930 {
        chain_id: CHAIN_ID,
        nonce: 1,
        gas_price,
        gas_limit,
        to,
        value,
        access_list: Default::default(),
        input: Bytes::new(),
    };
    let outcome = chain.block(vec![
        alice().sign(legacy),
        alice().sign(listed),
        alice().sign(transfer(2, BOB, 1)),
    ]);
    assert!(outcome.receipts.iter().all(|receipt| receipt.succeeded));
    let kinds: Vec<u8> = outcome.receipts.iter().map(|r| r.kind as u8).collect();
    assert_eq!(kinds, [0, 1, 2]);
    let prices: Vec<u128> = outcome
        .receipts
        .iter()
        .map(|r| r.effective_gas_price)
        .collect();
    assert_eq!(prices, [gas_price, gas_price, 2 * GWEI]);
    assert_eq!(chain.balance(BOB), U256::from(3));
}

/// (B3, B4)
#[test]
fn an_invalid_transaction_is_skipped_reported_and_pays_nothing() {
    let mut chain = chain_of_alice();
    let poor = Key::new("poor");
    let expensive = TxEip1559 {
        gas_limit: fee::TRANSACTION_GAS_LIMIT + 1,
        ..transfer(0, BOB, 1)
    };
    let other_chain = TxEip1559 {
        chain_id: 1,
        ..transfer(0, BOB, 1)
    };
    let starved = TxEip1559 {
        gas_limit: 20_999,
        ..transfer(0, BOB, 1)
    };
    let cheap = TxEip1559 {
        max_fee_per_gas: 1,
        max_priority_fee_per_gas: 0,
        ..transfer(0, BOB, 1)
    };
    let inverted = TxEip1559 {
        max_priority_fee_per_gas: 101 * GWEI,
        ..transfer(0, BOB, 1)
    };
    let set_code = TxEip7702 {
        chain_id: CHAIN_ID,
        ..TxEip7702::default()
    };
    let long_init = TxEip1559 {
        to: TxKind::Create,
        ..transaction(0, BOB, vec![0; 49_153])
    };
    let unprotected = TxLegacy {
        gas_price: 100 * GWEI,
        gas_limit: 21_000,
        to: TxKind::Call(BOB),
        ..TxLegacy::default()
    };
    let transactions = vec![
        Bytes::new(),
        bytes!("c0"),
        bytes!("03c0"),
        Bytes::from(vec![0xff; admission::MAX_BYTES + 1]),
        alice().sign(set_code),
        alice().sign(other_chain),
        alice().sign(unprotected),
        alice().sign(expensive),
        alice().sign(starved),
        alice().sign(cheap),
        alice().sign(inverted),
        alice().sign(long_init),
        alice().sign(transfer(1, BOB, 1)),
        poor.sign(transfer(0, BOB, 1)),
    ];
    let count = transactions.len();
    let outcome = chain.block(transactions);
    assert!(!touches_accounts(&outcome.diff));
    assert_eq!((outcome.gas_used, outcome.receipts.len()), (0, 0));
    let positions: Vec<usize> = outcome.skipped.iter().map(|(at, _)| *at).collect();
    assert_eq!(positions, (0..count).collect::<Vec<_>>());
    let reasons: Vec<&Refusal> = outcome.skipped.iter().map(|(_, reason)| reason).collect();
    assert!(
        matches!(
            reasons[..],
            [
                Refusal::Malformed { .. },
                Refusal::Malformed { .. },
                Refusal::UnsupportedType { kind: 3 },
                Refusal::TooLarge { .. },
                Refusal::UnsupportedType { kind: 4 },
                Refusal::WrongChain { named: Some(1), .. },
                Refusal::WrongChain { named: None, .. },
                Refusal::GasLimitTooHigh { .. },
                Refusal::GasLimitTooLow { needed: 21_000, .. },
                Refusal::FeeTooLow { .. },
                Refusal::TipAboveFee { .. },
                Refusal::InitCodeTooLarge { bytes: 49_153 },
                Refusal::NonceTooHigh {
                    nonce: 1,
                    expected: 0
                },
                Refusal::InsufficientFunds { .. },
            ]
        ),
        "{reasons:#?}"
    );
}

#[test]
fn a_transaction_twice_in_a_block_is_executed_once() {
    let mut chain = chain_of_alice();
    let signed = alice().sign(transfer(0, BOB, 1));
    let outcome = chain.block(vec![signed.clone(), signed.clone()]);
    let (nonce, expected) = (0, 1);
    let refusal = Refusal::NonceTooLow { nonce, expected };
    assert_eq!(outcome.skipped, [(1, refusal.clone())]);
    assert_eq!(chain.block(vec![signed]).skipped, [(0, refusal)]);
    assert_eq!(chain.balance(BOB), U256::from(1));
}

#[test]
fn what_does_not_fit_into_the_blocks_gas_is_skipped_and_what_follows_still_fits() {
    let keys = [Key::new("a"), Key::new("b"), Key::new("c")];
    let mut chain = Chain::new(&genesis_for(&keys));
    let spend = |key: &Key, gas_limit| {
        let create = TxEip1559 {
            to: TxKind::Create,
            gas_limit,
            ..transaction(0, BOB, bytes!("fe"))
        };
        key.sign(create)
    };
    let outcome = chain.block(vec![
        spend(&keys[0], 16_000_000),
        spend(&keys[1], 15_000_000),
        spend(&keys[2], 14_000_000),
    ]);
    let (gas_limit, left) = (15_000_000, 14_000_000);
    assert_eq!(
        outcome.skipped,
        [(1, Refusal::BlockFull { gas_limit, left })]
    );
    assert_eq!(outcome.gas_used, fee::BLOCK_GAS_LIMIT);
    assert_eq!(outcome.receipts[1].cumulative_gas_used, 30_000_000);
}

/// (B8)
#[test]
fn receipts_hash_and_bloom_as_ethereum_has_them() {
    // LOG1 of topic 7 over no data, then store the contract's empty code.
    let init = bytes!("600760005fa1");
    let mut chain = chain_of_alice();
    let create = TxEip1559 {
        to: TxKind::Create,
        ..transaction(0, BOB, init)
    };
    let outcome = chain.block(vec![
        alice().sign(create),
        alice().sign(transfer(1, BOB, 1)),
    ]);
    let created = alice().address().create(0);
    assert_eq!(outcome.receipts[0].contract_address, Some(created));
    let receipts: Vec<ReceiptEnvelope> = outcome
        .receipts
        .iter()
        .map(|receipt| {
            let receipt = Receipt {
                status: true.into(),
                cumulative_gas_used: receipt.cumulative_gas_used,
                logs: receipt.logs.clone(),
            };
            ReceiptEnvelope::Eip1559(ReceiptWithBloom::from(receipt))
        })
        .collect();
    assert_eq!(outcome.receipts_root, calculate_receipt_root(&receipts));
    assert_eq!(receipts[0].logs()[0].address, created);
    assert_eq!(outcome.logs_bloom, *receipts[0].logs_bloom());
    assert!(outcome.receipts[1].bloom.is_zero());
}

/// (B7)
#[test]
fn a_contract_keeps_its_storage_and_sees_block_hashes_and_the_beacon() {
    // sstore(0, blockhash(number - 1)); sstore(1, prevrandao); sstore(2, timestamp)
    let init = bytes!("60014303405f55446001554260025500");
    let mut chain = chain_of_alice();
    chain.block(Vec::new());
    let create = TxEip1559 {
        to: TxKind::Create,
        ..transaction(0, BOB, init)
    };
    let block = chain.next(vec![alice().sign(create)]);
    let outcome = chain.execute(&block).expect("no fault");
    chain.rows.apply(&outcome.diff);
    let address = alice().address().create(0);
    let slot = |slot: u64| {
        execution::state::slot(&chain.rows, address, U256::from(slot)).expect("no fault")
    };
    assert_eq!(B256::from(slot(0)), block.parent_hash);
    assert_eq!(B256::from(slot(1)), block.beacon);
    assert_eq!(slot(2), U256::from(block.time_ms / 1000));
}

#[test]
fn a_created_contract_can_be_called_from_the_next_block_on() {
    // mstore8(0, 0x33); mstore8(1, 0xff); return(0, 2): code that gives its balance to whom calls it.
    let init = bytes!("60335f5360ff60015360025ff3");
    let mut chain = chain_of_alice();
    let create = TxEip1559 {
        to: TxKind::Create,
        ..transaction(0, BOB, init)
    };
    let address = chain.send(alice(), create).contract_address;
    let address = address.expect("a contract");
    let code = execution::state::code(&chain.rows, address);
    assert_eq!(code, Ok(bytes!("33ff")));
    let paying = TxEip1559 {
        value: U256::from(FLT),
        ..transaction(1, address, Bytes::new())
    };
    assert!(chain.send(alice(), paying).succeeded);
    assert_eq!(chain.balance(address), U256::ZERO);
    let code = execution::state::code(&chain.rows, address);
    assert_eq!(code, Ok(bytes!("33ff")), "since EIP-6780 it stays");
}

/// (B1)
#[test]
fn the_same_block_over_the_same_rows_gives_the_same_differences() {
    let chain = chain_of_alice();
    let signed = (0..20).map(|nonce| alice().sign(transfer(nonce, BOB, 1)));
    let block = chain.next(signed.collect());
    let [first, second] = [(); 2].map(|()| chain.execute(&block).expect("no fault"));
    assert_eq!(first.diff, second.diff);
    assert_eq!(first.receipts_root, second.receipts_root);
    assert_eq!(first.transactions_root, second.transactions_root);
}

/// (B1)
#[test]
fn a_block_that_is_not_next_is_a_fault() {
    let chain = chain_of_alice();
    let mut block = chain.next(Vec::new());
    block.height = 3;
    let result = chain.execute(&block);
    assert!(matches!(result, Err(Fault::NotNext { .. })));
    let mut block = chain.next(Vec::new());
    block.parent_hash = B256::ZERO;
    let result = chain.execute(&block);
    assert!(matches!(result, Err(Fault::NotNext { .. })));
}

#[test]
fn admission_counts_what_stands_before_a_transaction() {
    let chain = chain_of_alice();
    let account = execution::state::account(&chain.rows, alice().address()).expect("no fault");
    let third = admission::check(&alice().sign(transfer(2, BOB, FLT)), CHAIN_ID).expect("valid");
    assert_eq!(third.sender, alice().address());
    assert_eq!(third.max_cost, U256::from(FLT + 21_000 * 100 * GWEI));
    assert_eq!(third.against(&account, (2, U256::ZERO)), Ok(()));
    let (nonce, expected) = (2, 1);
    let gap = Refusal::NonceTooHigh { nonce, expected };
    assert_eq!(third.against(&account, (1, U256::ZERO)), Err(gap));
    let ahead = U256::from(999 * FLT);
    let refusal = third
        .against(&account, (2, ahead))
        .expect_err("not payable");
    assert!(matches!(refusal, Refusal::InsufficientFunds { .. }));
    assert_eq!(third.tip(99), Some(GWEI));
    assert_eq!(third.tip(u64::MAX), None);
}

#[test]
fn a_changed_signature_is_another_sender_or_nobody() {
    let transaction = transfer(0, BOB, 1);
    let signature = alice().sign_hash(transaction.signature_hash());
    let changed = alloy_primitives::Signature::new(signature.r(), U256::MAX, true);
    let signed = execution::block::Transaction::from(transaction.into_signed(changed));
    let refusal = admission::check(&signed.encoded_2718(), CHAIN_ID).expect_err("no signer");
    assert_eq!(refusal, Refusal::BadSignature);
    assert!(!refusal.hint().is_empty());
}
