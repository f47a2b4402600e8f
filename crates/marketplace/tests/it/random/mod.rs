//! Random runs: calls drawn by weights that each run draws anew, half of them meant to be refused. `World` checks
//! all invariants, the auditor's books, and that a refused call leaves every byte as it was, after each step.
//!
//! A new call needs a row in `swarm::KINDS` and the function named there, in the file of its noun.

mod change;
mod coins;
mod deal;
mod demand;
mod exit;
mod fuzz;
mod governance;
mod offer;
mod peer;
mod provider;
mod swarm;
mod worker;

use crate::dice::Dice;
use crate::world::{World, address, peer_id};
use marketplace::units::{
    Address, DatacenterId, DealId, OfferId, PeerId, ProviderId, Usdc, WorkerId,
};
use marketplace::{Call, Event, Params, Reply};
use std::collections::BTreeMap;
use swarm::{KINDS, Swarm};

/// The first four become providers, all of them developers.
const PEOPLE: [&str; 6] = ["alice", "bob", "carol", "dave", "erin", "mallory"];

/// Who makes a call, and which.
type Made = (Address, Call);

/// Accepted and refused, by name of call.
type Tally = BTreeMap<&'static str, (u64, u64)>;

struct Run {
    world: World,
    dice: Dice,
    swarm: Swarm,
    /// Whether the call under way is meant to be refused.
    wild: bool,
    providers: u64,
    datacenters: u64,
    offers: u64,
    deals: u64,
    changes: u64,
    commitments: u64,
    /// Workers that are not gone, as the first `heard` events say.
    live: Vec<WorkerId>,
    heard: usize,
    /// Names of all peers that somebody tried to register, with their providers.
    peers: Vec<(String, ProviderId)>,
    tally: Tally,
}

impl Run {
    fn new(params: Params, mut dice: Dice) -> Self {
        let money: Vec<_> = PEOPLE
            .iter()
            .map(|name| (address(name), Usdc(50_000_000)))
            .collect();
        let mut run = Self {
            world: World::new(params, &money),
            swarm: Swarm::draw(&mut dice),
            dice,
            wild: false,
            providers: 0,
            datacenters: 0,
            offers: 0,
            deals: 0,
            changes: 0,
            commitments: 0,
            live: Vec::new(),
            heard: 0,
            peers: Vec::new(),
            tally: Tally::new(),
        };
        run.found();
        run
    }

    /// A little supply, so that a run without any of these calls has something to go on.
    fn found(&mut self) {
        type Make = fn(&mut Run) -> Made;
        let calls: [(u64, Make); 4] = [
            (3, Self::register_provider),
            (4, Self::register_datacenter),
            (6, Self::register_peer),
            (6, Self::post_offer),
        ];
        for (count, make) in calls {
            for _ in 0..count {
                self.make(make);
            }
        }
    }

    /// A block, or a call in the open block.
    fn step(&mut self) {
        if self.swarm.ends_block(&mut self.dice) {
            let elapsed = self.swarm.elapsed(&mut self.dice);
            return self.world.block(elapsed);
        }
        let kind = self.swarm.kind(&mut self.dice);
        self.wild = self.dice.one_in(2);
        let kind = &KINDS[kind];
        let call = self.make(kind.make);
        assert_eq!(
            call, kind.name,
            "a function makes another call than it says"
        );
        self.wild = false;
    }

    fn make(&mut self, make: fn(&mut Run) -> Made) -> &'static str {
        let (caller, call) = make(self);
        let caller = match self.odd(3) {
            true => self.anybody(),
            false => caller,
        };
        let name = crate::calls::name(&call);
        let reply = self.world.call(caller, &call);
        let tally = self.tally.entry(name).or_default();
        match reply {
            Ok(reply) => {
                tally.0 += 1;
                self.note(reply);
                if !crate::twice::asks_for_more(name) && self.dice.one_in(10) {
                    self.again(caller, &call);
                }
            }
            Err(_) => tally.1 += 1,
        }
        name
    }

    /// The same call in the same block changes nothing any more.
    fn again(&mut self, caller: Address, call: &Call) {
        let before = self.world.store.clone();
        let again = self.world.call(caller, call);
        assert!(before == self.world.store, "{call:?}, then {again:?}");
    }

    fn note(&mut self, reply: Reply) {
        match reply {
            Reply::Provider(id) => self.providers = id.0,
            Reply::Datacenter(id) => self.datacenters = id.0,
            Reply::Offer(id) => self.offers = id.0,
            Reply::Deal(id) => self.deals = id.0,
            Reply::Change(id) => self.changes = id.0,
            Reply::Commitment(id) => self.commitments = id.0,
            Reply::Done | Reply::Paid(_) => {}
        }
    }

    /// One in so many of the calls that are meant to be refused.
    fn odd(&mut self, chances: usize) -> bool {
        self.wild && self.dice.one_in(chances)
    }

    fn number(&mut self, bound: u64) -> u64 {
        self.dice.roll() % bound.max(1)
    }

    /// A count of at least one; zero or absurd if it is meant to be refused.
    fn small(&mut self, usual: u16) -> u16 {
        match self.odd(4) {
            true => self.dice.of(&[0, u16::MAX]),
            false => u16::try_from(self.number(usual.into())).expect("small") + 1,
        }
    }

    fn amount(&mut self, usual: u64) -> Usdc {
        match self.odd(4) {
            true => self.dice.of(&[Usdc(0), Usdc(u128::MAX)]),
            false => Usdc(u128::from(self.number(usual)) + 1),
        }
    }

    /// An id that was handed out; or a neighbour of those.
    fn id(&mut self, last: u64) -> u64 {
        match self.odd(6) {
            true => self.dice.of(&[0, last + 1, u64::MAX]),
            false => self.number(last) + 1,
        }
    }

    /// Tries a few times to find something of which `fits` holds; the last one if none does.
    fn find<T>(
        &mut self,
        mut draw: impl FnMut(&mut Self) -> T,
        fits: impl Fn(&Self, &T) -> bool,
    ) -> T {
        for _ in 0..12 {
            let drawn = draw(self);
            if self.wild || fits(self, &drawn) {
                return drawn;
            }
        }
        draw(self)
    }

    fn anybody(&mut self) -> Address {
        address(self.dice.of(&PEOPLE))
    }

    fn any_provider(&mut self) -> ProviderId {
        ProviderId(self.id(self.providers))
    }

    fn any_datacenter(&mut self) -> DatacenterId {
        DatacenterId(self.id(self.datacenters))
    }

    fn any_offer(&mut self) -> OfferId {
        OfferId(self.id(self.offers))
    }

    fn any_deal(&mut self) -> DealId {
        DealId(self.id(self.deals))
    }

    fn any_peer(&mut self) -> (PeerId, ProviderId) {
        if self.peers.is_empty() || self.odd(8) {
            return (peer_id("nobody"), ProviderId(1));
        }
        let (name, provider) = self.dice.of(&self.peers);
        (peer_id(&name), provider)
    }

    /// A worker, most of the time one that is not gone.
    fn any_worker(&mut self) -> WorkerId {
        for (_, event) in &self.world.events[self.heard..] {
            use marketplace::worker::Event::{Assigned, Gone};
            match event {
                Event::Worker(Assigned { worker, .. }) => self.live.push(*worker),
                Event::Worker(Gone { worker, .. }) => self.live.retain(|live| live != worker),
                _ => {}
            }
        }
        self.heard = self.world.events.len();
        match self.live.is_empty() || self.odd(3) {
            true => WorkerId(self.number(200)),
            false => self.dice.of(&self.live),
        }
    }
}
