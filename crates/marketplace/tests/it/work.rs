//! How much one block does, however much there is to do, and that nobody keeps the others from their turn.

use crate::world::{World, address, peer_id, registration};
use marketplace::attribute::{Attribute, Predicate, Subject, Test, Value};
use marketplace::datacenter::{Country, Datacenter};
use marketplace::demand::{Artifact, Terms};
use marketplace::matching::LOOKS;
use marketplace::matching::queue::WAKE;
use marketplace::offer::Curve;
use marketplace::store::{MemoryStore, OutOfWork, Row, Store};
use marketplace::units::{DatacenterId, DealId, Hash, Price, ProviderId, Usdc, WorkerId};
use marketplace::{Call, Cx, Event, Origin, Params};
use marketplace::{datacenter, demand, offer, peer, provider, worker};
use std::collections::BTreeMap;

/// Rows that count what is done with them. Like those of a block under way, they keep what was removed, and to
/// pass it is work.
struct Counted {
    rows: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    work: u64,
}

impl Counted {
    fn of(store: &MemoryStore) -> Self {
        let rows = store.rows.iter();
        let rows = rows.map(|(key, row)| (key.clone(), Some(row.clone())));
        Self {
            rows: rows.collect(),
            work: 0,
        }
    }
}

impl Store for Counted {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, OutOfWork> {
        self.work += 1;
        Ok(self.rows.get(key).cloned().flatten())
    }

    fn put(&mut self, key: &[u8], row: Vec<u8>) -> Result<(), OutOfWork> {
        self.work += 1;
        self.rows.insert(key.to_vec(), Some(row));
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), OutOfWork> {
        self.work += 1;
        self.rows.insert(key.to_vec(), None);
        Ok(())
    }

    fn next(&mut self, from: &[u8], to: &[u8]) -> Result<Option<Row>, OutOfWork> {
        for (key, row) in self.rows.range(from.to_vec()..to.max(from).to_vec()) {
            self.work += 1;
            if let Some(row) = row {
                return Ok(Some((key.clone(), row.clone())));
            }
        }
        self.work += 1;
        Ok(None)
    }

    fn step(&mut self, steps: u64) -> Result<(), OutOfWork> {
        self.work += steps;
        Ok(())
    }
}

/// Two peers in two offers, and `demands` demands for peers with this much bandwidth.
fn market(params: Params, demands: u64, peers: [&str; 2], least_workers: u16, mbps: i64) -> World {
    let (alice, owner) = (address("alice"), address("owner"));
    let mut world = World::new(params, &[(alice, Usdc(1_000_000_000))]);
    let (provider, datacenter) = (ProviderId(1), DatacenterId(1));
    let mut calls = vec![
        Call::Provider(provider::Call::Register {
            name: "P".to_owned(),
            metadata: Hash::default(),
            attributes: Vec::new(),
        }),
        Call::Datacenter(datacenter::Call::Register(Datacenter {
            provider,
            country: Country(*b"DE"),
            city: "FRA".to_owned(),
            name: "hall".to_owned(),
            certifications: Vec::new(),
            attributes: Vec::new(),
        })),
    ];
    for name in peers {
        let new = registration(name, provider, datacenter, 1);
        calls.push(Call::Peer(peer::Call::Register(new)));
        calls.push(Call::Offer(offer::Call::Post {
            datacenter,
            curve: Curve::flat(Price(100)),
            peers: vec![peer_id(name)],
            terms: offer::Terms::any(),
        }));
    }
    for call in calls {
        world.call(owner, &call).expect("supply");
    }
    for _ in 0..demands {
        let terms = terms(least_workers, mbps);
        let escrow = Usdc(10_000);
        let post = Call::Demand(demand::Call::Post { terms, escrow });
        world.call(alice, &post).expect("demand");
    }
    world
}

fn terms(min_workers: u16, mbps: i64) -> Terms {
    Terms {
        min_workers,
        target_workers: min_workers,
        requirements: vec![Predicate {
            subject: Subject::Peer,
            key: "net.mbps".to_owned(),
            test: Test::AtLeast(Value::Integer(mbps)),
        }],
        ..Terms::one_worker(Artifact::new(Hash([7; 32]), 9), Price(100))
    }
}

fn say(world: &mut World, name: &str, mbps: i64) {
    let set = peer::Call::SetAttributes {
        peer: peer_id(name),
        attributes: vec![Attribute {
            key: "net.mbps".to_owned(),
            value: Value::Integer(mbps),
        }],
    };
    world
        .call(address("owner"), &Call::Peer(set))
        .expect("attributes");
}

/// Operations that the end of the open block takes.
fn work_of_the_end(world: &World) -> u64 {
    let mut store = Counted::of(&world.store);
    let (mut events, mut payouts) = (Vec::new(), Vec::new());
    let mut book = world.book.clone();
    Cx::open(&mut store, Origin::default(), &mut events, &mut payouts)
        .and_then(|mut cx| marketplace::end_block(&mut cx, &mut book))
        .expect("end of block");
    store.work
}

/// Each block a peer changes, which wakes demands that fit it; and each look is fruitless, as they need two. (C7)
#[test]
fn clearing_keeps_to_its_budget_however_many_demands_one_change_wakes() {
    const DEMANDS: u64 = 150;
    let params = Params {
        clearing_budget: 400,
        min_prepaid_epochs: 0,
        ..Params::default()
    };
    let budget = params.clearing_budget;
    let mut world = market(params, DEMANDS, ["here", "there"], 2, 100);
    let mut most = 0;
    for _ in 0..30 {
        say(&mut world, "here", 100);
        let work = work_of_the_end(&world);
        assert!(
            work < 2 * budget,
            "{work} operations of {budget} candidates"
        );
        most = most.max(work);
        world.block(1);
    }
    assert!(most > budget / 2, "{most}: there was too little to do");
    for deal in 1..=DEMANDS {
        let look = world.read(|cx| LOOKS.get(cx.store, &DealId(deal)));
        assert!(look.is_some(), "demand {deal} was never looked at");
    }
}

/// One peer that changes in each block does not keep what another has to offer from those who sleep. (C2)
#[test]
fn a_peer_that_changes_all_the_time_does_not_hide_the_others() {
    let params = Params {
        clearing_budget: 40,
        min_prepaid_epochs: 0,
        ..Params::default()
    };
    let mut names = ["here", "there"];
    names.sort_by_key(|name| peer_id(name));
    let mut world = market(params, 15, names, 1, 100);
    // Until all sleep for long.
    let soonest = |world: &World| {
        let first = world.read(|cx| WAKE.first(cx.store, &(), None));
        first.map_or(0, |((block, _), _)| block)
    };
    let mut blocks = 1;
    while soonest(&world) < blocks + 20 {
        world.block(1);
        blocks += 1;
        assert!(blocks < 1_000, "somebody never sleeps");
    }
    say(&mut world, names[1], 100);
    for _ in 0..5 {
        say(&mut world, names[0], 1);
        world.block(1);
    }
    let assigned = world.events.iter().any(|(_, event)| {
        matches!(event, Event::Worker(worker::Event::Assigned { worker, peer, .. })
            if *worker == WorkerId(1) && *peer == peer_id(names[1]))
    });
    assert!(assigned, "nobody was shown {}", names[1]);
}
