//! Deals that ask each other, on peers of their own in a real network.

use crate::support::{Market, mp, run, text, through, until};
use std::fs;

const PEOPLE: [&str; 5] = [
    "provider1.json",
    "provider2.json",
    "provider3.json",
    "developer.json",
    "other.json",
];

const PARAMETERS: [&str; 3] = [
    "epoch_seconds=20",
    "report_seconds=1",
    "start_timeout_seconds=60",
];

/// (P12, P20, G19, W29)
#[test]
fn deals_of_one_owner_ask_each_other_and_nobody_elses() {
    let market = Market::open(1, &PEOPLE, &PARAMETERS);
    let _peers = [
        market.provide(1, "CH", 0),
        market.provide(2, "PT", 0),
        market.provide(3, "DE", 0),
    ];
    let gateway = market.gateway(0);
    let http = through(&gateway);
    fs::write(market.path("fetch.wasm"), functions::FETCH).expect("writes");
    let address = |who: &str| {
        let shown = run(&["key", "show", text(&market.path(who))]);
        let address = shown["address"].as_str().expect("an address");
        address.to_lowercase()
    };
    let (owner, other) = (address("developer.json"), address("other.json"));
    let host = |deal: u8, owner: &str| format!("{deal}.{owner}.internal");
    let plan = |hosts: &[String]| {
        let servers = hosts.iter().map(|host| format!("\"http://{host}\""));
        let servers = servers.collect::<Vec<_>>().join(", ");
        let plan = format!(
            "name = \"asks\"\ncus_per_worker = 1\nmin_workers = 1\ntarget_workers = 1\nlimit_price = \"0.50\"\n\
             funds = \"50\"\noutbound = [{servers}]\n[function]\npath = \"fetch.wasm\"\n"
        );
        market.write("plan.toml", &plan)
    };
    let apply = |who: &str, hosts: &[String]| {
        let plan = plan(hosts);
        let apply = [
            "deploy",
            "apply",
            text(&plan),
            "--listen=127.0.0.1:0",
            &http,
        ];
        market.run(who, &apply)
    };
    apply("other.json", &[host(2, &other)]);
    apply("developer.json", &[host(3, &owner), host(1, &owner)]);
    apply("developer.json", &[host(2, &owner)]);
    let asked = |who: &str, deal: &str, path: &str| {
        let invoke = ["deploy", "invoke", deal, path, &http];
        market.run(who, &invoke)["body"].clone()
    };

    // The third one is on another peer, and says what came of its own request.
    let third = format!("/http/{}/http/127.0.0.1/", host(3, &owner));
    // That peer knows nothing of the third deal at first, then of the deal, and then of its worker.
    until("the third deal answers the second", || {
        asked("developer.json", "2", &third) == "status 200\nerror 15\n"
    });
    let circle = format!("/http/{}/http/{}", host(3, &owner), host(2, &owner)).repeat(6) + "/";
    let answer = asked("developer.json", "2", &circle);
    let end = "status 508\nthe request goes in a circle\n";
    let ends = |body: &str| body.ends_with(end);
    assert!(answer.as_str().is_some_and(ends), "{answer}");
    assert_eq!(answer.as_str().map(|body| body.lines().count()), Some(9));

    // Whatever a plan says, the peers know whose a deal is.
    let first = format!("/http/{}/", host(1, &owner));
    assert_eq!(asked("developer.json", "2", &first), "error 15\n");
    let second = format!("/http/{}/", host(2, &other));
    assert_eq!(asked("other.json", "1", &second), "error 15\n");
    let mut logs = mp();
    let key = market.path("developer.json");
    logs.args(["--key", text(&key), "--rpc", market.network.rpc(0)]);
    let logs = logs.args(["deploy", "logs", "2"]).output().expect("runs");
    let logs = String::from_utf8_lossy(&logs.stdout).into_owned();
    let why = "the account has no such deal that is served";
    assert!(logs.contains(why), "{logs}");
}

/// (P20)
#[test]
fn a_plan_that_names_a_deal_of_another_account_is_refused_before_anything_is_paid() {
    let market = Market::open(1, &PEOPLE[3..], &PARAMETERS);
    fs::write(market.path("fetch.wasm"), functions::FETCH).expect("writes");
    let other = format!("0x{}", "5a".repeat(20));
    let plan = format!(
        "name = \"asks\"\ncus_per_worker = 1\nmin_workers = 1\ntarget_workers = 1\nlimit_price = \"0.50\"\n\
         funds = \"50\"\noutbound = [\"http://7.{other}.internal\"]\n[function]\npath = \"fetch.wasm\"\n"
    );
    let plan = market.write("plan.toml", &plan);
    for command in ["plan", "apply"] {
        let mut refused = mp();
        let key = market.path("developer.json");
        refused.args(["--key", text(&key), "--rpc", market.network.rpc(0)]);
        let refused = refused.args(["deploy", command, text(&plan)]).output();
        let refused = refused.expect("runs");
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success(), "{command}");
        assert!(said.contains("another account's deal"), "{command}: {said}");
        assert!(said.contains("hint: "), "{command}: {said}");
    }
}
