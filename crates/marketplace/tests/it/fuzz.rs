//! What strangers send that is more than numbers: attributes and predicates of any shape. (Calldata: `abi` and
//! `execution`; whole calls: `random`.)

use crate::dice::{Dice, Fuzz};
use crate::names::{address, peer_id, registration};
use crate::typical::{register_datacenter, register_provider};
use crate::world::World;
use marketplace::attribute::{Attribute, Predicate, Subject, Test, Value};
use marketplace::demand::{self, Artifact, Terms};
use marketplace::offer::{self, Curve};
use marketplace::units::{DatacenterId, DealId, Hash, Price, ProviderId, Usdc};
use marketplace::{Call, Params, deal, peer};
use std::cmp::Ordering;

const KEYS: [&str; 3] = ["cpu.arch", "net.mbps", "x"];

fn text(dice: &mut Dice) -> String {
    dice.of(&["", "a", "b", "x86_64", "10", "ä"]).to_owned()
}

fn value(dice: &mut Dice) -> Value {
    let small = |dice: &mut Dice| dice.of(&[0_u32, 1, 2, 9, 10, u32::MAX]);
    match dice.below(4) {
        0 => Value::Text(text(dice)),
        1 => Value::Integer(dice.of(&[i64::MIN, -1, 0, 1, 9, 10, i64::MAX])),
        2 => Value::Version(small(dice), small(dice), small(dice)),
        _ => Value::Set((0..dice.below(4)).map(|_| text(dice)).collect()),
    }
}

fn test(dice: &mut Dice) -> Test {
    match dice.below(9) {
        0 => Test::Is(value(dice)),
        1 => Test::IsNot(value(dice)),
        2 => Test::Below(value(dice)),
        3 => Test::AtMost(value(dice)),
        4 => Test::Above(value(dice)),
        5 => Test::AtLeast(value(dice)),
        6 => Test::In((0..dice.below(18)).map(|_| value(dice)).collect()),
        7 => Test::Has(text(dice)),
        _ => Test::Exists,
    }
}

/// The order of two values, if they have one.
fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Integer(a), Value::Integer(b)) => Some(a.cmp(b)),
        (Value::Version(a, b, c), Value::Version(x, y, z)) => Some([a, b, c].cmp(&[x, y, z])),
        _ => None,
    }
}

/// What a test means, said another way than the crate says it.
fn holds(test: &Test, value: &Value) -> bool {
    let alike = |other: &Value| match (value, other) {
        (Value::Text(a), Value::Text(b)) => Some(a == b),
        (Value::Set(a), Value::Set(b)) => Some(a == b),
        _ => order(value, other).map(|order| order == Ordering::Equal),
    };
    let is = |bound: &Value, wanted: &[Ordering]| {
        order(value, bound).is_some_and(|order| wanted.contains(&order))
    };
    match test {
        Test::Is(wanted) => alike(wanted) == Some(true),
        Test::IsNot(other) => alike(other) == Some(false),
        Test::Below(bound) => is(bound, &[Ordering::Less]),
        Test::AtMost(bound) => is(bound, &[Ordering::Less, Ordering::Equal]),
        Test::Above(bound) => is(bound, &[Ordering::Greater]),
        Test::AtLeast(bound) => is(bound, &[Ordering::Greater, Ordering::Equal]),
        Test::In(values) => values.iter().any(|one| alike(one) == Some(true)),
        Test::Has(member) => matches!(value, Value::Set(set) if set.contains(member)),
        Test::Exists => true,
    }
}

#[test]
fn a_test_of_any_value_means_what_it_says() {
    let mut fuzz = Fuzz::begin();
    while let Some(dice) = fuzz.round() {
        for _ in 0..100 {
            let (test, value) = (test(dice), value(dice));
            assert_eq!(
                test.holds(&value),
                holds(&test, &value),
                "{test:?} of {value:?}"
            );
        }
    }
}

fn attributes(dice: &mut Dice) -> Vec<Attribute> {
    let attributes = (0..dice.below(4)).map(|_| Attribute {
        key: dice.of(&KEYS).to_owned(),
        value: value(dice),
    });
    attributes.collect()
}

fn requirements(dice: &mut Dice) -> Vec<Predicate> {
    let requirements = (0..=dice.below(3)).map(|_| Predicate {
        subject: Subject::Peer,
        key: dice.of(&KEYS).to_owned(),
        test: test(dice),
    });
    requirements.collect()
}

/// A market of one peer with these attributes; or None, if they are refused.
fn market(attributes: &[Attribute]) -> Option<World> {
    let (alice, owner, datacenter) = (address("alice"), address("owner"), DatacenterId(1));
    let mut world = World::new(Params::default(), &[(alice, Usdc(1_000_000_000))]);
    let mut new = registration("peer", ProviderId(1), datacenter, 200);
    new.attributes = attributes.to_vec();
    let post = offer::Call::Post {
        datacenter,
        curve: Curve::flat(Price(1)),
        terms: offer::Terms::any(),
        peers: vec![peer_id("peer")],
    };
    for call in [register_provider(), register_datacenter()] {
        world.call(owner, &call).expect("a place");
    }
    let peer = world.call(owner, &Call::Peer(peer::Call::Register(new)));
    peer.ok()?;
    world.call(owner, &Call::Offer(post)).expect("an offer");
    Some(world)
}

fn post(requirements: &[Predicate]) -> Call {
    let terms = Terms {
        requirements: requirements.to_vec(),
        ..Terms::one_worker(Artifact::new(Hash([7; 32]), 9), Price(1))
    };
    let escrow = Usdc(1_000);
    Call::Demand(demand::Call::Post { terms, escrow })
}

/// Requirements of any shape are refused, or matched exactly if all of them hold.
#[test]
fn any_requirements_are_refused_or_met_by_those_peers_that_meet_them() {
    let (mut refused, mut matched, mut waiting) = (0, 0, 0);
    let mut fuzz = Fuzz::begin();
    while let Some(dice) = fuzz.round() {
        let attributes = attributes(dice);
        let Some(mut world) = market(&attributes) else {
            refused += 1;
            continue;
        };
        let mut posted = Vec::new();
        for _ in 0..20 {
            let requirements = requirements(dice);
            match world.call(address("alice"), &post(&requirements)) {
                Ok(_) => posted.push(requirements),
                Err(_) => refused += 1,
            }
        }
        world.block(1);
        for (id, requirements) in (1..).map(DealId).zip(posted) {
            let met = requirements.iter().all(|wanted| {
                let mut own = attributes.iter().filter(|own| own.key == wanted.key);
                own.any(|own| holds(&wanted.test, &own.value))
            });
            let deal = world.read(|cx| deal::get(cx.store, id)).expect("a deal");
            assert_eq!(
                deal.workers() == 1,
                met,
                "{requirements:?} of {attributes:?}"
            );
            *if met { &mut matched } else { &mut waiting } += 1;
        }
    }
    assert!(
        refused > 0 && matched > 0 && waiting > 0,
        "{refused} refused, {matched} matched, {waiting} waiting"
    );
}
