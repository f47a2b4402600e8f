//! What is stored, byte by byte: changing a row is a decision, and `tests/rows.txt` shows it in a review.
//! `UPDATE_SNAPSHOTS=1` writes the file anew.

use crate::world::{World, address, peer_id, registration};
use marketplace::attribute::{Attribute, Predicate, Subject, Test, Value};
use marketplace::change::{self, Change};
use marketplace::datacenter::{Country, Datacenter};
use marketplace::demand::{Artifact, Pricing, Source, Spread, Terms};
use marketplace::params::Acts;
use marketplace::units::{
    Address, CommitmentId, DatacenterId, DealId, Flt, Hash, Price, ProviderId, Seconds, Time, Usdc,
    WorkerId,
};
use marketplace::{Call, Params, TABLES};
use marketplace::{audit, commitment, pool, window};
use marketplace::{datacenter, demand, governance, offer, peer, provider, usdc, worker};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("text");
        text
    })
}

pub(crate) fn compare(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, found).expect("snapshot");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        kept, found,
        "{name} differs; if that is meant, UPDATE_SNAPSHOTS=1"
    );
}

fn offer_terms() -> offer::Terms {
    offer::Terms {
        pricing: vec![Pricing::Epoch],
        allowed: Vec::new(),
        denied: vec![address("mallory")],
        min_duration: Seconds(1),
        max_duration: None,
        max_units_per_deal: Some(4),
        notice: Seconds(60),
        max_hold: Seconds(60),
        valid_until: Some(Time(9_000)),
        attributes: Vec::new(),
    }
}

fn demand_terms() -> Terms {
    let source = Source {
        key: peer_id("source"),
        endpoint: "host:1".to_owned(),
    };
    Terms {
        artifact: Artifact {
            sources: vec![source],
            ..Artifact::new(Hash([7; 32]), 9)
        },
        units_per_worker: 1,
        min_workers: 1,
        target_workers: 4,
        limit_price: Price(100),
        pricing: Pricing::Epoch,
        duration: None,
        requirements: vec![Predicate {
            subject: Subject::Peer,
            key: "cpu.arch".to_owned(),
            test: Test::Is(Value::Text("x86_64".to_owned())),
        }],
        effectors: Vec::new(),
        protocol_version: 1,
        spread: Spread::default(),
        providers: demand::Providers::default(),
        hold: Seconds(60),
        monitor: Some(address("monitor")),
    }
}

fn supply(world: &mut World) {
    let owner = address("owner");
    let (provider, datacenter) = (ProviderId(1), DatacenterId(1));
    let attribute = Attribute {
        key: "cpu.arch".to_owned(),
        value: Value::Text("x86_64".to_owned()),
    };
    let mut peer = registration("peer", provider, datacenter, 3);
    peer.attributes = vec![attribute];
    for call in [
        Call::Provider(provider::Call::Register {
            name: "P".to_owned(),
            metadata: Hash([1; 32]),
            attributes: Vec::new(),
        }),
        Call::Datacenter(datacenter::Call::Register(Datacenter {
            provider,
            country: Country(*b"DE"),
            city: "FRA".to_owned(),
            name: "hall".to_owned(),
            certifications: vec!["iso27001".to_owned()],
            attributes: Vec::new(),
        })),
        Call::Peer(peer::Call::Register(peer)),
        Call::Offer(offer::Call::Post {
            datacenter,
            curve: offer::Curve {
                floor: Price(100),
                slope: Price(5),
            },
            terms: offer_terms(),
            peers: vec![peer_id("peer")],
        }),
    ] {
        world.call(owner, &call).expect("supply");
    }
}

/// A marketplace with at least one row in every table.
pub(crate) fn full() -> World {
    let alice = address("alice");
    let governance = address("governance");
    let params = Params {
        governance,
        governance_delay_seconds: 0,
        ..Params::without_commitments()
    };
    let mut world = World::new(params, &[(alice, Usdc(1_000_000))]);
    let propose = |parameter: &str, value| {
        let parameter = parameter.to_owned();
        Call::Governance(governance::Call::Propose { parameter, value })
    };
    world
        .call(governance, &propose("min_charge_seconds", 600))
        .expect("change");
    supply(&mut world);
    let post = |target_workers, limit_price, artifact| {
        let terms = Terms {
            target_workers,
            limit_price,
            artifact,
            ..demand_terms()
        };
        Call::Demand(demand::Call::Post {
            terms,
            escrow: Usdc(5_000),
        })
    };
    let artifact = demand_terms().artifact;
    world
        .call(alice, &post(4, Price(100), artifact.clone()))
        .expect("demand");
    let first = Artifact {
        hash: Hash([6; 32]),
        ..artifact.clone()
    };
    for artifact in [first, artifact.clone()] {
        let (deal, change) = (DealId(1), Change::Artifact(artifact));
        let call = change::Call::Terms { deal, change };
        world.call(alice, &Call::Change(call)).expect("artifact");
    }
    world.end();
    let spender = address("spender");
    let approve = usdc::Call::Approve {
        spender,
        amount: Usdc(5),
    };
    world.begin(10);
    let run = worker::Call::Running {
        worker: WorkerId(1),
        artifact: Hash([7; 32]),
    };
    let report = worker::Call::Report {
        peer: peer_id("peer"),
        stopped: Vec::new(),
    };
    world.call(alice, &Call::Usdc(approve)).expect("approve");
    world
        .call(address("peer"), &Call::Worker(run))
        .expect("run");
    // Until it has earned something, for the row of who paid it.
    for _ in 0..30 {
        world.end();
        world.begin(30);
    }
    world
        .call(address("peer"), &Call::Worker(report))
        .expect("report");
    let withdraw = provider::Call::Withdraw {
        provider: ProviderId(1),
        workers: 1,
    };
    world
        .call(address("owner"), &Call::Provider(withdraw))
        .expect("withdrawal");
    world
        .call(alice, &post(1, Price(1), artifact))
        .expect("demand");
    let add = peer::Call::AddUnits {
        peer: peer_id("peer"),
        count: 1,
    };
    world
        .call(address("owner"), &Call::Peer(add))
        .expect("units");
    world
        .call(governance, &propose("lease_seconds", 9_000))
        .expect("change");
    world.signed(alice);
    world
}

/// The first row of each table that a peer's proofs of capacity make: some are there for a few blocks only.
fn proving() -> BTreeMap<u8, (Vec<u8>, Vec<u8>)> {
    let (peer, owner, oracle) = (peer_id("peer"), address("owner"), address("oracle"));
    let params = Params {
        epoch_seconds: 12,
        windows_per_epoch: 6,
        commit_grace_seconds: 2,
        answer_seconds: 4,
        verdict_delay_seconds: 2,
        collateral_usd_micro: 1_000,
        oracle,
        ..Params::without_commitments()
    };
    let mut world = World::new(params, &[]);
    supply(&mut world);
    let price = pool::Call::SetPrice {
        flt_price_micro: 1_000_000,
        reward_usd_micro: 1_000,
    };
    let new = commitment::New {
        peer,
        duration: 50,
        class: 1,
        share_ppm: 250_000,
        min_ask: Price(5),
        delegator: None,
        payout: owner,
    };
    let commitment = CommitmentId(1);
    let deposit = commitment::Call::Deposit { commitment };
    world.call(oracle, &Call::Pool(price)).expect("a price");
    let fund = Call::Pool(pool::Call::Fund);
    world.call_with(owner, &fund, Flt(1 << 60)).expect("a fund");
    let create = commitment::Call::Create(new);
    world
        .call(owner, &Call::Commitment(create))
        .expect("a commitment");
    let row = world.read(|cx| commitment::get(cx.store, commitment));
    let collateral = row.expect("a commitment").collateral();
    let deposit = Call::Commitment(deposit);
    world
        .call_with(owner, &deposit, collateral)
        .expect("collateral");
    let mut seen = BTreeMap::new();
    for _ in 0..60 {
        world.block(1);
        let newest = world.read(|cx| window::newest(cx.store));
        let window = newest.map_or(0, |(window, _)| window);
        // What is refused comes too early or twice.
        for window in [window.saturating_sub(1), window] {
            let commit = window::Call::Commit {
                peer,
                window,
                root: Hash([5; 32]),
                units: vec![0, 1],
            };
            let _ = world.call(address("peer"), &Call::Window(commit));
        }
        for (key, row) in &world.store.rows {
            let first = || (key.clone(), row.clone());
            seen.entry(key[0]).or_insert_with(first);
        }
        let open = world.read(|cx| audit::OPEN.list(cx.store, &(), None, 9));
        for ((_, audit), ()) in open {
            let bytes = vec![7; 3];
            let answer = Call::Audit(audit::Call::Answer { audit, bytes });
            world.call(address("peer"), &answer).expect("an answer");
        }
        let now = Time(world.now);
        let due = world.read(|cx| audit::due(cx.store, now, 9));
        // The first unit's hardware has a fault.
        let verdict = |audit: &audit::Audit| audit::Verdict::Opened {
            bad: u16::from(audit.unit == 0),
        };
        let verdicts = due.iter().map(|(id, audit)| (*id, verdict(audit)));
        world.verdicts.extend(verdicts);
    }
    seen
}

#[test]
fn rows_are_what_they_were() {
    let world = full();
    let proving = proving();
    let mut found = String::new();
    let mut ids = BTreeSet::new();
    for (id, name) in TABLES {
        assert!(
            *id < 0x80 && ids.insert(*id),
            "table {name} has another's id"
        );
        let row = world
            .store
            .rows
            .iter()
            .find(|(key, _)| key.first() == Some(id));
        let row = row.or_else(|| proving.get(id).map(|(key, row)| (key, row)));
        // The sweep has a row from the second one on.
        let (key, row) = row.map_or((String::new(), String::new()), |(k, r)| (hex(k), hex(r)));
        let rare = ["sweep", "unpaid_by_deal"].contains(name);
        assert!(!row.is_empty() || rare, "no row in {name}");
        writeln!(found, "{id:02x} {name}\n  {key}\n  {row}").expect("text");
    }
    compare("rows.txt", &found);
}

#[test]
fn parameters_are_what_they_were() {
    let mut found = include_str!("params.md").to_owned();
    for each in Params::default().table() {
        let marketplace::params::Parameter {
            name,
            value,
            min,
            max,
            unit,
            acts,
            meaning,
        } = each;
        let acts = match acts {
            Acts::Never => "never",
            Acts::Now => "now",
            Acts::NextEpoch => "next epoch",
            Acts::AtCreation => "at creation",
        };
        writeln!(
            found,
            "| `{name}` | {value} | {unit} | {min} to {max} | {acts} | {meaning} |"
        )
        .expect("text");
    }
    compare("../../../docs/spec/params.md", &found);
}

#[test]
fn signed_permissions_are_used_once() {
    let mut world = full();
    let (alice, nonce) = (Address([1; 20]), Hash([9; 32]));
    assert!(
        world.authorized(address("alice"), alice, nonce).is_err(),
        "used by `full` already"
    );
    assert!(
        world
            .authorized(address("alice"), alice, Hash([8; 32]))
            .is_ok(),
        "a fresh one"
    );
    assert_eq!(
        world.read(|cx| usdc::nonce(cx.store, address("alice"))),
        1,
        "one permit"
    );
}
