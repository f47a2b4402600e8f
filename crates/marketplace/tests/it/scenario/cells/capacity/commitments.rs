//! The stories of a commitment.

use super::super::{Story, tell};
use super::{BEGIN, gone, milli, seldom_checked, views};
use crate::scenario::capacity;
use crate::world::address;
use marketplace::ledger::{self, Account};
use std::fmt::Write as _;

const COMMITMENTS: [Story; 10] = [
    ("None", ""),
    (
        "WaitCollateral",
        "commit C of P.de.1 epochs 6 share 500_000\nstake C by ann with 100_000_000_000_000_000_000",
    ),
    ("WaitStart", commit!("")),
    ("Active", commit!("at 1_650")),
    (
        "Active, a unit serves",
        concat!(commit!("at 1_250\n"), serve!("at 1_650")),
    ),
    (
        "Active, successor waits",
        commit!(
            "at 1_650\ncommit K of P.de.1 epochs 6\nstake K by bea with 100_000_000_000_000_000_000"
        ),
    ),
    (
        "Active, successor complete",
        concat!(commit!("at 1_650\n"), successor!("")),
    ),
    (
        "Ended",
        "commit C of P.de.1 epochs 2 share 500_000\nstake C by ann with 200_000_000_000_000_000_000\nat 2_450",
    ),
    ("Failed", commit!("at 1_650\nprover P.de.1 stops\nat 3_250")),
    // Unit 1 alone misses; an audit of unit 0 is asked again as the commitment fails.
    (
        "Failed, an audit is open",
        commit!("at 1_650\nprover P.de.1 units 0\nat 4_700\nanswers bad 2 unit 0\nat 4_800"),
    ),
];

const OF_COMMITMENTS: [Story; 33] = [
    ("its provider makes one", "commit K of P.de.1 epochs 6"),
    (
        "and one more",
        "commit K of P.de.1 epochs 6\ncommit L of P.de.1 epochs 6",
    ),
    (
        "somebody else makes one",
        "commit K of P.de.1 epochs 6 by mallory",
    ),
    (
        "a deposit of a part",
        "stake C by bea with 50_000_000_000_000_000_000",
    ),
    (
        "of all that is missing",
        "stake C by bea with 100_000_000_000_000_000_000",
    ),
    (
        "of more than that",
        "stake C by bea with 100_000_000_000_000_000_001",
    ),
    ("a delegator takes its deposit back", "take-back C by ann"),
    ("somebody else takes it", "take-back C by mallory"),
    ("its provider cancels it", "cancel-commitment C by P"),
    ("anybody cancels it", "cancel-commitment C by mallory"),
    (
        "anybody cancels it when it waited long",
        "at +1_600\ncancel-commitment C by mallory",
    ),
    ("the next epoch begins", "at +800"),
    ("its units miss an epoch", "prover P.de.1 stops\nat +800"),
    (
        "and another, which is too many",
        "prover P.de.1 stops\nat +1_600",
    ),
    ("its notice to workers begins", "at 5_050"),
    ("although there is a successor", successor!("at 5_050")),
    ("its time is over", "at 5_650"),
    ("and there is a successor", successor!("at 5_650")),
    (
        "and there is one without its collateral",
        "commit K of P.de.1 epochs 6\nstake K by bea with 100_000_000_000_000_000_000\nat 5_650",
    ),
    (
        "an audit is not answered",
        "answers no unit 0\nat +100\nanswers good\nat +50",
    ),
    ("few leaves are bad", "answers bad 2 unit 0\nat +200"),
    ("many leaves are bad", "answers bad 3 unit 0\nat +200"),
    (
        "many leaves of all its units are bad",
        "answers bad 3\nat +200",
    ),
    (
        "what is left is claimed when all is paid",
        "answers bad 3 unit 0\nat +200\nprover P.de.1 stops\nat 9_650\nclaim C by mallory",
    ),
    ("its rewards are claimed", "claim C by mallory"),
    ("when they vest", "at +1_600\nclaim C by mallory"),
    ("when all have vested", "at +2_400\nclaim C by mallory"),
    (
        "what deals paid is claimed",
        "report P.de.1\nwithdraw P\nclaim C by mallory",
    ),
    (
        "its collateral is claimed before its time",
        "prover P.de.1 stops\nat +1_500\nclaim C by mallory",
    ),
    (
        "at its time",
        "prover P.de.1 stops\nat +1_550\nclaim C by mallory",
    ),
    (
        "long after",
        "prover P.de.1 stops\nat 9_650\nclaim C by mallory",
    ),
    ("its peer gets another unit", "add-units P.de.1 1"),
    (
        "when it is over",
        "prover P.de.1 stops\nat 5_650\nadd-units P.de.1 1",
    ),
];

fn commitment_cell(state: &str, event: &str) -> String {
    let mut stage = seldom_checked();
    if let Some(end) = tell(&mut stage, BEGIN, state, event) {
        return end;
    }
    let mut text = String::new();
    for (name, view) in views(&mut stage) {
        let status = capacity::status(view.commitment.status);
        let (left, missed) = (milli(view.left.0), view.commitment.missed);
        let held = milli(view.held_back.0);
        write!(
            text,
            "{name} {status}, {left}, missed {missed}, holds back {held}; "
        )
        .expect("text");
    }
    if let Some(gone) = gone(&mut stage) {
        write!(text, "its worker {gone}; ").expect("text");
    }
    let (ann, pay) = (address("ann"), address("P"));
    let world = stage.world();
    let [ann, pay] = [ann, pay].map(|account| milli(capacity::received(world, account)));
    write!(text, "paid {ann} and {pay}").expect("text");
    let usdc = world.read(|cx| ledger::balance(cx.store, Account::User(address("ann"))));
    if usdc.0 > 0 {
        write!(text, " and {usdc} USDC").expect("text");
    }
    text
}

pub(super) fn table() -> String {
    super::super::table(
        "# Commitments",
        &COMMITMENTS,
        &OF_COMMITMENTS,
        commitment_cell,
    )
}
