//! Networks and markets of real processes in a temporary folder, ended by id when the test is over.

use crate::dice::Dice;
use alloy_primitives::Address;
use peer::source::Source;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The program under test.
pub(crate) fn mp() -> Command {
    Command::new(env!("CARGO_BIN_EXE_mp"))
}

/// A process of a test, ended with it.
pub(crate) struct Process {
    noun: &'static str,
    config: PathBuf,
    child: Child,
    /// What it said when it served.
    pub(crate) ready: Value,
}

impl Process {
    /// Runs `mp <noun> <config>` until it serves.
    pub(crate) fn start(noun: &'static str, config: PathBuf) -> Self {
        let mut log = File::options();
        let log = log
            .create(true)
            .append(true)
            .open(config.with_extension("log"));
        let mut child = mp()
            .arg(noun)
            .arg(&config)
            .stdout(Stdio::piped())
            .stderr(log.expect("a log"))
            .spawn()
            .expect("mp runs");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let ready = serde_json::from_str(&line);
        let ready = ready.unwrap_or_else(|error| panic!("{error}: {noun} said {line:?}"));
        Self {
            noun,
            config,
            child,
            ready,
        }
    }

    /// Ends it in the middle of everything (SIGKILL).
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Starts it again after it was killed.
    pub(crate) fn restart(&mut self) {
        *self = Self::start(self.noun, self.config.clone());
    }

    /// What it has complained about since it was first started.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.config.with_extension("log")).expect("a log")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may have ended already.
        let _ = self.child.wait();
        if std::thread::panicking() {
            // A second panic would hide the first.
            let log = fs::read_to_string(self.config.with_extension("log"));
            let log = log.unwrap_or_default();
            eprintln!("{} complained:\n{log}", self.config.display());
        }
    }
}

/// Validators of one network folder.
pub(crate) struct Network {
    nodes: Vec<Process>,
    _folder: TempDir,
}

impl Network {
    /// Makes a network whose `funded` accounts are rich, and starts it.
    pub(crate) fn start(validators: usize, funded: &[Address]) -> Self {
        Self::with_parameters(validators, funded, &[])
    }

    /// The same on a network whose parameters differ as said, by NAME=VALUE.
    pub(crate) fn with_parameters(
        validators: usize,
        funded: &[Address],
        parameters: &[&str],
    ) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let network = folder.path().join("network");
        let mut command = mp();
        command.arg("testnet").arg(&network);
        // Their own, since a validator that is started again must be found where it was.
        let ports = free_ports(2 * validators);
        command.args(["--validators", &validators.to_string()]);
        command.args(["--p2p-port", &ports.to_string()]);
        command.args(["--rpc-port", &(ports + validators as u16).to_string()]);
        for account in funded {
            command.args(["--fund", &account.to_string()]);
        }
        for parameter in parameters {
            command.args(["--parameter", parameter]);
        }
        assert!(command.output().expect("mp runs").status.success());
        let config = |index| network.join(format!("node-{index}/node.toml"));
        let nodes = (0..validators).map(|index| Process::start("node", config(index)));
        Self {
            nodes: nodes.collect(),
            _folder: folder,
        }
    }

    /// Where a validator serves JSON-RPC.
    pub(crate) fn rpc(&self, index: usize) -> &str {
        self.nodes[index].ready["rpc"].as_str().expect("an address")
    }

    /// Ends a validator in the middle of everything (SIGKILL).
    pub(crate) fn kill(&mut self, index: usize) {
        self.nodes[index].kill();
    }

    /// What a validator has complained about since it was first started.
    pub(crate) fn log(&self, index: usize) -> String {
        self.nodes[index].log()
    }

    /// Starts a validator that was killed.
    pub(crate) fn restart(&mut self, index: usize) {
        self.nodes[index].restart();
    }
}

/// The first of `count` ports in a row that nobody listens on at the moment, below those that the system gives to
/// whoever connects: a process that is started again needs its own.
pub(crate) fn free_ports(count: usize) -> u16 {
    // Tests of one process ask at the same time and must not get the same ports.
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let asked = ASKED.fetch_add(1, Ordering::Relaxed);
    let mut dice = Dice::new(u64::from(std::process::id()) + (asked << 32));
    for _ in 0..100 {
        let first = 20_000 + dice.below(12_000) as u16;
        let last = first + count as u16;
        if (first..last).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return first;
        }
    }
    panic!("no {count} free ports in a row");
}

/// What the plan of [`Market`] pays in, in millionths of USDC.
pub(crate) const FUNDS: u128 = 50_000_000;

/// The folder of the test, and the chain in it.
pub(crate) struct Market {
    folder: TempDir,
    pub(crate) network: Network,
}

impl Market {
    /// A provider's or developer's key file of each name, and validators whose genesis gives them money.
    pub(crate) fn open(validators: usize, people: &[&str], parameters: &[&str]) -> Self {
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
        let funded: Vec<_> = people.iter().copied().map(key).collect();
        let network = Network::with_parameters(validators, &funded, parameters);
        Self { folder, network }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).expect("writes");
        path
    }

    pub(crate) fn run(&self, who: &str, arguments: &[&str]) -> Value {
        let key = self.path(who);
        let rpc = self.network.rpc(0);
        run(&[&["--key", text(&key), "--rpc", rpc], arguments].concat())
    }

    /// Registers a provider with one peer of one unit, offers it, and starts its peer, which speaks to the validator
    /// `node`.
    pub(crate) fn provide(&self, number: u8, country: &str, node: usize) -> Process {
        self.provide_with(number, country, node, "")
    }

    /// The same, with more lines in the peer's configuration.
    pub(crate) fn provide_with(
        &self,
        number: u8,
        country: &str,
        node: usize,
        more: &str,
    ) -> Process {
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
             units = [[]]\norphan_seconds = 5\n{more}",
            self.network.rpc(node),
            text(&self.path(&key)),
            text(&self.path(&format!("p{number}"))),
            env!("CARGO_BIN_EXE_mp"),
        );
        let config = self.write(&format!("peer{number}.toml"), &config);
        Process::start("peer", config)
    }

    pub(crate) fn gateway(&self, node: usize) -> Process {
        Process::start("gateway", self.gateway_config(node))
    }

    pub(crate) fn gateway_config(&self, node: usize) -> PathBuf {
        let config = format!(
            "rpc = \"{}\"\ndata = \"{}\"\nhttp = \"127.0.0.1:{}\"\nlisten = \"127.0.0.1:0\"\n",
            self.network.rpc(node),
            text(&self.path("g")),
            free_ports(1),
        );
        self.write("gateway.toml", &config)
    }

    pub(crate) fn plan(&self, source: &Source) -> PathBuf {
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
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("plain names")
}

pub(crate) fn run(arguments: &[&str]) -> Value {
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
pub(crate) fn get(address: &str, path: &str) -> Option<(u16, String)> {
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

/// Clients that send a request after the other, of a method that may not be sent twice.
pub(crate) struct Clients {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<BTreeMap<String, usize>>>,
}

impl Clients {
    pub(crate) fn ask(gateway: &Process, path: &'static str) -> Self {
        let address = gateway.ready["http"].as_str().expect("an address");
        let stop = Arc::new(AtomicBool::new(false));
        let client = |_| {
            let (address, stop) = (address.to_owned(), stop.clone());
            std::thread::spawn(move || {
                let mut answers = BTreeMap::new();
                while !stop.load(Ordering::Relaxed) {
                    let status = post(&address, path).unwrap_or("no answer".into());
                    *answers.entry(status).or_default() += 1;
                    std::thread::sleep(Duration::from_millis(2));
                }
                answers
            })
        };
        let threads = (0..4).map(client).collect();
        Self { stop, threads }
    }

    /// How often each status was answered.
    pub(crate) fn end(self) -> BTreeMap<String, usize> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = BTreeMap::new();
        for thread in self.threads {
            for (status, count) in thread.join().expect("a client") {
                *all.entry(status).or_default() += count;
            }
        }
        all
    }
}

/// First line of the answer.
fn post(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    let time = Some(Duration::from_secs(10));
    stream.set_read_timeout(time).ok()?;
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: 3\r\nconnection: close");
    write!(stream, "{head}\r\n\r\nabc").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer.lines().next()?.to_owned())
}

pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(100));
    }
}

pub(crate) fn amount(value: &Value) -> u128 {
    value
        .as_str()
        .expect("an amount")
        .parse()
        .expect("an amount")
}

/// That commands ask functions through this gateway.
pub(crate) fn through(gateway: &Process) -> String {
    let http = gateway.ready["http"].as_str().expect("an address");
    format!("--gateway=http://{http}")
}
