//! Two providers in four countries, a delegator, a developer, a chain and a gateway: their folder, and their processes.
//! What is done on the chain is in `market`.
//!
//! ```text
//! network/                        the chain's network folder
//! keys/                           oracle, developer, delegator, provider-1, provider-2, and peer-1 to peer-4
//! provider-1.toml, provider-2.toml   what the providers registered
//! peer-1.toml to peer-4.toml      the configuration of each peer, with its data in peer-1/ and so on
//! gateway.toml                    the same for the gateway
//! hello.wasm, hello.toml          a function, and the plan that deploys it
//! logs/                           what each process says
//! ```
//!
//! Files that are there are left as they are, but for addresses, which may change with each start.

mod market;

use super::children::{self, Child};
use super::oversubscribed;
use crate::amount::counted;
use crate::command::testnet::Testnet;
use crate::printer::Printer;
use anyhow::Context as _;
use client::{AccountKey, Client};
pub(super) use market::FAUCET;
use market::{PEERS, UNITS};
use node::network::{Allocation, NodeFile};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use std::{
    ffi::OsStr,
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::time::sleep;

const CHAIN_ID: u64 = 31_337;

/// Distance of looks at the processes.
const LOOK: Duration = Duration::from_millis(500);

/// Epochs of 15 seconds with windows of 3, in which each chain of a unit makes two hashes: little enough for a few
/// processors to prove all units in light mode.
const PARAMETERS: [(&str, u64); 15] = [
    ("epoch_seconds", 15),
    ("windows_per_epoch", 5),
    ("commit_grace_seconds", 3),
    ("answer_seconds", 4),
    ("verdict_delay_seconds", 1),
    ("leaves_per_class", 2),
    ("steps_per_leaf", 1),
    ("key_epochs", 240),
    ("commitments_required", 1),
    ("open_commitment_epochs", 0),
    ("max_commitment_epochs", market::COMMITMENT),
    ("holdback_epochs", 1),
    ("vesting_epochs", 2),
    // Stated once, at the start.
    ("price_max_age_seconds", 31_536_000),
    // Proofs, reports and leases go on where they were when all of this was stopped for a while.
    ("max_step_seconds", 2),
];

/// The usual times of deals: reports every 2 seconds.
pub(super) const DEALS: [(&str, u64); 4] = [
    ("min_charge_seconds", 10),
    ("report_seconds", 2),
    ("lease_seconds", 5),
    ("start_timeout_seconds", 60),
];

/// Shorter ones, so that everything happens while one looks on.
const DEMO: [(&str, u64); 4] = [
    ("min_charge_seconds", 2),
    ("report_seconds", 1),
    ("lease_seconds", 4),
    ("start_timeout_seconds", 15),
];

/// What each account begins with: 100,000 FLT. USDC come from the faucet.
const FUNDS: Allocation = Allocation {
    flt: 100_000_000_000_000_000_000_000,
    usdc: 0,
};

/// How this world is to be.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) folder: PathBuf,
    /// Removes the folder in the end.
    pub(super) _temporary: Option<tempfile::TempDir>,
    pub(super) validators: u16,
    pub(super) rpc_port: u16,
    pub(super) http_port: u16,
    /// Parameters of the network, beside those that all have.
    pub(super) parameters: &'static [(&'static str, u64)],
    /// USDC that the plan pays in.
    pub(super) funds: &'static str,
}

impl Settings {
    pub(super) fn demo(validators: u16) -> anyhow::Result<Self> {
        let temporary = tempfile::Builder::new()
            .prefix("mp-")
            .tempdir()
            .context("no temporary folder can be made")?;
        Ok(Self {
            folder: temporary.path().to_owned(),
            _temporary: Some(temporary),
            validators,
            rpc_port: 0,
            http_port: 0,
            parameters: &DEMO,
            funds: "1",
        })
    }
}

/// The folder and what runs in it.
#[derive(Debug)]
pub(super) struct World {
    settings: Settings,
    began: Instant,
    client: Client,
    nodes: Vec<Child>,
    peers: Vec<Child>,
    gateway: Option<Child>,
    _lock: fs::File,
}

/// A key file that is there, or made now.
fn account(path: &Path) -> anyhow::Result<AccountKey> {
    if path.exists() {
        return Ok(AccountKey::load(path)?);
    }
    let key = AccountKey::generate();
    key.save(path)?;
    Ok(key)
}

impl World {
    /// Makes the folder, or takes one that is there.
    pub(super) fn open(settings: Settings) -> anyhow::Result<Self> {
        let folder = &settings.folder;
        for part in ["keys", "logs"] {
            let path = folder.join(part);
            fs::create_dir_all(&path)
                .with_context(|| format!("{} cannot be made", path.display()))?;
        }
        let longest = folder.join("peer-1/workers/1000000000/control.sock.lock");
        anyhow::ensure!(
            longest.as_os_str().len() < 108,
            "{} is too long a name: sockets lie in it\nhint: name a shorter folder with --data",
            folder.display()
        );
        Ok(Self {
            _lock: children::lock(folder)?,
            began: Instant::now(),
            // Replaced as soon as a node runs.
            client: Client::new("http://127.0.0.1:8545")?,
            nodes: Vec::new(),
            peers: Vec::new(),
            gateway: None,
            settings,
        })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.settings.folder.join(name)
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Where the gateway serves.
    pub(super) fn gateway(&self) -> anyhow::Result<String> {
        let gateway = self.gateway.as_ref().context("no gateway runs")?;
        Ok(format!("http://{}", gateway.address("http")?))
    }

    pub(super) fn developer(&self) -> anyhow::Result<AccountKey> {
        account(&self.path("keys/developer.json"))
    }

    pub(super) fn delegator(&self) -> anyhow::Result<AccountKey> {
        account(&self.path("keys/delegator.json"))
    }

    /// Who states the price of FLT, and may change the network's parameters.
    fn oracle(&self) -> anyhow::Result<AccountKey> {
        account(&self.path("keys/oracle.json"))
    }

    pub(super) fn provider(&self, number: usize) -> anyhow::Result<AccountKey> {
        account(&self.path(&format!("keys/provider-{number}.json")))
    }

    /// The process of a peer, by number from 1.
    pub(super) fn peer(&mut self, number: usize) -> Option<&mut Child> {
        self.peers.get_mut(number.checked_sub(1)?)
    }

    /// The number of the peer with this key.
    pub(super) fn number_of(&self, peer: &str) -> Option<usize> {
        let known = |child: &Child| {
            child.ready["peer"]
                .as_str()
                .is_some_and(|key| peer.ends_with(key))
        };
        Some(self.peers.iter().position(known)? + 1)
    }

    /// Shows one step.
    pub(super) fn step(&self, printer: &Printer, name: &str, value: serde_json::Value, text: &str) {
        let mut line =
            json!({ "step": name, "seconds": (self.seconds() * 1_000.0).round() / 1_000.0 });
        if let (Some(line), serde_json::Value::Object(value)) = (line.as_object_mut(), value) {
            line.extend(value);
        }
        printer.result(
            &line,
            &format!("{:5.1} s  {name:<10} {text}", self.seconds()),
        );
    }

    /// Everything but the deal: chain, accounts, supply, commitments, peers, gateway, and the first proofs.
    pub(super) async fn start(&mut self, printer: &Printer) -> anyhow::Result<()> {
        let last = self
            .settings
            .rpc_port
            .saturating_add(self.settings.validators - 1);
        for port in self.settings.rpc_port..=last {
            free(port, "--rpc-port")?;
        }
        free(self.settings.http_port, "--http-port")?;
        self.start_chain(printer).await?;
        let developer = self.developer()?;
        self.fund(&developer).await?;
        let units = self.supply(printer).await?;
        self.commit(printer).await?;
        self.start_peers().await?;
        self.start_gateway().await?;
        let gateway = self.gateway()?;
        let processes = json!({ "peers": self.peers.len(), "gateway": gateway });
        let text = format!(
            "{}, and a gateway at {gateway}",
            counted(self.peers.len(), "peer")
        );
        self.step(printer, "processes", processes, &text);
        if let Some(note) = oversubscribed(units) {
            printer.note(&note);
        }
        self.prove(printer).await
    }

    async fn start_chain(&mut self, printer: &Printer) -> anyhow::Result<()> {
        let files = self.network()?;
        for (index, file) in files.iter().enumerate() {
            let name = format!("node-{index}");
            let log = self.path(&format!("logs/{name}.log"));
            let arguments: [&OsStr; 2] = ["node".as_ref(), file.as_ref()];
            self.nodes.push(Child::start(&name, &arguments, log).await?);
        }
        let first = self.nodes.first().context("a network has a validator")?;
        self.client = Client::new(first.address("rpc")?)?;
        let is_final = async {
            while self.client.height().await? == 0 {
                sleep(Duration::from_millis(50)).await;
            }
            anyhow::Ok(())
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), is_final).await;
        waited.context("the chain does not begin; see its logs")??;
        let rpc = self.client.url();
        let (validators, time) = (self.nodes.len(), self.client.time().await?);
        let value =
            json!({ "validators": validators, "rpc": rpc, "epochSeconds": time.epoch_seconds });
        let text = format!(
            "chain of {} at {rpc}, epochs of {} s",
            counted(validators, "validator"),
            time.epoch_seconds
        );
        self.step(printer, "chain", value, &text);
        Ok(())
    }

    /// The `node.toml` files, made now if need be.
    fn network(&self) -> anyhow::Result<Vec<PathBuf>> {
        let folder = self.path("network");
        if !folder.exists() {
            let making = self.path("network.new");
            let _ = fs::remove_dir_all(&making); // Left when it was broken off.
            self.testnet(making.clone())?.create(&FUNDS)?;
            fs::rename(&making, &folder)?;
        }
        let mut files: Vec<PathBuf> = Vec::new();
        while let file = folder.join(format!("node-{}/node.toml", files.len()))
            && file.exists()
        {
            let index = u16::try_from(files.len())?;
            let mut node: NodeFile = read(&file)?;
            let port = match self.settings.rpc_port {
                0 => 0,
                first => first.saturating_add(index),
            };
            node.rpc = local(port);
            write(&file, &node)?;
            files.push(file);
        }
        let validators = usize::from(self.settings.validators);
        anyhow::ensure!(
            files.len() == validators,
            "the chain in {} has {}, not {validators}\nhint: say --validators {}, or choose another folder with --data",
            folder.display(),
            counted(files.len(), "validator"),
            files.len(),
        );
        Ok(files)
    }

    fn testnet(&self, folder: PathBuf) -> anyhow::Result<Testnet> {
        let accounts = [
            self.oracle()?,
            self.developer()?,
            self.delegator()?,
            self.provider(1)?,
            self.provider(2)?,
        ];
        let parameters = PARAMETERS.iter().chain(self.settings.parameters);
        Ok(Testnet {
            folder,
            validators: self.settings.validators,
            chain_id: CHAIN_ID,
            rpc_port: self.settings.rpc_port,
            p2p_port: 0,
            parameters: parameters
                .map(|(name, value)| ((*name).to_owned(), *value))
                .collect(),
            funded: accounts.iter().map(AccountKey::address).collect(),
        })
    }

    async fn start_peers(&mut self) -> anyhow::Result<()> {
        for number in 1..=PEERS {
            let name = format!("peer-{number}");
            let config = peer::daemon::Config {
                rpc: self.client.url().to_owned(),
                key: self.path(&format!("keys/{name}.json")),
                data: self.path(&name),
                listen: local(0),
                announce: Vec::new(),
                worker: worker()?,
                // Virtual cores, not pinned: peers do not know of each other, and the machine may have fewer.
                units: peer::daemon::Units::Number(UNITS),
                cores: Some(vec![Vec::new(); UNITS.into()]),
                system_cores: Some(0),
                oversubscribe: false,
                prove: peer::daemon::Prove::Light,
                metrics: None,
                gateway: None,
                orphan_seconds: 10,
                outbound: worker::config::Outbound::default(),
                state: true,
                groups: None,
                unit_mib: 4_096,
                stop_workers: true,
            };
            let child = self.start_child("peer", &name, &config).await?;
            self.peers.push(child);
        }
        Ok(())
    }

    async fn start_gateway(&mut self) -> anyhow::Result<()> {
        let config = peer::gateway::Config::new(
            self.client.url().to_owned(),
            self.path("gateway"),
            local(self.settings.http_port),
            local(0),
        );
        self.gateway = Some(self.start_child("gateway", "gateway", &config).await?);
        Ok(())
    }

    async fn start_child(
        &self,
        noun: &str,
        name: &str,
        config: &impl Serialize,
    ) -> anyhow::Result<Child> {
        let file = self.path(&format!("{name}.toml"));
        write(&file, config)?;
        let log = self.path(&format!("logs/{name}.log"));
        Child::start(name, &[noun.as_ref(), file.as_ref()], log).await
    }

    /// Says which process ends, until none is left.
    pub(super) async fn watch(&mut self, printer: &Printer) -> anyhow::Result<()> {
        loop {
            sleep(LOOK).await;
            let mut goes_on = |child: &mut Child| match child.ended() {
                Some(how) => {
                    printer.note(&how);
                    false
                }
                None => true,
            };
            self.nodes.retain_mut(&mut goes_on);
            self.peers.retain_mut(&mut goes_on);
            if self
                .gateway
                .as_mut()
                .is_some_and(|gateway| !goes_on(gateway))
            {
                self.gateway = None;
            }
            anyhow::ensure!(!self.nodes.is_empty(), "the chain has ended");
        }
    }

    /// Ends every process, those that need others first.
    pub(super) async fn close(&mut self) {
        if let Some(mut gateway) = self.gateway.take() {
            gateway.stop().await;
        }
        for group in [&mut self.peers, &mut self.nodes] {
            let mut ending = tokio::task::JoinSet::new();
            for mut child in group.drain(..) {
                ending.spawn(async move { child.stop().await });
            }
            ending.join_all().await;
        }
    }

    /// Writes a file unless it is there.
    fn write_new(&self, name: &str, content: &[u8]) -> anyhow::Result<PathBuf> {
        let path = self.path(name);
        if !path.exists() {
            let making = self.path(&format!("{name}.new"));
            fs::write(&making, content)
                .and_then(|()| fs::rename(&making, &path))
                .with_context(|| format!("{} cannot be written", path.display()))?;
        }
        Ok(path)
    }
}

/// The command that runs a worker.
fn worker() -> anyhow::Result<Vec<String>> {
    let program = std::env::current_exe()?;
    let program = program.to_str().context("the program's path is no text")?;
    Ok(vec![program.to_owned(), "worker".to_owned()])
}

/// Sees at once what would fail late.
fn free(port: u16, argument: &str) -> anyhow::Result<()> {
    std::net::TcpListener::bind(local(port)).with_context(|| {
        format!("port {port} cannot be listened on\nhint: choose another with {argument}")
    })?;
    Ok(())
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let text = fs::read_to_string(path);
    let text = text.with_context(|| format!("{} cannot be read", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{} is no configuration", path.display()))
}

fn write(path: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    fs::write(path, toml::to_string(value)?)
        .with_context(|| format!("{} cannot be written", path.display()))
}
