//! A deal that is served is changed: another function and the one of before again, without a request that fails; fewer workers, others, another owner; and
//! a parameter of its network.

use crate::support::{Clients, Market, text, through, until};
use serde_json::Value;
use std::{fs, path::PathBuf};

const PEOPLE: [&str; 4] = [
    "provider1.json",
    "provider2.json",
    "developer.json",
    "heir.json",
];

const PARAMETERS: [&str; 5] = [
    "epoch_seconds=20",
    "governance_delay_seconds=1",
    "min_charge_seconds=2",
    "report_seconds=1",
    "start_timeout_seconds=60",
];

/// A plan for two workers of different providers that run this function; this machine gives it to them.
fn plan(market: &Market, function: &str) -> PathBuf {
    let plan = format!(
        "name = \"hello\"\ncus_per_worker = 1\nmin_workers = 1\ntarget_workers = 2\nlimit_price = \"0.50\"\n\
         funds = \"50\"\n[spread]\nmax_per_provider = 1\n[function]\npath = \"{function}\"\n"
    );
    market.write("plan.toml", &plan)
}

fn deploy(market: &Market, who: &str, arguments: &[&str]) -> Value {
    market.run(who, &[&["deploy"], arguments].concat())
}

/// Whether all workers that are not gone run, so many of them.
fn run(market: &Market, workers: u64) -> bool {
    let status = deploy(market, "developer.json", &["status", "1"]);
    status["running"] == workers && status["assigned"] == 0
}

/// (P5, P7, P8, P10)
#[test]
fn a_deal_that_is_served_changes_to_another_function_and_back() {
    let market = Market::open(1, &PEOPLE, &PARAMETERS);
    let _peers = [market.provide(1, "CH", 0), market.provide(2, "PT", 0)];
    let gateway = market.gateway(0);
    let http = through(&gateway);
    for (name, function) in [
        ("hello.wasm", functions::HELLO),
        ("echo.wasm", functions::ECHO),
    ] {
        fs::write(market.path(name), function).expect("writes");
    }
    let developer = |arguments: &[&str]| deploy(&market, "developer.json", arguments);
    let says = |text: &str| {
        let answer = developer(&["invoke", "1", "/", "--data=spoken", &http]);
        answer["status"] == 200
            && answer["body"]
                .as_str()
                .is_some_and(|body| body.contains(text))
    };
    let here = "--listen=127.0.0.1:0";

    let hello = plan(&market, "hello.wasm");
    developer(&["apply", text(&hello), here, &http]);
    until("two workers run", || run(&market, 2));
    until("the first function answers", || says("Hello"));
    assert!(!says("spoken"));
    let clients = Clients::ask(&gateway, "/1/");

    let echo = plan(&market, "echo.wasm");
    let shown = developer(&["update", "1", text(&echo), "--dry-run"]);
    assert_eq!(
        shown["changes"].as_array().map(Vec::len),
        Some(1),
        "{shown}"
    );
    assert_eq!(
        (&shown["changed"], &shown["version"]),
        (&false.into(), &1.into())
    );
    let updated = developer(&["update", "1", text(&echo), here]);
    assert_eq!(updated["rollout"]["state"], "done", "{updated}");
    assert_eq!(
        (&updated["changed"], &updated["version"]),
        (&true.into(), &2.into())
    );
    until("the second function answers", || says("spoken"));
    let again = developer(&["update", "1", text(&echo)]);
    assert_eq!(again["changed"], false, "it is what the plan says: {again}");

    let back = developer(&["rollback", "1"]);
    assert_eq!(
        (&back["version"], &back["rollout"]["state"]),
        (&3.into(), &"done".into())
    );
    until("the first function answers again", || says("Hello"));
    assert!(run(&market, 2), "no worker was lost");
    let answers = clients.end();
    assert!(
        answers.len() == 1 && answers["HTTP/1.1 200 OK"] > 1_000,
        "{answers:?}"
    );

    developer(&["scale", "1", "9"]);
    until("status says why nobody else is found", || {
        let found = developer(&["status", "1"])["market"].clone();
        let some = |list: &str| found[list].as_array().is_some_and(|list| !list.is_empty());
        !some("placed") && some("reasons")
    });

    developer(&["scale", "1", "1"]);
    assert!(run(&market, 1));
    let worker = || developer(&["status", "1"])["workers"][0]["id"].clone();
    let first = worker();
    let evicted = developer(&["evict", "1", &first.to_string()]);
    assert_eq!(evicted["workers"][0]["worker"], first, "{evicted}");
    until("another worker runs", || run(&market, 1));
    assert_ne!(worker(), first);

    // The first account with money is governance.
    let params = |arguments: &[&str]| market.run(PEOPLE[0], &[&["params"], arguments].concat());
    params(&["propose", "fee_ppm", "5"]);
    until("the change is made", || {
        let all = params(&["list"]);
        let all = all["parameters"].as_array().expect("a list");
        all.iter()
            .any(|each| each["name"] == "fee_ppm" && each["value"] == 5)
    });

    let heir = market.run(
        "heir.json",
        &["key", "show", text(&market.path("heir.json"))],
    );
    developer(&[
        "transfer",
        "1",
        heir["address"].as_str().expect("an address"),
    ]);
    deploy(&market, "heir.json", &["accept", "1"]);
    assert!(developer(&["status"]).as_array().is_some_and(Vec::is_empty));
    deploy(&market, "heir.json", &["stop", "1"]);
}
