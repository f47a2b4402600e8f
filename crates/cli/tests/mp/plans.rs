//! What `mp deploy plan` says of plans that cannot be matched, and that its advice is right: on a real chain, where
//! peers are registered and none runs.

use crate::support::{Network, mp, run, text};
use serde_json::{Value, json};
use std::{fs, path::Path, path::PathBuf};
use tempfile::TempDir;
use toml::Table;

/// Three peers of two providers in two countries, of which nobody has four CUs but one, and nobody offers a GPU.
const SUPPLY: [&str; 2] = [
    r#"
name = "Alpine Compute"
[[datacenters]]
country = "CH"
city = "ZRH"
name = "Zurich 1"
[datacenters.offer]
price = "0.40"
[[datacenters.peers]]
key = "peer0.json"
endpoints = ["127.0.0.1:1"]
units = 2
attributes = { "cpu.class" = 3, "effector.kv" = 1 }
[[datacenters.peers]]
key = "peer1.json"
endpoints = ["127.0.0.1:1"]
units = 2
attributes = { "cpu.class" = 2 }
"#,
    r#"
name = "Baltic Compute"
[[datacenters]]
country = "DE"
city = "HAM"
name = "Hamburg 1"
[datacenters.offer]
price = "0.30"
[[datacenters.peers]]
key = "peer2.json"
endpoints = ["127.0.0.1:1"]
units = 4
attributes = { "cpu.class" = 1, "effector.kv" = 1 }
"#,
];

/// Funds of all plans.
const FUNDS: u128 = 12_000_000;

/// A plan for each thing that can be impossible alone.
const PLANS: [&str; 5] = ["price", "requirement", "countries", "units", "effector"];

struct Market {
    folder: TempDir,
    network: Network,
}

impl Market {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let funded = ["provider0.json", "provider1.json", "developer.json"].map(|name| {
            let made = run(&["key", "new", text(&path(name))]);
            made["address"].as_str().unwrap().parse().unwrap()
        });
        for peer in ["peer0.json", "peer1.json", "peer2.json"] {
            run(&["key", "new", "--peer", text(&path(peer))]);
        }
        fs::write(path("hello.wasm"), functions::HELLO).unwrap();
        let network = Network::start(1, &funded);
        let market = Self { folder, network };
        for (number, supply) in SUPPLY.into_iter().enumerate() {
            let file = market.write("supply.toml", supply);
            let key = market.folder.path().join(format!("provider{number}.json"));
            let (key, rpc) = (text(&key), market.network.rpc(0));
            run(&[
                "--key",
                key,
                "--rpc",
                rpc,
                "provider",
                "register",
                text(&file),
            ]);
        }
        market
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// What the developer is told, as programs read it.
    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.said("json", arguments)).unwrap()
    }

    fn said(&self, output: &str, arguments: &[&str]) -> String {
        let key = self.folder.path().join("developer.json");
        let (key, rpc) = (text(&key), self.network.rpc(0));
        said(&[&["--output", output, "--key", key, "--rpc", rpc], arguments].concat())
    }
}

/// What a command says that must succeed.
fn said(arguments: &[&str]) -> String {
    let mut command = mp();
    command.env_remove("MP_KEY").env_remove("MP_RPC");
    let output = command.args(arguments).output().unwrap();
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{failed}");
    String::from_utf8(output.stdout).unwrap()
}

/// The part about the market.
fn market(said: &str) -> &str {
    let at = said.find("market ").expect("something about the market");
    &said[at..]
}

fn impossible(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/impossible")
        .join(name)
}

/// The plan with the change that is advised.
fn changed(plan: &str, change: &Value) -> String {
    let mut plan: Table = plan.parse().unwrap();
    let value = &change["value"];
    let number = || value.as_i64().unwrap();
    match change["what"].as_str().unwrap() {
        "limitPrice" => plan["limit_price"] = decimal(value).into(),
        "unitsPerWorker" => plan["cus_per_worker"] = number().into(),
        "minCountries" => plan["spread"]["min_countries"] = number().into(),
        "requirement" => {
            let place = value["place"].as_u64().unwrap() as usize;
            let requirement = &mut plan["requirements"][place];
            requirement["test"] = value["test"]["test"].as_str().unwrap().into();
            requirement["value"] = value["test"]["values"][0].as_i64().unwrap().into();
        }
        "effector" => {
            let effectors = plan["effectors"].as_array_mut().unwrap();
            effectors.remove(number() as usize);
        }
        other => panic!("{other} was not expected"),
    }
    if micro(&change["escrow"]) > FUNDS {
        plan["funds"] = decimal(&change["escrow"]).into();
    }
    plan.to_string()
}

/// Millionths of USDC as a plan has them.
fn decimal(millionths: &Value) -> String {
    let amount = micro(millionths);
    format!("{}.{:06}", amount / 1_000_000, amount % 1_000_000)
}

fn micro(millionths: &Value) -> u128 {
    millionths.as_str().unwrap().parse().unwrap()
}

/// (P9)
#[test]
fn a_plan_that_cannot_be_matched_is_told_why_and_what_to_change() {
    let market_of_three = Market::open();
    for name in PLANS {
        let plan = fs::read_to_string(impossible(&format!("{name}.toml"))).unwrap();
        let file = market_of_three.write("plan.toml", &plan);
        told(&market_of_three, name, &file);

        let planned = market_of_three.json(&["deploy", "plan", text(&file)]);
        let told = &planned["market"];
        assert_eq!(told["placed"], json!([]), "{name}: {told}");
        let change = &told["changes"][0];
        market_of_three.write("plan.toml", &changed(&plan, change));
        let planned = market_of_three.json(&["deploy", "plan", text(&file)]);
        let placed = planned["market"]["placed"].as_array().unwrap().len();
        let least = planned["terms"]["minWorkers"].as_u64().unwrap();
        assert!(
            placed as u64 >= least,
            "{name}: {change} does not help: {planned}"
        );
        assert!(planned["market"]["costPerDay"].is_string(), "{planned}");
    }
    what_no_single_change_helps(&market_of_three);
    a_plan_that_is_matched_names_its_peers(&market_of_three);
    a_demand_that_waits_is_told_the_same(&market_of_three);
    workers_that_stand_together_can_be_had_apart(&market_of_three);
}

/// Compares what is said of a plan with what is checked in.
fn told(market_of_three: &Market, name: &str, plan: &Path) {
    let said = market_of_three.said("text", &["deploy", "plan", text(plan)]);
    let expected = fs::read_to_string(impossible(&format!("{name}.txt"))).unwrap_or_default();
    let said = market(&said);
    assert_eq!(said, expected, "{name}.txt should hold:\n{said}");
}

fn what_no_single_change_helps(market_of_three: &Market) {
    let plan = fs::read_to_string(impossible("several.toml")).unwrap();
    let file = market_of_three.write("plan.toml", &plan);
    told(market_of_three, "several", &file);
}

fn a_plan_that_is_matched_names_its_peers(market_of_three: &Market) {
    let plan = fs::read_to_string(impossible("price.toml")).unwrap();
    let plan = plan.replace("0.25", "0.50");
    let file = market_of_three.write("plan.toml", &plan);
    let said = market_of_three.said("text", &["deploy", "plan", text(&file)]);
    let lines: Vec<_> = market(&said).lines().collect();
    assert_eq!(
        lines[0], "market    2 of 2 workers would be placed now, for 0.7 USDC an epoch",
        "{said}"
    );
    let (hamburg, zurich) = (lines[1], lines[2]);
    assert!(
        hamburg.ends_with(" of provider 2, datacenter 2, DE: 0.3 USDC per CU and epoch"),
        "{said}"
    );
    assert!(
        zurich.ends_with(" of provider 1, datacenter 1, CH: 0.4 USDC per CU and epoch"),
        "{said}"
    );
    assert!(
        lines[3].starts_with("  0.7 USDC a day, 21 USDC a month; the funds last 17days"),
        "{said}"
    );
    what_more_would_cost(market_of_three, &file, &lines[4..]);
    // Nobody is asked, and what a plan is can be told all the same.
    let alone = said_alone(&file);
    assert!(
        alone.contains("at most 1 USDC an epoch\nmarket    not asked"),
        "{alone}"
    );
    assert!(
        alone.contains("does not answer") && alone.contains("hint:"),
        "{alone}"
    );
}

/// (P14, P15)
fn what_more_would_cost(market_of_three: &Market, plan: &Path, said: &[&str]) {
    // Nobody has a record: each is taken for away for a hundredth of the time.
    let expected = [
        "expected  a worker serves 99.99 % of the time",
        "compare",
        "                     workers  a day     one serves",
        "  this plan          2        0.7 USDC  99.99 %",
        "  target_workers: 3  3        1.1 USDC  99.99944 %",
    ];
    assert_eq!(said, expected);
    let planned = market_of_three.json(&["deploy", "plan", text(plan)]);
    let market = &planned["market"];
    let rows = market["alternatives"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{market}");
    assert_eq!(rows[0]["availability"], market["availability"]);
    assert_eq!(rows[0]["costPerDay"], market["costPerDay"]);
    let (what, value) = (&rows[1]["what"], &rows[1]["value"]);
    assert_eq!((what, value), (&json!("targetWorkers"), &json!(3)));
    // What it says is what the changed plan gets.
    let more = fs::read_to_string(plan).unwrap();
    let more = more.replace("target_workers = 2", "target_workers = 3");
    let more = market_of_three.write("more.toml", &more);
    let planned = market_of_three.json(&["deploy", "plan", text(&more)]);
    let got = &planned["market"];
    assert_eq!(got["costPerDay"], rows[1]["costPerDay"]);
    assert_eq!(got["availability"], rows[1]["availability"]);
    two_in_one_place_fail_together(market_of_three);
}

/// (P15)
fn workers_that_stand_together_can_be_had_apart(market_of_three: &Market) {
    let key = market_of_three.folder.path().join("provider0.json");
    let (key, rpc) = (text(&key), market_of_three.network.rpc(0));
    // A cut holds at once; now both of Zurich are the cheapest.
    let cheaper = ["provider", "offer", "--datacenter=1", "--price=0.20"];
    run(&[["--key", key, "--rpc", rpc].as_slice(), &cheaper].concat());
    let plan = fs::read_to_string(impossible("price.toml")).unwrap();
    let file = market_of_three.write("plan.toml", &plan.replace("0.25", "0.50"));
    let planned = market_of_three.json(&["deploy", "plan", text(&file)]);
    let rows = planned["market"]["alternatives"].as_array().unwrap();
    // One in each country or with each provider would be the same two.
    let shown = |row: &Value| {
        let (what, value) = (&row["what"], &row["value"]);
        format!("{what} {value} {}", micro(&row["costPerDay"]))
    };
    let shown: Vec<_> = rows.iter().map(shown).collect();
    let expected = [
        "\"plan\" null 400000",
        "\"targetWorkers\" 3 700000",
        "\"maxPerDatacenter\" 1 500000",
    ];
    assert_eq!(shown, expected, "{planned}");
    let serves = |row: &Value| row["availability"]["oneServesPpb"].as_u64().unwrap();
    assert!(serves(&rows[0]) < serves(&rows[2]), "{planned}");
    assert_eq!(serves(&rows[2]), 999_900_000);
}

/// Two that must stand together.
fn two_in_one_place_fail_together(market_of_three: &Market) {
    let plan = fs::read_to_string(impossible("price.toml")).unwrap();
    let plan = plan.replace("0.25", "0.50") + "[[requirements]]\nof = \"peer\"\n";
    let near = plan + "key = \"cpu.class\"\ntest = \">=\"\nvalue = 2\n";
    let near = near.replace("min_workers = 1", "min_workers = 2");
    let file = market_of_three.write("near.toml", &near);
    let near = market_of_three.json(&["deploy", "plan", text(&file)]);
    let near = &near["market"];
    assert_eq!(
        near["placed"][0]["datacenter"],
        near["placed"][1]["datacenter"]
    );
    let ppb = |row: &Value, what: &str| row["availability"][what].as_u64().unwrap();
    // Two in one datacenter fail together more often than two in different countries, and less often one by one.
    assert!(
        (999_400_000..999_500_000).contains(&ppb(near, "oneServesPpb")),
        "{near}"
    );
    assert!(
        (980_100_000..980_700_000).contains(&ppb(near, "minServePpb")),
        "{near}"
    );
    let said = market_of_three.said("text", &["deploy", "plan", text(&file)]);
    let expected = "expected  a worker serves 99.944 % of the time, 2 of them 98 %\n";
    assert!(said.contains(expected), "{said}");
    assert!(!said.contains("compare"), "nobody else is there: {said}");
}

fn said_alone(plan: &Path) -> String {
    said(&["--rpc=http://127.0.0.1:1", "deploy", "plan", text(plan)])
}

fn a_demand_that_waits_is_told_the_same(market_of_three: &Market) {
    let plan = fs::read_to_string(impossible("requirement.toml")).unwrap();
    let path = "path = \"hello.wasm\"";
    let source = format!(
        "{path}\n[[function.sources]]\nkey = \"0x{}\"\nendpoint = \"127.0.0.1:1\"",
        "11".repeat(32)
    );
    let file = market_of_three.write("plan.toml", &plan.replace(path, &source));
    market_of_three.json(&["deploy", "apply", "--detach", text(&file)]);
    let said = market_of_three.said("text", &["deploy", "status", "1"]);
    let expected = fs::read_to_string(impossible("requirement.txt")).unwrap();
    assert_eq!(market(&said), expected, "{said}");
    let status = market_of_three.json(&["deploy", "status", "1"]);
    assert_eq!(status["market"]["changes"][0]["what"], "requirement");
}
