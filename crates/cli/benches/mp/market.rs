//! A marketplace with one deal, for benches of serving.

use crate::{
    http::{Connection, PATIENCE},
    process::{Process, free_ports, mp, network, text},
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
    thread::sleep,
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;

/// How large it is.
pub(crate) struct Layout<'a> {
    /// Each is a datacenter.
    pub(crate) machines: usize,
    /// Peers of each, all with one unit.
    pub(crate) peers: usize,
    /// Workers of the deal, no two on one machine.
    pub(crate) workers: usize,
    /// Of a unit, as the configuration of a peer says it.
    pub(crate) processors: &'a str,
    /// What differs of the network's parameters, `NAME=VALUE`.
    pub(crate) parameters: &'a [&'a str],
    /// What the configuration of each gateway says besides where it is.
    pub(crate) gateways: &'a [String],
}

impl<'a> Layout<'a> {
    /// One peer with one worker.
    pub(crate) fn least(processors: &'a str, gateways: &'a [String]) -> Self {
        Self {
            machines: 1,
            peers: 1,
            workers: 1,
            processors,
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
    /// Gives the artifact to peers, and asks the node.
    pub(crate) runtime: Runtime,
    pub(crate) client: Client,
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
            folder,
            rpc: chain[0].address("rpc")?,
        };
        let peers = place.supply(layout)?;
        let gateway = |(number, says): (usize, &String)| place.gateway(number, says);
        let gateways = layout.gateways.iter().enumerate().map(gateway);
        let gateways = gateways.collect::<Result<_>>()?;

        let runtime = Runtime::new()?;
        let client = Client::new(place.rpc)?;
        let function = folder.join("hello.wasm");
        fs::write(&function, functions::HELLO)?;
        let listen = "127.0.0.1:0".parse()?;
        let source = runtime.block_on(Source::open([9; 32], listen, &folder.join("source")))?;
        let (artifact, _) = source.add(&fs::read(&function)?)?;
        place.deploy(layout, &source, funded[2])?;
        let asked = client.clone();
        runtime.spawn(async move { source.serve(&asked, DealId(1), artifact).await });
        Ok(Self {
            gateways,
            peers,
            _chain: chain,
            runtime,
            client,
        })
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
struct Place<'a> {
    folder: &'a Path,
    rpc: &'a str,
}

impl Place<'_> {
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
        mp(&[&["--key", &key, "--rpc", self.rpc], words].concat())
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
                    "[[datacenters.peers]]\nkey = \"{key}\"\nendpoints = [\"{endpoint}\"]\nunits = 1"
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
            self.peer(number, number / layout.peers, port, layout.processors)
        };
        (0..count).map(peer).collect()
    }

    fn peer(&self, number: usize, machine: usize, port: u16, processors: &str) -> Result<Peer> {
        let key = self.path(&format!("peer{number}.json"))?;
        let data = self.folder.join(format!("p{number}"));
        // A worker outlives a peer that is killed, for two seconds.
        let config = format!(
            "rpc = \"{}\"\nkey = \"{key}\"\ndata = \"{}\"\nlisten = \"127.0.0.1:{port}\"\n\
             worker = [\"{}\", \"worker\"]\nunits = [{processors}]\norphan_seconds = 2\n",
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

    fn deploy(&self, layout: &Layout<'_>, source: &Source, monitor: Address) -> Result<()> {
        let plan = format!(
            "name = \"hello\"\ncus_per_worker = 1\nmin_workers = 1\ntarget_workers = {}\nlimit_price = \"0.50\"\n\
             funds = \"500\"\nmonitor = \"{monitor}\"\n[spread]\nmax_per_datacenter = 1\n[function]\npath = \"hello.wasm\"\n\
             [[function.sources]]\nkey = \"{}\"\nendpoint = \"{}\"\n",
            layout.workers,
            source.key(),
            source.listens()[0],
        );
        let plan = self.write("plan.toml", &plan)?;
        self.run("developer", &["deploy", "apply", "--detach", &plan])?;
        Ok(())
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
    writeln!(stream, "{}", json!({ "request": "hello", "protocol": 1 }))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let hello: Value = serde_json::from_str(&line)?;
    let id = hello["pid"].as_u64().context("a process")?;
    Ok(u32::try_from(id)?)
}
