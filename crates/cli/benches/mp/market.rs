//! A marketplace with one deal, for benches of serving.

use crate::{
    http::{Connection, PATIENCE},
    process::{Process, free_ports, mp, network, said, text},
};
use alloy_primitives::Address;
use anyhow::{Context as _, Result, ensure};
use client::{Client, PeerKey, marketplace::units::DealId};
use peer::source::Source;
use serde_json::{Value, json};
use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;
use worker::Settings;

/// How large it is.
pub(crate) struct Layout<'a> {
    /// Each is a datacenter.
    pub(crate) machines: usize,
    /// Peers of each.
    pub(crate) peers: usize,
    /// What deal 1 runs.
    pub(crate) function: &'a [u8],
    /// Workers of the deal, no two on one machine.
    pub(crate) workers: usize,
    /// Of each unit of a peer, as its configuration says it.
    pub(crate) units: &'a [&'a str],
    /// What differs of the network's parameters, `NAME=VALUE`.
    pub(crate) parameters: &'a [&'a str],
    /// What the configuration of each gateway says besides where it is.
    pub(crate) gateways: &'a [String],
}

impl<'a> Layout<'a> {
    /// One peer with one worker.
    pub(crate) fn least(units: &'a [&'a str], gateways: &'a [String]) -> Self {
        Self {
            machines: 1,
            peers: 1,
            function: functions::HELLO,
            workers: 1,
            units,
            parameters: &[],
            gateways,
        }
    }
}

/// A chain, a provider, gateways, and deal 1, whose function says hello. Ended in this order.
pub(crate) struct Market {
    pub(crate) gateways: Vec<Process>,
    pub(crate) peers: Vec<Peer>,
    _chain: Vec<Process>,
    /// Gives artifacts to peers, and asks the node.
    pub(crate) runtime: Runtime,
    pub(crate) client: Client,
    source: Arc<Source>,
    monitor: Address,
    place: Place,
}

/// A peer, and how it is started again.
pub(crate) struct Peer {
    pub(crate) process: Process,
    /// Its key, as the chain writes it.
    pub(crate) key: [u8; 32],
    pub(crate) machine: usize,
    config: PathBuf,
    data: PathBuf,
}

impl Market {
    pub(crate) fn open(folder: &Path, layout: &Layout<'_>) -> Result<Self> {
        let accounts = ["provider", "developer", "monitor"].map(|name| account(folder, name));
        let [provider, developer, monitor] = accounts;
        let funded = [provider?, developer?, monitor?];
        let chain = network(folder, 1, &funded, layout.parameters)?;
        let place = Place {
            folder: folder.to_owned(),
            rpc: chain[0].address("rpc")?.to_owned(),
        };
        let peers = place.supply(layout)?;
        let gateway = |(number, says): (usize, &String)| place.gateway(number, says);
        let gateways = layout.gateways.iter().enumerate().map(gateway);
        let gateways = gateways.collect::<Result<_>>()?;

        let runtime = Runtime::new()?;
        let listen = "127.0.0.1:0".parse()?;
        let source = runtime.block_on(Source::open([9; 32], listen, &folder.join("source")))?;
        let market = Self {
            gateways,
            peers,
            _chain: chain,
            client: Client::new(&place.rpc)?,
            runtime,
            source: Arc::new(source),
            monitor: funded[2],
            place,
        };
        market.deploy("hello", layout.function, layout.workers, &[])?;
        Ok(market)
    }

    /// Posts a demand for workers of a function that may ask those servers, and gives it to the peers.
    pub(crate) fn deploy(
        &self,
        name: &str,
        function: &[u8],
        workers: usize,
        outbound: &[&str],
    ) -> Result<DealId> {
        let (source, client) = (self.source.clone(), self.client.clone());
        let plan = format!(
            "name = \"{name}\"\ncus_per_worker = 1\nmin_workers = 1\ntarget_workers = {workers}\nlimit_price = \"0.50\"\n\
             funds = \"500\"\nmonitor = \"{}\"\noutbound = {outbound:?}\n[spread]\nmax_per_datacenter = 1\n\
             [function]\npath = \"{name}.wasm\"\n[[function.sources]]\nkey = \"{}\"\nendpoint = \"{}\"\n",
            self.monitor,
            source.key(),
            source.listens()[0],
        );
        fs::write(self.place.folder.join(format!("{name}.wasm")), function)?;
        let plan = self.place.write(&format!("{name}.toml"), &plan)?;
        let outbound = outbound.iter().map(|server| server.parse());
        let settings = Settings {
            outbound: outbound.collect::<Result<_, _>>()?,
            ..Settings::default()
        };
        let (artifact, _) = source.add(&settings.pack(function.to_vec())?)?;
        let applied =
            self.as_developer(&["deploy", "apply", "--detach", "--skip-compile", &plan])?;
        let deal = DealId(applied["deal"].as_u64().context("a deal")?);
        self.runtime
            .spawn(async move { source.serve(&client, deal, artifact).await });
        Ok(deal)
    }

    /// The plan of a function that was deployed.
    pub(crate) fn plan(&self, name: &str) -> Result<String> {
        self.place.path(&format!("{name}.toml"))
    }

    /// What `mp` says to the developer.
    pub(crate) fn as_developer(&self, words: &[&str]) -> Result<Value> {
        self.place.run("developer", words)
    }

    /// The same, of a command that says a line for each thing.
    pub(crate) fn as_developer_lines(&self, words: &[&str]) -> Result<Vec<String>> {
        self.place.lines("developer", words)
    }

    /// Waits until all gateways reach the function.
    pub(crate) fn serves(&self) -> Result<()> {
        let begin = Instant::now();
        let request = b"GET /1/hello HTTP/1.1\r\nhost: bench\r\n\r\n";
        for gateway in &self.gateways {
            let address = gateway.address("http")?;
            while Connection::tcp(address)?.ask(request)?.0 != 200 {
                ensure!(begin.elapsed() < PATIENCE, "the function is not served");
                sleep(Duration::from_millis(100));
            }
        }
        Ok(())
    }
}

/// Where all of it is set up.
struct Place {
    folder: PathBuf,
    rpc: String,
}

impl Place {
    fn path(&self, name: &str) -> Result<String> {
        text(&self.folder.join(name)).map(str::to_owned)
    }

    fn write(&self, name: &str, content: &str) -> Result<String> {
        let file = self.path(name)?;
        fs::write(&file, content)?;
        Ok(file)
    }

    fn run(&self, who: &str, words: &[&str]) -> Result<Value> {
        let key = self.path(&format!("{who}.json"))?;
        mp(&[&["--key", &key, "--rpc", &self.rpc], words].concat())
    }

    fn lines(&self, who: &str, words: &[&str]) -> Result<Vec<String>> {
        let key = self.path(&format!("{who}.json"))?;
        let said = said(&[&["--key", &key, "--rpc", &self.rpc], words].concat())?;
        Ok(said.lines().map(str::to_owned).collect())
    }

    /// Registers and offers the machines, and starts their peers.
    fn supply(&self, layout: &Layout<'_>) -> Result<Vec<Peer>> {
        let count = layout.machines * layout.peers;
        let ports = free_ports(u16::try_from(count)?)?;
        let mut supply = "name = \"Bench\"\n".to_owned();
        for machine in 0..layout.machines {
            let described = "[[datacenters]]\ncountry = \"CH\"\ncity = \"XXX\"";
            writeln!(supply, "{described}\nname = \"{machine}\"")?;
            for peer in 0..layout.peers {
                let number = machine * layout.peers + peer;
                let key = format!("peer{number}.json");
                mp(&["key", "new", "--peer", &self.path(&key)?])?;
                let endpoint = format!("127.0.0.1:{}", ports + u16::try_from(number)?);
                writeln!(
                    supply,
                    "[[datacenters.peers]]\nkey = \"{key}\"\nendpoints = [\"{endpoint}\"]\nunits = {}",
                    layout.units.len()
                )?;
            }
        }
        let supply = self.write("supply.toml", &supply)?;
        self.run("provider", &["provider", "register", &supply])?;
        for machine in 1..=layout.machines {
            let datacenter = format!("--datacenter={machine}");
            self.run(
                "provider",
                &["provider", "offer", &datacenter, "--price=0.40"],
            )?;
        }
        let peer = |number: usize| {
            let port = ports + u16::try_from(number)?;
            self.peer(
                number,
                number / layout.peers,
                port,
                &layout.units.join(", "),
            )
        };
        (0..count).map(peer).collect()
    }

    fn peer(&self, number: usize, machine: usize, port: u16, units: &str) -> Result<Peer> {
        let key = self.path(&format!("peer{number}.json"))?;
        let data = self.folder.join(format!("p{number}"));
        // A worker outlives a peer that is killed, for two seconds.
        let config = format!(
            "rpc = \"{}\"\nkey = \"{key}\"\ndata = \"{}\"\nlisten = \"127.0.0.1:{port}\"\n\
             worker = [\"{}\", \"worker\"]\nunits = [{units}]\norphan_seconds = 2\n",
            self.rpc,
            text(&data)?,
            env!("CARGO_BIN_EXE_mp"),
        );
        let config = PathBuf::from(self.write(&format!("peer{number}.toml"), &config)?);
        Ok(Peer {
            process: Process::start("peer", &config)?,
            key: PeerKey::load(Path::new(&key))?.id().0,
            machine,
            config,
            data,
        })
    }

    fn gateway(&self, number: usize, says: &str) -> Result<Process> {
        let config = format!(
            "rpc = \"{}\"\ndata = \"{}\"\nhttp = \"127.0.0.1:0\"\nlisten = \"127.0.0.1:0\"\n{says}\n",
            self.rpc,
            self.path(&format!("g{number}"))?,
        );
        let config = self.write(&format!("gateway{number}.toml"), &config)?;
        Process::start("gateway", Path::new(&config))
    }
}

fn account(folder: &Path, name: &str) -> Result<Address> {
    let made = mp(&["key", "new", text(&folder.join(format!("{name}.json")))?])?;
    Ok(made["address"].as_str().context("an address")?.parse()?)
}

impl Peer {
    /// The sockets of its workers' requests.
    pub(crate) fn sockets(&self) -> Result<Vec<PathBuf>> {
        let folders = self.folders()?.into_iter();
        Ok(folders.map(|folder| folder.join("http.sock")).collect())
    }

    fn folders(&self) -> Result<Vec<PathBuf>> {
        let folders = fs::read_dir(self.data.join("workers"))?;
        folders.map(|folder| Ok(folder?.path())).collect()
    }

    /// The processes of its workers, as they say themselves.
    pub(crate) fn workers(&self) -> Result<Vec<u32>> {
        let folders = self.folders()?;
        // A folder may be left of a worker that has ended.
        Ok(folders
            .iter()
            .filter_map(|folder| process_of(folder).ok())
            .collect())
    }

    /// Ends it in the middle of everything.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Starts it again.
    pub(crate) fn restart(&mut self) -> Result<()> {
        self.process = Process::start("peer", &self.config)?;
        Ok(())
    }
}

fn process_of(folder: &Path) -> Result<u32> {
    let mut stream = UnixStream::connect(folder.join("control.sock"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    writeln!(
        stream,
        "{}",
        json!({ "request": "hello", "protocol": worker::control::PROTOCOL })
    )?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let hello: Value = serde_json::from_str(&line)?;
    let id = hello["pid"].as_u64().context("a process")?;
    Ok(u32::try_from(id)?)
}
