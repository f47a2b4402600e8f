//! The process of a peer: observer, planner, executor and overlay around one loop.
//!
//! `chain` reads and calls the node, `executor` carries actions out, `keeper` keeps one worker, `prover` proves the
//! units that have none. What a
//! peer must remember lies in its data folder: artifacts, and for each worker a folder with its
//! control socket. A peer that is killed is started again and goes on.

mod chain;
mod executor;
mod keeper;
mod prover;

pub(crate) use chain::members;
pub use prover::Prove;

use crate::{
    overlay::{self, Overlay, Store},
    planner::{Event, Planner, Settings},
};
use client::{Client, PeerKey};
use executor::Executor;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    io::{self, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval},
};

/// How often the planner looks at the time.
const TICK: Duration = Duration::from_millis(200);
/// Answers that may wait for the planner.
const EVENTS: usize = 1024;

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
    /// For each compute unit, by index, the logical processors it runs on. A unit with none is not pinned.
    pub units: Vec<Vec<u32>>,
    /// How idle units prove themselves.
    #[serde(default)]
    pub prove: Prove,
    /// A worker without its peer for so long exits by itself.
    #[serde(default = "orphan_seconds")]
    pub orphan_seconds: u64,
    /// Whether workers are stopped when the peer is told to stop.
    #[serde(default)]
    pub stop_workers: bool,
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
    if config.worker.is_empty() {
        return Err(Error::NoCommand);
    }
    if config.announce.is_empty() && config.listen.ip().is_unspecified() {
        return Err(Error::NoAddress(config.listen));
    }
    let key = PeerKey::load(&config.key).map_err(client::Error::from)?;
    let client = Client::new(&config.rpc)?;
    let folder = config.data.join("artifacts");
    let store = Store::open(&folder).map_err(|source| file(&folder, source))?;
    let (directory, served) = watch::channel(Arc::default());
    let opening = Overlay::open(
        key.overlay_seed(),
        config.listen,
        overlay::Limits::default(),
        store.clone(),
        served,
    );
    let overlay = opening.await?;
    let listens = overlay.listens();
    let (events, heard) = mpsc::channel(EVENTS);
    let mut executor = Executor::new(
        &config,
        overlay,
        store,
        directory,
        client.clone(),
        &key,
        events,
    );
    let inventory = executor.inventory().await?;
    announce(&serde_json::json!({
        "ready": "peer",
        "peer": key.id().to_string(),
        "overlay": listens,
    }))?;
    let endpoints = match config.announce.is_empty() {
        true => listens.iter().map(ToString::to_string).collect(),
        false => config.announce.clone(),
    };
    let Some(report_ms) = stop.or(chain::introduce(&client, &key, endpoints)).await else {
        return Ok(());
    };
    let folder = config.data.join("proofs");
    executor::make_folder(&folder).map_err(|source| file(&folder, source))?;
    let settings = Settings::new(key.id(), config.units.clone(), report_ms);
    let proving = tokio::spawn(prover::Prover::new(client, key, executor.chains(), folder).run());
    decide(
        &mut executor,
        Planner::new(settings),
        inventory,
        heard,
        &mut stop,
    )
    .await;
    proving.abort();
    executor.close(config.stop_workers).await;
    Ok(())
}

/// The loop: what is heard goes to the planner, what it says to the executor.
async fn decide(
    executor: &mut Executor,
    mut planner: Planner,
    inventory: Event,
    mut heard: mpsc::Receiver<Event>,
    stop: &mut Stop,
) {
    let began = Instant::now();
    let mut seen = executor.observe();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut event = inventory;
    loop {
        let now = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        executor.note(&event);
        for action in planner.handle(event, now) {
            tracing::info!(?action, "planned");
            executor.carry_out(action);
        }
        event = tokio::select! {
            () = stop.wait() => return,
            Some(event) = heard.recv() => event,
            Some(view) = seen.recv() => executor.look(view),
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
