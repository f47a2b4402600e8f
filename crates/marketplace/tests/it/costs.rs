//! What calls cost does not depend on how much else there is. (The table of costs, with gas, is a snapshot of
//! `execution`, which puts a price on them.)

use crate::calls::{NAMES, name};
use crate::typical::{SMALL, Size, calls, make, market};

const LARGE: Size = Size {
    deals: 400,
    offers: 100,
    hours: 3,
};

#[test]
fn there_is_a_typical_call_of_each_kind() {
    let calls = calls();
    let made: Vec<_> = calls.iter().map(|(_, call)| name(call)).collect();
    // What is about capacity needs a network with windows, and a call that fits in one moment of it: what those calls cost is
    // found by `execution` on such a network, and that they cost the same when made again by the random runs.
    let capacity = ["commitment ", "window ", "audit ", "pool "];
    let about = |name: &&&str| capacity.iter().any(|noun| name.starts_with(noun));
    let others: Vec<_> = NAMES.iter().filter(|name| !about(name)).copied().collect();
    assert_eq!(made, others, "a call of each kind, in the order of `calls`");
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
