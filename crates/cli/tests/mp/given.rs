//! What a plan gives to its function arrives where the function runs, and nowhere else.

use crate::support::{Market, text, until};
use std::fs;

const PEOPLE: [&str; 3] = ["provider1.json", "provider2.json", "developer.json"];

const PARAMETERS: [&str; 3] = [
    "epoch_seconds=20",
    "report_seconds=1",
    "start_timeout_seconds=60",
];

const PLAN: &str = r#"
name = "given"
cus_per_worker = 1
min_workers = 1
target_workers = 2
limit_price = "0.50"
funds = "50"
[function]
path = "environment.wasm"
[environment]
GREETING = "hello"
[secrets]
API_KEY = "api.key"
[spread]
max_per_provider = 1
"#;

/// (P7, P11)
#[test]
fn environment_and_secrets_of_a_plan_reach_every_worker_and_change_with_it() {
    let market = Market::open(1, &PEOPLE, &PARAMETERS);
    let _peers = [market.provide(1, "CH", 0), market.provide(2, "PT", 0)];
    let gateway = market.gateway(0);
    let http = gateway.ready["http"].as_str().expect("an address");
    let http = format!("--gateway=http://{http}");
    fs::write(market.path("environment.wasm"), functions::ENVIRONMENT).expect("writes");
    let deploy =
        |arguments: &[&str]| market.run("developer.json", &[&["deploy"], arguments].concat());
    let answer = || deploy(&["invoke", "1", "/", &http])["body"].clone();
    let seen = |secret: &str| format!("API_KEY={secret}\nGREETING=hello\n");
    let secret = |value: &str| market.write("api.key", &format!("{value}\n"));
    let plan = market.write("plan.toml", PLAN);
    let here = "--listen=127.0.0.1:0";

    secret("first");
    let shown = deploy(&["plan", text(&plan)]);
    assert_eq!(shown["settings"]["environment"]["GREETING"], "hello");
    assert!(!shown.to_string().contains("first"), "{shown}");
    let applied = deploy(&["apply", text(&plan), here, &http]);
    assert_eq!(applied["posted"], true, "{applied}");
    let status = || deploy(&["status", "1"]);
    assert_eq!(status()["terms"]["artifact"], shown["terms"]["artifact"]);
    // The developer's machine is no source any more: the second worker's peer has it all from the first.
    until("two workers run", || status()["running"] == 2);
    let both = |secret: &str| (0..8).all(|_| answer() == seen(secret));
    assert!(both("first"), "{}", answer());
    let again = deploy(&["apply", text(&plan), here, &http]);
    assert_eq!(
        again["posted"], false,
        "the same plan is the same artifact: {again}"
    );

    secret("second");
    let updated = deploy(&["update", "1", text(&plan), here]);
    assert_eq!(updated["rollout"]["state"], "done", "{updated}");
    until("the second secret is seen", || both("second"));
    deploy(&["rollback", "1"]);
    until("the first secret is seen again", || both("first"));
}
