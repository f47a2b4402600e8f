//! Explanations against what clearing does: on random markets, a draft gets the workers that it is told it would get,
//! and every change it is told to make lets it be matched. (C9, C10)

use crate::dice::Dice;
use crate::world::{address, peer_id, registration, rows};
use marketplace::attribute::{Attribute, Predicate, Subject, Test, Value};
use marketplace::datacenter::{self, Country, Datacenter};
use marketplace::demand::{self, Artifact, Pricing, Spread, Terms};
use marketplace::matching::explain::{self, Explanation, What};
use marketplace::offer::{self, Curve};
use marketplace::store::MemoryStore;
use marketplace::units::{
    Address, DatacenterId, DealId, Hash, PeerId, Price, ProviderId, Seconds, Usdc,
};
use marketplace::{Book, Call, Cx, Error, Event, Origin, Params, deal, peer, provider, worker};
use std::collections::{BTreeMap, BTreeSet};

const MARKETS: u64 = 120;
const DRAFTS: u64 = 40;

#[derive(Clone)]
struct Market {
    store: MemoryStore,
    book: Book,
    prepaid: bool,
}

impl Market {
    /// Three providers with datacenters in three countries and up to twelve peers, of which some are busy.
    fn random(dice: &mut Dice) -> Self {
        let params = Params {
            min_prepaid_epochs: dice.of(&[0, 1]),
            deposit_gwei: 0,
            ..Params::default()
        };
        let mut store = MemoryStore::default();
        let money = [(address("alice"), Usdc(u128::from(u64::MAX)))];
        marketplace::genesis(&mut store, &params, &money).expect("genesis");
        let mut market = Self {
            store,
            book: Book::default(),
            prepaid: params.min_prepaid_epochs > 0,
        };
        market.call("owner", supply(dice));
        let busy = Terms {
            target_workers: 3,
            limit_price: Price(1_000),
            ..plain()
        };
        market.call("alice", vec![post(busy, Usdc(3_000))]);
        market.block();
        market
    }

    fn run<T>(
        &mut self,
        caller: Address,
        act: impl FnOnce(&mut Cx<'_, MemoryStore>, &mut Book) -> Result<T, Error>,
    ) -> (Result<T, Error>, Vec<Event>) {
        let origin = Origin {
            caller,
            ..Origin::default()
        };
        let (mut events, mut payouts) = (Vec::new(), Vec::new());
        let mut cx =
            Cx::open(&mut self.store, origin, &mut events, &mut payouts).expect("a marketplace");
        (act(&mut cx, &mut self.book), events)
    }

    fn call(&mut self, caller: &str, calls: Vec<Call>) {
        for call in calls {
            let (result, _) = self.run(address(caller), |cx, _| marketplace::apply(cx, call));
            result.expect("accepted");
        }
    }

    /// Ends the block; gives where workers were placed.
    fn block(&mut self) -> BTreeSet<PeerId> {
        let (result, events) = self.run(Address::default(), marketplace::end_block);
        result.expect("end of block");
        self.book = Book::rebuild(rows(&self.store));
        let (result, _) = self.run(Address::default(), |cx, _| {
            marketplace::begin_block(cx, Seconds(1), &[])
        });
        result.expect("beginning of block");
        let assigned = events.into_iter().filter_map(|event| match event {
            Event::Worker(worker::Event::Assigned { peer, .. }) => Some(peer),
            _ => None,
        });
        assigned.collect()
    }

    fn explain(&mut self, terms: &Terms, escrow: Usdc) -> Explanation {
        let before = self.store.clone();
        let (explanation, events) = self.run(Address::default(), |cx, book| {
            explain::draft(cx, book, address("alice"), terms.clone(), escrow)
        });
        assert!(before == self.store && events.is_empty(), "it only reads");
        explanation.expect("explained")
    }

    /// Where a demand gets workers that is posted now and alone in this block.
    fn posted(&self, terms: &Terms, escrow: Usdc) -> BTreeSet<PeerId> {
        let mut market = self.clone();
        market.call("alice", vec![post(terms.clone(), escrow)]);
        market.block()
    }
}

fn post(terms: Terms, escrow: Usdc) -> Call {
    Call::Demand(demand::Call::Post { terms, escrow })
}

fn supply(dice: &mut Dice) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut members: BTreeMap<u64, Vec<PeerId>> = BTreeMap::new();
    for number in 1..=3 {
        calls.push(Call::Provider(provider::Call::Register {
            name: format!("P{number}"),
            metadata: Hash::default(),
            attributes: Vec::new(),
        }));
    }
    for number in 1..=6_u64 {
        let country = dice.of(&[*b"DE", *b"FR", *b"US"]);
        calls.push(Call::Datacenter(datacenter::Call::Register(Datacenter {
            provider: ProviderId((number - 1) / 2 + 1),
            country: Country(country),
            city: "FRA".to_owned(),
            name: "hall".to_owned(),
            certifications: Vec::new(),
            attributes: Vec::new(),
        })));
    }
    for number in 0..12 {
        let place = dice.roll() % 6 + 1;
        let name = format!("peer {number}");
        let mut new = registration(
            &name,
            ProviderId((place - 1) / 2 + 1),
            DatacenterId(place),
            u16::try_from(dice.roll() % 4).expect("small"),
        );
        new.newest_version = u32::from(dice.one_in(3)) + 1;
        new.oldest_version = new.newest_version;
        new.attributes = claims(dice);
        members.entry(place).or_default().push(peer_id(&name));
        calls.push(Call::Peer(peer::Call::Register(new)));
    }
    for (place, peers) in members {
        calls.push(Call::Offer(offer::Call::Post {
            datacenter: DatacenterId(place),
            curve: Curve {
                floor: Price((dice.roll() % 900 + 100).into()),
                slope: Price((dice.roll() % 50).into()),
            },
            terms: offer_terms(dice),
            peers,
        }));
    }
    calls
}

fn claims(dice: &mut Dice) -> Vec<Attribute> {
    let mut claims = Vec::new();
    let mut claim = |key: &str, value| {
        claims.push(Attribute {
            key: key.to_owned(),
            value,
        });
    };
    if !dice.one_in(3) {
        claim("size", Value::Integer((dice.roll() % 5).cast_signed()));
    }
    if !dice.one_in(4) {
        let minor = u32::try_from(dice.roll() % 3).expect("small");
        claim("kernel", Value::Version(1, minor, 0));
    }
    if dice.one_in(2) {
        claim("effector.kv", Value::Integer(1));
    }
    claims
}

fn offer_terms(dice: &mut Dice) -> offer::Terms {
    offer::Terms {
        pricing: vec![Pricing::Epoch],
        allowed: Vec::new(),
        denied: Vec::new(),
        min_duration: Seconds(dice.of(&[0, 0, 100, 1_000])),
        max_duration: dice.of(&[None, None, Some(Seconds(5_000)), Some(Seconds(500_000))]),
        max_units_per_deal: dice.of(&[None, None, Some(1), Some(4)]),
        notice: Seconds(0),
        max_hold: Seconds(dice.of(&[0, 60, 600])),
        valid_until: None,
        attributes: Vec::new(),
    }
}

fn plain() -> Terms {
    Terms::one_worker(Artifact::new(Hash([7; 32]), 9), Price(1_000))
}

fn terms(dice: &mut Dice) -> Terms {
    let mut small = |most: u64| u16::try_from(dice.roll() % most).expect("small");
    let target_workers = small(4) + 1;
    let min_workers = small(target_workers.into()) + 1;
    let spread = Spread {
        max_per_provider: small(3),
        max_per_datacenter: small(2),
        max_per_country: small(3),
        min_providers: small(u64::from(min_workers) + 1),
        min_countries: small(u64::from(min_workers) + 1),
    };
    if dice.one_in(2) {
        // Only how far workers lie apart can keep it from being matched.
        return Terms {
            min_workers: target_workers,
            target_workers,
            spread: Spread {
                min_providers: spread.min_providers.min(target_workers),
                min_countries: spread.min_countries.min(target_workers),
                ..spread
            },
            ..plain()
        };
    }
    let of = |key: &str, test| Predicate {
        subject: Subject::Peer,
        key: key.to_owned(),
        test,
    };
    let size = Value::Integer((dice.roll() % 7).cast_signed() - 1);
    let kernel = Value::Version(1, u32::try_from(dice.roll() % 3).expect("small"), 0);
    let country = Predicate {
        subject: Subject::Datacenter,
        ..of("country", Test::IsNot(Value::Text("DE".to_owned())))
    };
    let mut requirements = vec![
        of(
            "size",
            dice.of(&[Test::AtLeast, Test::Above, Test::AtMost, Test::Below])(size),
        ),
        of(
            "kernel",
            dice.of(&[Test::AtLeast, Test::Above, Test::Is])(kernel),
        ),
        country,
    ];
    requirements.retain(|_| dice.one_in(3));
    Terms {
        units_per_worker: u16::try_from(dice.roll() % 3 + 1).expect("small"),
        min_workers,
        target_workers,
        limit_price: Price((dice.roll() % 900 + 100).into()),
        duration: dice.of(&[None, None, Some(Seconds(50)), Some(Seconds(50_000))]),
        requirements,
        effectors: dice.of(&[Vec::new(), Vec::new(), vec!["kv".to_owned()]]),
        protocol_version: dice.of(&[1, 1, 2]),
        spread,
        hold: Seconds(dice.of(&[0, 0, 60, 1_000])),
        ..plain()
    }
}

/// The demand with that change.
fn changed(terms: &Terms, what: &What) -> Terms {
    let mut terms = terms.clone();
    match what.clone() {
        What::LimitPrice(limit) => terms.limit_price = limit,
        What::Escrow(_) => {}
        What::UnitsPerWorker(units) => terms.units_per_worker = units,
        What::MinWorkers(min) => terms.min_workers = min,
        What::Requirement(place, Some(test)) => terms.requirements[place].test = test,
        What::Requirement(place, None) => _ = terms.requirements.remove(place),
        What::Effector(place) => _ = terms.effectors.remove(place),
        What::ProtocolVersion(version) => terms.protocol_version = version,
        What::Duration(duration) => terms.duration = Some(duration),
        What::Hold(hold) => terms.hold = hold,
        What::MaxPerProvider(cap) => terms.spread.max_per_provider = cap,
        What::MaxPerDatacenter(cap) => terms.spread.max_per_datacenter = cap,
        What::MaxPerCountry(cap) => terms.spread.max_per_country = cap,
        What::MinProviders(min) => terms.spread.min_providers = min,
        What::MinCountries(min) => terms.spread.min_countries = min,
    }
    terms
}

#[test]
fn a_draft_gets_what_it_was_told_and_each_change_makes_it_match() {
    let mut dice = Dice::from_environment();
    let (mut matched, mut named) = (0, BTreeMap::<String, u32>::new());
    for _ in 0..MARKETS {
        let mut market = Market::random(&mut dice);
        for _ in 0..DRAFTS {
            let terms = terms(&mut dice);
            let least = terms.limit_price.0
                * u128::from(terms.target_workers)
                * u128::from(terms.units_per_worker);
            // Where nothing is prepaid it may not even cover the start.
            let escrow = match market.prepaid || dice.one_in(2) {
                true => Usdc(least),
                false => Usdc((dice.roll() % 20 + 1).into()),
            };
            let told = market.explain(&terms, escrow);
            let peers: BTreeSet<_> = told.placed.iter().map(|placed| placed.peer).collect();
            assert_eq!(peers, market.posted(&terms, escrow), "{terms:#?}");
            if !peers.is_empty() {
                assert!(told.changes.is_empty(), "{told:#?}");
                matched += 1;
                continue;
            }
            assert!(!told.reasons.is_empty(), "{terms:#?}: no reason");
            let distances: Vec<_> = told
                .changes
                .iter()
                .map(|change| change.distance_ppm)
                .collect();
            assert!(distances.is_sorted(), "{told:#?}");
            for change in &told.changes {
                let terms = changed(&terms, &change.what);
                let placed = market.posted(&terms, escrow.max(change.escrow));
                let enough = placed.len() >= terms.min_workers.into();
                assert!(enough, "{change:?} does not help\n{terms:#?}");
                if let What::LimitPrice(limit) = change.what {
                    let less = Terms {
                        limit_price: Price(limit.0 - 1),
                        ..terms
                    };
                    assert!(
                        market.explain(&less, escrow).placed.is_empty(),
                        "{change:?}"
                    );
                }
                let name = format!("{:?}", change.what);
                let name = name.split('(').next().unwrap_or_default().to_owned();
                *named.entry(name).or_default() += 1;
            }
        }
    }
    println!("{matched} matched, changes {named:?}");
    assert!(matched > 100, "{matched}");
    for name in [
        "LimitPrice",
        "Escrow",
        "UnitsPerWorker",
        "MinWorkers",
        "Requirement",
        "Effector",
        "ProtocolVersion",
        "Duration",
        "Hold",
        "MaxPerProvider",
        "MaxPerDatacenter",
        "MaxPerCountry",
        "MinProviders",
        "MinCountries",
    ] {
        assert!(named.contains_key(name), "{name} never helped: {named:?}");
    }
}

#[test]
fn a_deal_that_is_over_gets_nothing_for_no_reason() {
    let mut market = Market::random(&mut Dice::from_environment());
    let deal = DealId(1);
    let stop = deal::Call::Stop { deal };
    market.call("alice", vec![Call::Deal(stop)]);
    let (told, _) = market.run(Address::default(), |cx, book| {
        explain::posted(cx, book, deal)
    });
    assert_eq!(told, Ok(Explanation::default()));
}
