//! What a network agrees on: tables and genesis (gas: see `costs`). A change here is a fork.

use crate::harness::{Chain, FLT};
use abi::USDC;
use alloy_primitives::{Address, B256, U256, bytes, keccak256};
use execution::{
    Genesis, Rows, chain,
    genesis::{self, Allocation, Contract, Invalid},
    state,
};
use marketplace::units::DealId;
use std::collections::BTreeMap;

fn example() -> Genesis {
    let (flt, usdc) = (5 * FLT, 7_000_000);
    let code = bytes!("600160005500");
    let storage = BTreeMap::from([(U256::from(1), U256::from(2))]);
    Genesis {
        chain_id: 7,
        time_ms: 1_700_000_000_123,
        parameters: BTreeMap::from([
            ("epoch_seconds".into(), 20),
            ("windows_per_epoch".into(), 5),
            ("commit_grace_seconds".into(), 2),
            ("answer_seconds".into(), 4),
            ("verdict_delay_seconds".into(), 2),
        ]),
        governance: None,
        oracle: Some(Address::repeat_byte(3)),
        allocations: BTreeMap::from([(Address::repeat_byte(1), Allocation { flt, usdc })]),
        contracts: BTreeMap::from([(Address::repeat_byte(2), Contract { code, storage })]),
        validators: vec!["validator".into()],
        group_key: "group".into(),
    }
}

/// One hash over all rows.
fn digest(rows: &Rows) -> B256 {
    let mut bytes = Vec::new();
    for (key, row) in rows.iter() {
        bytes.extend_from_slice(keccak256(key).as_slice());
        bytes.extend_from_slice(keccak256(row).as_slice());
    }
    keccak256(bytes)
}

/// (X9)
#[test]
fn tables_keep_their_ids() {
    let lines: Vec<String> = state::table::ALL
        .iter()
        .map(|(id, name)| format!("{id:#04x} {name}"))
        .collect();
    assert!(state::table::ALL.iter().all(|(id, _)| *id >= 0x80));
    insta::assert_snapshot!("tables", lines.join("\n"));
}

/// (B10)
#[test]
fn a_genesis_file_gives_the_same_rows_and_hash_everywhere() {
    let genesis = example();
    let json = serde_json::to_string_pretty(&genesis).expect("plain data");
    let read: Genesis = serde_json::from_str(&json).expect("ours");
    assert_eq!((read.hash(), &read), (genesis.hash(), &genesis));
    let chain = Chain::new(&genesis);
    let head = chain::head(&chain.rows).expect("a head");
    assert_eq!((head.height, head.hash), (0, genesis.hash()));
    let text = format!(
        "{json}\nhash {}\nrows {} {}",
        genesis.hash(),
        chain.rows.len(),
        digest(&chain.rows)
    );
    insta::assert_snapshot!("genesis", text);
    let other = Genesis {
        time_ms: 1,
        ..example()
    };
    assert_ne!(other.hash(), genesis.hash());
}

#[test]
fn a_genesis_that_cannot_be_is_refused() {
    let with = |name: &str, value| {
        let mut genesis = example();
        genesis.parameters.insert(name.into(), value);
        genesis::rows(&genesis).expect_err("refused")
    };
    assert_eq!(
        with("nonsense", 1),
        Invalid::UnknownParameter("nonsense".into())
    );
    assert!(
        with("epoch_seconds", 0)
            .to_string()
            .contains("epoch_seconds")
    );
    assert!(
        with("windows_per_epoch", 3)
            .to_string()
            .contains("multiple")
    );
    assert!(
        with("windows_per_epoch", 0)
            .to_string()
            .contains("required")
    );
    let mut genesis = example();
    let address = Address::repeat_byte(2);
    let contract = genesis.contracts.get_mut(&address).expect("a contract");
    contract.code = bytes!("ef0100");
    assert_eq!(genesis::rows(&genesis), Err(Invalid::NotCode(address)));
    let deal = abi::usdc::address_of(marketplace::ledger::Account::Deal(DealId(1)));
    for address in [
        Address::ZERO,
        USDC,
        abi::usdc::TREASURY,
        abi::usdc::DUST,
        deal,
    ] {
        let allocate = |flt, usdc| {
            let mut genesis = example();
            let allocation = Allocation { flt, usdc };
            genesis.allocations.insert(address, allocation);
            genesis::rows(&genesis)
        };
        assert_eq!(allocate(0, 1), Err(Invalid::CannotReceive(address)));
        assert!(allocate(1, 0).is_ok());
    }
    let text = serde_json::to_string(&example()).expect("plain data");
    let unknown = text.replacen("chain_id", "chain-id", 1);
    assert!(serde_json::from_str::<Genesis>(&unknown).is_err());
}

#[test]
fn contracts_and_allocations_of_genesis_are_there() {
    let chain = Chain::new(&example());
    let (rich, contract) = (Address::repeat_byte(1), Address::repeat_byte(2));
    assert_eq!(chain.balance(rich), U256::from(5 * FLT));
    let one = U256::from(1);
    assert_eq!(state::slot(&chain.rows, contract, one), Ok(U256::from(2)));
    assert_eq!(
        state::code(&chain.rows, contract).expect("no fault").len(),
        6
    );
}
