//! Commitments, windows, audits and the pool through blocks: what is paid, and what shows.

use crate::harness::{Chain, FLT, Key, genesis_for, transaction};
use crate::market::{act, find, peer_id, people, supply};
use abi::sol::{IAudit, ICommitment, IPool, IWindow};
use abi::{MARKETPLACE, calldata};
use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolCall, SolEvent};
use execution::{Outcome, Receipt, state};
use marketplace::units::{self, AuditId, CommitmentId, Flt, Hash, Price};
use marketplace::{Call, audit, commitment, flt, pool, window};

fn delegator() -> Key {
    Key::new("delegator")
}

/// A market with windows of 4 seconds, 5 an epoch, whose provider is the oracle, too.
fn network() -> Chain {
    let [owner, operator, developer] = people();
    let mut genesis = genesis_for(&[owner, operator, developer, delegator()]);
    let parameters = [
        ("epoch_seconds", 20),
        ("windows_per_epoch", 5),
        ("commit_grace_seconds", 3),
        ("answer_seconds", 4),
        ("verdict_delay_seconds", 2),
        ("commitments_required", 1),
    ];
    genesis
        .parameters
        .extend(parameters.map(|(name, value)| (name.into(), value)));
    genesis.oracle = Some(owner.address());
    let mut chain = Chain::new(&genesis);
    supply(&mut chain);
    chain
}

fn pay(chain: &mut Chain, who: Key, call: &Call, wei: u128) -> Receipt {
    let call = transaction(chain.nonce(who), MARKETPLACE, calldata::encode(call));
    let value = U256::from(wei);
    chain.send(who, TxEip1559 { value, ..call })
}

/// A hundred dollars an FLT: a unit of class 1 takes one.
fn set_price_call() -> Call {
    Call::Pool(pool::Call::SetPrice {
        flt_price_micro: 100_000_000,
        reward_usd_micro: 500_000,
    })
}

fn set_price(chain: &mut Chain, who: Key) -> Receipt {
    pay(chain, who, &set_price_call(), 0)
}

fn create() -> Call {
    let [owner, ..] = people();
    Call::Commitment(commitment::Call::Create(commitment::New {
        peer: peer_id(),
        duration: 3,
        class: 1,
        share_ppm: 500_000,
        min_ask: Price(0),
        delegator: None,
        payout: units::Address(owner.address().into_array()),
    }))
}

const ID: CommitmentId = CommitmentId(1);

fn deposit() -> Call {
    Call::Commitment(commitment::Call::Deposit { commitment: ID })
}

fn query<C: SolCall>(chain: &Chain, call: &C) -> C::Return {
    let called = chain.call(Address::ZERO, MARKETPLACE, call.abi_encode());
    C::abi_decode_returns(&called.output).expect("an answer")
}

fn owed(chain: &Chain) -> Flt {
    state::read(&chain.rows, |cx| flt::held(cx.store)).expect("no fault")
}

#[test]
fn what_is_deposited_and_given_is_held_until_it_goes_back() {
    let [owner, _, developer] = people();
    let mut chain = network();
    assert!(!set_price(&mut chain, developer).succeeded, "no oracle");
    assert!(!pay(&mut chain, owner, &create(), 0).succeeded, "no price");
    let receipt = set_price(&mut chain, owner);
    assert!(IPool::FltPriceSet::decode_log(&receipt.logs[0]).is_ok());
    let fund = Call::Pool(pool::Call::Fund);
    assert!(!pay(&mut chain, developer, &fund, 0).succeeded, "nothing");
    assert!(pay(&mut chain, developer, &fund, 3 * FLT).succeeded);
    let receipt = act(&mut chain, owner, &create());
    let created = ICommitment::CommitmentCreated::decode_log(&receipt.logs[0]).expect("created");
    assert_eq!((created.commitment, created.collateral), (1, 2 * FLT));

    for (who, wei, fits) in [
        (delegator(), FLT / 2, true),
        (developer, FLT, true),
        (developer, FLT, false),
    ] {
        let receipt = pay(&mut chain, who, &deposit(), wei);
        assert_eq!(receipt.succeeded, fits, "{wei}");
    }
    assert_eq!(owed(&chain), Flt(4 * FLT + FLT / 2));
    assert_eq!(chain.balance(MARKETPLACE), U256::from(owed(&chain).0));
    let call = ICommitment::getDelegationsCall { commitment: 1 };
    let stakes: Vec<u128> = query(&chain, &call).iter().map(|row| row.stake).collect();
    assert_eq!(stakes.iter().sum::<u128>(), FLT + FLT / 2);

    let back = Call::Commitment(commitment::Call::TakeBack { commitment: ID });
    let before = chain.balance(developer.address());
    let receipt = act(&mut chain, developer, &back);
    assert!(ICommitment::CollateralTakenBack::decode_log(&receipt.logs[0]).is_ok());
    let fee = U256::from(u128::from(receipt.gas_used) * receipt.effective_gas_price);
    let after = chain.balance(developer.address());
    assert_eq!(after + fee - before, U256::from(FLT));
    let cancel = Call::Commitment(commitment::Call::Cancel { commitment: ID });
    act(&mut chain, owner, &cancel);
    assert_eq!(owed(&chain), Flt(3 * FLT), "the fund");
    assert_eq!(chain.balance(MARKETPLACE), U256::from(3 * FLT));
    let record = query(&chain, &IPool::getPoolCall {});
    assert_eq!((record.fund, record.fltPriceMicro), (3 * FLT, 100_000_000));
    assert!(record.fresh);
}

/// Empty blocks until one has such an event.
fn wait<E: SolEvent>(chain: &mut Chain) -> (E, Outcome) {
    for _ in 0..60 {
        let outcome = chain.block(Vec::new());
        if let Some(event) = find::<E>(&outcome) {
            return (event, outcome);
        }
    }
    panic!("no {} in a minute", E::SIGNATURE);
}

/// A commitment that has just become active.
fn active() -> Chain {
    let [owner, ..] = people();
    let mut chain = network();
    assert!(set_price(&mut chain, owner).succeeded);
    act(&mut chain, owner, &create());
    assert!(pay(&mut chain, delegator(), &deposit(), 2 * FLT).succeeded);
    wait::<ICommitment::CommitmentStatusChanged>(&mut chain);
    let call = ICommitment::getCommitmentCall { commitment: 1 };
    let record = query(&chain, &call);
    assert_eq!(record.status, ICommitment::CommitmentStatus::Active);
    chain
}

/// The next window that is owed.
fn opened(chain: &mut Chain) -> IWindow::WindowOpened {
    let opened = std::iter::repeat_with(|| wait::<IWindow::WindowOpened>(chain).0);
    let mut opened = opened.filter(|opened| opened.window % 5 != 0);
    opened.next().expect("windows go on")
}

fn commit(window: u64) -> Call {
    Call::Window(window::Call::Commit {
        peer: peer_id(),
        window,
        root: Hash([5; 32]),
        units: vec![0, 1],
    })
}

fn answer(audit: u64) -> Call {
    Call::Audit(audit::Call::Answer {
        audit: AuditId(audit),
        bytes: vec![1; 1_500],
    })
}

#[test]
fn a_peer_commits_to_a_window_and_answers_its_audit() {
    let [_, operator, _] = people();
    let mut chain = active();
    let opened = opened(&mut chain);
    let newest = query(&chain, &IWindow::getNewestWindowCall {});
    assert_eq!(
        (newest.window, newest.challenge),
        (opened.window, opened.challenge)
    );
    assert!(newest.owed && !newest.key.is_zero());
    let commit = commit(opened.window);
    let receipt = act(&mut chain, operator, &commit);
    let committed = IWindow::WindowCommitted::decode_log(&receipt.logs[0]).expect("committed");
    assert_eq!((committed.commitment, committed.units), (1, 2));
    let again = pay(&mut chain, operator, &commit, 0);
    assert!(!again.succeeded, "once a window");

    let (drawn, _) = wait::<IAudit::AuditDrawn>(&mut chain);
    let peer = peer_id().0.into();
    let audits = query(&chain, &IAudit::getAuditsCall { peer });
    assert_eq!(audits.len(), 2, "both units: the budget is large");
    let ours = &audits[0];
    assert_eq!((ours.audit, ours.window), (drawn.audit, opened.window));
    assert_eq!(
        (ours.root.0, ours.leaves, ours.verdictFrom),
        ([5; 32], 2, 0)
    );
    let receipt = act(&mut chain, operator, &answer(drawn.audit));
    assert!(IAudit::AuditAnswered::decode_log(&receipt.logs[0]).is_ok());
    // The other one is not answered: that costs 5 % of the unit's collateral.
    let (judged, outcome) = wait::<IAudit::AuditJudged>(&mut chain);
    assert_eq!(judged.outcome, IAudit::AuditOutcome::NoAnswer);
    let slashed = find::<ICommitment::CommitmentSlashed>(&outcome).expect("slashed");
    assert_eq!(slashed.amount, FLT / 20);
    let violations = marketplace::invariants::check(chain.rows.iter());
    assert!(violations.is_empty(), "{violations:?}");
}

#[test]
fn what_is_read_of_a_commitment_is_what_a_claim_would_pay() {
    let [owner, ..] = people();
    let mut chain = network();
    assert!(set_price(&mut chain, owner).succeeded);
    act(&mut chain, owner, &create());
    let view = |chain: &Chain| state::read(&chain.rows, |cx| commitment::view(cx, ID));
    let waiting = view(&chain).expect("there");
    assert_eq!((waiting.left, waiting.units.len()), (Flt(0), 0));
    assert!(pay(&mut chain, delegator(), &deposit(), 2 * FLT).succeeded);
    // 3 epochs and 7 of holdback, with no window passed: units missed, and lost a hundredth each time.
    for _ in 0..260 {
        chain.block(Vec::new());
    }
    let view = view(&chain).expect("there");
    let (_, _, due) = view.delegators[0];
    assert!(due.collateral > Flt(0) && due.collateral < Flt(2 * FLT));
    assert_eq!(due.collateral, view.left);
    let before = chain.balance(delegator().address());
    let claim = Call::Commitment(commitment::Call::Claim { commitment: ID });
    act(&mut chain, owner, &claim);
    let got = chain.balance(delegator().address()) - before;
    assert_eq!(got, U256::from(due.collateral.0));
}

/// One of every call about capacity, done by somebody who may: what it used.
pub(crate) fn used() -> Vec<(Call, u64)> {
    let [owner, operator, developer] = people();
    let mut all = Vec::new();
    let mut note = |call: Call, receipt: Receipt| {
        assert!(receipt.succeeded, "{call:?}");
        all.push((call, receipt.gas_used));
    };
    let call = |call| Call::Commitment(call);
    let mut chain = network();
    let priced = set_price(&mut chain, owner);
    note(create(), pay(&mut chain, owner, &create(), 0));
    note(deposit(), pay(&mut chain, developer, &deposit(), FLT));
    let back = call(commitment::Call::TakeBack { commitment: ID });
    note(back.clone(), pay(&mut chain, developer, &back, 0));
    let cancel = call(commitment::Call::Cancel { commitment: ID });
    note(cancel.clone(), pay(&mut chain, owner, &cancel, 0));

    let mut chain = active();
    let commit = commit(opened(&mut chain).window);
    let committed = pay(&mut chain, operator, &commit, 0);
    let (drawn, _) = wait::<IAudit::AuditDrawn>(&mut chain);
    let answer = answer(drawn.audit);
    let answered = pay(&mut chain, operator, &answer, 0);
    for _ in 0..60 {
        chain.block(Vec::new());
    }
    let claim = call(commitment::Call::Claim { commitment: ID });
    note(claim.clone(), pay(&mut chain, owner, &claim, 0));
    note(commit, committed);
    note(answer, answered);
    let fund = Call::Pool(pool::Call::Fund);
    note(fund.clone(), pay(&mut chain, developer, &fund, 1));
    note(set_price_call(), priced);
    all
}
