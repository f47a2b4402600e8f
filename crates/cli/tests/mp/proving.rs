//! A peer proves its idle units with RandomX, is audited, earns, is matched, serves, and proves again.

use crate::support::{Market, Process, amount, run, text, through, until};
use serde_json::Value;
use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
};

/// Windows of four seconds in which each chain of a unit makes two hashes, in light mode.
const PARAMETERS: [&str; 15] = [
    "epoch_seconds=16",
    "windows_per_epoch=4",
    "commit_grace_seconds=4",
    "answer_seconds=6",
    "verdict_delay_seconds=2",
    "commitments_required=1",
    "open_commitment_epochs=0",
    "leaves_per_class=2",
    "steps_per_leaf=1",
    "key_epochs=1000",
    "holdback_epochs=1",
    "vesting_epochs=1",
    "report_seconds=1",
    "min_charge_seconds=2",
    "start_timeout_seconds=60",
];

const SUPPLY: &str = "name = \"Alpine\"\n[[datacenters]]\ncountry = \"CH\"\ncity = \"ZRH\"\nname = \"one\"\n\
                      [[datacenters.peers]]\nkey = \"peer.json\"\nendpoints = [\"127.0.0.1:1\"]\nunits = 2\n";

/// Who owns the provider, and is the oracle.
const OWNER: &str = "owner.json";
const DELEGATOR: &str = "delegator.json";
const DEVELOPER: &str = "developer.json";

/// A peer of two units that proves in light mode, with a commitment that starts with the next epoch.
fn committed(market: &Market) -> Process {
    let made = run(&["key", "new", "--peer", text(&market.path("peer.json"))]);
    let peer = made["peer"].as_str().expect("a key");
    let supply = market.write("supply.toml", SUPPLY);
    market.run(OWNER, &["provider", "register", text(&supply)]);
    market.run(
        OWNER,
        &["provider", "offer", "--datacenter=1", "--price=0.40"],
    );
    market.run(OWNER, &["params", "price", "--flt=100", "--reward=0.5"]);
    market.run(OWNER, &["params", "fund", "5"]);
    let commit = ["provider", "commit", peer, "--duration=500", "--share=50"];
    market.run(OWNER, &commit);
    market.run(DELEGATOR, &["delegate", "deposit", "1"]);
    let config = format!(
        "rpc = \"{}\"\nkey = \"{}\"\ndata = \"{}\"\nlisten = \"127.0.0.1:0\"\nworker = [\"{}\", \"worker\"]\n\
         units = 2\nsystem_cores = 0\ncores = [[], []]\nmetrics = \"127.0.0.1:0\"\nprove = \"light\"\norphan_seconds = 5\n",
        market.network.rpc(0),
        text(&market.path("peer.json")),
        text(&market.path("p")),
        env!("CARGO_BIN_EXE_mp"),
    );
    Process::start("peer", market.write("peer.toml", &config))
}

fn capacity(market: &Market) -> Value {
    market.run(OWNER, &["provider", "capacity"])[0].clone()
}

fn state(market: &Market, unit: usize) -> Value {
    capacity(market)["units"][unit]["state"].clone()
}

/// Windows that a unit passed in the epoch it is counted in.
fn passed(market: &Market) -> u64 {
    let seen = capacity(market);
    let proofs = seen["commitment"]["proofs"].as_array().cloned();
    let passed = proofs.unwrap_or_default().into_iter();
    passed.filter_map(|proof| proof["passed"].as_u64()).sum()
}

/// A figure that the peer gives of itself.
fn figure(peer: &Process, name: &str) -> f64 {
    let address = peer.ready["metrics"].as_str().expect("an address");
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = b"GET /metrics HTTP/1.1\r\nhost: peer\r\nconnection: close\r\n\r\n";
    stream.write_all(request).expect("it reads");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("it answers");
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.unwrap_or_else(|| panic!("{name} in {text}"));
    value.trim().parse().expect("a number")
}

/// (D3, U5)
#[test]
fn an_idle_unit_proves_itself_earns_serves_and_proves_again() {
    let market = Market::open(1, &[OWNER, DELEGATOR, DEVELOPER], &PARAMETERS);
    let mut peer = committed(&market);
    let gateway = market.gateway(0);
    let http = through(&gateway);

    until("units prove", || state(&market, 0) == "proving");
    until("both units passed one window", || {
        capacity(&market)["pledge"]["proven"] == 2
    });
    let seen = capacity(&market);
    assert_eq!(seen["units"][0]["matchable"], true, "{seen}");
    // A prover that dies goes on.
    peer.kill();
    peer.restart();

    fs::write(market.path("hello.wasm"), functions::HELLO).expect("writes");
    let plan = "name = \"hello\"\ncus_per_worker = 1\nmin_workers = 1\ntarget_workers = 1\nlimit_price = \"0.50\"\n\
                funds = \"50\"\n[function]\npath = \"hello.wasm\"\n";
    let plan = market.write("plan.toml", plan);
    let developer = |arguments: &[&str]| market.run(DEVELOPER, &[&["deploy"], arguments].concat());
    developer(&["apply", text(&plan), "--listen=127.0.0.1:0", &http]);
    until("the worker runs", || {
        developer(&["status", "1"])["running"] == 1
    });
    assert_eq!(state(&market, 0), "serving");
    assert_eq!(state(&market, 1), "proving");
    let doing = "mp_unit_doing{unit=\"0\",what=\"serving\"}";
    assert!(figure(&peer, doing) == 1.0);
    assert!(figure(&peer, "mp_unit_handovers_total{unit=\"0\"}") == 1.0);
    until("it answers", || {
        developer(&["invoke", "1", "/", &http])["status"] == 200
    });

    until("an epoch is counted", || passed(&market) > 0);
    until("the peer says so too", || {
        figure(&peer, "mp_unit_epoch_windows_passed{unit=\"1\"}") > 0.0
    });
    until("the peer that was restarted commits", || {
        figure(&peer, "mp_unit_windows_committed_total{unit=\"1\"}") > 0.0
    });
    // A window that has just begun has no rate yet.
    until("it says how fast", || {
        figure(&peer, "mp_unit_hashes_per_second{unit=\"1\"}") > 0.0
    });
    assert!(figure(&peer, "mp_unit_leaves{unit=\"1\"}") == 4.0);
    until("rewards have vested", || {
        let rewards = market.run(OWNER, &["provider", "rewards"]);
        amount(&rewards[0]["rewards"]["claimable"]) > 0
    });
    let claimed = &market.run(DELEGATOR, &["delegate", "claim", "1"])[0];
    let paid = claimed["paid"].as_array().expect("a list").iter();
    let rewards: u128 = paid.map(|paid| amount(&paid["rewards"])).sum();
    assert!(rewards > 0, "{claimed}");

    developer(&["stop", "1"]);
    assert_ne!(state(&market, 0), "serving");
    until("it proves again", || state(&market, 0) == "proving");
    let seen = capacity(&market);
    assert_eq!(seen["commitment"]["missed"], 0, "{seen}");
    let left = amount(&seen["commitment"]["collateral"]["left"]);
    let staked = amount(&seen["commitment"]["collateral"]["staked"]);
    assert_eq!(left, staked, "nobody honest is slashed: {}", peer.log());
}
