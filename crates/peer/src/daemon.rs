//! The process of a peer: observer, planner, executor and overlay around one loop.
//!
//! `chain` reads and calls the node, `executor` carries actions out, `keeper` keeps one worker, `prover` proves the
//! units that have none, on the cores that `units` says; `machine` is all of it but for the chain. What a
//! peer must remember lies in its data folder: artifacts, cores of units, and for each worker a folder with its
//! control socket. A peer that is killed is started again and goes on.

mod chain;
mod executor;
mod groups;
mod keeper;
mod machine;
mod prover;
mod secrets;
mod state;
mod units;

pub(crate) use chain::{artifacts, members};
pub(crate) use keeper::served;
pub use machine::Machine;
pub use prover::{Chains, Doing, Figures, Prove};
pub use units::Units;

use crate::{
    gateway::{self, AcmeError, CertificateError, Listening},
    overlay,
    pages::{Page, Pages},
    planner::{Event, Planner, Settings},
    units::{Core, TooFew},
};
use client::{Client, PeerKey};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    io::{self, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{MissedTickBehavior, interval},
};
use tokio_util::task::AbortOnDropHandle;
use worker::config::Outbound;

/// How often the planner looks at the time.
const TICK: Duration = Duration::from_millis(200);

/// The configuration file of a peer, in TOML.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// JSON-RPC address of a node.
    pub rpc: String,
    /// The key file.
    pub key: PathBuf,
    /// What the peer keeps. The path is short: sockets lie in it.
    pub data: PathBuf,
    /// Where the overlay listens (UDP); port 0 takes a free one.
    pub listen: SocketAddr,
    /// What the chain is to say about where it listens, if not `listen`: `host:port`, at most 4.
    #[serde(default)]
    pub announce: Vec<String>,
    /// The command that runs a worker; the path of its configuration is appended.
    pub worker: Vec<String>,
    /// Its compute units: their number, or for each, by index, the logical processors it runs on.
    pub units: Units,
    /// Cores that units of which only the number is said leave to the peer and the system. By default one, if the
    /// machine has more than two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_cores: Option<u16>,
    /// The cores that such units are given, each with its logical processors, in place of those of the machine. One
    /// without processors is virtual: whoever has it is not pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cores: Option<Vec<Core>>,
    /// Whether there may be more such units than cores: who has none is not pinned. For trying, not for proving.
    #[serde(default)]
    pub oversubscribe: bool,
    /// How idle units prove themselves.
    #[serde(default)]
    pub prove: Prove,
    /// Where figures of the units are served over HTTP, for whoever watches the machine: `GET /metrics`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<SocketAddr>,
    /// Which servers functions may reach, of those that their plans name: "none", "public" (those with public
    /// addresses), or "any": for trying on one machine, since they reach whatever listens on it and in its network.
    #[serde(default)]
    pub outbound: Outbound,
    /// Whether functions may keep state on this machine's disk.
    #[serde(default = "yes")]
    pub state: bool,
    /// A folder of control groups (version 2) that the peer's user may write to, with the controllers `memory` and `pids`
    /// on for what lies below. Each worker has a group there, with memory for its units. By default there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<PathBuf>,
    /// Memory of a unit in such a group, in MiB.
    #[serde(default = "unit_mib")]
    pub unit_mib: u64,
    /// The configuration of a gateway that this process is, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<PathBuf>,
    /// A worker without its peer for so long exits by itself.
    #[serde(default = "orphan_seconds")]
    pub orphan_seconds: u64,
    /// Whether workers are stopped when the peer is told to stop.
    #[serde(default)]
    pub stop_workers: bool,
}

fn unit_mib() -> u64 {
    groups::UNIT_MIB
}

fn yes() -> bool {
    true
}

fn orphan_seconds() -> u64 {
    600
}

/// Why a peer or gateway cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder.
    #[error("cannot use {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The configuration.
    #[error("{path} is no configuration")]
    Config {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: toml::de::Error,
    },
    /// The configuration names no command that runs workers.
    #[error("`worker` names no command\nhint: worker = [\"mp\", \"worker\"]")]
    NoCommand,
    /// There are more units than cores.
    #[error(transparent)]
    TooFew(#[from] TooFew),
    /// The system does not say what cores there are.
    #[error("this machine's processors are not known\nhint: list them: cores = [[0], [1]]")]
    Topology(#[source] io::Error),
    /// What units had before cannot be read.
    #[error(
        "{path} does not say which unit has which core\nhint: delete it, and each gets one anew"
    )]
    Memory {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Nobody would reach it.
    #[error(
        "`listen` is {0}, which others cannot reach by that name\nhint: say in `announce` how they do, such as [\"peer.example:7000\"]"
    )]
    NoAddress(SocketAddr),
    /// The key file, or the node's address.
    #[error(transparent)]
    Client(#[from] client::Error),
    /// The overlay.
    #[error(transparent)]
    Overlay(#[from] overlay::Error),
    /// What the gateway is to show.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// How the gateway is to get that.
    #[error(transparent)]
    Acme(#[from] AcmeError),
    /// The process's surroundings.
    #[error("cannot listen")]
    Io(#[from] io::Error),
}

/// Reads a configuration file.
///
/// # Errors
/// It cannot be read or is none.
pub fn read_config<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| file(path, source))?;
    toml::from_str(&text).map_err(|source| Error::Config {
        path: path.into(),
        source,
    })
}

fn file(path: &Path, source: io::Error) -> Error {
    let path = path.into();
    Error::File { path, source }
}

/// Runs a peer until SIGTERM or SIGINT. Workers go on without it, unless the configuration says
/// otherwise. Prints one line of JSON when it serves.
///
/// # Errors
/// It cannot begin; later trouble is the world's, and is waited out.
pub async fn run(config: Config) -> Result<(), Error> {
    let mut stop = Stop::new()?;
    if config.announce.is_empty() && config.listen.ip().is_unspecified() {
        return Err(Error::NoAddress(config.listen));
    }
    let key = PeerKey::load(&config.key).map_err(client::Error::from)?;
    let client = Client::new(&config.rpc)?;
    let (mut machine, inventory) = Machine::open(&config, &key, client.clone()).await?;
    let listens = machine.listens();
    let metrics = match config.metrics {
        Some(listen) => Some(Pages::open(listen).await?),
        None => None,
    };
    let mut ready = serde_json::json!({
        "ready": "peer",
        "peer": key.id().to_string(),
        "overlay": listens,
    });
    if let Some(metrics) = &metrics {
        ready["metrics"] = metrics.listens()?.to_string().into();
    }
    let gateway = match &config.gateway {
        Some(file) => Some(beside(file, &config.data).await?),
        None => None,
    };
    if let Some(gateway) = &gateway {
        ready["gateway"] = gateway.ready.clone();
    }
    announce(&ready)?;
    let until = Stop::new()?;
    let serving = gateway.map(|gateway| tokio::spawn(gateway.serve(until)));
    let serving = serving.map(AbortOnDropHandle::new);
    let chains = machine.chains();
    let page = move |path: &str| match path {
        "/metrics" => Some(Page::from(prover::figures::text(&chains.figures()))),
        // It answers, so it is there.
        "/health" => Some(Page::from("the peer runs\n".to_owned())),
        _ => None,
    };
    let _serving = metrics.map(|pages| AbortOnDropHandle::new(tokio::spawn(pages.run(page))));
    let endpoints = match config.announce.is_empty() {
        true => listens.iter().map(ToString::to_string).collect(),
        false => config.announce.clone(),
    };
    let Some(report_ms) = stop.or(chain::introduce(&client, &key, endpoints)).await else {
        return Ok(());
    };
    let folder = config.data.join("proofs");
    executor::make_folder(&folder).map_err(|source| file(&folder, source))?;
    let settings = Settings::new(key.id(), machine.cores().to_vec(), report_ms);
    let proving = tokio::spawn(prover::Prover::new(client, key, machine.chains(), folder).run());
    decide(&mut machine, Planner::new(settings), inventory, &mut stop).await;
    proving.abort();
    if let Some(serving) = serving {
        // Requests that are under way end first. Should it panic, the peer ends all the same.
        let _ = serving.await;
    }
    machine.close(config.stop_workers).await;
    Ok(())
}

/// The gateway of that file, which reaches the workers of the peer with this data at their sockets.
async fn beside(file: &Path, data: &Path) -> Result<Listening, Error> {
    let mut config: gateway::Config = read_config(file)?;
    config.peers.push(data.into());
    Listening::open(config).await
}

/// The loop: what is heard goes to the planner, what it says to the executor.
async fn decide(machine: &mut Machine, mut planner: Planner, inventory: Event, stop: &mut Stop) {
    let mut seen = machine.observe();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut event = inventory;
    loop {
        machine.handle(&mut planner, event);
        event = tokio::select! {
            () = stop.wait() => return,
            Some(event) = machine.heard() => event,
            Some(view) = seen.recv() => machine.look(view),
            _ = ticks.tick() => Event::Tick,
        };
    }
}

/// Tells whoever started this process that it serves.
pub(crate) fn announce(line: &serde_json::Value) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}

/// The signals that end a process.
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub(crate) async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// What `work` gives; None if a signal comes first.
    pub(crate) async fn or<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.wait() => None,
        }
    }
}
