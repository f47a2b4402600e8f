//! A marketplace with one worker, for benches of serving.

use crate::{
    http::{Connection, PATIENCE},
    process::{Process, mp, network, text},
};
use anyhow::{Context as _, Result, ensure};
use client::{Client, marketplace::units::DealId};
use peer::source::Source;
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;

/// A chain, a provider with one peer of one unit, two gateways, and a deal whose worker runs. Ended in this order.
pub(crate) struct Market {
    /// It reaches the worker over the overlay.
    pub(crate) gateway: Process,
    /// It reaches the worker at its socket.
    pub(crate) beside: Process,
    pub(crate) peer: Process,
    _chain: Vec<Process>,
    /// Gives the artifact to the peer.
    _source: Runtime,
    data: PathBuf,
}

impl Market {
    /// The worker runs on these processors.
    pub(crate) fn open(folder: &Path, processors: &str) -> Result<Self> {
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
             worker = [\"{}\", \"worker\"]\nunits = [{processors}]\norphan_seconds = 2\n",
            text(&data)?,
            env!("CARGO_BIN_EXE_mp"),
        );
        let peer = Process::start("peer", Path::new(&write("peer.toml", config)?))?;
        let gateway = |name: &str, peers: &str| -> Result<_> {
            let config = format!(
                "rpc = \"{rpc}\"\ndata = \"{}\"\nhttp = \"127.0.0.1:0\"\nlisten = \"127.0.0.1:0\"\n{peers}",
                path(name)?,
            );
            let file = write(&format!("{name}.toml"), config)?;
            Process::start("gateway", Path::new(&file))
        };
        let beside = gateway("beside", &format!("peers = [\"{}\"]\n", text(&data)?))?;
        let gateway = gateway("gateway", "")?;

        let function = folder.join("hello.wasm");
        fs::write(&function, functions::HELLO)?;
        let runtime = Runtime::new()?;
        let listen = "127.0.0.1:0".parse()?;
        let source = runtime.block_on(Source::open([9; 32], listen, &folder.join("source")))?;
        let (artifact, _) = source.add(&function, 1 << 20)?;
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
            beside,
            peer,
            _chain: chain,
            _source: runtime,
            data,
        })
    }

    /// Waits until both gateways reach the worker; gives the worker's own socket.
    pub(crate) fn worker(&self) -> Result<PathBuf> {
        let begin = Instant::now();
        let request = b"GET /1/hello HTTP/1.1\r\nhost: bench\r\n\r\n";
        for gateway in [&self.gateway, &self.beside] {
            let address = gateway.address("http")?;
            while Connection::tcp(address)?.ask(request)?.0 != 200 {
                ensure!(begin.elapsed() < PATIENCE, "the function is not served");
                sleep(Duration::from_millis(100));
            }
        }
        Ok(self.folder()?.join("http.sock"))
    }

    fn folder(&self) -> Result<PathBuf> {
        let mut workers = fs::read_dir(self.data.join("workers"))?;
        let worker = workers.next().context("a worker's folder")??;
        Ok(worker.path())
    }

    /// The process of the worker, as it says itself.
    pub(crate) fn worker_id(&self) -> Result<u32> {
        let mut stream = UnixStream::connect(self.folder()?.join("control.sock"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        writeln!(stream, "{}", json!({ "request": "hello", "protocol": 1 }))?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        let hello: Value = serde_json::from_str(&line)?;
        let id = hello["pid"].as_u64().context("a process")?;
        Ok(u32::try_from(id)?)
    }
}
