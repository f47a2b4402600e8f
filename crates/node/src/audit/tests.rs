//! What a proposer may name and list, and what a verifier votes for.

use super::*;
use crate::{block::Digest, storage::block_zero};
use commonware_consensus::types::Height;
use commonware_cryptography::Digestible as _;
use commonware_runtime::{Runner as _, Spawner as _, Supervisor as _, deterministic::Runner};
use execution::{
    Diff, Genesis, Rows,
    audit::{ANSWERED, AUDITS, Answer, Audit, AuditId},
};
use std::time::Duration;

const FINE: Verdict = Verdict::Opened { bad: 0 };

fn place(due: u64, id: u64) -> Place {
    (Time(due), AuditId(id))
}

fn listed(id: u64, verdict: Verdict) -> Listed {
    let audit = AuditId(id);
    Listed { audit, verdict }
}

/// Rows of an answered audit; what is in it does not matter here.
fn answered((due, id): Place) -> Diff {
    let audit = Audit {
        window: 0,
        epoch: Default::default(),
        peer: Default::default(),
        provider: Default::default(),
        commitment: Default::default(),
        unit: 0,
        class: 1,
        payout: Default::default(),
        key: [0; 32],
        challenge: [0; 32],
        root: Default::default(),
        seat: 0,
        seats: 1,
        seed: [0; 32],
        leaves: 2,
        answer_by: due,
        answer: Some(Answer {
            due,
            bytes: Vec::new(),
        }),
    };
    Diff::from([
        (AUDITS.key(&id), Some(AUDITS.encode_row(&audit))),
        (ANSWERED.key(&(due, id)), Some(ANSWERED.encode_row(&()))),
    ])
}

fn remembered(height: u64, time: u64) -> Remembered {
    Remembered {
        result: Checkpoint {
            height: Height::new(height),
            state_root: Digest::from([height as u8; 32]),
            receipts_root: Digest::from([0; 32]),
        },
        time: Time(time),
    }
}

/// Results of blocks 0, 1, 2 … with these protocol times.
fn results(times: &[u64]) -> Results {
    let times = times.iter().enumerate();
    times
        .map(|(height, time)| (height as u64, remembered(height as u64, *time)))
        .collect()
}

/// A block of this height that names the result of another.
fn block(height: u64, named: u64, verdicts: Vec<Listed>) -> Block {
    let genesis = Block::genesis(Digest::from([0; 32]), 0);
    Block {
        height: Height::new(height),
        executed: remembered(named, 0).result,
        verdicts,
        ..genesis
    }
}

fn digested(block: Block) -> Digested<Block> {
    let digest = block.digest();
    Digested::precomputed(block, digest)
}

/// A chain at genesis with these answered audits.
fn chain(places: &[Place]) -> Chain {
    let genesis = Genesis {
        chain_id: 7,
        time_ms: 0,
        parameters: Default::default(),
        governance: None,
        oracle: None,
        allocations: Default::default(),
        contracts: Default::default(),
        validators: Vec::new(),
        group_key: String::new(),
    };
    let (_, mut diff) = block_zero(&genesis).expect("a sound genesis");
    for place in places {
        diff.extend(answered(*place));
    }
    let mut rows = Rows::default();
    rows.apply(&diff);
    let chain = Chain::new(rows, results(&[0]));
    chain.finalized(Height::new(1));
    chain
}

/// The answer that a thread takes next, and how many more wait.
fn take(verdicts: &Verdicts, chain: &Chain) -> Option<(Place, usize)> {
    match verdicts.next(chain) {
        Next::Judge(place, _, waiting) => Some((place, waiting)),
        Next::Wait(_) => None,
    }
}

/// Changes of a block that lists a verdict.
fn judged((due, id): Place) -> Diff {
    Diff::from([(AUDITS.key(&id), None), (ANSWERED.key(&(due, id)), None)])
}

/// Takes all answers and finds that nothing is wrong with them.
fn judge_all(verdicts: &Verdicts, chain: &Chain) -> Vec<Place> {
    let mut judged = Vec::new();
    while let Some((place, _)) = take(verdicts, chain) {
        verdicts.keep(place, Some(FINE));
        judged.push(place);
    }
    judged
}

/// (B15)
#[test]
fn a_proposer_names_its_newest_result_if_it_has_the_verdicts_due_in_it() {
    let (parent, results) = (block(3, 1, Vec::new()), results(&[0, 1, 5, 9]));
    let due = [place(4, 1), place(6, 2)];
    let ready = due.map(|place| (place, FINE));
    let (named, list) = claim(&parent, &results, &due, &ready);
    assert_eq!(named.height.get(), 3);
    assert_eq!(list, [listed(1, FINE), listed(2, FINE)]);
}

#[test]
fn a_proposer_without_a_verdict_names_the_newest_result_in_which_that_is_not_due() {
    let (parent, results) = (block(3, 1, Vec::new()), results(&[0, 1, 5, 9]));
    let due = [place(4, 1), place(6, 2)];
    let (named, list) = claim(&parent, &results, &due, &[(due[0], FINE)]);
    assert_eq!(named.height.get(), 2);
    assert_eq!(list, [listed(1, FINE)]);
}

#[test]
fn a_proposer_without_any_verdict_names_what_its_parent_names_and_lists_nothing() {
    let (parent, results) = (block(3, 2, Vec::new()), results(&[0, 1, 5, 9]));
    let due = [place(4, 1), place(6, 2)];
    assert_eq!(
        claim(&parent, &results, &due, &[]),
        (parent.executed, Vec::new())
    );
    let due = [place(0, 1)];
    assert_eq!(
        claim(&parent, &results, &due, &[]),
        (parent.executed, Vec::new())
    );
}

#[test]
fn a_proposer_far_behind_names_its_newest_result_and_lists_nothing() {
    let (parent, results) = (block(40, 1, Vec::new()), results(&[0, 1, 5, 9]));
    let due = [place(4, 1), place(6, 2)];
    let (named, list) = claim(&parent, &results, &due, &[(due[0], FINE)]);
    assert_eq!((named.height.get(), list), (3, Vec::new()));
}

/// (B13, B14)
#[test]
fn a_verifier_wants_exactly_the_verdicts_due_as_it_finds_them() {
    let chain = chain(&[place(1, 8), place(2, 3), place(2, 4), place(3, 1)]);
    let verdicts = Verdicts::default();
    judge_all(&verdicts, &chain);
    let votes = |verdicts: &Verdicts, ids: &[(u64, Verdict)]| {
        let list = ids.iter().map(|(id, verdict)| listed(*id, *verdict));
        let block = block(1, 0, list.collect());
        let (chain, verdicts) = (&chain, verdicts.clone());
        Runner::default()
            .start(|_| async move { verdicts.agrees(chain, &block, Time(2), &[]).await })
    };
    let right = [(8, FINE), (3, FINE), (4, FINE)];
    assert_eq!(votes(&verdicts, &right), Some(true));
    let wrong: [&[(u64, Verdict)]; 8] = [
        &[(8, FINE), (3, FINE)],
        &[(8, FINE), (4, FINE)],
        &[],
        &[(3, FINE), (8, FINE), (4, FINE)],
        &[(8, FINE), (3, FINE), (3, FINE)],
        &[(8, FINE), (3, FINE), (4, FINE), (1, FINE)],
        &[(8, FINE), (3, Verdict::Malformed), (4, FINE)],
        &[(8, FINE), (3, FINE), (4, Verdict::Opened { bad: 1 })],
    ];
    for list in wrong {
        assert_eq!(votes(&verdicts, list), Some(false), "{list:?}");
    }
}

#[test]
fn what_an_ancestor_lists_is_not_listed_again() {
    let chain = chain(&[place(1, 1), place(2, 2)]);
    let verdicts = Verdicts::default();
    judge_all(&verdicts, &chain);
    let before = [digested(block(1, 0, vec![listed(1, FINE)]))];
    let after = block(2, 0, vec![listed(2, FINE)]);
    let twice = block(2, 0, vec![listed(1, FINE), listed(2, FINE)]);
    Runner::default().start(|_| async move {
        let time = Time(2);
        let agrees = verdicts.agrees(&chain, &after, time, &before).await;
        assert_eq!(agrees, Some(true));
        let agrees = verdicts.agrees(&chain, &twice, time, &before).await;
        assert_eq!(agrees, Some(false));
    });
}

#[test]
fn a_vote_waits_for_the_verdict_and_is_right_when_that_is_there() {
    let chain = chain(&[place(1, 1)]);
    let verdicts = Verdicts::default();
    let block = block(1, 0, vec![listed(1, FINE)]);
    Runner::default().start(|context| async move {
        let vote = verdicts.agrees(&chain, &block, Time(1), &[]);
        let judged = async {
            let (place, _) = take(&verdicts, &chain).expect("an answer");
            context.sleep(Duration::from_secs(5)).await;
            verdicts.keep(place, Some(FINE));
            std::future::pending::<()>().await;
        };
        let begun = context.current();
        let vote = select! {
            vote = vote => vote,
            () = judged => None,
        };
        assert_eq!(vote, Some(true));
        let waited = context.current().duration_since(begun);
        assert!(waited.expect("time goes on") >= Duration::from_secs(5));
    });
}

#[test]
fn a_block_that_is_executed_already_gets_no_vote() {
    let chain = chain(&[]);
    let verdicts = Verdicts::default();
    let block = block(0, 0, Vec::new());
    let agrees = async move { verdicts.agrees(&chain, &block, Time(0), &[]).await };
    assert_eq!(Runner::default().start(|_| agrees), None);
}

#[test]
fn answers_are_judged_in_the_order_of_their_verdicts_and_again_after_a_restart() {
    let places = [place(1, 8), place(2, 3), place(2, 4)];
    let chain = chain(&places);
    for _ in 0..2 {
        assert_eq!(judge_all(&Verdicts::default(), &chain), places);
    }
}

#[test]
fn a_verdict_is_dropped_when_it_is_listed_and_one_that_comes_later_is_not_kept() {
    let chain = chain(&[place(1, 1), place(2, 2)]);
    let verdicts = Verdicts::default();
    let (first, waiting) = take(&verdicts, &chain).expect("an answer");
    assert_eq!((first, waiting), (place(1, 1), 1));
    verdicts.follow(&judged(first));
    verdicts.keep(first, Some(FINE));
    assert_eq!(verdicts.ready(&[first]), []);
    let (again, _) = take(&verdicts, &chain).expect("its row is there");
    verdicts.keep(again, None);
    assert_eq!(take(&verdicts, &chain), Some((again, 1)));
    verdicts.keep(again, Some(FINE));
    assert_eq!(verdicts.ready(&[again]), [(again, FINE)]);
}

#[test]
fn a_thread_without_work_hears_of_every_block_and_a_vote_for_what_is_over_ends() {
    let chain = chain(&[]);
    let verdicts = Verdicts::default();
    let Next::Wait(block) = verdicts.next(&chain) else {
        panic!("nothing is answered");
    };
    let vote = verdicts.clone();
    Runner::default().start(|context| async move {
        let vote = context
            .child("vote")
            .spawn(move |_| async move { vote.of(place(1, 1)).await });
        context.sleep(Duration::from_secs(1)).await;
        verdicts.follow(&judged(place(1, 1)));
        block.await.expect("a block");
        assert_eq!(vote.await.expect("no panic"), None);
    });
}

#[test]
fn a_node_that_catches_up_judges_nothing() {
    let chain = chain(&[place(1, 1)]);
    let verdicts = Verdicts::default();
    chain.finalized(Height::new(17));
    assert!(take(&verdicts, &chain).is_none());
    chain.advance(
        remembered(1, 1).result,
        Height::zero(),
        &Diff::new(),
        &mut execution::state::book(&Rows::default()),
    );
    assert!(take(&verdicts, &chain).is_some());
}
