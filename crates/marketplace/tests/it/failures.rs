//! When a commitment fails, to the epoch, and what that costs. (V6, H5, H6, H7)

use crate::committed::{Making, commit, params};
use crate::names::address;
use marketplace::commitment::{self, Status};
use marketplace::units::CommitmentId;
use marketplace::{Call, Event, Params, governance};

/// Thousandths of FLT.
const MILLI: u128 = 1_000_000_000_000_000;
const LAST_EPOCH: u64 = 13;

/// A peer whose units prove, or not.
#[derive(Clone, Copy)]
struct Case {
    units: u16,
    max_failed_per_unit: u64,
    min_pass_ppm: u64,
    missed_ppm: u64,
    /// So many of the units prove...
    provers: u16,
    /// ...in the first so many windows of an epoch, of seven that are owed. In an epoch those from the fifth on of the
    /// one before are counted, and the first four of its own; in the first epoch of a commitment these alone.
    windows: u64,
}

/// Five units of which none proves, and a miss costs a hundredth.
const NONE: Case = Case {
    units: 5,
    max_failed_per_unit: 3,
    min_pass_ppm: 900_000,
    missed_ppm: 10_000,
    provers: 0,
    windows: 0,
};

/// One unit that proves in so many windows.
const ONE: Case = Case {
    units: 1,
    max_failed_per_unit: 2,
    provers: 1,
    ..NONE
};

/// What became of a commitment that started with epoch 2: the epoch with whose close it failed, missed epochs of its
/// units, and what they cost. Each unit has 100 FLT.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    failed: Option<u64>,
    missed: u64,
    cost: u128,
}

fn network(case: Case) -> Making {
    Making::new(Params {
        max_failed_per_unit: case.max_failed_per_unit,
        min_pass_ppm: case.min_pass_ppm,
        missed_ppm: case.missed_ppm,
        audit_budget: 0,
        governance: address("governance"),
        governance_delay_seconds: 0,
        ..params()
    })
}

/// The blocks of windows until this one, in which the peer `p` proves.
fn run(network: &mut Making, case: Case, until: u64) {
    let units: Vec<_> = (0..case.provers).collect();
    let from = network.world.now / 100 + 1;
    for window in from..=until {
        for elapsed in [100, 0, 0] {
            network.world.block(elapsed);
        }
        let over = window - 1;
        let proves = (1..=case.windows).contains(&(over % 8)) && over > 8;
        if proves && !units.is_empty() {
            // Refused when the commitment has failed.
            let call = commit("p", over, units.clone());
            let _ = network.world.call(address("p"), &call);
        }
    }
    network.world.check_all();
}

fn outcome(network: &Making, id: CommitmentId) -> Outcome {
    let row = network.world.read(|cx| commitment::get(cx.store, id));
    let row = row.expect("it was not claimed");
    let events = network.world.events.iter();
    let slashed = events.map(|(_, event)| match event {
        Event::Commitment(commitment::Event::Slashed {
            commitment, amount, ..
        }) if *commitment == id => amount.0,
        _ => 0,
    });
    Outcome {
        failed: match row.status {
            Status::Failed { epoch } => Some(epoch.0),
            _ => None,
        },
        missed: row.missed,
        cost: slashed.sum::<u128>() / MILLI,
    }
}

fn in_time(case: Case) -> Outcome {
    let mut network = network(case);
    let id = network.committed("p", case.units, u128::from(case.units) * 100);
    run(&mut network, case, LAST_EPOCH * 8);
    outcome(&network, id)
}

fn failed(epoch: u64, missed: u64, cost: u128) -> Outcome {
    Outcome {
        failed: Some(epoch),
        missed,
        cost,
    }
}

#[test]
fn a_commitment_of_one_unit_fails_at_the_close_of_its_last_missed_epoch() {
    let never = |missed, cost| Outcome {
        failed: None,
        missed,
        cost,
    };
    let idle = Case { provers: 0, ..ONE };
    let limited = |max_failed_per_unit| Case {
        max_failed_per_unit,
        ..idle
    };
    assert_eq!(in_time(limited(1)), failed(2, 1, 1_000));
    assert_eq!(in_time(limited(3)), failed(4, 3, 3_000));
    assert_eq!(in_time(limited(10)), failed(11, 10, 10_000));
    assert_eq!(in_time(limited(13)), never(12, 12_000));
    // Whoever passes 6 of 7 is good with 900,000 ppm, not with all of them, and with 5 in neither.
    let passes = |windows, min_pass_ppm| Case {
        windows,
        min_pass_ppm,
        ..ONE
    };
    assert_eq!(in_time(passes(6, 900_000)), never(0, 0));
    assert_eq!(in_time(passes(5, 900_000)), failed(4, 2, 2_000));
    assert_eq!(in_time(passes(7, 1_000_000)), never(0, 0));
    assert_eq!(in_time(passes(6, 1_000_000)), failed(4, 2, 2_000));
    assert_eq!(in_time(passes(3, 500_000)), never(0, 0));
    assert_eq!(in_time(passes(2, 500_000)), failed(4, 2, 2_000));
    // In the first epoch 4 are owed, of which 1 is not half.
    assert_eq!(in_time(passes(1, 500_000)), failed(3, 2, 2_000));
    assert_eq!(in_time(passes(0, 0)), never(0, 0));
}

#[test]
fn a_commitment_of_five_units_fails_when_their_misses_together_reach_the_limit() {
    assert_eq!(in_time(NONE), failed(4, 15, 15_000), "example 18");
    let missing = |missing: u16, max_failed_per_unit| Case {
        provers: 5 - missing,
        windows: 7,
        max_failed_per_unit,
        ..NONE
    };
    assert_eq!(in_time(missing(5, 1)), failed(2, 5, 5_000));
    assert_eq!(in_time(missing(1, 1)), failed(6, 5, 5_000));
    assert_eq!(in_time(missing(1, 2)), failed(11, 10, 10_000));
    // All misses of the epoch in which the limit is reached are charged.
    assert_eq!(in_time(missing(2, 1)), failed(4, 6, 6_000));
    assert_eq!(in_time(missing(3, 2)), failed(5, 12, 12_000));
}

#[test]
fn misses_cost_no_unit_more_than_its_collateral() {
    let costs = |missed_ppm, max_failed_per_unit| Case {
        missed_ppm,
        max_failed_per_unit,
        ..NONE
    };
    assert_eq!(in_time(costs(0, 3)), failed(4, 15, 0));
    assert_eq!(in_time(costs(333_333, 2)), failed(3, 10, 333_333));
    assert_eq!(in_time(costs(333_333, 4)), failed(5, 20, 500_000));
    assert_eq!(in_time(costs(600_000, 2)), failed(3, 10, 500_000));
    assert_eq!(in_time(costs(1_000_000, 3)), failed(4, 15, 500_000));
    // One unit misses all the time: what the others have is theirs.
    let one = Case {
        provers: 4,
        windows: 7,
        ..costs(400_000, 1)
    };
    assert_eq!(in_time(one), failed(6, 5, 100_000));
}

/// With a budget of one commitment in each block and a hundred others before it, its turn comes three epochs late.
fn found_late(case: Case) -> Outcome {
    let mut network = network(case);
    for number in 0..100 {
        network.committed(&format!("other{number}"), 1, 100);
    }
    let id = network.committed("p", case.units, u128::from(case.units) * 100);
    run(&mut network, case, 12);
    network.world.audited = false;
    let (parameter, value) = ("due_budget".to_owned(), 1);
    let propose = governance::Call::Propose { parameter, value };
    network.call("governance", &Call::Governance(propose));
    run(&mut network, case, LAST_EPOCH * 8);
    let outcome = outcome(&network, id);
    let events = network.world.events.iter();
    let own = events.filter_map(|(at, event)| match event {
        Event::Commitment(commitment::Event::EpochClosed { commitment, .. }) => {
            (*commitment == id).then_some(*at)
        }
        _ => None,
    });
    let closed: Vec<_> = own.collect();
    let fails = outcome.failed.expect("it fails");
    assert_eq!(closed.len() as u64, fails - 1, "each epoch is closed once");
    let first = closed.first();
    assert!(closed.iter().all(|at| Some(at) == first), "in one step");
    assert!(closed[0] >= (fails + 3) * 800, "three epochs late");
    outcome
}

#[test]
fn a_failure_that_is_found_epochs_later_is_the_same() {
    let one = Case { provers: 0, ..ONE };
    for case in [NONE, one] {
        let late = Case {
            max_failed_per_unit: 2,
            ..case
        };
        assert_eq!(found_late(late), in_time(late));
    }
}
