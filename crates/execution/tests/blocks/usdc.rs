//! USDC: ERC-20, permit, transfers by authorization, faucet.

use crate::harness::{CHAIN_ID, Chain, Key, genesis_for, transaction};
use abi::sol::IErrors::{self, IErrorsErrors as Errors};
use abi::sol::IUSDC as i;
use abi::usdc::{CancelAuthorization, Permit, ReceiveWithAuthorization, TransferWithAuthorization};
use abi::{USDC, usdc};
use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::{SolCall, SolEvent as _, SolInterface as _, SolStruct};
use execution::{Receipt, call::End, chain};

const BOB: Address = Address::repeat_byte(0xb0);
const MILLION: u128 = 1_000_000_000_000;

fn alice() -> Key {
    Key::new("alice")
}

fn relayer() -> Key {
    Key::new("relayer")
}

fn two() -> Chain {
    Chain::new(&genesis_for(&[alice(), relayer()]))
}

fn send(chain: &mut Chain, from: Key, call: &impl SolCall) -> Receipt {
    let nonce = chain.nonce(from);
    chain.send(from, transaction(nonce, USDC, call.abi_encode()))
}

fn read<C: SolCall>(chain: &Chain, call: &C) -> C::Return {
    let called = chain.call(BOB, USDC, call.abi_encode());
    assert_eq!(called.end, End::Returned);
    C::abi_decode_returns(&called.output).expect("the call's type")
}

/// The error that a call would revert with.
fn refused(chain: &Chain, from: Key, call: &impl SolCall) -> Errors {
    let called = chain.call(from.address(), USDC, call.abi_encode());
    assert_eq!(called.end, End::Reverted);
    assert!(abi::refusal::explain(&called.output).is_some());
    Errors::abi_decode(&called.output).expect("a typed error")
}

fn balance(chain: &Chain, owner: Address) -> U256 {
    read(chain, &i::balanceOfCall { owner })
}

fn now(chain: &Chain) -> U256 {
    let head = chain::head(&chain.rows).expect("a head");
    U256::from(head.time_ms / 1000)
}

fn sign(key: Key, message: &impl SolStruct, chain_id: u64) -> (u8, B256, B256) {
    let signature = key.sign_hash(usdc::signing_hash(message, chain_id));
    (
        27 + u8::from(signature.v()),
        signature.r().into(),
        signature.s().into(),
    )
}

/// (U1)
#[test]
fn a_transfer_moves_usdc_and_logs_it() {
    let mut chain = two();
    let value = U256::from(5);
    let receipt = send(&mut chain, alice(), &i::transferCall { to: BOB, value });
    assert!(receipt.succeeded);
    let log = i::Transfer::decode_log(&receipt.logs[0]).expect("a transfer");
    assert_eq!(log.address, USDC);
    assert_eq!(
        (log.from, log.to, log.value),
        (alice().address(), BOB, value)
    );
    assert_eq!(balance(&chain, BOB), value);
    assert_eq!(balance(&chain, alice().address()), U256::from(MILLION - 5));
    assert_eq!(
        read(&chain, &i::totalSupplyCall {}),
        U256::from(2 * MILLION)
    );
    assert_eq!(read(&chain, &i::symbolCall {}), "USDC");
    assert_eq!(read(&chain, &i::decimalsCall {}), 6);
}

/// (U3)
#[test]
fn nobody_sends_more_than_they_have_or_to_where_nobody_could_spend_it() {
    let chain = two();
    for value in [U256::from(MILLION + 1), U256::MAX] {
        let error = refused(&chain, alice(), &i::transferCall { to: BOB, value });
        assert!(matches!(error, Errors::BalanceTooLow(_)), "{error:?}");
    }
    let deal = usdc::address_of(marketplace::ledger::Account::Deal(Default::default()));
    for to in [Address::ZERO, abi::MARKETPLACE, USDC, usdc::TREASURY, deal] {
        let value = U256::ONE;
        let error = refused(&chain, alice(), &i::transferCall { to, value });
        let receiver = to;
        assert_eq!(
            error,
            Errors::InvalidReceiver(IErrors::InvalidReceiver { receiver })
        );
    }
}

/// (U1)
#[test]
fn an_allowance_is_used_up_unless_it_is_unlimited() {
    let mut chain = two();
    let (owner, spender) = (alice().address(), relayer().address());
    let take = |value| i::transferFromCall {
        from: owner,
        to: BOB,
        value: U256::from(value),
    };
    let left = |chain: &Chain| read(chain, &i::allowanceCall { owner, spender });
    send(
        &mut chain,
        alice(),
        &i::approveCall {
            spender,
            value: U256::from(10),
        },
    );
    assert!(send(&mut chain, relayer(), &take(4)).succeeded);
    assert_eq!(left(&chain), U256::from(6));
    let error = refused(&chain, relayer(), &take(7));
    assert!(matches!(error, Errors::AllowanceTooLow(_)), "{error:?}");
    send(
        &mut chain,
        alice(),
        &i::approveCall {
            spender,
            value: U256::MAX,
        },
    );
    assert!(send(&mut chain, relayer(), &take(7)).succeeded);
    assert_eq!(left(&chain), U256::MAX);
    assert_eq!(balance(&chain, BOB), U256::from(11));
}

fn permit(chain: &Chain, nonce: u64, chain_id: u64) -> i::permitCall {
    let message = Permit {
        owner: alice().address(),
        spender: relayer().address(),
        value: U256::from(10),
        nonce: U256::from(nonce),
        deadline: now(chain) + U256::from(100),
    };
    let (v, r, s) = sign(alice(), &message, chain_id);
    i::permitCall {
        owner: message.owner,
        spender: message.spender,
        value: message.value,
        deadline: message.deadline,
        v,
        r,
        s,
    }
}

/// (U4, U5)
#[test]
fn a_permit_works_once_and_only_as_it_was_signed() {
    let mut chain = two();
    let good = permit(&chain, 0, CHAIN_ID);
    let bad = [
        permit(&chain, 0, CHAIN_ID + 1),
        permit(&chain, 1, CHAIN_ID),
        i::permitCall {
            value: U256::from(11),
            ..good.clone()
        },
        i::permitCall {
            owner: BOB,
            ..good.clone()
        },
        i::permitCall {
            v: good.v - 27,
            ..good.clone()
        },
        i::permitCall {
            r: B256::ZERO,
            ..good.clone()
        },
    ];
    for call in &bad {
        let error = refused(&chain, relayer(), call);
        assert!(matches!(error, Errors::InvalidSignature(_)), "{error:?}");
    }
    let late = i::permitCall {
        deadline: now(&chain) - U256::ONE,
        ..good.clone()
    };
    let error = refused(&chain, relayer(), &late);
    assert!(
        matches!(error, Errors::SignatureNotValidNow(_)),
        "{error:?}"
    );

    let receipt = send(&mut chain, relayer(), &good);
    assert!(i::Approval::decode_log(&receipt.logs[0]).is_ok());
    let (owner, spender) = (alice().address(), relayer().address());
    let allowance = read(&chain, &i::allowanceCall { owner, spender });
    assert_eq!(allowance, U256::from(10));
    assert_eq!(read(&chain, &i::noncesCall { owner }), U256::ONE);
    let error = refused(&chain, relayer(), &good);
    assert!(matches!(error, Errors::InvalidSignature(_)), "{error:?}");
}

/// (U4)
#[test]
fn a_malleable_signature_is_refused() {
    let chain = two();
    let good = permit(&chain, 0, CHAIN_ID);
    let order = U256::from_str_radix(
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
        16,
    );
    let high = order.expect("a number") - U256::from_be_bytes(good.s.0);
    let twin = i::permitCall {
        v: 55 - good.v,
        s: high.into(),
        ..good
    };
    let error = refused(&chain, relayer(), &twin);
    assert!(matches!(error, Errors::InvalidSignature(_)), "{error:?}");
}

fn authorization(chain: &Chain, chain_id: u64) -> i::transferWithAuthorizationCall {
    let message = TransferWithAuthorization {
        from: alice().address(),
        to: BOB,
        value: U256::from(7),
        validAfter: now(chain) - U256::ONE,
        validBefore: now(chain) + U256::from(100),
        nonce: keccak256("once"),
    };
    let (v, r, s) = sign(alice(), &message, chain_id);
    i::transferWithAuthorizationCall {
        from: message.from,
        to: message.to,
        value: message.value,
        validAfter: message.validAfter,
        validBefore: message.validBefore,
        nonce: message.nonce,
        v,
        r,
        s,
    }
}

/// (U5)
#[test]
fn an_authorized_transfer_works_once_within_its_time_and_domain() {
    let mut chain = two();
    let good = authorization(&chain, CHAIN_ID);
    let foreign = authorization(&chain, CHAIN_ID + 1);
    let error = refused(&chain, relayer(), &foreign);
    assert!(matches!(error, Errors::InvalidSignature(_)), "{error:?}");
    for (after, before) in [
        (now(&chain), good.validBefore),
        (good.validAfter, now(&chain)),
        (U256::MAX, U256::ZERO),
    ] {
        let call = i::transferWithAuthorizationCall {
            validAfter: after,
            validBefore: before,
            ..good.clone()
        };
        let error = refused(&chain, relayer(), &call);
        assert!(
            matches!(error, Errors::SignatureNotValidNow(_)),
            "{error:?}"
        );
    }
    let receipt = send(&mut chain, relayer(), &good);
    assert!(receipt.succeeded);
    let used = receipt
        .logs
        .iter()
        .any(|log| i::AuthorizationUsed::decode_log(log).is_ok());
    assert!(used);
    assert_eq!(balance(&chain, BOB), U256::from(7));
    let (authorizer, nonce) = (good.from, good.nonce);
    assert!(read(
        &chain,
        &i::authorizationStateCall { authorizer, nonce }
    ));
    assert!(!send(&mut chain, relayer(), &good).succeeded, "a replay");
    let error = refused(&chain, relayer(), &good);
    assert!(matches!(error, Errors::AuthorizationUsed(_)), "{error:?}");
    assert_eq!(balance(&chain, BOB), U256::from(7));
}

/// (U6)
#[test]
fn only_the_payee_receives_with_authorization() {
    let chain = two();
    let message = ReceiveWithAuthorization {
        from: alice().address(),
        to: relayer().address(),
        value: U256::from(7),
        validAfter: U256::ZERO,
        validBefore: now(&chain) + U256::from(100),
        nonce: B256::ZERO,
    };
    let (v, r, s) = sign(alice(), &message, CHAIN_ID);
    let call = i::receiveWithAuthorizationCall {
        from: message.from,
        to: message.to,
        value: message.value,
        validAfter: message.validAfter,
        validBefore: message.validBefore,
        nonce: message.nonce,
        v,
        r,
        s,
    };
    let error = refused(&chain, alice(), &call);
    assert!(matches!(error, Errors::NotThePayee(_)), "{error:?}");
    let mut chain = chain;
    assert!(send(&mut chain, relayer(), &call).succeeded);
    assert_eq!(
        balance(&chain, relayer().address()),
        U256::from(MILLION + 7)
    );
}

#[test]
fn a_cancelled_authorization_is_never_used() {
    let mut chain = two();
    let good = authorization(&chain, CHAIN_ID);
    let message = CancelAuthorization {
        authorizer: alice().address(),
        nonce: good.nonce,
    };
    let (v, r, s) = sign(alice(), &message, CHAIN_ID);
    let CancelAuthorization { authorizer, nonce } = message;
    let cancel = i::cancelAuthorizationCall {
        authorizer,
        nonce,
        v,
        r,
        s,
    };
    let stranger = i::cancelAuthorizationCall {
        authorizer: BOB,
        ..cancel.clone()
    };
    let error = refused(&chain, relayer(), &stranger);
    assert!(matches!(error, Errors::InvalidSignature(_)), "{error:?}");
    assert!(send(&mut chain, relayer(), &cancel).succeeded);
    let error = refused(&chain, relayer(), &good);
    assert!(matches!(error, Errors::AuthorizationUsed(_)), "{error:?}");
}

/// (U7)
#[test]
fn the_faucet_gives_what_genesis_allows_and_nothing_on_a_main_network() {
    let mut chain = two();
    let call = i::faucetCall {
        value: U256::from(1_000_000_000),
    };
    assert!(send(&mut chain, alice(), &call).succeeded);
    assert_eq!(
        balance(&chain, alice().address()),
        U256::from(MILLION + 1_000_000_000)
    );
    let more = i::faucetCall {
        value: U256::from(1_000_000_001),
    };
    let error = refused(&chain, alice(), &more);
    assert!(matches!(error, Errors::OutOfBounds(_)), "{error:?}");
    let mut genesis = genesis_for(&[alice()]);
    genesis.parameters.clear();
    let error = refused(&Chain::new(&genesis), alice(), &call);
    assert!(matches!(error, Errors::OutOfBounds(_)), "{error:?}");
}

/// (U4)
#[test]
fn the_domain_is_the_one_that_wallets_build() {
    let chain = two();
    let kind = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
    let parts = [
        keccak256(kind),
        keccak256("USDC"),
        keccak256("1"),
        U256::from(CHAIN_ID).into(),
        USDC.into_word(),
    ];
    let separator = keccak256(parts.map(|part| part.0).concat());
    assert_eq!(read(&chain, &i::DOMAIN_SEPARATORCall {}), separator);
}
