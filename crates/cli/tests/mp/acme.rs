//! A gateway that gets its certificates by ACME.
//!
//! `cargo xtask test acme` installs Pebble, names it in `MP_PEBBLE`, and runs the tests that need it as well.

mod client;
mod pebble;

use crate::support::{Market, Process, free_ports, mp, text, through, until};
use client::Client;
use pebble::{Names, Pebble, Ports};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
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

/// Names that strangers ask for: nobody's, or of a deal that is not there.
const STRANGE: u32 = 200;

fn program() -> PathBuf {
    let program = env::var_os("MP_PEBBLE");
    program
        .expect("MP_PEBBLE: see cargo xtask test acme")
        .into()
}

/// Writes the configuration of a gateway, and starts it.
fn start(folder: &Path, rpc: &str, ports: &Ports, more: &str) -> Process {
    let config = format!(
        "rpc = \"{rpc}\"\ndata = \"{}\"\nhttp = \"127.0.0.1:{}\"\nhttps = \"127.0.0.1:{}\"\nlisten = \"127.0.0.1:0\"\n{more}",
        text(&folder.join("data")),
        ports.http,
        ports.https,
    );
    let path = folder.join("acme.toml");
    fs::write(&path, config).expect("writes");
    Process::start("gateway", path)
}

fn https(gateway: &Process) -> SocketAddr {
    let https = gateway.ready["https"].as_str().expect("an address");
    https.parse().expect("an address")
}

/// Deal 1 says hello.
fn deployed() -> (Market, Process) {
    let market = Market::open(1, &PEOPLE, &PARAMETERS);
    let peer = market.provide(1, "CH", 0);
    let gateway = market.gateway(0);
    fs::write(market.path("hello.wasm"), functions::HELLO).expect("writes");
    let plan = market.write("plan.toml", PLAN);
    let here = "--listen=127.0.0.1:0";
    let apply = ["deploy", "apply", text(&plan), here, &through(&gateway)];
    market.run("developer.json", &apply);
    (market, peer)
}

/// Asks a function by TLS, on a new connection; gives the certificate that was shown.
fn ask(client: &Client, to: SocketAddr, name: &str, path: &str) -> Vec<u8> {
    let mut stream = client.shake(to, name).expect(name);
    let (status, body) = stream.get(name, path);
    assert_eq!(status, 200, "{name}: {body}");
    assert!(body.contains("Hello, world!"), "{name}: {body}");
    stream.certificate()
}

/// Asks for names that nobody has.
fn stray(client: &Client, to: SocketAddr) {
    for number in 0..STRANGE {
        for name in [
            format!("{}.fn.test", number + 2),
            format!("a{number}.evil.test"),
            "gone.test".to_owned(),
        ] {
            assert!(client.shake(to, &name).is_err(), "{name}");
        }
    }
}

/// (G20, G21)
#[test]
#[ignore = "it needs an ACME server: cargo xtask test acme"]
fn a_gateway_gets_certificates_shows_them_and_renews_them() {
    let (market, _peer) = deployed();
    let (ports, names) = (Ports::new(), Names::serve());
    let folder = market.path("gateway");
    fs::create_dir_all(&folder).expect("a folder");
    let pebble = Pebble::start(&program(), &folder, &ports, &names);
    let more = format!(
        "domain = \"fn.test\"\ndns = \"{}\"\n{}[domains]\n\"own.test\" = 1\n",
        names.server,
        pebble.config()
    );
    let mut gateway = start(&folder, market.network.rpc(0), &ports, &more);
    let (to, client) = (https(&gateway), pebble.trusting());
    let places = [
        ("fn.test", "/1/"),
        ("own.test", "/"),
        ("1.fn.test", "/"),
        ("api.test", "/"),
    ];
    for (name, _) in places {
        until(name, || client.shake(to, name).is_ok());
    }
    let first = places.map(|(name, path)| ask(&client, to, name, path));
    stray(&client, to);
    gateway.kill();
    gateway.restart();
    let shown = |name: &str| client.shake(to, name).expect(name).certificate();
    let again = places.map(|(name, _)| shown(name));
    assert_eq!(again, first, "they were kept");
    assert_eq!(pebble.issued(), 4, "and no other was ordered");

    let mut held = client.shake(to, "fn.test").expect("a connection");
    names.has_own.store(false, Ordering::SeqCst);
    let mut is_held = || held.get("fn.test", "/1/").0 == 200;
    until("the deal is seen again", &mut is_held);
    until("it is renewed", || {
        assert!(is_held(), "it is cut off");
        shown("fn.test") != first[0]
    });
    assert!(is_held(), "it is cut off");
    // On a busy machine it was renewed before its record was gone, and has another one by now.
    let mut old = shown("own.test");
    until("an order fails", || {
        let log = gateway.log();
        let mut lines = log.lines();
        let has_failed =
            lines.any(|line| line.contains("has not come") && line.contains("own.test"));
        if !has_failed {
            old = shown("own.test");
        }
        has_failed
    });
    let kept = ask(&client, to, "own.test", "/");
    assert_eq!(kept, old, "the old one does");
    let log = pebble.log();
    assert!(log.contains("api.test"), "it says for whom: {log}");
    for stranger in ["evil.test", "gone.test", "2.fn.test"] {
        assert!(!log.contains(stranger), "{stranger} was ordered");
    }
}

/// (G20)
#[test]
#[ignore = "it needs an ACME server: cargo xtask test acme"]
fn a_server_that_has_forgotten_the_account_gets_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let (ports, names) = (Ports::new(), Names::serve());
    let nobody = format!("http://127.0.0.1:{}", free_ports(1));
    let mut pebble = Pebble::start(&program(), folder, &ports, &names);
    for round in 0..2 {
        let more = format!("domain = \"fn.test\"\n{}", pebble.config());
        let gateway = start(folder, &nobody, &ports, &more);
        let client = pebble.trusting();
        until("a certificate", || {
            client.shake(https(&gateway), "fn.test").is_ok()
        });
        drop(gateway);
        if round == 0 {
            fs::remove_file(folder.join("data/acme/fn.test.pem")).expect("it was kept");
            drop(pebble);
            pebble = Pebble::start(&program(), folder, &ports, &names);
        }
    }
    assert_eq!(pebble.issued(), 1);
}

/// (G20)
#[test]
fn a_gateway_serves_what_it_has_while_nobody_gives_certificates() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let made = generate_simple_self_signed(["old.test".to_owned()]);
    let CertifiedKey { cert, signing_key } = made.expect("a certificate");
    let (chain, key) = (folder.join("old.pem"), folder.join("old.key"));
    fs::write(&chain, cert.pem()).expect("writes");
    fs::write(&key, signing_key.serialize_pem()).expect("writes");
    let nobody = free_ports(1);
    let more = format!(
        "domain = \"fn.test\"\n[[certificates]]\nchain = \"{}\"\nkey = \"{}\"\n\
         [acme]\nagree_to_terms = true\ndirectory = \"https://127.0.0.1:{nobody}/dir\"\n",
        text(&chain),
        text(&key),
    );
    let rpc = format!("http://127.0.0.1:{nobody}");
    let gateway = start(folder, &rpc, &Ports::new(), &more);
    until("an order fails", || gateway.log().contains("has not come"));
    let http = gateway.ready["http"].as_str().expect("an address");
    let answer = crate::support::get(http, "/7/");
    assert_eq!(answer.map(|(status, _)| status), Some(404));
    let client = Client::new(cert.pem().as_bytes());
    let mut stream = client
        .shake(https(&gateway), "old.test")
        .expect("a connection");
    assert_eq!(stream.get("old.test", "/7/").0, 404);
}

/// (G20)
#[test]
fn a_gateway_says_what_it_misses_before_it_orders() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |more: &str| {
        let path = folder.path().join("gateway.toml");
        let least = "rpc = \"http://127.0.0.1:1\"\ndata = \"data\"\nhttp = \"127.0.0.1:0\"\nlisten = \"127.0.0.1:0\"\n";
        fs::write(&path, format!("{least}{more}")).expect("writes");
        let mut command = mp();
        command.current_dir(folder.path());
        let output = command.arg("gateway").arg(&path).output().expect("runs");
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let https = "https = \"127.0.0.1:0\"\ndomain = \"fn.test\"\n";
    for (more, hint) in [
        ("[acme]\nagree_to_terms = true\n".to_owned(), "https = "),
        (format!("{https}[acme]\n"), "agree_to_terms = true"),
        (
            "https = \"127.0.0.1:0\"\n[acme]\nagree_to_terms = true\n".to_owned(),
            "see `domain`",
        ),
    ] {
        let said = refused(&more);
        assert!(said.contains("hint:") && said.contains(hint), "{said}");
    }
}
