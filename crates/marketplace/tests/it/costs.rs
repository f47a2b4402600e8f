//! What calls cost does not depend on how much else there is. (The table of costs, with gas, is a snapshot of
//! `execution`, which puts a price on them.)

use crate::calls::{NAMES, name};
use crate::committed::network;
use crate::typical::{SMALL, Size, calls, make, make_as, market};

const LARGE: Size = Size {
    deals: 400,
    offers: 100,
    hours: 3,
};

/// Peers that prove, and as many whose commitments wait, beside those that the calls are about.
const FEW_OTHERS: usize = 1;
const MANY_OTHERS: usize = 100;

#[test]
fn there_is_a_typical_call_of_each_kind() {
    let (calls, capacity) = (calls(), network(FEW_OTHERS).calls());
    let made = calls.iter().map(|(_, call)| name(call));
    let made: Vec<_> = made
        .chain(capacity.iter().map(|(_, call)| name(call)))
        .collect();
    assert_eq!(made, NAMES, "a call of each kind, in the order of `calls`");
}

#[test]
fn no_call_costs_more_the_more_deals_and_offers_there_are_or_the_more_epochs_are_over() {
    let (small, large) = (market(SMALL), market(LARGE));
    assert!(
        large.rows.len() > small.rows.len() + 2_000,
        "large is large"
    );
    for (caller, call) in calls() {
        let [small, large] = [&small, &large].map(|rows| {
            let made = make(rows, caller, &call);
            made.unwrap_or_else(|error| panic!("{}: {error}", name(&call)))
                .1
        });
        assert_eq!(small, large, "{}", name(&call));
    }
}

#[test]
fn no_call_costs_more_the_more_peers_are_committed_and_prove() {
    let [small, large] = [FEW_OTHERS, MANY_OTHERS].map(network);
    assert!(
        large.rows.rows.len() > small.rows.rows.len() + 1_000,
        "large is large"
    );
    // The same calls, but for the audit, which may be another peer's.
    let calls = small.calls().into_iter().zip(large.calls());
    for ((origin, call), (same_origin, same_call)) in calls {
        let (_, cost) = make_as(&small.rows, origin, &call).expect("it is accepted");
        let (_, same) = make_as(&large.rows, same_origin, &same_call).expect("it is accepted");
        assert_eq!(cost, same, "{}", name(&call));
    }
}
