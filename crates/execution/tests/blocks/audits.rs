//! Verdicts in blocks, and which of them a block has to list.

use crate::dice::Dice;
use crate::harness::{CHAIN_ID, Chain, genesis_for};
use execution::audit::{
    self, ANSWERED, AUDITS, Answer, Audit, AuditId, MAX_VERDICTS, Place, Time, Verdict,
};
use execution::{Block, Diff, Rows};
use marketplace::audit::AUDITS_OF;
use marketplace::commitment::{COMMITMENTS, Commitment, PROOFS, Proofs};
use marketplace::units::CommitmentId;
use std::collections::BTreeSet;

const FINE: Verdict = Verdict::Opened { bad: 0 };

fn place(due: u64, id: u64) -> Place {
    (Time(due), AuditId(id))
}

fn audit_of(answer: Option<Answer>) -> Audit {
    Audit {
        window: 3,
        epoch: Default::default(),
        peer: Default::default(),
        provider: Default::default(),
        commitment: Default::default(),
        unit: 1,
        class: 2,
        payout: Default::default(),
        key: [1; 32],
        challenge: [2; 32],
        root: Default::default(),
        seat: 0,
        seats: 1,
        seed: [3; 32],
        leaves: 2,
        answer_by: Time(100),
        answer,
    }
}

fn rows_of((due, id): Place) -> Diff {
    let bytes = vec![7; 3];
    let audit = audit_of(Some(Answer { due, bytes }));
    Diff::from([
        (AUDITS.key(&id), Some(AUDITS.encode_row(&audit))),
        (ANSWERED.key(&(due, id)), Some(ANSWERED.encode_row(&()))),
        (
            AUDITS_OF.key(&(audit.peer, id)),
            Some(AUDITS_OF.encode_row(&())),
        ),
    ])
}

/// The commitment that so many audits are of.
fn commitment(audits: u32) -> Diff {
    let id = CommitmentId::default();
    let row = Commitment::of_no_units(audits);
    Diff::from([
        (COMMITMENTS.key(&id), Some(COMMITMENTS.encode_row(&row))),
        (PROOFS.key(&id), Some(PROOFS.encode_row(&Proofs::default()))),
    ])
}

/// A chain with these answered audits, and one, 99, that nobody has answered.
fn chain(places: &[Place]) -> Chain {
    let mut chain = Chain::new(&genesis_for(&[]));
    for place in places {
        chain.rows.apply(&rows_of(*place));
    }
    let open = AUDITS.encode_row(&audit_of(None));
    let open = (AUDITS.key(&AuditId(99)), Some(open));
    chain.rows.apply(&Diff::from([open]));
    let audits = u32::try_from(places.len()).expect("few");
    chain.rows.apply(&commitment(audits + 1));
    chain
}

fn listing(chain: &Chain, ids: &[u64]) -> Block {
    Block {
        verdicts: ids.iter().map(|id| (AuditId(*id), FINE)).collect(),
        ..chain.next(Vec::new())
    }
}

fn left(rows: &Rows) -> Vec<Place> {
    audit::answered(rows, usize::MAX).expect("no fault")
}

fn due(rows: &Rows, upto: u64, listed: &[u64]) -> Vec<Place> {
    let listed = listed.iter().map(|id| AuditId(*id)).collect();
    audit::due(rows, Time(upto), &listed).expect("no fault")
}

#[test]
fn a_block_takes_over_the_verdicts_that_it_lists() {
    let mut chain = chain(&[place(1, 1), place(1, 2), place(5, 3)]);
    let outcome = chain.commit(&listing(&chain, &[1, 3]));
    let removed: Vec<_> = audit::removed(&outcome.diff).collect();
    assert_eq!(removed, [place(1, 1), place(5, 3)]);
    assert_eq!(left(&chain.rows), [place(1, 2)]);
    assert_eq!(audit::question(&chain.rows, place(1, 1)), Ok(None));
}

/// (B12)
#[test]
fn a_verdict_on_nothing_or_on_no_answer_does_nothing_and_a_second_one_neither() {
    let chain = chain(&[place(1, 1), place(1, 2)]);
    let diff = |ids: &[u64]| {
        let outcome = chain.execute(&listing(&chain, ids)).expect("no fault");
        assert_eq!(outcome.faults, [""; 0]);
        outcome.diff
    };
    assert_eq!(diff(&[]), diff(&[7, 99]));
    assert_eq!(diff(&[1]), diff(&[1, 1]));
    assert_eq!(diff(&[1, 2]), diff(&[2, 7, 1, 2]));
}

#[test]
fn due_verdicts_are_listed_in_their_order_without_those_that_blocks_list_already() {
    let chain = chain(&[place(2, 9), place(3, 1), place(3, 2), place(4, 3)]);
    let all = [place(2, 9), place(3, 1), place(3, 2)];
    assert_eq!(due(&chain.rows, 1, &[]), []);
    assert_eq!(due(&chain.rows, 3, &[]), all);
    assert_eq!(due(&chain.rows, 3, &[1, 7]), [all[0], all[2]]);
    assert_eq!(due(&chain.rows, 9, &[9, 1, 2, 3]), []);
}

#[test]
fn a_block_lists_no_more_than_so_many_verdicts() {
    let many: Vec<_> = (1..=MAX_VERDICTS as u64 + 9)
        .map(|id| place(1, 100 + id))
        .collect();
    let chain = chain(&many);
    assert_eq!(due(&chain.rows, 1, &[]), many[..MAX_VERDICTS]);
    assert_eq!(due(&chain.rows, 1, &[101]), many[1..=MAX_VERDICTS]);
}

#[test]
fn a_question_holds_all_that_a_verdict_depends_on() {
    let chain = chain(&[place(4, 1)]);
    let question = audit::question(&chain.rows, place(4, 1)).expect("no fault");
    let question = question.expect("an answer");
    assert_eq!(question.chain_id, CHAIN_ID);
    assert_eq!(
        (question.leaves_per_class, question.steps_per_leaf),
        (32_768, 4)
    );
    assert_eq!(question.audit, audit_of(None));
    assert_eq!(
        (question.answer.due, question.answer.bytes.len()),
        (Time(4), 3)
    );
    for gone in [place(5, 1), place(4, 2), place(4, 99)] {
        assert_eq!(audit::question(&chain.rows, gone), Ok(None));
    }
}

/// Executed or not, the blocks between the named result and a new one lead to the same list.
#[test]
fn the_due_verdicts_are_the_same_however_far_a_node_has_executed() {
    let mut dice = Dice::from_environment();
    for _ in 0..200 {
        let places: BTreeSet<_> = (1..=12)
            .map(|id| place(1 + dice.below(6) as u64, id))
            .collect();
        let places: Vec<_> = places.into_iter().collect();
        let named = chain(&places);
        let upto = dice.below(7) as u64;
        let mut listed: Vec<u64> = Vec::new();
        let mut expected = None;
        let mut executed = named.clone();
        let blocks: Vec<Vec<u64>> = (0..3)
            .map(|_| {
                let open = places.iter().map(|(_, id)| id.0);
                let open: Vec<_> = open.filter(|id| !listed.contains(id)).collect();
                let list: Vec<_> = open.into_iter().filter(|_| dice.one_in(3)).collect();
                listed.extend(&list);
                list
            })
            .collect();
        for (height, block) in blocks.iter().enumerate() {
            let ahead = blocks[height..].concat();
            let list = due(&executed.rows, upto, &ahead);
            assert_eq!(*expected.get_or_insert(list.clone()), list);
            executed.commit(&listing(&executed, block));
            // What is answered meanwhile is due later than the result that is named.
            let new = place(upto + 1, 50 + height as u64);
            executed.rows.apply(&rows_of(new));
        }
        assert_eq!(Some(due(&executed.rows, upto, &[])), expected);
    }
}
