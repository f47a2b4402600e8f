//! Validators stay together whatever goes wrong.

use simulation::{Audits, Fault, Link, Scenario, run};

const LOSSY: Link = Link {
    latency_ms: 20,
    jitter_ms: 10,
    loss_percent: 5,
};

/// They fall due from the third second to the eighth, and judging them takes six.
const AUDITS: Audits = Audits {
    count: 40,
    judging_ms: 150,
};

fn everything_goes_wrong(seed: u64) -> Scenario {
    Scenario {
        seed,
        validators: 4,
        height: 80,
        link: LOSSY,
        audits: AUDITS,
        proving: None,
        faults: vec![
            Fault::Crashes {
                every_ms: 3000,
                down_ms: 1500,
            },
            Fault::LateJoiner { height: 20 },
            Fault::PowerFailure { height: 40 },
        ],
    }
}

#[test]
fn one_validator_alone_makes_blocks() {
    let report = run(&Scenario {
        seed: 1,
        validators: 1,
        height: 40,
        link: LOSSY,
        audits: AUDITS,
        proving: None,
        faults: vec![],
    });
    assert_eq!(report.verdicts, AUDITS.count, "{report:?}");
    assert!(report.transactions > 0, "{report:?}");
    assert_eq!(report.skipped, 0, "{report:?}");
}

#[test]
fn four_validators_agree_over_lossy_links_crashes_and_a_power_failure() {
    let report = run(&everything_goes_wrong(1));
    assert!(report.crashes > 5, "{report:?}");
    assert!(report.transactions > 100, "{report:?}");
    assert_eq!(report.verdicts, AUDITS.count, "{report:?}");
    println!("{report:?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let mut scenario = everything_goes_wrong(2);
    scenario.height = 30;
    assert_eq!(run(&scenario), run(&scenario));
}

fn with_audits(audits: Audits, faults: Vec<Fault>) -> Scenario {
    Scenario {
        seed: 3,
        validators: 4,
        height: 60,
        link: LOSSY,
        audits,
        proving: None,
        faults,
    }
}

#[test]
fn a_validator_that_catches_up_judges_nothing_that_is_judged() {
    let report = run(&with_audits(AUDITS, vec![Fault::LateJoiner { height: 50 }]));
    assert_eq!(report.verdicts, AUDITS.count, "{report:?}");
    assert!(report.judged[3] < 5, "{report:?}");
}

#[test]
fn a_validator_that_starts_anew_goes_on_with_what_is_answered() {
    let crashes = Fault::Crashes {
        every_ms: 1_000,
        down_ms: 500,
    };
    let report = run(&with_audits(AUDITS, vec![crashes]));
    assert_eq!(report.verdicts, AUDITS.count, "{report:?}");
    let again = report.judged.iter().any(|judged| *judged > AUDITS.count);
    assert!(again && report.crashes > 5, "{report:?}");
}

#[test]
fn a_liar_about_answers_is_not_believed_and_stops_nobody() {
    let report = run(&with_audits(AUDITS, vec![Fault::WrongVerdicts]));
    assert_eq!(report.verdicts, AUDITS.count, "{report:?}");
    assert_eq!(report.judged, [AUDITS.count; 4], "{report:?}");
}

#[test]
fn a_validator_that_judges_slowly_stops_nobody() {
    let judging_ms = 60_000;
    let report = run(&with_audits(AUDITS, vec![Fault::SlowJudge { judging_ms }]));
    assert_eq!(report.verdicts, AUDITS.count, "{report:?}");
    assert!(report.judged[3] < 5, "{report:?}");
}

/// (B16)
#[test]
fn blocks_go_on_without_verdicts_if_nobody_judges_in_time() {
    let audits = Audits {
        judging_ms: 3_600_000,
        ..AUDITS
    };
    let report = run(&with_audits(audits, vec![]));
    assert_eq!(report.verdicts, 0, "{report:?}");
}
