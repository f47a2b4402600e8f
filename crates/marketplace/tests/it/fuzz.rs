//! Random calls, half of them nonsense: nothing that anyone can do breaks an invariant, the auditor's books, or
//! the promise that a refused call leaves every byte as it was (`World` checks all of it after each call).
//!
//! A fuzz test: see `tests/dice.rs` for how a run is repeated or lengthened.

mod change;

use crate::dice::{Dice, Fuzz};
use crate::world::{World, address, peer_id, registration};
use marketplace::attribute::{Attribute, Predicate, Subject, Test, Value};
use marketplace::datacenter::{Country, Datacenter};
use marketplace::deal::Status;
use marketplace::demand::{Artifact, Pricing, Spread, Terms};
use marketplace::units::{
    Address, DatacenterId, DealId, Hash, OfferId, Price, ProviderId, Seconds, Time, Usdc, WorkerId,
};
use marketplace::worker::{Obstacle, Stage};
use marketplace::{Call, Event, Params, Reply};
use marketplace::{datacenter, deal, demand, offer, peer, provider, usdc, worker};
use std::collections::BTreeMap;

const PEOPLE: [&str; 6] = ["alice", "bob", "carol", "dave", "erin", "mallory"];

/// Calls that a round makes.
const STEPS: u64 = 3_000;

impl Dice {
    fn number(&mut self, bound: u64) -> u64 {
        self.roll() % bound.max(1)
    }

    /// Mostly small, sometimes zero, sometimes absurd.
    fn small(&mut self, usual: u16) -> u16 {
        match self.number(20) {
            0 => 0,
            1 => u16::MAX,
            _ => u16::try_from(self.number(usual.into())).expect("small") + 1,
        }
    }

    fn amount(&mut self, usual: u64) -> Usdc {
        match self.number(20) {
            0 => Usdc(0),
            1 => Usdc(u128::MAX),
            _ => Usdc(self.number(usual).into()),
        }
    }
}

fn params() -> Params {
    Params {
        epoch_seconds: 997,
        max_step_seconds: 60,
        min_prepaid_epochs: 1,
        min_charge_seconds: 20,
        start_timeout_seconds: 30,
        lease_seconds: 80,
        exclude_epochs: 1,
        max_replacements_per_epoch: 5,
        pause_epochs: 1,
        max_target_workers: 6,
        max_hold_seconds: 100,
        look_budget: 40,
        faucet_usdc: 1_000_000,
        ..Params::default()
    }
}

fn money() -> Vec<(Address, Usdc)> {
    PEOPLE
        .iter()
        .map(|name| (address(name), Usdc(50_000_000)))
        .collect()
}

#[test]
fn random_calls_keep_every_promise() {
    let mut fuzz = Fuzz::begin();
    while let Some(dice) = fuzz.round() {
        let mut run = Run::new(World::new(params(), &money()), dice);
        for _ in 0..STEPS {
            run.step();
        }
        println!("{:?}, {} rows", run.tally, run.world.store.rows.len());
        let (accepted, refused) = run
            .tally
            .values()
            .fold((0, 0), |(a, r), (b, s)| (a + b, r + s));
        assert!(
            accepted * 4 > STEPS && refused * 4 > STEPS,
            "{accepted} accepted, {refused} refused"
        );
        run.settle_up();
    }
}

/// With a clock that brings one deal up in each half of a block, events come late, and nothing else changes.
#[test]
fn random_calls_with_a_drained_clock_keep_every_invariant() {
    let params = Params {
        due_budget: 1,
        clearing_budget: 10,
        ..params()
    };
    let mut fuzz = Fuzz::begin();
    while let Some(dice) = fuzz.round() {
        let mut run = Run::new(World::new(params.clone(), &money()), dice);
        for _ in 0..STEPS / 3 {
            run.step();
        }
        run.settle_up();
    }
}

struct Run<'d> {
    world: World,
    dice: &'d mut Dice,
    providers: u64,
    datacenters: u64,
    offers: u64,
    deals: u64,
    live: Vec<WorkerId>,
    heard: usize,
    peers: Vec<(String, ProviderId)>,
    /// Accepted and refused, by kind of call.
    tally: BTreeMap<&'static str, (u64, u64)>,
}

impl<'d> Run<'d> {
    fn new(world: World, dice: &'d mut Dice) -> Self {
        Self {
            world,
            dice,
            providers: 0,
            datacenters: 0,
            offers: 0,
            deals: 0,
            live: Vec::new(),
            heard: 0,
            peers: Vec::new(),
            tally: BTreeMap::new(),
        }
    }

    /// A block, or a call in the open block.
    fn step(&mut self) {
        if self.dice.one_in(6) {
            let elapsed = self.dice.of(&[0, 1, 1, 2, 5, 5, 13, 90]);
            return self.world.block(elapsed);
        }
        let (name, caller, call) = self.any_call();
        let caller = if self.dice.one_in(6) {
            address(self.dice.of(&PEOPLE))
        } else {
            caller
        };
        let reply = self.world.call(caller, &call);
        let tally = self.tally.entry(name).or_default();
        match reply {
            Ok(reply) => {
                tally.0 += 1;
                self.note(reply);
            }
            Err(_) => tally.1 += 1,
        }
    }

    fn note(&mut self, reply: Reply) {
        match reply {
            Reply::Provider(id) => self.providers = id.0,
            Reply::Datacenter(id) => self.datacenters = id.0,
            Reply::Offer(id) => self.offers = id.0,
            Reply::Deal(id) => self.deals = id.0,
            Reply::Done | Reply::Paid(_) => {}
        }
    }

    /// An id that exists, most of the time.
    fn id(&mut self, last: u64) -> u64 {
        self.dice.number(last + 1) + u64::from(!self.dice.one_in(12))
    }

    fn any_call(&mut self) -> (&'static str, Address, Call) {
        match self.dice.number(44) {
            0 => self.provider(),
            1 => self.datacenter(),
            2 | 3 => self.peer(),
            4..=6 => self.offer(),
            7..=11 => self.demand(),
            12 => self.coins(),
            13..=15 => self.withdraw(),
            16..=19 => self.deal(),
            20 => self.evict(),
            21..=29 => self.worker(),
            30..=33 => self.change(),
            _ => self.report(),
        }
    }

    fn provider(&mut self) -> (&'static str, Address, Call) {
        let owner = address(self.dice.of(&PEOPLE[..4]));
        let name = if self.dice.one_in(4) {
            String::new()
        } else {
            "some".to_owned()
        };
        let metadata = Hash::default();
        let call = provider::Call::Register {
            name,
            metadata,
            attributes: Vec::new(),
        };
        ("provider", owner, Call::Provider(call))
    }

    fn owner(&self, id: ProviderId) -> Address {
        let provider = self.world.read(|cx| provider::get(cx.store, id));
        provider.map_or(address("nobody"), |provider| provider.owner)
    }

    fn datacenter(&mut self) -> (&'static str, Address, Call) {
        let provider = ProviderId(self.id(self.providers));
        let country = Country(self.dice.of(&[*b"DE", *b"US", *b"FR", *b"de"]));
        let datacenter = Datacenter {
            provider,
            country,
            city: "ABC".to_owned(),
            name: "hall".to_owned(),
            certifications: Vec::new(),
            attributes: Vec::new(),
        };
        let call = Call::Datacenter(datacenter::Call::Register(datacenter));
        ("datacenter", self.owner(provider), call)
    }

    fn peer(&mut self) -> (&'static str, Address, Call) {
        if !self.peers.is_empty() && self.dice.one_in(2) {
            return self.change_peer();
        }
        let datacenter = DatacenterId(self.id(self.datacenters));
        let row = self.world.read(|cx| datacenter::get(cx.store, datacenter));
        let provider = row.map_or(ProviderId(1), |row| row.provider);
        let name = format!("peer{}", self.peers.len());
        let units = self.dice.small(6);
        let mut new = registration(&name, provider, datacenter, units);
        let value = Value::Integer(self.dice.of(&[100, 1_000]));
        new.attributes = vec![Attribute {
            key: "net.mbps".to_owned(),
            value,
        }];
        if self.dice.one_in(8) {
            new.signature[3] ^= 1;
        }
        self.peers.push((name, provider));
        (
            "peer",
            self.owner(provider),
            Call::Peer(peer::Call::Register(new)),
        )
    }

    fn some_peer(&mut self) -> (String, ProviderId) {
        if self.peers.is_empty() {
            return ("nobody".to_owned(), ProviderId(1));
        }
        let place = self.dice.number(self.peers.len() as u64);
        self.peers[usize::try_from(place).expect("index")].clone()
    }

    fn change_peer(&mut self) -> (&'static str, Address, Call) {
        let (name, provider) = self.some_peer();
        let (peer, count) = (peer_id(&name), self.dice.small(3));
        let call = match self.dice.number(4) {
            0 => peer::Call::AddUnits { peer, count },
            1 => peer::Call::RemoveUnits { peer, count },
            2 => peer::Call::Remove { peer },
            _ => peer::Call::SetAttributes {
                peer,
                attributes: Vec::new(),
            },
        };
        ("change peer", self.owner(provider), Call::Peer(call))
    }

    fn offer(&mut self) -> (&'static str, Address, Call) {
        let (name, provider) = self.some_peer();
        let peer = peer_id(&name);
        let place = self
            .world
            .read(|cx| peer::get(cx.store, peer))
            .map(|peer| peer.datacenter);
        let offer = OfferId(self.id(self.offers));
        let price = Price(self.dice.amount(200_000).0);
        let call = match self.dice.number(9) {
            0 => offer::Call::SetPrice { offer, price },
            1 => offer::Call::AddPeer { offer, peer },
            2 => offer::Call::RemovePeer { offer, peer },
            3 if self.dice.one_in(4) => offer::Call::Close { offer },
            _ => offer::Call::Post {
                datacenter: place.unwrap_or(DatacenterId(1)),
                price,
                peers: vec![peer],
                terms: offer::Terms {
                    min_duration: Seconds(0),
                    max_duration: self.dice.one_in(4).then_some(Seconds(500)),
                    max_units_per_deal: self.dice.one_in(4).then_some(3),
                    notice: Seconds(0),
                    max_hold: Seconds(self.dice.of(&[0, 60])),
                    valid_until: self.dice.one_in(6).then_some(Time(self.world.now + 300)),
                    attributes: Vec::new(),
                },
            },
        };
        ("offer", self.owner(provider), Call::Offer(call))
    }

    fn demand(&mut self) -> (&'static str, Address, Call) {
        let owner = address(self.dice.of(&PEOPLE));
        let target = self.dice.small(4);
        let least = self.dice.small(target.min(4));
        let limit_price = Price(self.dice.amount(250_000).0);
        let requirements = match self.dice.one_in(4) {
            false => Vec::new(),
            true => vec![Predicate {
                subject: Subject::Peer,
                key: "net.mbps".to_owned(),
                test: Test::AtLeast(Value::Integer(1_000)),
            }],
        };
        let mut cap = |usual| {
            if self.dice.one_in(4) {
                self.dice.small(usual)
            } else {
                0
            }
        };
        let spread = Spread {
            max_per_provider: cap(2),
            max_per_datacenter: cap(2),
            max_per_country: cap(2),
            min_providers: cap(least.min(2)),
            min_countries: cap(least.min(2)),
        };
        let units_per_worker = self.dice.small(2);
        let prepaid = u128::from(units_per_worker) * u128::from(target);
        let prepaid = prepaid * limit_price.0.min(1 << 64);
        let escrow = Usdc(match self.dice.number(8) {
            0 => prepaid.saturating_sub(1),
            1 => prepaid,
            _ => prepaid + self.dice.amount(30_000).0.min(1 << 64),
        });
        let terms = Terms {
            artifact: Artifact {
                hash: Hash([7; 32]),
                size: 9,
                sources: Vec::new(),
            },
            units_per_worker,
            min_workers: least,
            target_workers: target,
            limit_price,
            pricing: if self.dice.one_in(20) {
                Pricing::Request
            } else {
                Pricing::Epoch
            },
            duration: self.dice.one_in(3).then(|| Seconds(self.dice.number(400))),
            requirements,
            effectors: Vec::new(),
            protocol_version: 1,
            spread,
            providers: demand::Providers::default(),
            hold: Seconds(self.dice.of(&[0, 0, 40])),
            monitor: Some(address("erin")),
        };
        (
            "demand",
            owner,
            Call::Demand(demand::Call::Post { terms, escrow }),
        )
    }

    fn coins(&mut self) -> (&'static str, Address, Call) {
        let to = address(self.dice.of(&PEOPLE));
        let from = address(self.dice.of(&PEOPLE));
        let amount = self.dice.amount(100_000);
        let call = match self.dice.number(4) {
            0 => usdc::Call::Transfer { to, amount },
            1 => usdc::Call::Approve {
                spender: to,
                amount,
            },
            2 => usdc::Call::TransferFrom { from, to, amount },
            _ => usdc::Call::Faucet { amount },
        };
        ("usdc", address(self.dice.of(&PEOPLE)), Call::Usdc(call))
    }

    fn withdraw(&mut self) -> (&'static str, Address, Call) {
        let provider = ProviderId(self.id(self.providers));
        let call = provider::Call::Withdraw {
            provider,
            workers: self.dice.small(5),
        };
        ("withdraw", self.owner(provider), Call::Provider(call))
    }

    fn deal(&mut self) -> (&'static str, Address, Call) {
        let deal = DealId(self.id(self.deals));
        let row = self.world.read(|cx| deal::get(cx.store, deal));
        let owner = row.map_or(address("nobody"), |row| row.owner);
        let call = match self.dice.number(8) {
            0 | 1 => deal::Call::TopUp {
                deal,
                amount: self.dice.amount(50_000),
            },
            2..=4 => deal::Call::WithdrawSurplus {
                deal,
                amount: self.dice.amount(300_000),
            },
            5 => deal::Call::Stop { deal },
            _ => deal::Call::Remove { deal },
        };
        ("deal", owner, Call::Deal(call))
    }

    /// A worker, most of the time one that is not gone.
    fn some_worker(&mut self) -> (WorkerId, Option<worker::Worker>) {
        for (_, event) in &self.world.events[self.heard..] {
            match event {
                Event::Worker(worker::Event::Assigned { worker, .. }) => self.live.push(*worker),
                Event::Worker(worker::Event::Gone { worker, .. }) => {
                    self.live.retain(|live| live != worker);
                }
                _ => {}
            }
        }
        self.heard = self.world.events.len();
        let id = match self.live.is_empty() || self.dice.one_in(10) {
            true => WorkerId(self.dice.number(200)),
            false => self.dice.of(&self.live),
        };
        (id, self.world.read(|cx| worker::get(cx.store, id)))
    }

    fn operator(&self, worker: Option<&worker::Worker>) -> Address {
        let operator = worker.and_then(|worker| {
            self.world
                .read(|cx| peer::get(cx.store, worker.peer))
                .map(|peer| peer.operator)
        });
        operator.unwrap_or(address("nobody"))
    }

    fn evict(&mut self) -> (&'static str, Address, Call) {
        let (worker, row) = self.some_worker();
        let deal = row.and_then(|row| self.world.read(|cx| deal::get(cx.store, row.deal)));
        let owner = deal.map_or(address("nobody"), |deal| deal.owner);
        let caller = if self.dice.one_in(3) {
            address("erin")
        } else {
            owner
        };
        ("evict", caller, Call::Deal(deal::Call::Evict { worker }))
    }

    fn worker(&mut self) -> (&'static str, Address, Call) {
        let (worker, row) = self.some_worker();
        let operator = self.operator(row.as_ref());
        let assigned = matches!(
            row,
            Some(worker::Worker {
                stage: Stage::Assigned { .. },
                ..
            })
        );
        let due = self.world.read(|cx| deal::worker(cx, worker));
        let due = due.map_or(Hash([7; 32]), |view| view.due);
        let artifact = match self.dice.number(10) {
            0 => Hash([self.dice.of(&[7, 8, 9]); 32]),
            _ => due,
        };
        if self.dice.one_in(if assigned { 8 } else { 20 }) {
            let call = worker::Call::CannotRun {
                worker,
                artifact,
                obstacle: Obstacle::Unavailable,
            };
            return ("cannot run", operator, Call::Worker(call));
        }
        (
            "running",
            operator,
            Call::Worker(worker::Call::Running { worker, artifact }),
        )
    }

    fn report(&mut self) -> (&'static str, Address, Call) {
        let (name, _) = self.some_peer();
        let stopped = if self.dice.one_in(10) {
            vec![self.some_worker().0]
        } else {
            Vec::new()
        };
        let call = worker::Call::Report {
            peer: peer_id(&name),
            stopped,
        };
        ("report", address(&name), Call::Worker(call))
    }

    /// From wherever the run has come to, everybody can get out with what is theirs: owners stop their deals,
    /// providers withdraw, and no deal holds anything any more.
    fn settle_up(&mut self) {
        self.world.block(60);
        for id in 1..=self.deals {
            let Some(deal) = self.world.read(|cx| deal::get(cx.store, DealId(id))) else {
                continue;
            };
            if !matches!(deal.status, Status::Ended { .. }) {
                let stop = Call::Deal(deal::Call::Stop { deal: DealId(id) });
                let stopped = self.world.call(deal.owner, &stop);
                // A deadline that the drained clock had not reached may have ended it first.
                assert!(stopped.is_ok() || !self.world.audited, "stop: {stopped:?}");
            }
        }
        for _ in 0..50 {
            self.world.block(60);
        }
        for id in 1..=self.providers {
            let provider = ProviderId(id);
            let owner = self.owner(provider);
            for _ in 0..20 {
                let call = provider::Call::Withdraw {
                    provider,
                    workers: 256,
                };
                self.world
                    .call(owner, &Call::Provider(call))
                    .expect("withdraw");
            }
        }
        for id in 1..=self.deals {
            let account = marketplace::ledger::Account::Deal(DealId(id));
            let left = self
                .world
                .read(|cx| marketplace::ledger::balance(cx.store, account));
            assert_eq!(left, Usdc::ZERO, "deal {id} keeps money that is nobody's");
        }
    }
}
