//! What the way over gateway and overlay costs a request: the same worker asked through the gateway, and directly at
//! its socket as its peer does, in turns.

use crate::{
    http::{Connection, PATIENCE},
    percentile_ms,
    process::{Process, mp, network, text},
    rounded,
};
use anyhow::{Context as _, Result, bail, ensure};
use client::{Client, marketplace::units::DealId};
use peer::source::Source;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    thread::{self, sleep},
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;

const CONNECTIONS: usize = 16;
const PAIRS: usize = 3;
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURE: Duration = Duration::from_secs(5);

pub(crate) fn measure() -> Result<Value> {
    let folder = tempfile::tempdir()?;
    let market = Market::open(folder.path())?;
    let worker = market.worker()?;
    let gateway = market.gateway.address("http")?;
    let direct = |time| load("/hello", time, || Connection::unix(&worker));
    let through = |time| load("/1/hello", time, || Connection::tcp(gateway));
    direct(WARM_UP)?;
    through(WARM_UP)?;
    let (mut directly, mut by_gateway) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        directly.push(direct(MEASURE)?);
        by_gateway.push(through(MEASURE)?);
    }
    let pairs = directly.iter().zip(&by_gateway);
    Ok(json!({
        "bench": "serving",
        "connections": CONNECTIONS,
        "pairs": PAIRS,
        "direct": summary(&directly),
        "gateway": summary(&by_gateway),
        "gateway_per_direct": median(pairs.map(|(direct, gateway)| gateway.per_s / direct.per_s)),
    }))
}

/// What came of keeping all connections busy for a while.
struct Load {
    per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
}

fn summary(loads: &[Load]) -> Value {
    json!({
        "requests_per_s": median(loads.iter().map(|load| load.per_s)),
        "p50_ms": median(loads.iter().map(|load| load.p50_ms)),
        "p99_ms": median(loads.iter().map(|load| load.p99_ms)),
    })
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_by(f64::total_cmp);
    rounded(figures[figures.len() / 2])
}

fn load(
    path: &str,
    time: Duration,
    connect: impl Fn() -> Result<Connection> + Sync,
) -> Result<Load> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n");
    let begin = Instant::now();
    let client = || -> Result<Vec<Duration>> {
        let mut connection = connect()?;
        let mut samples = Vec::new();
        while begin.elapsed() < time {
            let asked = Instant::now();
            let (status, _) = connection.ask(request.as_bytes())?;
            ensure!(status == 200, "{path} is answered with {status}");
            samples.push(asked.elapsed());
        }
        Ok(samples)
    };
    let mut samples = thread::scope(|scope| {
        let clients: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(client)).collect();
        let ended = clients.into_iter().map(|client| match client.join() {
            Ok(samples) => samples,
            Err(_) => bail!("a client panicked"),
        });
        ended
            .collect::<Result<Vec<_>>>()
            .map(|samples| samples.concat())
    })?;
    Ok(Load {
        per_s: samples.len() as f64 / begin.elapsed().as_secs_f64(),
        p50_ms: percentile_ms(&mut samples, 50)?,
        p99_ms: percentile_ms(&mut samples, 99)?,
    })
}

/// A chain, a provider with one peer of one unit, a gateway, and a deal whose worker runs. Ended in this order.
struct Market {
    gateway: Process,
    _peer: Process,
    _chain: Vec<Process>,
    /// Gives the artifact to the peer.
    _source: Runtime,
    data: PathBuf,
}

impl Market {
    fn open(folder: &Path) -> Result<Self> {
        let path = |name: &str| text(&folder.join(name)).map(str::to_owned);
        let (provider, developer, key) = (
            path("provider.json")?,
            path("developer.json")?,
            path("peer.json")?,
        );
        let account = |file: &str| -> Result<_> {
            let made = mp(&["key", "new", file])?;
            Ok(made["address"].as_str().context("an address")?.parse()?)
        };
        let funded = [account(&provider)?, account(&developer)?];
        mp(&["key", "new", "--peer", &key])?;
        let chain = network(folder, 1, &funded)?;
        let rpc = chain[0].address("rpc")?.to_owned();
        let run = |key: &str, words: &[&str]| mp(&[&["--key", key, "--rpc", &rpc], words].concat());
        let write = |name: &str, content: String| -> Result<String> {
            let file = path(name)?;
            fs::write(&file, content)?;
            Ok(file)
        };

        let supply = "name = \"Bench\"\n[[datacenters]]\ncountry = \"CH\"\ncity = \"XXX\"\nname = \"one\"\n\
            [[datacenters.peers]]\nkey = \"peer.json\"\nendpoints = [\"127.0.0.1:1\"]\nunits = 1\n";
        run(
            &provider,
            &[
                "provider",
                "register",
                &write("supply.toml", supply.to_owned())?,
            ],
        )?;
        run(
            &provider,
            &["provider", "offer", "--datacenter=1", "--price=0.40"],
        )?;
        let data = folder.join("peer");
        // The worker outlives a peer that is killed, for a second.
        let config = format!(
            "rpc = \"{rpc}\"\nkey = \"{key}\"\ndata = \"{}\"\nlisten = \"127.0.0.1:0\"\n\
             worker = [\"{}\", \"worker\"]\nunits = [[]]\norphan_seconds = 2\n",
            text(&data)?,
            env!("CARGO_BIN_EXE_mp"),
        );
        let peer = Process::start("peer", Path::new(&write("peer.toml", config)?))?;
        let config = format!(
            "rpc = \"{rpc}\"\ndata = \"{}\"\nhttp = \"127.0.0.1:0\"\nlisten = \"127.0.0.1:0\"\n",
            path("gateway")?,
        );
        let gateway = Process::start("gateway", Path::new(&write("gateway.toml", config)?))?;

        let function = folder.join("hello.wasm");
        fs::write(&function, functions::HELLO)?;
        let runtime = Runtime::new()?;
        let listen = "127.0.0.1:0".parse()?;
        let source = runtime.block_on(Source::open([9; 32], listen, &folder.join("source")))?;
        let (artifact, _) = source.add(&fs::read(&function)?)?;
        let plan = format!(
            "name = \"hello\"\ncus_per_worker = 1\nmin_workers = 1\ntarget_workers = 1\nlimit_price = \"0.50\"\n\
             funds = \"50\"\n[function]\npath = \"hello.wasm\"\n\
             [[function.sources]]\nkey = \"{}\"\nendpoint = \"{}\"\n",
            source.key(),
            source.listens()[0],
        );
        run(&developer, &["deploy", "apply", &write("plan.toml", plan)?])?;
        let client = Client::new(&rpc)?;
        runtime.spawn(async move { source.serve(&client, DealId(1), artifact).await });
        Ok(Self {
            gateway,
            _peer: peer,
            _chain: chain,
            _source: runtime,
            data,
        })
    }

    /// Waits until the gateway reaches the worker; gives the worker's own socket.
    fn worker(&self) -> Result<PathBuf> {
        let begin = Instant::now();
        let request = b"GET /1/hello HTTP/1.1\r\nhost: bench\r\n\r\n";
        while Connection::tcp(self.gateway.address("http")?)?
            .ask(request)?
            .0
            != 200
        {
            ensure!(begin.elapsed() < PATIENCE, "the function is not served");
            sleep(Duration::from_millis(100));
        }
        let mut workers = fs::read_dir(self.data.join("workers"))?;
        let worker = workers.next().context("a worker's folder")??;
        Ok(worker.path().join("http.sock"))
    }
}
