//! What every call costs in a typical state: what the marketplace counts, and the gas it is priced at.

use crate::calls::{NAMES, name};
use crate::capacity;
use crate::harness::{Chain, genesis_for};
use crate::typical::{Cost, SMALL, calls, make, market};
use abi::{MARKETPLACE, USDC, calldata};
use alloy_primitives::Address;
use execution::call::End;
use marketplace::Call;
use std::fmt::Write as _;

/// (X6, X9)
#[test]
fn every_call_costs_what_it_cost() {
    let rows = market(SMALL);
    let mut chain = Chain::new(&genesis_for(&[]));
    let written = rows.rows.iter();
    let written = written.map(|(key, row)| (key.clone(), Some(row.clone())));
    chain.rows.apply(&written.collect());
    let mut text =
        "operations on rows, bytes of keys and rows written, events, gas with that of calldata\n"
            .to_owned();
    let calls = calls();
    let capacity = capacity::used();
    let made = calls.iter().map(|(_, call)| name(call));
    let made: Vec<_> = made
        .chain(capacity.iter().map(|(call, _)| name(call)))
        .collect();
    assert_eq!(made, NAMES, "a row for each call");
    for (caller, call) in calls {
        let (_, cost) = make(&rows, caller, &call).expect("a typical call");
        let Cost {
            reads,
            writes,
            bytes,
            steps,
            events,
        } = cost;
        assert_eq!(steps, 0, "a step has no column yet");
        let gas = gas(&chain, Address::from(caller.0), &call);
        writeln!(
            text,
            "{:<22}{reads:>3} reads{writes:>3} writes{bytes:>5} bytes{events:>2} events{gas:>7} gas",
            name(&call)
        )
        .expect("to a string");
    }
    // These need a network with windows; each was made where it is possible.
    for (call, gas) in capacity {
        writeln!(text, "{:<22}{gas:>51} gas", name(&call)).expect("to a string");
    }
    insta::assert_snapshot!("costs", text);
}

fn gas(chain: &Chain, caller: Address, call: &Call) -> u64 {
    let to = match call {
        Call::Usdc(_) => USDC,
        _ => MARKETPLACE,
    };
    let called = chain.call(caller, to, calldata::encode(call));
    assert_eq!(called.end, End::Returned, "{}", name(call));
    called.gas_used
}
