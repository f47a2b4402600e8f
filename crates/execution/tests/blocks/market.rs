//! The main flow through blocks: from a provider's registration to its withdrawal.

use crate::harness::{CHAIN_ID, Chain, FLT, Key, genesis_for, transaction};
use abi::sol::{IDeal, IDemand, IPeer, IProvider, IUSDC, IWorker};
use abi::{MARKETPLACE, USDC, calldata, usdc};
use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, TxKind, U256};
use alloy_sol_types::{SolCall, SolEvent};
use ed25519_dalek::{Signer as _, SigningKey};
use execution::{
    Outcome, Receipt, block::SYSTEM_SENDER, call::End, genesis::Allocation, receipt, state,
};
use marketplace::demand::{Artifact, Source};
use marketplace::ledger::Account;
use marketplace::units::{
    self, DatacenterId, DealId, Hash, PeerId, Price, ProviderId, Usdc, WorkerId,
};
use marketplace::{Call, datacenter, deal, demand, offer, peer, provider, worker};

fn peer_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

pub(crate) fn peer_id() -> PeerId {
    PeerId(peer_key().verifying_key().to_bytes())
}

/// A provider, its peer's operator key, and a developer.
pub(crate) fn people() -> [Key; 3] {
    ["provider", "operator", "developer"].map(Key::new)
}

pub(crate) fn market() -> Chain {
    let mut genesis = genesis_for(&people());
    let parameters = [
        ("epoch_seconds", 20),
        ("min_charge_seconds", 2),
        ("lease_seconds", 10),
    ];
    genesis
        .parameters
        .extend(parameters.map(|(name, value)| (name.into(), value)));
    let nobody = Allocation { flt: FLT, usdc: 0 };
    genesis.allocations.insert(Address::repeat_byte(9), nobody);
    Chain::new(&genesis)
}

pub(crate) fn act(chain: &mut Chain, who: Key, call: &Call) -> Receipt {
    let (outcome, receipt) = acted(chain, who, call);
    assert_eq!(outcome.receipts_root, receipt::root(&outcome.receipts));
    receipt
}

pub(crate) fn acted(chain: &mut Chain, who: Key, call: &Call) -> (Outcome, Receipt) {
    let nonce = chain.nonce(who);
    let data = calldata::encode(call);
    assert!(matches!(calldata::decode(&data), Ok(abi::Request::Call(back)) if back == *call));
    let outcome = chain.block(vec![who.sign(transaction(nonce, MARKETPLACE, data))]);
    assert_eq!(outcome.skipped, []);
    let receipt = outcome.receipts.iter().find(|receipt| receipt.gas_used > 0);
    let receipt = receipt.expect("it got in").clone();
    assert!(receipt.succeeded, "{call:?}");
    (outcome, receipt)
}

pub(crate) fn registration() -> peer::Registration {
    let message = peer::registration_message(CHAIN_ID, ProviderId(1), peer_id());
    let [_, operator, _] = people();
    peer::Registration {
        datacenter: DatacenterId(1),
        peer: peer_id(),
        signature: peer_key().sign(&message).to_bytes(),
        operator: units::Address(operator.address().into_array()),
        endpoints: vec!["127.0.0.1:1".into()],
        oldest_version: 1,
        newest_version: 1,
        attributes: Vec::new(),
        units: 2,
    }
}

/// What brings a provider with one peer of two units to market: who calls, what.
pub(crate) fn supply_calls() -> Vec<(Key, Call)> {
    let [owner, ..] = people();
    let register = provider::Call::Register {
        name: "Alpine".into(),
        metadata: Hash::default(),
        attributes: Vec::new(),
    };
    let place = datacenter::Datacenter {
        provider: ProviderId(1),
        country: datacenter::Country(*b"CH"),
        city: "ZRH".into(),
        name: "Alpine 1".into(),
        certifications: Vec::new(),
        attributes: Vec::new(),
    };
    let terms = offer::Terms::any();
    let (datacenter, peers) = (DatacenterId(1), vec![peer_id()]);
    let curve = offer::Curve::flat(Price(1_000_000));
    let post = offer::Call::Post {
        datacenter,
        curve,
        terms,
        peers,
    };
    vec![
        (owner, Call::Provider(register)),
        (owner, Call::Datacenter(datacenter::Call::Register(place))),
        (owner, Call::Peer(peer::Call::Register(registration()))),
        (owner, Call::Offer(post)),
    ]
}

pub(crate) fn supply(chain: &mut Chain) {
    let receipts: Vec<Receipt> = supply_calls()
        .iter()
        .map(|(who, call)| act(chain, *who, call))
        .collect();
    assert!(IPeer::PeerRegistered::decode_log(&receipts[2].logs[0]).is_ok());
}

pub(crate) fn terms() -> demand::Terms {
    let artifact = Artifact {
        sources: vec![Source {
            key: peer_id(),
            endpoint: "127.0.0.1:2".into(),
        }],
        ..Artifact::new(Hash([1; 32]), 1_000)
    };
    demand::Terms::one_worker(artifact, Price(2_000_000))
}

pub(crate) fn find<E: SolEvent>(outcome: &Outcome) -> Option<E> {
    let logs = outcome.receipts.iter().flat_map(|receipt| &receipt.logs);
    logs.filter_map(|log| E::decode_log(log).ok())
        .map(|log| log.data)
        .next()
}

fn balance(chain: &Chain, owner: Address) -> U256 {
    let call = IUSDC::balanceOfCall { owner };
    let called = chain.call(owner, USDC, call.abi_encode());
    IUSDC::balanceOfCall::abi_decode_returns(&called.output).expect("a number")
}

fn deal(chain: &Chain) -> IDeal::DealRecord {
    let called = chain.call(
        Address::ZERO,
        MARKETPLACE,
        IDeal::getDealCall { deal: 1 }.abi_encode(),
    );
    assert_eq!(called.end, End::Returned);
    IDeal::getDealCall::abi_decode_returns(&called.output).expect("a record")
}

/// (X8)
#[test]
fn a_demand_is_matched_served_and_paid() {
    let [owner, operator, developer] = people();
    let mut chain = market();
    supply(&mut chain);

    // Posted: the escrow shows as the deal's own address; cleared at the end of the same block.
    let before = balance(&chain, developer.address());
    let (terms, escrow) = (terms(), Usdc(10_000_000));
    let (outcome, _) = acted(
        &mut chain,
        developer,
        &Call::Demand(demand::Call::Post { terms, escrow }),
    );
    assert!(find::<IDemand::DemandPosted>(&outcome).is_some());
    let assigned = find::<IWorker::WorkerAssigned>(&outcome).expect("matched");
    assert_eq!((assigned.deal, assigned.rate), (1, 1_000_000));
    let escrow = usdc::address_of(Account::Deal(DealId(1)));
    assert_eq!(balance(&chain, escrow), U256::from(10_000_000));
    assert_eq!(
        before - balance(&chain, developer.address()),
        U256::from(10_000_000)
    );

    // What clearing did stands in a system transaction, the last of the block.
    let system = outcome.transactions.last().expect("one");
    assert_eq!(system.sender, SYSTEM_SENDER);
    assert_eq!(system.transaction.kind(), TxKind::Call(MARKETPLACE));
    let receipt = outcome.receipts.last().expect("one");
    assert!(receipt.succeeded && receipt.gas_used == 0 && !receipt.bloom.is_zero());

    let worker = WorkerId(assigned.worker);
    let artifact = Hash([1; 32]);
    act(
        &mut chain,
        operator,
        &Call::Worker(worker::Call::Running { worker, artifact }),
    );
    assert_eq!(deal(&chain).status, IDeal::DealStatus::Active);
    let view = state::read(&chain.rows, |cx| deal::view(cx, DealId(1))).expect("there");
    let view = abi::view::deal::Deal::from((DealId(1), view));
    assert_eq!(view.status, abi::view::deal::Status::Active);
    assert_eq!((view.workers.len(), view.rate), (1, 1_000_000));
    for _ in 0..20 {
        let (peer, stopped) = (peer_id(), Vec::new());
        act(
            &mut chain,
            operator,
            &Call::Worker(worker::Call::Report { peer, stopped }),
        );
    }

    // One epoch of 20 s at 1 USDC, up to the last report.
    let withdraw = provider::Call::Withdraw {
        provider: ProviderId(1),
        workers: 10,
    };
    let nonce = chain.nonce(owner);
    let data = calldata::encode(&Call::Provider(withdraw.clone()));
    let called = chain.call(owner.address(), MARKETPLACE, data);
    let paid = IProvider::withdrawCall::abi_decode_returns(&called.output).expect("an amount");
    assert_eq!((nonce, paid), (4, 1_000_000));
    let before = balance(&chain, owner.address());
    act(&mut chain, owner, &Call::Provider(withdraw));
    assert_eq!(
        balance(&chain, owner.address()) - before,
        U256::from(1_000_000)
    );

    let (outcome, _) = acted(
        &mut chain,
        developer,
        &Call::Deal(deal::Call::Stop { deal: DealId(1) }),
    );
    let ended = find::<IDeal::DealEnded>(&outcome).expect("over");
    assert_eq!(ended.reason, IDeal::EndReason::Stopped);
    assert_eq!(deal(&chain).status, IDeal::DealStatus::Ended);
    let violations = marketplace::invariants::check(chain.rows.iter());
    assert!(violations.is_empty(), "{violations:?}");
}

/// (B2)
#[test]
fn a_silent_peer_is_replaced_by_the_clock_in_a_system_transaction() {
    let [_, operator, developer] = people();
    let mut chain = market();
    supply(&mut chain);
    let (terms, escrow) = (terms(), Usdc(10_000_000));
    act(
        &mut chain,
        developer,
        &Call::Demand(demand::Call::Post { terms, escrow }),
    );
    let (worker, artifact) = (WorkerId(1), Hash([1; 32]));
    act(
        &mut chain,
        operator,
        &Call::Worker(worker::Call::Running { worker, artifact }),
    );
    let gone = (0..15).find_map(|_| {
        let outcome = chain.block(Vec::new());
        let gone = find::<IWorker::WorkerGone>(&outcome)?;
        assert!(
            outcome
                .transactions
                .iter()
                .all(|each| each.sender == SYSTEM_SENDER)
        );
        let hashes: Vec<_> = outcome.transactions.iter().map(|each| each.hash).collect();
        assert!(hashes.len() <= 2 && hashes.windows(2).all(|pair| pair[0] != pair[1]));
        Some(gone)
    });
    let gone = gone.expect("its lease lapsed");
    assert_eq!(gone.reason, IWorker::GoneReason::Silent);
}

#[test]
fn the_book_that_follows_the_diffs_is_the_one_rebuilt_from_rows() {
    let [_, _, developer] = people();
    let mut chain = market();
    supply(&mut chain);
    for _ in 0..3 {
        let (terms, escrow) = (terms(), Usdc(10_000_000));
        act(
            &mut chain,
            developer,
            &Call::Demand(demand::Call::Post { terms, escrow }),
        );
        let rebuilt = Chain {
            book: state::book(&chain.rows),
            ..chain.clone()
        };
        let block = chain.next(Vec::new());
        let [ours, theirs] = [&chain, &rebuilt].map(|each| each.execute(&block).expect("no fault"));
        assert_eq!(ours.diff, theirs.diff);
    }
}

#[test]
fn replaying_the_blocks_gives_the_same_rows() {
    let [_, operator, developer] = people();
    let mut chain = market();
    let (terms, escrow) = (terms(), Usdc(10_000_000));
    let (worker, artifact) = (WorkerId(1), Hash([1; 32]));
    let mut calls = supply_calls();
    calls.extend([
        (
            developer,
            Call::Demand(demand::Call::Post { terms, escrow }),
        ),
        (
            operator,
            Call::Worker(worker::Call::Running { worker, artifact }),
        ),
    ]);
    let mut blocks = Vec::new();
    for (who, call) in calls {
        let nonce = chain.nonce(who);
        let signed = who.sign(transaction(nonce, MARKETPLACE, calldata::encode(&call)));
        blocks.push(chain.next(vec![signed.clone(), signed]));
        chain.commit(&blocks[blocks.len() - 1]);
    }
    for _ in 0..12 {
        blocks.push(chain.next(Vec::new()));
        chain.commit(&blocks[blocks.len() - 1]);
    }
    let mut again = market();
    for block in &blocks {
        again.commit(block);
    }
    assert_eq!(again.rows, chain.rows);
}
