//! What a plan gives to its function arrives where the function runs, and nowhere else.

use crate::support::{Market, Process, free_ports, get, mp, run, text, through, until};
use std::{fs, path::Path};

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
    let http = through(&gateway);
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

/// (P12)
#[test]
fn a_function_asks_whom_its_plan_names_where_the_operator_allows_it() {
    let market = Market::open(1, &PEOPLE, &PARAMETERS);
    let _peer = market.provide_with(1, "CH", 0, "outbound = \"any\"\n");
    let gateway = market.gateway(0);
    let http = gateway.ready["http"].as_str().expect("an address");
    fs::write(market.path("fetch.wasm"), functions::FETCH).expect("writes");
    let deploy =
        |arguments: &[&str]| market.run("developer.json", &[&["deploy"], arguments].concat());
    let plan = format!(
        "name = \"fetch\"\ncus_per_worker = 1\nmin_workers = 1\ntarget_workers = 1\nlimit_price = \"0.50\"\n\
         funds = \"50\"\noutbound = [\"http://{http}\"]\n[function]\npath = \"fetch.wasm\"\n"
    );
    let plan = market.write("plan.toml", &plan);
    deploy(&[
        "apply",
        text(&plan),
        "--listen=127.0.0.1:0",
        &through(&gateway),
    ]);
    // The gateway knows no deal 99.
    let asked = |path: &str| deploy(&["invoke", "1", path, &through(&gateway)])["body"].clone();
    let answer = asked(&format!("/http/{http}/99/"));
    assert!(
        answer
            .as_str()
            .is_some_and(|body| body.starts_with("status 404\n")),
        "{answer}"
    );
    assert_eq!(asked("/http/127.0.0.1:1/"), "error 15\n");
}

/// (P5, P18)
#[test]
fn functions_of_a_plan_ask_each_other_where_they_run() {
    let market = Market::open(1, &PEOPLE, &PARAMETERS);
    let _peer = market.provide(1, "CH", 0);
    let gateway = market.gateway(0);
    let http = through(&gateway);
    fs::write(market.path("fetch.wasm"), functions::FETCH).expect("writes");
    fs::write(market.path("trap.wasm"), functions::hostile::TRAP).expect("writes");
    let deploy =
        |arguments: &[&str]| market.run("developer.json", &[&["deploy"], arguments].concat());
    let plan = |words: &[u8]| {
        fs::write(market.path("words.wasm"), words).expect("writes");
        let plan = "name = \"two\"\ncus_per_worker = 1\nmin_workers = 1\ntarget_workers = 1\nlimit_price = \"0.50\"\n\
             funds = \"50\"\n[function]\npath = \"fetch.wasm\"\n\
             [functions]\nwords = \"words.wasm\"\ntrap = \"trap.wasm\"\n";
        market.write("plan.toml", plan)
    };
    let here = "--listen=127.0.0.1:0";
    deploy(&["apply", text(&plan(functions::HELLO)), here, &http]);
    let asked = |path: &str| deploy(&["invoke", "1", path, &http])["body"].clone();
    let hello = "status 200\nHello, world! You asked for /a.\n";
    assert_eq!(asked("/http/words.internal/a"), hello);
    assert_eq!(asked("/http/other.internal/"), "error 15\n");
    let failed = asked("/http/trap.internal/");
    assert_eq!(failed, "status 500\nthe function failed (failure 0)\n");
    let mut logs = mp();
    let key = market.path("developer.json");
    logs.args(["--key", text(&key), "--rpc", market.network.rpc(0)]);
    let logs = logs.args(["deploy", "logs", "1"]).output().expect("runs");
    let logs = String::from_utf8_lossy(&logs.stdout).into_owned();
    assert!(logs.contains(" trap worker: failure 0: "), "{logs}");
    // All of them are one function of the deal: another of them is an update.
    deploy(&["update", "1", text(&plan(functions::ECHO)), here]);
    assert_eq!(asked("/http/words.internal/a"), "status 200\n");
}

/// (D5, D7)
#[test]
fn state_stays_with_the_peer_when_the_function_changes_and_the_peer_is_the_gateway() {
    let market = Market::open(1, &PEOPLE, &PARAMETERS);
    let gateway = format!("gateway = {:?}\n", market.gateway_config(0));
    let peer = market.provide_with(1, "CH", 0, &gateway);
    let http = peer.ready["gateway"]["http"].as_str();
    let http = format!("--gateway=http://{}", http.expect("an address"));
    fs::write(market.path("counter.wasm"), functions::COUNTER).expect("writes");
    let deploy =
        |arguments: &[&str]| market.run("developer.json", &[&["deploy"], arguments].concat());
    let plan = |version: u8| {
        let plan = format!(
            "name = \"counter\"\ncus_per_worker = 1\nmin_workers = 1\ntarget_workers = 1\nlimit_price = \"0.50\"\n\
             funds = \"50\"\n[function]\npath = \"counter.wasm\"\n[environment]\nVERSION = \"{version}\"\n"
        );
        market.write("plan.toml", &plan)
    };
    let here = "--listen=127.0.0.1:0";
    // The first answer is the first count.
    deploy(&["apply", text(&plan(1)), here, &http]);
    let count = || deploy(&["invoke", "1", "/", &http])["body"].clone();
    assert_eq!(count(), "2\n");
    assert_eq!(count(), "3\n");
    deploy(&["update", "1", text(&plan(2)), here]);
    assert_eq!(count(), "4\n", "the new version counts on");
}

/// (P7, G18)
#[test]
fn a_gateway_gives_a_function_to_a_replacement_when_nobody_else_is_there() {
    let market = Market::open(1, &PEOPLE, &PARAMETERS);
    let mut first = market.provide(1, "CH", 0);
    let key = market.path("gateway.json");
    run(&["key", "new", "--peer", text(&key)]);
    let show = |who: &Path, what: &str| run(&["key", "show", text(who)])[what].clone();
    let (source, owner) = (
        show(&key, "peer"),
        show(&market.path("developer.json"), "address"),
    );
    let listen = format!("127.0.0.1:{}", free_ports(1));
    let config = fs::read_to_string(market.gateway_config(0)).expect("reads");
    let config = config.replace(
        "listen = \"127.0.0.1:0\"",
        &format!("listen = \"{listen}\""),
    );
    let holds = format!("[holds]\nkey = {:?}\nowners = [{owner}]\n", text(&key));
    let gateway = Process::start("gateway", market.write("gateway.toml", &(config + &holds)));
    let http = through(&gateway);
    fs::write(market.path("hello.wasm"), functions::HELLO).expect("writes");
    let plan = format!(
        "name = \"held\"\ncus_per_worker = 1\nmin_workers = 1\ntarget_workers = 1\nlimit_price = \"0.50\"\nfunds = \"50\"\n\
         [function]\npath = \"hello.wasm\"\n[[function.sources]]\nkey = {source}\nendpoint = \"{listen}\"\n"
    );
    let plan = market.write("plan.toml", &plan);
    let deploy =
        |arguments: &[&str]| market.run("developer.json", &[&["deploy"], arguments].concat());
    deploy(&["apply", text(&plan), "--listen=127.0.0.1:0", &http]);
    let hash = blake3::hash(functions::HELLO).to_string();
    let held = market.path("g").join("artifacts").join(hash);
    until("the gateway holds it", || held.exists());
    let again = deploy(&["apply", text(&plan), "--listen=127.0.0.1:0", &http]);
    assert_eq!(again["posted"], false, "this machine is no other source");

    first.kill();
    deploy(&["evict", "1", "1"]);
    let _second = market.provide(2, "PT", 0);
    let address = gateway.ready["http"].as_str().expect("an address");
    until("the replacement answers", || {
        get(address, "/1/").is_some_and(|(status, _)| status == 200)
    });
}
