//! A market in a state in which every call succeeds, and one call of each kind: what calls cost, and what the same call
//! does a second time. The tests of other crates include this file by its path.

use crate::names::{address, peer_id, registration};
use marketplace::attribute::{Attribute, Predicate, Subject, Test, Value};
use marketplace::change::{self, Change};
use marketplace::datacenter::{Country, Datacenter};
use marketplace::demand::{Artifact, Terms};
use marketplace::offer::Curve;
use marketplace::store::{MemoryStore, OutOfWork, Row, Store};
use marketplace::units::{
    Address, ChangeId, DatacenterId, DealId, Hash, OfferId, PeerId, Price, ProviderId, Seconds,
    Usdc, WorkerId,
};
use marketplace::worker::Obstacle;
use marketplace::{Book, Call, Cx, Error, Origin, Params};
use marketplace::{datacenter, deal, demand, governance, offer, peer, provider, usdc, worker};

const ARTIFACT: Hash = Hash([7; 32]);
const PROVIDER: ProviderId = ProviderId(1);
const DATACENTER: DatacenterId = DatacenterId(1);

/// How much there is beside what the calls are about.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    /// Deals of others: half of them served, half of them waiting.
    pub(crate) deals: u64,
    /// Offers of the same provider, with a peer each.
    pub(crate) offers: u64,
    /// Blocks of an hour since anything was touched; an epoch is a second.
    pub(crate) hours: u64,
}

/// Nothing else.
pub(crate) const SMALL: Size = Size {
    deals: 0,
    offers: 0,
    hours: 0,
};

struct Market {
    store: MemoryStore,
}

/// The rows of a typical market: worker 1 of deal 1 runs, worker 2 was assigned, deal 2 is over and paid.
pub(crate) fn market(size: Size) -> MemoryStore {
    let params = Params {
        epoch_seconds: 1,
        max_step_seconds: 3_600,
        start_timeout_seconds: 86_400,
        report_seconds: 86_400,
        lease_seconds: 864_000,
        faucet_usdc: 1_000,
        deposit_gwei: 0,
        governance: address("governance"),
        governance_delay_seconds: 31_536_000,
        ..Params::without_commitments()
    };
    let money = ["alice", "bob", "crowd"].map(|name| (address(name), Usdc(1 << 60)));
    let mut store = MemoryStore::default();
    marketplace::genesis(&mut store, &params, &money).expect("genesis");
    let mut market = Market { store };
    market.begin(0);
    market.supply(size.offers);
    market.deals();
    for number in 0..size.deals {
        // Half of them wait for a peer that nobody has.
        let pool = if number % 2 == 0 { "crowd" } else { "nobody's" };
        market.call("crowd", post_demand(pool, 1));
    }
    for _ in 0..20 {
        market.block(1);
    }
    for _ in 0..size.hours {
        market.block(3_600);
    }
    market.store
}

impl Market {
    fn act<T>(
        &mut self,
        caller: &str,
        act: impl FnOnce(&mut Cx<'_, MemoryStore>) -> Result<T, Error>,
    ) -> T {
        let origin = Origin {
            caller: address(caller),
            ..Origin::default()
        };
        let (mut events, mut payouts) = (Vec::new(), Vec::new());
        let cx = Cx::open(&mut self.store, origin, &mut events, &mut payouts);
        cx.and_then(|mut cx| act(&mut cx)).expect("it succeeds")
    }

    fn call(&mut self, caller: &str, call: Call) {
        self.act(caller, |cx| marketplace::apply(cx, call));
    }

    fn begin(&mut self, elapsed: u64) {
        self.act("", |cx| marketplace::begin_block(cx, Seconds(elapsed), &[]));
    }

    /// Ends the block and begins the next.
    fn block(&mut self, elapsed: u64) {
        let rows = self.store.rows.iter();
        let mut book = Book::rebuild(rows.map(|(key, row)| (key.as_slice(), row.as_slice())));
        self.act("", |cx| marketplace::end_block(cx, &mut book));
        self.begin(elapsed);
    }

    /// Offers of two peers, of one and of none, a peer in no offer, one without units; then `others`.
    fn supply(&mut self, others: u64) {
        self.call("owner", register_provider());
        self.call("owner", register_datacenter());
        self.call("bob", register_provider());
        self.call("owner", register_datacenter());
        self.call("governance", propose());
        let (provider, to) = (PROVIDER, Some(address("heir")));
        let transfer = provider::Call::Transfer { provider, to };
        self.call("owner", Call::Provider(transfer));
        for (name, pool, units) in [
            ("one", "ours", 4),
            ("two", "ours", 4),
            ("last", "free", 2),
            ("spare", "free", 2),
            ("bare", "free", 0),
        ] {
            self.call("owner", register_peer(name, pool, units));
        }
        self.call("owner", post_offer(&["one", "two"]));
        self.call("owner", post_offer(&["last"]));
        self.call("owner", post_offer(&[]));
        for number in 0..others {
            let name = format!("other{number}");
            self.call("owner", register_peer(&name, "crowd", 2));
            self.call("owner", post_offer(&[&name]));
        }
    }

    fn deals(&mut self) {
        self.call("alice", post_demand("ours", 2));
        self.block(1);
        let (worker, artifact) = (WorkerId(1), ARTIFACT);
        let running = worker::Call::Running { worker, artifact };
        self.call("operator", Call::Worker(running));
        self.block(5);
        self.call("operator", report());
        self.call("alice", post_demand("nobody's", 1));
        self.call("alice", Call::Deal(deal::Call::Stop { deal: DealId(2) }));
        self.call("bob", approve("carol"));
        self.call("alice", offer_deal("dave"));
    }
}

fn attribute(key: &str, value: &str) -> Vec<Attribute> {
    vec![Attribute {
        key: key.to_owned(),
        value: Value::Text(value.to_owned()),
    }]
}

pub(crate) fn register_provider() -> Call {
    Call::Provider(provider::Call::Register {
        name: "some provider".to_owned(),
        metadata: Hash::default(),
        attributes: Vec::new(),
    })
}

fn propose() -> Call {
    let (parameter, value) = ("max_target_workers".to_owned(), 9);
    Call::Governance(governance::Call::Propose { parameter, value })
}

pub(crate) fn register_datacenter() -> Call {
    Call::Datacenter(datacenter::Call::Register(Datacenter {
        provider: PROVIDER,
        country: Country(*b"DE"),
        city: "FRA".to_owned(),
        name: "hall".to_owned(),
        certifications: vec!["iso27001".to_owned()],
        attributes: Vec::new(),
    }))
}

fn register_peer(name: &str, pool: &str, units: u16) -> Call {
    let mut new = registration(name, PROVIDER, DATACENTER, units);
    new.operator = address("operator");
    new.attributes = attribute("pool", pool);
    Call::Peer(peer::Call::Register(new))
}

fn post_offer(peers: &[&str]) -> Call {
    Call::Offer(offer::Call::Post {
        datacenter: DATACENTER,
        curve: Curve::flat(Price(1_000)),
        peers: peers.iter().map(|name| peer_id(name)).collect(),
        terms: offer::Terms {
            notice: Seconds(3_600),
            ..offer::Terms::any()
        },
    })
}

fn post_demand(pool: &str, target_workers: u16) -> Call {
    let terms = Terms {
        target_workers,
        requirements: vec![Predicate {
            subject: Subject::Peer,
            key: "pool".to_owned(),
            test: Test::Is(Value::Text(pool.to_owned())),
        }],
        monitor: Some(address("monitor")),
        ..Terms::one_worker(Artifact::new(ARTIFACT, 1_000), Price(2_000))
    };
    let escrow = Usdc(1 << 40);
    Call::Demand(demand::Call::Post { terms, escrow })
}

fn offer_deal(to: &str) -> Call {
    let (deal, to) = (DealId(1), Some(address(to)));
    Call::Change(change::Call::Offer { deal, to })
}

fn approve(spender: &str) -> Call {
    let (spender, amount) = (address(spender), Usdc(1_000));
    Call::Usdc(usdc::Call::Approve { spender, amount })
}

/// The peer that worker 1 is on: of two alike the lower.
fn host() -> PeerId {
    peer_id("one").min(peer_id("two"))
}

fn report() -> Call {
    let peer = host();
    let stopped = Vec::new();
    Call::Worker(worker::Call::Report { peer, stopped })
}

/// A call of each kind that succeeds, in the order of `calls::NAMES`, and who makes it.
pub(crate) fn calls() -> Vec<(Address, Call)> {
    let amount = Usdc(5);
    let (to, from) = (address("dave"), address("bob"));
    let (provider, deal, worker) = (PROVIDER, DealId(1), WorkerId(2));
    let (spare, last) = (peer_id("spare"), peer_id("last"));
    let usdc = [
        ("alice", usdc::Call::Transfer { to, amount }),
        ("carol", usdc::Call::TransferFrom { from, to, amount }),
        ("alice", usdc::Call::Faucet { amount }),
    ]
    .map(|(who, call)| (who, Call::Usdc(call)));
    let [transfer, transfer_from, faucet] = usdc;
    let mut calls = vec![transfer, ("alice", approve("carol")), transfer_from, faucet];
    let metadata = Hash([1; 32]);
    let withdraw = provider::Call::Withdraw {
        provider,
        workers: 1,
    };
    let (change, to) = (ChangeId(1), Some(address("bob")));
    let cancel = governance::Call::Cancel { change };
    let remove = provider::Call::Remove {
        provider: ProviderId(2),
    };
    let admit = provider::Call::Admit {
        provider,
        admitted: true,
    };
    calls.extend([
        ("governance", propose()),
        ("governance", Call::Governance(cancel)),
        ("bob", register_provider()),
        (
            "owner",
            Call::Provider(provider::Call::Update { provider, metadata }),
        ),
        (
            "owner",
            Call::Provider(provider::Call::Transfer { provider, to }),
        ),
        ("heir", Call::Provider(provider::Call::Accept { provider })),
        ("governance", Call::Provider(admit)),
        ("bob", Call::Provider(remove)),
        ("owner", Call::Provider(withdraw)),
        ("owner", register_datacenter()),
        (
            "owner",
            Call::Datacenter(datacenter::Call::Remove {
                datacenter: DatacenterId(2),
            }),
        ),
        ("owner", register_peer("new", "free", 4)),
    ]);
    let endpoints = vec!["host:1".to_owned()];
    let attributes = attribute("pool", "other");
    let (peer, count) = (spare, 1);
    calls.extend(
        [
            peer::Call::SetEndpoints { peer, endpoints },
            peer::Call::SetOperator {
                peer,
                operator: address("bob"),
            },
            peer::Call::SetAttributes { peer, attributes },
            peer::Call::AddUnits { peer, count },
            peer::Call::RemoveUnits { peer, count },
            peer::Call::Remove {
                peer: peer_id("bare"),
            },
        ]
        .map(|call| ("owner", Call::Peer(call))),
    );
    calls.push(("owner", post_offer(&["spare"])));
    let (offer, curve) = (OfferId(2), Curve::flat(Price(900)));
    let terms = offer::Terms {
        max_units_per_deal: Some(3),
        ..offer::Terms::any()
    };
    calls.extend(
        [
            offer::Call::SetPrice { offer, curve },
            offer::Call::SetTerms { offer, terms },
            offer::Call::AddPeer { offer, peer },
            offer::Call::RemovePeer { offer, peer: last },
            offer::Call::Close { offer: OfferId(3) },
        ]
        .map(|call| ("owner", Call::Offer(call))),
    );
    calls.push(("bob", post_demand("ours", 1)));
    calls.extend(
        [
            ("bob", deal::Call::TopUp { deal, amount }),
            ("alice", deal::Call::WithdrawSurplus { deal, amount }),
            ("monitor", deal::Call::Evict { worker }),
            ("alice", deal::Call::Stop { deal }),
            ("alice", deal::Call::Remove { deal: DealId(2) }),
        ]
        .map(|(who, call)| (who, Call::Deal(call))),
    );
    let change = Change::Artifact(Artifact::new(Hash([8; 32]), 1_000));
    calls.extend([
        ("alice", Call::Change(change::Call::Terms { deal, change })),
        ("alice", offer_deal("erin")),
        ("dave", Call::Change(change::Call::Accept { deal })),
    ]);
    let (artifact, obstacle) = (ARTIFACT, Obstacle::Unavailable);
    let (runs, peer) = (WorkerId(1), host());
    calls.extend([
        (
            "operator",
            Call::Worker(worker::Call::Running { worker, artifact }),
        ),
        (
            "operator",
            Call::Worker(worker::Call::CannotRun {
                worker,
                artifact,
                obstacle,
            }),
        ),
        ("operator", report()),
        (
            "operator",
            Call::Worker(worker::Call::GiveNotice { worker: runs }),
        ),
        (
            "owner",
            Call::Worker(worker::Call::GiveNoticeOfAll { peer }),
        ),
        ("owner", Call::Worker(worker::Call::Leave { worker: runs })),
    ]);
    let calls = calls.into_iter();
    calls.map(|(who, call)| (address(who), call)).collect()
}

/// What a call did: operations on rows, bytes of the rows it wrote, and events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    /// Keys and values.
    pub(crate) bytes: usize,
    pub(crate) steps: u64,
    pub(crate) events: usize,
}

struct Counted {
    rows: MemoryStore,
    cost: Cost,
}

impl Store for Counted {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, OutOfWork> {
        self.cost.reads += 1;
        self.rows.get(key)
    }

    fn put(&mut self, key: &[u8], row: Vec<u8>) -> Result<(), OutOfWork> {
        self.cost.writes += 1;
        self.cost.bytes += key.len() + row.len();
        self.rows.put(key, row)
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), OutOfWork> {
        self.cost.writes += 1;
        self.rows.delete(key)
    }

    fn next(&mut self, from: &[u8], to: &[u8]) -> Result<Option<Row>, OutOfWork> {
        self.cost.reads += 1;
        self.rows.next(from, to)
    }

    fn step(&mut self, steps: u64) -> Result<(), OutOfWork> {
        self.cost.steps += steps;
        Ok(())
    }
}

/// Makes a call on these rows, which must accept it. Gives the rows after it, and what it did.
pub(crate) fn make(
    rows: &MemoryStore,
    caller: Address,
    call: &Call,
) -> Result<(MemoryStore, Cost), Error> {
    let origin = Origin {
        caller,
        ..Origin::default()
    };
    make_as(rows, origin, call)
}

/// The same with FLT that comes with the call.
pub(crate) fn make_as(
    rows: &MemoryStore,
    origin: Origin,
    call: &Call,
) -> Result<(MemoryStore, Cost), Error> {
    let (mut events, mut payouts) = (Vec::new(), Vec::new());
    let mut store = Counted {
        rows: rows.clone(),
        cost: Cost::default(),
    };
    let mut cx = Cx::open(&mut store, origin, &mut events, &mut payouts)?;
    marketplace::apply(&mut cx, call.clone())?;
    store.cost.events = events.len();
    Ok((store.rows, store.cost))
}
