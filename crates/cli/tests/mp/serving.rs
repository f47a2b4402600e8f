//! The main job on real processes: two providers in two countries, a real function, requests through the gateway, a
//! peer that dies, and money that adds up.

use crate::support::{Network, mp};
use client::{Client, marketplace::units::DealId};
use peer::source::Source;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

/// Short times: a peer reports every second, and its lease lapses after eight.
const PARAMETERS: [&str; 5] = [
    "epoch_seconds=20",
    "min_charge_seconds=2",
    "report_seconds=1",
    "lease_seconds=8",
    "start_timeout_seconds=20",
];

/// In millionths of USDC.
const FUNDS: u128 = 50_000_000;

/// A process of this test, ended with it.
struct Process {
    child: Child,
    ready: Value,
}

impl Process {
    fn start(noun: &str, config: &Path) -> Self {
        let mut command = mp();
        command.arg(noun).arg(config).stdout(Stdio::piped());
        let mut child = command.spawn().expect("mp runs");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let ready = serde_json::from_str(&line).expect("it is ready");
        Self { child, ready }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may have ended already.
        let _ = self.child.wait();
    }
}

/// The folder of the test, and the chain in it.
struct Market {
    folder: tempfile::TempDir,
    network: Network,
}

impl Market {
    fn open() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let key = |name: &str| {
            let file = folder.path().join(name);
            let made = run(&["key", "new", text(&file)]);
            made["address"]
                .as_str()
                .expect("an address")
                .parse()
                .expect("an address")
        };
        let funded = ["provider1.json", "provider2.json", "developer.json"].map(key);
        let network = Network::with_parameters(1, &funded, &PARAMETERS);
        Self { folder, network }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).expect("writes");
        path
    }

    fn run(&self, who: &str, arguments: &[&str]) -> Value {
        let key = self.path(who);
        let rpc = self.network.rpc(0);
        run(&[&["--key", text(&key), "--rpc", rpc], arguments].concat())
    }

    /// Registers a provider with one peer of one unit, offers it, and starts its peer.
    fn provide(&self, number: u8, country: &str) -> Process {
        let (owner, key) = (
            format!("provider{number}.json"),
            format!("peer{number}.json"),
        );
        run(&["key", "new", "--peer", text(&self.path(&key))]);
        let supply = format!(
            "name = \"Provider {number}\"\n[[datacenters]]\ncountry = \"{country}\"\ncity = \"XXX\"\nname = \"one\"\n\
             [[datacenters.peers]]\nkey = \"{key}\"\nendpoints = [\"127.0.0.1:1\"]\nunits = 1\n"
        );
        let supply = self.write(&format!("supply{number}.toml"), &supply);
        self.run(&owner, &["provider", "register", text(&supply)]);
        let datacenter = format!("--datacenter={number}");
        self.run(&owner, &["provider", "offer", &datacenter, "--price=0.40"]);
        let config = format!(
            "rpc = \"{}\"\nkey = \"{}\"\ndata = \"{}\"\nlisten = \"127.0.0.1:0\"\nworker = [\"{}\", \"worker\"]\n\
             units = [[]]\norphan_seconds = 5\n",
            self.network.rpc(0),
            text(&self.path(&key)),
            text(&self.path(&format!("p{number}"))),
            env!("CARGO_BIN_EXE_mp"),
        );
        let config = self.write(&format!("peer{number}.toml"), &config);
        Process::start("peer", &config)
    }

    fn gateway(&self) -> Process {
        let config = format!(
            "rpc = \"{}\"\ndata = \"{}\"\nhttp = \"127.0.0.1:0\"\nlisten = \"127.0.0.1:0\"\n",
            self.network.rpc(0),
            text(&self.path("g")),
        );
        Process::start("gateway", &self.write("gateway.toml", &config))
    }

    fn plan(&self, source: &Source) -> PathBuf {
        fs::write(self.path("hello.wasm"), functions::HELLO).expect("writes");
        let plan = format!(
            "name = \"hello\"\ncus_per_worker = 1\nmin_workers = 1\ntarget_workers = 2\nlimit_price = \"0.50\"\n\
             funds = \"50\"\n[spread]\nmax_per_provider = 1\n[function]\npath = \"hello.wasm\"\n\
             [[function.sources]]\nkey = \"0x{}\"\nendpoint = \"{}\"\n",
            source
                .key()
                .0
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>(),
            source.listens()[0],
        );
        self.write("plan.toml", &plan)
    }

    fn status(&self) -> Value {
        self.run("developer.json", &["deploy", "status", "1"])
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("plain names")
}

fn run(arguments: &[&str]) -> Value {
    let mut command = mp();
    command.env_remove("MP_KEY").env_remove("MP_RPC");
    let output = command
        .args(["--output", "json"])
        .args(arguments)
        .output()
        .expect("mp runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Status and worker of an answer; `None` if there was no answer at all.
fn get(address: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let worker = answer
        .lines()
        .find_map(|line| line.strip_prefix("mp-worker: "));
    Some((status, worker.unwrap_or_default().to_owned()))
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn amount(value: &Value) -> u128 {
    value
        .as_str()
        .expect("an amount")
        .parse()
        .expect("an amount")
}

#[test]
fn a_function_is_served_by_two_providers_outlives_a_peer_and_is_paid_to_the_last_unit() {
    let market = Market::open();
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let dying = market.provide(1, "CH");
    let _living = market.provide(2, "PT");
    let gateway = market.gateway();
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
    let applied = market.run(
        "developer.json",
        &["deploy", "apply", "--detach", text(&plan)],
    );
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
