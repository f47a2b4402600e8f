//! The main job on real processes: two providers in two countries, a real function, requests through the gateway, a
//! peer that dies, and money that adds up.

use crate::support::{Market, amount, get, text, until};
use client::{Client, marketplace::units::DealId};
use peer::source::Source;
use std::collections::BTreeSet;

/// Short times: a peer reports every second, and its lease lapses after eight.
const PARAMETERS: [&str; 5] = [
    "epoch_seconds=20",
    "min_charge_seconds=2",
    "report_seconds=1",
    "lease_seconds=8",
    "start_timeout_seconds=20",
];

/// In millionths of USDC.
pub(crate) const FUNDS: u128 = 50_000_000;

#[test]
fn a_function_is_served_by_two_providers_outlives_a_peer_and_is_paid_to_the_last_unit() {
    let people = ["provider1.json", "provider2.json", "developer.json"];
    let market = Market::open(1, &people, &PARAMETERS);
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let dying = market.provide(1, "CH", 0);
    let _living = market.provide(2, "PT", 0);
    let gateway = market.gateway(0);
    let http = gateway.ready["http"]
        .as_str()
        .expect("an address")
        .to_owned();

    let (source, client) = runtime.block_on(async {
        let listen = "127.0.0.1:0".parse().expect("an address");
        let source = Source::open([9; 32], listen, &market.path("source")).await;
        let client = Client::new(market.network.rpc(0)).expect("a URL");
        (source.expect("a free port"), client)
    });
    let plan = market.plan(&source);
    let artifact = source
        .add(&market.path("hello.wasm"), 1 << 20)
        .expect("a small file")
        .0;
    let applied = market.run("developer.json", &["deploy", "apply", text(&plan)]);
    assert_eq!(applied["deal"], 1);
    runtime.spawn(async move { source.serve(&client, DealId(1), artifact).await });

    let mut workers = BTreeSet::new();
    until("both workers answer", || {
        if let Some((200, worker)) = get(&http, "/1/hello") {
            workers.insert(worker);
        }
        workers.len() == 2
    });

    drop(dying); // SIGKILL
    until("the lease of the dead peer lapses", || {
        market.status()["running"] == 1
    });
    for _ in 0..20 {
        let (status, _) = get(&http, "/1/hello").expect("an answer");
        assert_eq!(status, 200, "requests go on");
    }

    let refund = amount(&market.run("developer.json", &["deploy", "stop", "1"])["amount"]);
    let paid: u128 = ["provider1.json", "provider2.json"]
        .map(|owner| amount(&market.run(owner, &["provider", "withdraw"])[0]["paid"]))
        .iter()
        .sum();
    assert!(paid > 0);
    assert_eq!(refund + paid, FUNDS, "every unit is somebody's");
}
