//! A developer's own domain: what to write into DNS, and whether a gateway serves the deal there.

use crate::dns;
use crate::support::{Market, Process, free_ports, mp, text, through};
use serde_json::{Value, json};
use std::{
    fs,
    net::{SocketAddr, UdpSocket},
    process::Output,
};

const PEOPLE: [&str; 2] = ["provider1.json", "developer.json"];

const PARAMETERS: [&str; 2] = ["report_seconds=1", "start_timeout_seconds=60"];

const PLAN: &str = r#"
name = "hello"
cus_per_worker = 1
min_workers = 1
target_workers = 1
limit_price = "0.50"
funds = "50"
[function]
path = "hello.wasm"
"#;

/// A DNS server that knows one domain, until the test is over.
fn server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address");
    std::thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut question) {
            let answer = dns::answer(&question[..length], |name, kind| match (name, kind) {
                ("_marketplace.api.example.com", dns::TEXT) => Some(dns::text("31337/1")),
                ("_marketplace.other.example.com", dns::TEXT) => Some(dns::text("31337/2")),
                _ => None,
            });
            socket.send_to(&answer, from).expect("sent");
        }
    });
    address
}

/// (P17)
#[test]
fn a_domain_is_served_once_its_record_says_whose_it_is() {
    let market = Market::open(1, &PEOPLE, &PARAMETERS);
    let _peer = market.provide(1, "CH", 0);
    let dns = server();
    let gateway = format!(
        "rpc = \"{}\"\ndata = \"{}\"\nhttp = \"127.0.0.1:{}\"\nlisten = \"127.0.0.1:0\"\ndns = \"{dns}\"\n",
        market.network.rpc(0),
        text(&market.path("g")),
        free_ports(1),
    );
    let gateway = Process::start("gateway", market.write("gateway.toml", &gateway));
    let http = through(&gateway);
    fs::write(market.path("hello.wasm"), functions::HELLO).expect("writes");
    let plan = market.write("plan.toml", PLAN);
    let apply = [
        "deploy",
        "apply",
        text(&plan),
        "--listen=127.0.0.1:0",
        &http,
    ];
    market.run("developer.json", &apply);
    let server = format!("--dns={dns}");
    let domain = |arguments: &[&str]| -> Output {
        let rpc = market.network.rpc(0);
        let mut command = mp();
        command.args(["--output=json", "--rpc", rpc, "deploy", "domain"]);
        command
            .args([&["1"], arguments].concat())
            .output()
            .expect("runs")
    };
    let shown =
        |output: &Output| -> Value { serde_json::from_slice(&output.stdout).expect("JSON") };

    let told = domain(&["API.example.com", "--gateway=http://fn.example.com"]);
    assert!(told.status.success(), "{told:?}");
    let records = json!([
        { "name": "api.example.com.", "type": "CNAME", "value": "fn.example.com." },
        { "name": "_marketplace.api.example.com.", "type": "TXT", "value": "\"31337/1\"" },
    ]);
    assert_eq!(shown(&told)["records"], records);

    let served = domain(&["api.example.com", &http, "--check", &server]);
    assert!(served.status.success(), "{served:?}");
    let check = &shown(&served)["check"];
    assert_eq!(check["proofs"], json!(["31337/1"]));
    assert!(
        check["worker"]
            .as_str()
            .expect("a worker")
            .starts_with("1/")
    );

    for (name, hint) in [
        ("none.example.com", "hint: set the TXT record"),
        ("other.example.com", "hint: set the TXT record"),
    ] {
        let refused = domain(&[name, &http, "--check", &server]);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && said.contains(hint), "{said}");
        assert!(shown(&refused)["check"]["worker"].is_null());
    }
    let odd = domain(&["localhost"]);
    let said = String::from_utf8_lossy(&odd.stderr);
    assert!(
        !odd.status.success() && said.contains("it is no domain"),
        "{said}"
    );
}
