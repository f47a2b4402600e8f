//! Validators stay together whatever goes wrong.

use simulation::{Fault, Link, Scenario, run};

const LOSSY: Link = Link {
    latency_ms: 20,
    jitter_ms: 10,
    loss_percent: 5,
};

fn everything_goes_wrong(seed: u64) -> Scenario {
    Scenario {
        seed,
        validators: 4,
        height: 80,
        link: LOSSY,
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
        faults: vec![],
    });
    assert!(report.transactions > 0, "{report:?}");
    assert_eq!(report.skipped, 0, "{report:?}");
}

#[test]
fn four_validators_agree_over_lossy_links_crashes_and_a_power_failure() {
    let report = run(&everything_goes_wrong(1));
    assert!(report.crashes > 5, "{report:?}");
    assert!(report.transactions > 100, "{report:?}");
    println!("{report:?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let mut scenario = everything_goes_wrong(2);
    scenario.height = 30;
    assert_eq!(run(&scenario), run(&scenario));
}
