//! A provider and a developer meet on a real chain, through `mp` alone; only the peer's reports are sent by the test.

use crate::support::Network;
use client::marketplace::units::{DealId, Hash, PeerId, Usdc, WorkerId};
use client::marketplace::{Call, worker};
use client::view::worker::Stage;
use client::{AccountKey, Client, PeerKey};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};
use tempfile::TempDir;

const SUPPLY: &str = r#"
name = "Alpine Compute"

[[datacenters]]
country = "CH"
city = "ZRH"
name = "Zurich 1"
certifications = ["iso27001"]

[[datacenters.peers]]
key = "peer.json"
endpoints = ["127.0.0.1:4100"]
units = 2
attributes = { "cpu.arch" = "x86_64", "net.mbps" = 1000 }
"#;

/// The offer of the datacenter, in the same file.
const OFFER: &str = r#"
[datacenters.offer]
price = "0.36"
valid_until = "2100-01-01T00:00:00Z"

[[datacenters.peers]]"#;

const PLAN: &str = r#"
name = "hello"
cus_per_worker = 2
min_workers = 1
target_workers = 1
limit_price = "0.50"
funds = "12"

[function]
path = "hello.wasm"
[[function.sources]]
key = "0x1111111111111111111111111111111111111111111111111111111111111111"
endpoint = "127.0.0.1:4101"

[[requirements]]
of = "peer"
key = "net.mbps"
test = ">="
value = 100
"#;

/// A network of one validator, an account of each side, and files to work with.
struct Market {
    folder: TempDir,
    network: Network,
}

impl Market {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let funded = ["provider.json", "developer.json"].map(|name| {
            let made = json(&mp(&["key", "new", text(&path(name))]));
            made["address"].as_str().unwrap().parse().unwrap()
        });
        json(&mp(&["key", "new", "--peer", text(&path("peer.json"))]));
        fs::write(path("supply.toml"), SUPPLY).unwrap();
        fs::write(path("plan.toml"), PLAN).unwrap();
        fs::write(path("hello.wasm"), functions::HELLO).unwrap();
        let network = Network::start(1, &funded);
        Self { folder, network }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, who: &str, arguments: &[&str]) -> Output {
        let (key, rpc) = (
            format!("--key={}", text(&self.path(who))),
            format!("--rpc={}", self.network.rpc(0)),
        );
        mp(&[&[key.as_str(), rpc.as_str()], arguments].concat())
    }

    fn provider(&self, arguments: &[&str]) -> Value {
        json(&self.run("provider.json", &[&["provider"], arguments].concat()))
    }

    fn developer(&self, arguments: &[&str]) -> Value {
        json(&self.run("developer.json", &[&["deploy"], arguments].concat()))
    }

    /// What `mp params` says to the provider, who is also governance here.
    fn params(&self, arguments: &[&str]) -> Value {
        json(&self.run("provider.json", &[&["params"], arguments].concat()))
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn mp(arguments: &[&str]) -> Output {
    let mut command = crate::support::mp();
    command.env_remove("MP_KEY").env_remove("MP_RPC");
    command
        .args(["--output", "json"])
        .args(arguments)
        .output()
        .unwrap()
}

/// What a command that must succeed says.
fn json(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What a command that must fail says.
fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn micro(value: &Value) -> u128 {
    value.as_str().unwrap().parse().unwrap()
}

/// (P3, P4, P6)
#[test]
fn a_provider_offers_a_developer_deploys_and_both_get_what_is_theirs() {
    let mut market = Market::open();
    let supply = market.path("supply.toml");
    let registered = market.provider(&["register", text(&supply)]);
    assert_eq!(registered["provider"], 1);
    assert_eq!(registered["datacenters"][0]["datacenter"], 1);
    assert_eq!(
        market.provider(&["register", text(&supply)]),
        registered,
        "it may run twice"
    );
    let offered = market.provider(&["offer", "--datacenter=1", "--price=0.40"]);
    assert_eq!(
        (&offered["offer"], &offered["added"]),
        (&1.into(), &1.into())
    );
    assert_eq!(
        market.provider(&["offer", "--datacenter=1", "--price=0.36"])["added"],
        0
    );
    the_file_says_until_when_an_offer_stands(&market, &supply);

    let plan = market.path("plan.toml");
    let planned = market.developer(&["plan", text(&plan)]);
    assert_eq!(
        (&planned["costPerEpoch"], &planned["checked"]),
        (&"1000000".into(), &true.into())
    );
    assert_eq!(planned["lasts"], 12 * 86_400);
    let apply = ["apply", "--detach", text(&plan)];
    for posted in [true, false] {
        let applied = market.developer(&apply);
        assert_eq!(
            (&applied["deal"], &applied["posted"]),
            (&1.into(), &posted.into())
        );
    }
    let status = market.developer(&["status", "1"]);
    assert_eq!(
        (&status["status"], &status["assigned"]),
        (&"starting".into(), &1.into())
    );

    market.network.kill(0);
    market.network.restart(0);
    assert_eq!(
        market.developer(&["status", "1"]),
        status,
        "a killed node forgets nothing"
    );
    run_the_worker(&market);
    let status = market.developer(&["status", "1"]);
    assert_eq!(
        (&status["status"], &status["rate"]),
        (&"active".into(), &"720000".into())
    );
    let supplied = &market.provider(&["status"])[0];
    assert_eq!(
        (
            &supplied["peers"][0]["idle"],
            &supplied["workers"][0]["stage"]
        ),
        (&0.into(), &"running".into())
    );

    market.developer(&["top-up", "1", "3"]);
    let topped_up = market.developer(&["status", "1"]);
    let later = |status: &Value| status["paidUntil"].as_u64().unwrap();
    assert_eq!(
        later(&topped_up) - later(&status),
        360_000,
        "3 USDC at 0.72 an epoch"
    );
    let surplus = market.developer(&["withdraw", "1"]);
    assert!(micro(&surplus["amount"]) > 3_000_000, "{surplus}");

    let running = market.run("developer.json", &["deploy", "remove", "1"]);
    assert_eq!(
        refusal(&running),
        "error: deal 1 is not over, it is active\nhint: `mp deploy stop 1` ends it\n"
    );
    let refund = micro(&market.developer(&["stop", "1"])["amount"]);
    let unpaid = refusal(&market.run("developer.json", &["deploy", "remove", "1"]));
    assert!(
        unpaid.contains("not paid out") && unpaid.contains("hint: what its workers earned"),
        "{unpaid}"
    );
    assert_eq!(market.developer(&["status"])[0]["status"], "stopped");
    let paid = micro(&market.provider(&["withdraw"])[0]["paid"]);
    assert_eq!(paid, 5_000, "ten minutes of 0.72 an epoch are the least");
    assert_eq!(micro(&surplus["amount"]) + refund + paid, 15_000_000);
    let removed = market.developer(&["remove", "1"]);
    assert_eq!(micro(&removed["deposit"]), 1_000_000_000_000_000);
    assert!(market.developer(&["status"]).as_array().unwrap().is_empty());
}

fn the_file_says_until_when_an_offer_stands(market: &Market, supply: &Path) {
    let until = || market.provider(&["status"])[0]["offers"][0]["validUntil"].clone();
    assert!(until().is_null());
    let file = SUPPLY.replacen("\n[[datacenters.peers]]", OFFER, 1);
    fs::write(supply, &file).unwrap();
    market.provider(&["register", text(supply)]);
    let first = until();
    assert!(first.as_u64().unwrap() > 2_000_000_000, "{first}");
    market.provider(&["register", text(supply)]);
    assert_eq!(until(), first, "the same date is no change");
    fs::write(supply, file.replace("2100", "2000")).unwrap();
    let over = refusal(&market.run("provider.json", &["provider", "register", text(supply)]));
    assert!(
        over.starts_with("error: valid_until: \"2000-01-01T00:00:00Z\" is over\nhint:"),
        "{over}"
    );
}

/// The operator reports that the worker runs, as the peer would.
#[tokio::main(flavor = "current_thread")]
async fn run_the_worker(market: &Market) {
    let client = Client::new(market.network.rpc(0)).unwrap();
    let peer = PeerKey::load(&market.path("peer.json")).unwrap();
    let workers = client.workers_of(peer.id()).await.unwrap();
    let worker = &workers[0];
    assert_eq!(
        (worker.stage, PeerId(worker.peer.0)),
        (Stage::Assigned, peer.id())
    );
    let deal = client.deal(DealId(worker.deal)).await.unwrap();
    let running = worker::Call::Running {
        worker: WorkerId(worker.id),
        artifact: Hash(deal.terms.artifact.0),
    };
    client
        .send(peer.operator(), &Call::Worker(running))
        .await
        .unwrap();
}

#[test]
fn what_goes_wrong_is_said_with_a_hint() {
    let market = Market::open();
    let unknown = refusal(&market.run("developer.json", &["deploy", "status", "99"]));
    assert!(
        unknown.starts_with("error: there is no deal 99\nhint:"),
        "{unknown}"
    );
    let refused = refusal(&market.run("developer.json", &["deploy", "top-up", "99", "1"]));
    assert!(
        refused.starts_with("error: refused: there is no deal 99\nhint:"),
        "{refused}"
    );
    let wrong_key = refusal(&market.run("peer.json", &["provider", "status"]));
    assert!(
        wrong_key.contains("peer.json") && wrong_key.contains("hint:"),
        "{wrong_key}"
    );
    let nobody = refusal(&mp(&["--rpc=http://127.0.0.1:1", "deploy", "status", "1"]));
    assert!(
        nobody.contains("http://127.0.0.1:1 does not answer") && nobody.contains("hint:"),
        "{nobody}"
    );
    fs::write(
        market.path("plan.toml"),
        PLAN.replace("funds = \"12\"", "funds = \"1\""),
    )
    .unwrap();
    let poor = refusal(&market.run(
        "developer.json",
        &["deploy", "plan", text(&market.path("plan.toml"))],
    ));
    assert!(
        poor.contains("escrow of 1000000 millionths of USDC, at least 2000000 needed"),
        "{poor}"
    );
    fs::write(market.path("plan.toml"), "name = 1").unwrap();
    let plan = refusal(&market.run(
        "developer.json",
        &["deploy", "plan", text(&market.path("plan.toml"))],
    ));
    assert!(plan.contains("plan.toml has 7 faults\nline 1: "), "{plan}");
    let stranger = refusal(&market.run("developer.json", &["deploy", "evict", "1", "2"]));
    assert!(
        stranger.starts_with("error: there is no deal 1\nhint:"),
        "{stranger}"
    );
    governance_proposes_and_cancels(&market);
    many_calls_of_one_account_at_once(&market);
}

fn governance_proposes_and_cancels(market: &Market) {
    let refused = |who: &str, arguments: &[&str]| {
        refusal(&market.run(who, &[&["params"], arguments].concat()))
    };
    let stranger = refused("developer.json", &["propose", "fee_ppm", "5"]);
    assert!(
        stranger.contains("may not change parameters, 0x")
            && stranger.contains("hint: name its key"),
        "{stranger}"
    );
    for (arguments, what) in [
        (
            ["propose", "fee", "5"],
            "there is no parameter \"fee\"\nhint:",
        ),
        (
            ["propose", "epoch_seconds", "5"],
            "epoch_seconds was fixed in genesis\nhint:",
        ),
        (
            ["propose", "fee_ppm", "200001"],
            "refused: fee_ppm is 200001, allowed is 0 to 200000\nhint:",
        ),
    ] {
        let said = refused("provider.json", &arguments);
        assert!(said.starts_with(&format!("error: {what}")), "{said}");
    }
    let proposed = market.params(&["propose", "fee_ppm", "5"]);
    assert_eq!(
        (
            &proposed["change"],
            &proposed["parameter"],
            &proposed["value"]
        ),
        (&1.into(), &"fee_ppm".into(), &5.into())
    );
    for list in [["list", "--pending"].as_slice(), &["--pending"]] {
        let listed = market.params(list);
        assert_eq!(listed["pending"][0]["at"], proposed["at"], "{listed}");
        assert_eq!(listed["parameters"].as_array().map(Vec::len), Some(0));
    }
    market.params(&["cancel", "1"]);
    let all = market.params(&[]);
    assert_eq!(all["pending"].as_array().map(Vec::len), Some(0), "{all}");
    let again = refused("provider.json", &["cancel", "1"]);
    assert!(
        again.starts_with("error: no change 1 waits\nhint:"),
        "{again}"
    );
}

/// (K6)
#[tokio::main(flavor = "current_thread")]
async fn many_calls_of_one_account_at_once(market: &Market) {
    let client = Client::new(market.network.rpc(0)).unwrap();
    let account = AccountKey::load(&market.path("developer.json")).unwrap();
    let before = client.usdc(account.address()).await.unwrap();
    let give = |amount| client.faucet(&account, Usdc(amount));
    let (a, b, c) = tokio::join!(give(1), give(2), give(3));
    for receipt in [a, b, c] {
        assert!(receipt.unwrap().gas_used > 21_000);
    }
    let after = client.usdc(account.address()).await.unwrap();
    assert_eq!(after.0 - before.0, 6);
    assert_eq!(client.nonce(account.address()).await.unwrap(), 3);
}
