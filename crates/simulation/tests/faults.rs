//! Peers prove while provers, links and validators die.
//!
//! `MP_WINDOWS` makes the first run longer, `MP_SEED` lets others die (see `tests/dice.rs`).

#[path = "../../../tests/dice.rs"]
mod dice;

use dice::environment;
use simulation::{Audits, Fault, Link, Proving, Report, Scenario, run};

const GRACE_MS: u64 = 6_000;
/// What a transaction, and a node that starts again, take of the grace.
const MARGIN_MS: u64 = 2_500;

/// Shorter than the grace.
const SHORT: Fault = Fault::Deaths {
    longest_ms: GRACE_MS - MARGIN_MS,
    peace_ms: 9_000,
};

/// Units prove from the seventh window on; their first epoch is counted by then.
const WINDOWS: u64 = 14;

/// With one validator much passes in little time.
fn alone(seed: u64, faults: Vec<Fault>) -> Scenario {
    Scenario {
        validators: 1,
        ..scenario(seed, WINDOWS, faults)
    }
}

fn scenario(seed: u64, windows: u64, faults: Vec<Fault>) -> Scenario {
    Scenario {
        seed,
        validators: 4,
        height: 1,
        link: Link {
            latency_ms: 20,
            jitter_ms: 10,
            loss_percent: 2,
        },
        audits: Audits {
            count: 0,
            judging_ms: 300,
        },
        proving: Some(Proving {
            peers: 3,
            units: 3,
            windows,
        }),
        faults,
    }
}

/// All units passed all windows, all audits were answered well, and nothing was taken.
fn nobody_is_slashed(report: &Report) {
    let proved = &report.proved;
    assert!(proved.passed > 0 && proved.good > 0, "{report:#?}");
    assert_eq!(proved.missed, 0, "{report:#?}");
    let bad = proved.unanswered + proved.bad + proved.guilty;
    assert_eq!(bad, 0, "{report:#?}");
    assert_eq!(proved.slashed.0, 0, "{report:#?}");
}

#[test]
fn nobody_honest_is_slashed_while_everybody_dies_now_and_then() {
    let (seed, windows) = (
        environment("MP_SEED", 1),
        environment("MP_WINDOWS", WINDOWS),
    );
    let report = run(&scenario(seed, windows, vec![SHORT]));
    println!("MP_SEED={seed} MP_WINDOWS={windows}: {report:#?}");
    nobody_is_slashed(&report);
    let deaths = &report.deaths;
    assert!(deaths.provers > 2 && deaths.links > 2, "{report:#?}");
    assert!(deaths.judging > 2, "{report:#?}");
}

#[test]
fn the_same_seed_gives_the_same_deaths_and_proofs() {
    let scenario = alone(2, vec![SHORT]);
    let report = run(&scenario);
    nobody_is_slashed(&report);
    assert!(report.deaths.judging > 0, "{report:#?}");
    assert_eq!(report, run(&scenario));
}

/// Shows that the others can fail.
#[test]
fn deaths_longer_than_the_grace_make_units_miss_an_epoch() {
    let long = Fault::Deaths {
        longest_ms: 4 * GRACE_MS,
        peace_ms: 3_000,
    };
    let report = run(&alone(3, vec![long]));
    assert!(report.proved.missed > 0, "{report:#?}");
    assert!(report.proved.slashed.0 > 0, "{report:#?}");
}

/// Shows that the others can fail.
#[test]
fn a_peer_that_loses_its_work_cannot_answer() {
    let report = run(&alone(4, vec![SHORT, Fault::LostWork]));
    assert!(report.proved.unanswered > 0, "{report:#?}");
    assert!(report.proved.slashed.0 > 0, "{report:#?}");
    assert_eq!(report.proved.bad, 0, "{report:#?}");
}

/// Shows that the others can fail.
#[test]
fn a_peer_that_computes_something_else_is_guilty() {
    let report = run(&alone(5, vec![Fault::WrongWork]));
    assert!(report.proved.bad > 0, "{report:#?}");
    assert!(report.proved.guilty > 0, "{report:#?}");
    assert_eq!(report.proved.unanswered, 0, "{report:#?}");
}
