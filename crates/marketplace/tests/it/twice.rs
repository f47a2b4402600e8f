//! The same call twice in one block is harmless: the second is refused, or changes nothing. (`marketplace.md`: whoever
//! does not know whether a call got in makes it again.)

use crate::calls::{NAMES, name};
use crate::committed::network;
use crate::typical::{SMALL, calls, make_as, market};
use marketplace::store::MemoryStore;
use marketplace::{Call, Error, Origin};

/// Calls that ask for more each time, and for what.
pub(crate) const ASKS_FOR_MORE: &[(&str, &str)] = &[
    ("usdc transfer", "moves as much again"),
    ("usdc transfer-from", "moves as much again"),
    ("usdc faucet", "gives as much again"),
    ("governance propose", "another change"),
    ("provider register", "another provider"),
    ("provider withdraw", "goes on with the next workers"),
    ("datacenter register", "another datacenter"),
    ("peer add-units", "adds as many again"),
    ("peer remove-units", "removes as many again"),
    ("offer post", "another offer, if it names no peers"),
    ("demand post", "another demand"),
    ("deal top-up", "adds as much again"),
    ("deal withdraw-surplus", "takes as much again"),
    ("commitment deposit", "deposits as much again"),
    ("pool fund", "gives as much again"),
];

pub(crate) fn asks_for_more(name: &str) -> bool {
    ASKS_FOR_MORE.iter().any(|(more, _)| *more == name)
}

#[test]
fn a_call_made_twice_in_a_block_is_refused_or_changes_nothing_the_second_time() {
    let rows = market(SMALL);
    for (caller, call) in calls() {
        let origin = || Origin {
            caller,
            ..Origin::default()
        };
        twice(&rows, origin, &call);
    }
    let network = network(1);
    for (origin, call) in network.calls() {
        twice(&network.rows, || origin, &call);
    }
}

fn twice(rows: &MemoryStore, origin: impl Fn() -> Origin, call: &Call) {
    let (once, _) = make_as(rows, origin(), call).expect("it is accepted once");
    assert!(once != *rows, "{} changes nothing", name(call));
    match make_as(&once, origin(), call) {
        Err(Error::Refused(_)) => {}
        Err(error) => panic!("{}: {error}", name(call)),
        Ok((twice, _)) => {
            let more = once != twice;
            assert_eq!(more, asks_for_more(name(call)), "{}", name(call));
        }
    }
}

#[test]
fn every_exception_is_a_call() {
    for (name, _) in ASKS_FOR_MORE {
        assert!(NAMES.contains(name), "{name}");
    }
}
