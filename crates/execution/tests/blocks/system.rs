//! System contracts from the outside: who reaches them how, and that a revert takes everything with it.

use crate::contract::{CALL, CALLCODE, DELEGATECALL, End, STATICCALL, contract};
use crate::harness::{Chain, FLT, GWEI, Key, genesis_for, transaction};
use abi::sol::IErrors::IErrorsErrors as Errors;
use abi::sol::{IErrors, IProvider, ITime, IUSDC};
use abi::{MARKETPLACE, USDC};
use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, B256, Bytes, U256, bytes};
use alloy_sol_types::{SolCall, SolEvent as _, SolInterface as _};
use execution::{Genesis, MARKER, Receipt, call, chain, genesis::Contract, state};
use marketplace::{Event, provider};

const OUTER: Address = Address::repeat_byte(0x0a);
const INNER: Address = Address::repeat_byte(0x0b);

fn alice() -> Key {
    Key::new("alice")
}

fn register(name: &str) -> Vec<u8> {
    let (name, metadata, attributes) = (name.into(), B256::ZERO, Vec::new());
    IProvider::registerProviderCall {
        name,
        metadata,
        attributes,
    }
    .abi_encode()
}

fn with_contracts(contracts: &[(Address, Bytes)]) -> Chain {
    let mut genesis: Genesis = genesis_for(&[alice()]);
    for (address, code) in contracts {
        let (code, storage) = (code.clone(), Default::default());
        genesis
            .contracts
            .insert(*address, Contract { code, storage });
    }
    Chain::new(&genesis)
}

fn send(chain: &mut Chain, to: Address, data: impl Into<Bytes>) -> Receipt {
    let nonce = chain.nonce(alice());
    chain.send(alice(), transaction(nonce, to, data))
}

fn provider(chain: &Chain, provider: u64) -> Option<IProvider::ProviderRecord> {
    let call = IProvider::getProviderCall { provider };
    let called = chain.call(Address::ZERO, MARKETPLACE, call.abi_encode());
    (called.end == call::End::Returned)
        .then(|| IProvider::getProviderCall::abi_decode_returns(&called.output).expect("a record"))
}

/// What a call through `opcode` comes back with.
fn through(opcode: u8, to: Address, data: Vec<u8>) -> Bytes {
    let chain = with_contracts(&[(OUTER, contract(&[(opcode, to, data)], End::Return))]);
    chain.call(Address::ZERO, OUTER, Bytes::new()).output
}

/// (X4)
#[test]
fn a_caller_that_reverts_takes_its_marketplace_calls_with_it() {
    let inner = contract(&[(CALL, MARKETPLACE, register("inner"))], End::Revert);
    let calls = [
        (CALL, INNER, Vec::new()),
        (CALL, MARKETPLACE, register("outer")),
    ];
    let outer = contract(&calls, End::Stop);
    let mut chain = with_contracts(&[(INNER, inner), (OUTER, outer)]);
    let nonce = chain.nonce(alice());
    let outcome = chain.block(vec![alice().sign(transaction(nonce, OUTER, Bytes::new()))]);
    let receipt = &outcome.receipts[0];
    assert!(receipt.succeeded);
    assert_eq!(receipt.logs.len(), 1);
    let log = IProvider::ProviderRegistered::decode_log(&receipt.logs[0]).expect("a provider");
    assert_eq!(
        (log.provider, log.owner, log.name.as_str()),
        (1, OUTER, "outer")
    );
    assert!(matches!(
        &outcome.events[..],
        [Event::Provider(provider::Event::Registered { name, .. })] if name == "outer"
    ));
    assert_eq!(provider(&chain, 1).expect("there").owner, OUTER);
    assert_eq!(provider(&chain, 2), None);
}

#[test]
fn a_failed_creation_does_not_upset_what_a_revert_takes_back() {
    let calls = [(CALL, MARKETPLACE, register("x"))];
    let inner = contract(&calls, End::CollideAndRevert);
    let outer = contract(&[(CALL, INNER, Vec::new())], End::Stop);
    let mut chain = with_contracts(&[(INNER, inner), (OUTER, outer)]);
    assert!(send(&mut chain, OUTER, Bytes::new()).succeeded);
    assert_eq!(provider(&chain, 1), None);
}

#[test]
fn a_transaction_that_reverts_changes_only_who_pays() {
    let calls = [(CALL, MARKETPLACE, register("x"))];
    let mut chain = with_contracts(&[(OUTER, contract(&calls, End::Revert))]);
    let idle = chain.execute(&chain.next(Vec::new())).expect("no fault");
    let signed = alice().sign(transaction(0, OUTER, Bytes::new()));
    let outcome = chain.block(vec![signed]);
    assert!(!outcome.receipts[0].succeeded);
    assert!(outcome.receipts[0].logs.is_empty() && outcome.events.is_empty());
    let domain = |diff: &execution::Diff| {
        let rows = diff
            .iter()
            .filter(|(key, _)| key[0] < state::table::HEAD.id);
        rows.map(|(key, row)| (key.clone(), row.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(domain(&outcome.diff), domain(&idle.diff));
}

#[test]
fn nested_calls_keep_what_succeeded() {
    let inner = contract(&[(CALL, MARKETPLACE, register("inner"))], End::Stop);
    let calls = [
        (CALL, MARKETPLACE, register("first")),
        (CALL, INNER, Vec::new()),
    ];
    let mut chain = with_contracts(&[(INNER, inner), (OUTER, contract(&calls, End::Stop))]);
    assert_eq!(send(&mut chain, OUTER, Bytes::new()).logs.len(), 2);
    let owner = |id| provider(&chain, id).expect("there").owner;
    assert_eq!((owner(1), owner(2)), (OUTER, INNER));
}

/// (X2)
#[test]
fn a_static_call_may_only_read() {
    let output = through(STATICCALL, MARKETPLACE, register("x"));
    assert!(matches!(
        Errors::abi_decode(&output),
        Ok(Errors::ReadOnly(_))
    ));
    let (to, value) = (INNER, U256::ZERO);
    let output = through(
        STATICCALL,
        USDC,
        IUSDC::transferCall { to, value }.abi_encode(),
    );
    assert!(matches!(
        Errors::abi_decode(&output),
        Ok(Errors::ReadOnly(_))
    ));
    let output = through(
        STATICCALL,
        MARKETPLACE,
        ITime::protocolTimeCall {}.abi_encode(),
    );
    let time = ITime::protocolTimeCall::abi_decode_returns(&output).expect("a time");
    assert_eq!((time.time, time.epoch, time.epochSeconds), (0, 1, 86_400));
}

/// (X2)
#[test]
fn nobody_delegates_to_a_system_contract() {
    for opcode in [DELEGATECALL, CALLCODE] {
        for (to, data) in [
            (MARKETPLACE, ITime::protocolTimeCall {}.abi_encode()),
            (MARKETPLACE, register("x")),
            (USDC, IUSDC::totalSupplyCall {}.abi_encode()),
        ] {
            let output = through(opcode, to, data);
            assert!(matches!(
                Errors::abi_decode(&output),
                Ok(Errors::NotDelegated(_))
            ));
        }
    }
}

fn accept() -> Vec<u8> {
    IProvider::acceptProviderCall { provider: 1 }.abi_encode()
}

/// A provider registers with so much FLT; whether it got in.
fn register_with(chain: &mut Chain, wei: u128) -> bool {
    let nonce = chain.nonce(alice());
    let paying = TxEip1559 {
        value: U256::from(wei),
        ..transaction(nonce, MARKETPLACE, register("x"))
    };
    chain.send(alice(), paying).succeeded
}

/// F1, F2, F3, and B6: FLT moves between accounts and is never more or less.
#[test]
fn a_deposit_is_taken_its_surplus_comes_back_and_all_of_it_on_removal() {
    let mut genesis = genesis_for(&[alice()]);
    genesis.parameters.insert("deposit_gwei".into(), 5);
    let mut chain = Chain::new(&genesis);
    let deposit = 5 * GWEI;
    let all = |chain: &Chain| {
        let head = chain::head(&chain.rows).expect("a head");
        chain.flt() + U256::from(head.burned)
    };
    let before = all(&chain);
    let held = |chain: &Chain| chain.balance(MARKETPLACE);

    assert!(!register_with(&mut chain, deposit - 1), "too little");
    assert_eq!(held(&chain), U256::ZERO);
    assert!(register_with(&mut chain, deposit));
    assert!(register_with(&mut chain, FLT), "too much");
    assert_eq!(held(&chain), U256::from(2 * deposit));
    assert_eq!(all(&chain), before);

    let remove = IProvider::removeProviderCall { provider: 2 };
    assert!(send(&mut chain, MARKETPLACE, remove.abi_encode()).succeeded);
    assert_eq!(held(&chain), U256::from(deposit));
    let remove = IProvider::removeProviderCall { provider: 1 };
    assert!(send(&mut chain, MARKETPLACE, remove.abi_encode()).succeeded);
    assert_eq!(held(&chain), U256::ZERO);
    assert_eq!(all(&chain), before);
}

/// (X7)
#[test]
fn flt_sent_along_comes_back() {
    let mut chain = with_contracts(&[]);
    let not_payable = Errors::NotPayable(IErrors::NotPayable { value: FLT });
    let unknown = Errors::UnknownCall(IErrors::UnknownCall {});
    for (to, data, error) in [
        (MARKETPLACE, accept().into(), &not_payable),
        (MARKETPLACE, Bytes::new(), &unknown),
        (
            USDC,
            IUSDC::totalSupplyCall {}.abi_encode().into(),
            &not_payable,
        ),
    ] {
        let request = call::Request {
            from: alice().address(),
            to: Some(to),
            data: Bytes::clone(&data),
            value: U256::from(FLT),
            ..call::Request::default()
        };
        let called = call::call(&chain.rows, &request, &|| false).expect("an answer");
        assert_eq!(called.end, call::End::Reverted);
        let found = Errors::abi_decode(&called.output).expect("a typed error");
        assert_eq!(&found, error);
        let nonce = chain.nonce(alice());
        let paying = TxEip1559 {
            value: U256::from(FLT),
            ..transaction(nonce, to, data)
        };
        assert!(!chain.send(alice(), paying).succeeded);
        assert_eq!(chain.balance(to), U256::ZERO);
    }
}

/// (X5)
#[test]
fn what_is_no_call_is_refused_in_words() {
    let chain = with_contracts(&[]);
    let mut long_string = register("x");
    long_string[4 + 31] = 0xff; // an offset beyond the end
    for data in [Vec::new(), vec![1, 2, 3], vec![0xde; 4], long_string] {
        let called = chain.call(alice().address(), MARKETPLACE, data);
        assert_eq!(called.end, call::End::Reverted);
        let words = abi::refusal::explain(&called.output).expect("one of ours");
        assert_eq!(words.what, "the contract has no such call");
    }
}

/// (X3)
#[test]
fn a_refusal_reverts_with_its_values() {
    let chain = with_contracts(&[]);
    let (provider, metadata) = (7, B256::ZERO);
    let call = IProvider::updateProviderCall { provider, metadata };
    let called = chain.call(alice().address(), MARKETPLACE, call.abi_encode());
    let words = abi::refusal::explain(&called.output).expect("one of ours");
    assert_eq!(words.what, "there is no provider 7");
    assert!(!words.hint.is_empty());
}

/// (X6)
#[test]
fn work_beyond_the_gas_is_out_of_gas_and_leaves_nothing() {
    let mut chain = with_contracts(&[]);
    let short = TxEip1559 {
        gas_limit: 30_000,
        ..transaction(0, MARKETPLACE, register("x"))
    };
    let receipt = chain.send(alice(), short);
    assert!(!receipt.succeeded);
    assert_eq!(receipt.gas_used, 30_000);
    assert_eq!(provider(&chain, 1), None);
}

/// (X1)
#[test]
fn the_marker_survives_transactions_that_touch_it() {
    let mut chain = with_contracts(&[]);
    for (to, data) in [
        (MARKETPLACE, Bytes::from(register("x"))),
        (MARKETPLACE, bytes!("00")),
        (USDC, Bytes::new()),
    ] {
        send(&mut chain, to, data);
    }
    for address in [MARKETPLACE, USDC] {
        assert_eq!(
            state::code(&chain.rows, address).expect("no fault")[..],
            MARKER
        );
        assert_eq!(
            state::account(&chain.rows, address)
                .expect("no fault")
                .nonce,
            1
        );
    }
}

#[test]
fn an_estimate_suffices_and_is_not_far_above_what_is_needed() {
    let mut chain = with_contracts(&[]);
    let request = call::Request {
        from: alice().address(),
        to: Some(MARKETPLACE),
        data: register("estimated").into(),
        ..call::Request::default()
    };
    let gas_limit = call::estimate(&chain.rows, &request, &|| false).expect("it succeeds");
    let exact = TxEip1559 {
        gas_limit,
        ..transaction(0, MARKETPLACE, register("estimated"))
    };
    let receipt = chain.send(alice(), exact);
    assert!(receipt.succeeded);
    assert!(
        receipt.gas_used > gas_limit / 64 * 62,
        "{} of {gas_limit}",
        receipt.gas_used
    );
    let (provider, metadata) = (7, B256::ZERO);
    let data = IProvider::updateProviderCall { provider, metadata }
        .abi_encode()
        .into();
    let failing = call::Request { data, ..request };
    let error = call::estimate(&chain.rows, &failing, &|| false).expect_err("it reverts");
    assert!(matches!(error, call::CallError::Failed(called) if called.end == call::End::Reverted));
}

/// (B9)
#[test]
fn a_call_ends_when_its_caller_loses_patience() {
    // An endless loop, called by a contract that would go on after it.
    let forever = bytes!("5b600056");
    let calls = [(CALL, INNER, Vec::new()), (CALL, INNER, Vec::new())];
    let chain = with_contracts(&[(INNER, forever), (OUTER, contract(&calls, End::Stop))]);
    let request = call::Request {
        to: Some(OUTER),
        ..call::Request::default()
    };
    let asked = std::cell::Cell::new(0);
    let impatient = || {
        asked.set(asked.get() + 1);
        asked.get() > 3
    };
    let answer = call::call(&chain.rows, &request, &impatient);
    assert_eq!((answer, asked.get()), (Err(call::CallError::Stopped), 4));
}
