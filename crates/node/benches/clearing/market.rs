//! The market of the benchmark: so many units over 5,000 peers in 200 datacenters of 40 countries, with ten attributes
//! each, and demands for them. Everything follows from the seed.

use ed25519_dalek::{Signer as _, SigningKey};
use marketplace::attribute::{Attribute, Predicate, Subject, Test, Value};
use marketplace::datacenter::{Country, Datacenter};
use marketplace::demand::{self, Artifact, Source, Spread, Terms};
use marketplace::matching::explain;
use marketplace::store::{MemoryStore, OutOfWork, Row, Store};
use marketplace::units::{Address, DatacenterId, Hash, PeerId, Price, ProviderId, Seconds, Usdc};
use marketplace::{Book, Call, Cx, Error, Event, Origin, Params, Reply};
use marketplace::{datacenter, offer, peer, provider};
use std::{collections::BTreeMap, ops::Bound};

const CHAIN_ID: u64 = 1;
const PEERS: u64 = 5_000;
const DATACENTERS: u64 = 200;
const COUNTRIES: u64 = 40;
const PROVIDERS: u64 = 50;
const OWNER: Address = Address([1; 20]);
const DEVELOPER: Address = Address([2; 20]);
const ESCROW: Usdc = Usdc(100_000_000);

/// Xorshift: small, seeded, the same everywhere.
#[derive(Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Rows under a block's writes, as whoever executes blocks keeps them.
#[derive(Clone, Default)]
pub(crate) struct Buffered {
    pub base: BTreeMap<Vec<u8>, Vec<u8>>,
    pub writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Store for Buffered {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, OutOfWork> {
        Ok(match self.writes.get(key) {
            Some(row) => row.clone(),
            None => self.base.get(key).cloned(),
        })
    }

    fn put(&mut self, key: &[u8], row: Vec<u8>) -> Result<(), OutOfWork> {
        self.writes.insert(key.to_vec(), Some(row));
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), OutOfWork> {
        self.writes.insert(key.to_vec(), None);
        Ok(())
    }

    fn next(&mut self, from: &[u8], to: &[u8]) -> Result<Option<Row>, OutOfWork> {
        let to = to.max(from);
        let bounds = (Bound::Included(from), Bound::Excluded(to));
        let mut base = self.base.range::<[u8], _>(bounds).peekable();
        let mut writes = self.writes.range::<[u8], _>(bounds).peekable();
        loop {
            let below = base.peek().map(|(key, _)| *key);
            let written = writes.peek().map(|(key, _)| *key);
            let (key, row) = match (below, written) {
                (None, None) => return Ok(None),
                (Some(below), Some(written)) if below < written => base
                    .next()
                    .map(|(key, row)| (key, Some(row)))
                    .expect("peeked"),
                (Some(_), None) => base
                    .next()
                    .map(|(key, row)| (key, Some(row)))
                    .expect("peeked"),
                (below, Some(written)) => {
                    if below == Some(written) {
                        base.next();
                    }
                    writes
                        .next()
                        .map(|(key, row)| (key, row.as_ref()))
                        .expect("peeked")
                }
            };
            if let Some(row) = row {
                return Ok(Some((key.clone(), row.clone())));
            }
        }
    }

    fn step(&mut self, _steps: u64) -> Result<(), OutOfWork> {
        Ok(())
    }
}

/// A marketplace in memory.
#[derive(Clone)]
pub(crate) struct Market {
    pub store: Buffered,
    pub book: Book,
    pub dice: Dice,
}

fn params(clearing_budget: u64) -> Params {
    Params {
        chain_id: CHAIN_ID,
        min_prepaid_epochs: 0,
        deposit_gwei: 0,
        clearing_budget,
        ..Params::default()
    }
}

impl Market {
    /// Supply and no demand, in its second block, of which each does so much clearing.
    pub(crate) fn new(units: u64, clearing_budget: u64) -> Self {
        let mut genesis = MemoryStore::default();
        let money = [(DEVELOPER, Usdc(1_000_000_000_000_000))];
        marketplace::genesis(&mut genesis, &params(clearing_budget), &money).expect("genesis");
        let mut market = Self {
            store: Buffered {
                base: genesis.rows,
                ..Buffered::default()
            },
            book: Book::default(),
            dice: Dice::new(0x2026_1125),
        };
        market.begin();
        for number in 0..PROVIDERS {
            let register = provider::Call::Register {
                name: format!("Provider {number}"),
                metadata: Hash::default(),
                attributes: Vec::new(),
            };
            market.call(OWNER, Call::Provider(register));
        }
        for number in 0..DATACENTERS {
            market.place(number);
        }
        for number in 0..PEERS {
            market.join(number, units / PEERS);
        }
        for number in 0..DATACENTERS {
            market.offer(number);
        }
        market.end();
        market.commit();
        market.begin();
        market
    }

    fn call(&mut self, caller: Address, call: Call) -> Reply {
        let origin = Origin {
            caller,
            ..Origin::default()
        };
        let (reply, _) = self.within(origin, |cx, _| marketplace::apply(cx, call));
        reply
    }

    /// Runs `act` on the open block; gives what happened in it too.
    fn within<T>(
        &mut self,
        origin: Origin,
        act: impl FnOnce(&mut Cx<'_, Buffered>, &mut Book) -> Result<T, Error>,
    ) -> (T, Vec<Event>) {
        let (mut events, mut payouts) = (Vec::new(), Vec::new());
        let mut cx =
            Cx::open(&mut self.store, origin, &mut events, &mut payouts).expect("a marketplace");
        let result = act(&mut cx, &mut self.book).expect("accepted");
        (result, events)
    }

    fn begin(&mut self) {
        self.within(Origin::default(), |cx, _| {
            marketplace::begin_block(cx, Seconds(0), &[])
        });
    }

    /// Clears the open block; gives how many workers were assigned.
    pub(crate) fn end(&mut self) -> u64 {
        let ((), events) = self.within(Origin::default(), marketplace::end_block);
        let assigned = |event: &&Event| {
            matches!(
                event,
                Event::Worker(marketplace::worker::Event::Assigned { .. })
            )
        };
        events.iter().filter(assigned).count() as u64
    }

    /// Takes the writes over into the base, and into the index.
    pub(crate) fn commit(&mut self) {
        let writes = std::mem::take(&mut self.store.writes);
        let diff = writes.iter();
        self.book
            .apply(diff.map(|(key, row)| (key.as_slice(), row.as_deref())));
        for (key, row) in writes {
            match row {
                Some(row) => self.store.base.insert(key, row),
                None => self.store.base.remove(&key),
            };
        }
    }

    fn place(&mut self, number: u64) {
        let country = number % COUNTRIES;
        let letter = |number: u64| b'A' + (number % 26) as u8;
        let datacenter = Datacenter {
            provider: ProviderId(number % PROVIDERS + 1),
            country: Country([letter(country / 26), letter(country)]),
            city: format!("{:03}", number % 100),
            name: format!("Hall {number}"),
            certifications: vec!["iso27001".to_owned()],
            attributes: Vec::new(),
        };
        self.call(
            OWNER,
            Call::Datacenter(datacenter::Call::Register(datacenter)),
        );
    }

    fn join(&mut self, number: u64, units: u64) {
        let datacenter = number % DATACENTERS;
        let provider = ProviderId(datacenter % PROVIDERS + 1);
        let key = SigningKey::from_bytes(&seed(number));
        let peer = PeerId(key.verifying_key().to_bytes());
        let message = peer::registration_message(CHAIN_ID, provider, peer);
        let registration = peer::Registration {
            datacenter: DatacenterId(datacenter + 1),
            peer,
            signature: key.sign(&message).to_bytes(),
            operator: Address([3; 20]),
            endpoints: vec![format!("192.0.2.1:{}", number % 60_000 + 1)],
            oldest_version: 1,
            newest_version: 1,
            attributes: attributes(&mut self.dice, number),
            units: u16::try_from(units).expect("at most 256 units a peer"),
        };
        self.call(OWNER, Call::Peer(peer::Call::Register(registration)));
    }

    fn offer(&mut self, number: u64) {
        let peers = (0..PEERS).filter(|peer| peer % DATACENTERS == number);
        let id = |number| {
            PeerId(
                SigningKey::from_bytes(&seed(number))
                    .verifying_key()
                    .to_bytes(),
            )
        };
        let post = offer::Call::Post {
            datacenter: DatacenterId(number + 1),
            curve: offer::Curve::flat(Price((1_000 + self.dice.roll(9_000)).into())),
            terms: offer::Terms::any(),
            peers: peers.map(id).collect(),
        };
        self.call(OWNER, Call::Offer(post));
    }

    /// Posts a demand for 1 to 64 workers with up to 8 requirements; gives its target.
    fn demand(&mut self) -> u64 {
        let requirements = self.dice.roll(9);
        let target = self.dice.roll(64) + 1;
        let terms = Terms {
            requirements: (0..requirements)
                .map(|_| requirement(&mut self.dice))
                .collect(),
            spread: spread(&mut self.dice),
            ..terms(self.dice.roll(target) + 1, target)
        };
        self.post(terms);
        target
    }

    /// Posts demands until their targets are so many workers together.
    pub(crate) fn demand_workers(&mut self, workers: u64) {
        let mut wanted = 0;
        while wanted < workers {
            wanted += self.demand();
        }
    }

    /// Posts a demand whose requirements each hold somewhere, and nowhere together.
    pub(crate) fn demand_in_vain(&mut self) {
        let terms = impossible(&mut self.dice);
        self.post(terms);
    }

    /// Lets one be explained that is not posted.
    pub(crate) fn explain(&mut self) {
        let terms = impossible(&mut self.dice);
        let (explanation, _) = self.within(Origin::default(), |cx, book| {
            explain::draft(cx, book, DEVELOPER, terms, ESCROW)
        });
        assert!(explanation.placed.is_empty() && !explanation.changes.is_empty());
    }

    fn post(&mut self, terms: Terms) {
        let escrow = ESCROW;
        self.call(
            DEVELOPER,
            Call::Demand(demand::Call::Post { terms, escrow }),
        );
    }
}

fn seed(number: u64) -> [u8; 32] {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    seed
}

const ARCHITECTURES: [&str; 3] = ["x86_64", "aarch64", "riscv64"];

/// Ten attributes, of few values and of many; one is different for each peer.
fn attributes(dice: &mut Dice, number: u64) -> Vec<Attribute> {
    let architecture = ARCHITECTURES[[0, 0, 0, 1, 1, 2][dice.roll(6) as usize]];
    let integer = |number: u64| Value::Integer(number.cast_signed());
    let named = [
        ("cpu.arch", Value::Text(architecture.to_owned())),
        ("cpu.model", Value::Text(format!("model {}", dice.roll(40)))),
        ("cpu.class", integer(dice.roll(8))),
        ("cpu.mhz", integer(2_000 + dice.roll(3_000))),
        ("net.mbps", integer(1 << dice.roll(7))),
        ("disk.gb", integer(dice.roll(64) * 16)),
        ("os.kernel", Value::Version(6, dice.roll(20) as u32, 0)),
        ("tee", Value::Set(vec!["sev".to_owned()])),
        ("effector.kv", integer(1)),
        ("serial", Value::Text(format!("{number:08x}"))),
    ];
    let attribute = |(key, value): (&str, Value)| Attribute {
        key: key.to_owned(),
        value,
    };
    named.into_iter().map(attribute).collect()
}

/// One requirement; each is met by a half of all peers or more, so that eight together leave some.
fn requirement(dice: &mut Dice) -> Predicate {
    let integer = |number: u64| Value::Integer(number.cast_signed());
    let of = |key: &str, test| Predicate {
        subject: Subject::Peer,
        key: key.to_owned(),
        test,
    };
    match dice.roll(8) {
        0 => of("cpu.arch", Test::IsNot(Value::Text("riscv64".to_owned()))),
        1 => of("cpu.class", Test::AtLeast(integer(dice.roll(4)))),
        2 => of("cpu.mhz", Test::Above(integer(2_000 + dice.roll(1_500)))),
        3 => of("net.mbps", Test::AtLeast(integer(1 << dice.roll(4)))),
        4 => of("disk.gb", Test::AtMost(integer(500 + dice.roll(500)))),
        5 => of(
            "os.kernel",
            Test::AtLeast(Value::Version(6, dice.roll(8) as u32, 0)),
        ),
        6 => of("tee", Test::Has("sev".to_owned())),
        _ => Predicate {
            subject: Subject::Datacenter,
            key: "country".to_owned(),
            test: Test::IsNot(Value::Text("AA".to_owned())),
        },
    }
}

/// A demand without match: of its eight requirements one of two contradictory ones must go.
fn impossible(dice: &mut Dice) -> Terms {
    let mut requirements: Vec<_> = (0..5).map(|_| requirement(dice)).collect();
    let of = |key: &str, test| Predicate {
        subject: Subject::Peer,
        key: key.to_owned(),
        test,
    };
    let class = dice.roll(7).cast_signed();
    requirements.extend([
        of("cpu.class", Test::AtMost(Value::Integer(class))),
        of("cpu.arch", Test::Is(Value::Text("x86_64".to_owned()))),
        of("cpu.class", Test::Above(Value::Integer(class))),
    ]);
    Terms {
        requirements,
        ..terms(1, 4)
    }
}

/// In every fourth demand, caps and a minimum that cross each other.
fn spread(dice: &mut Dice) -> Spread {
    if dice.roll(4) > 0 {
        return Spread::default();
    }
    Spread {
        max_per_provider: 8,
        max_per_datacenter: 4,
        max_per_country: 8,
        min_providers: 1,
        min_countries: 1,
    }
}

fn terms(min: u64, target: u64) -> Terms {
    let artifact = Artifact {
        sources: vec![Source {
            key: PeerId([9; 32]),
            endpoint: "192.0.2.1:4001".to_owned(),
        }],
        ..Artifact::new(Hash([7; 32]), 100_000)
    };
    Terms {
        min_workers: min as u16,
        target_workers: target as u16,
        effectors: vec!["kv".to_owned()],
        ..Terms::one_worker(artifact, Price(10_000))
    }
}
