//! How long a unit that proves takes to have a worker: from the planner's decision until its dataset of 2 GiB is given
//! back and the worker accepts, whose artifact was compiled before.
//!
//! Planner, prover, executor and worker are those of `mp peer`; only what the chain would say is said here. While it is
//! measured the unit hashes on both threads, and nothing else of ours runs.

use crate::{http::Connection, rounded};
use anyhow::{Context as _, Result, ensure};
use capacity::{Shape, Statement, Unit, work::Shelf};
use client::{
    Client, PeerKey,
    marketplace::{
        demand::Artifact,
        units::{DealId, Hash, WorkerId},
    },
};
use peer::{
    daemon::{Config, Doing, Machine, Prove, Units},
    observer::{Assignment, View},
    overlay::Store,
    planner::{Event, Planner, Settings},
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::{runtime::Runtime, time::sleep};

/// Handovers that count. The first one compiles, and does not.
const TIMES: usize = 5;
/// What this is to stay below, in milliseconds.
const TARGET: f64 = 200.0;
/// Distance of looks at the prover.
const LOOK: Duration = Duration::from_millis(50);
/// A dataset takes a minute of processor time.
const PATIENCE: Duration = Duration::from_secs(600);
const KEY: [u8; 32] = [1; 32];

pub(crate) fn measure() -> Result<Value> {
    let folder = tempfile::tempdir()?;
    Runtime::new()?.block_on(async {
        let mut peer = Peer::open(folder.path()).await?;
        let mut handovers = Vec::new();
        for number in 0..=TIMES {
            peer.prove().await?;
            let handover = peer.hand_over(number as u64).await?;
            eprintln!(
                "{:.1} ms to serve, {:.1} ms to the first answer",
                handover[0], handover[1]
            );
            peer.take_back().await?;
            handovers.push(handover);
        }
        let middle = |which: usize| {
            let mut figures: Vec<_> = handovers[1..]
                .iter()
                .map(|figures| figures[which])
                .collect();
            figures.sort_by(f64::total_cmp);
            figures
        };
        let (served, answered) = (middle(0), middle(1));
        let handover = served[TIMES / 2];
        ensure!(handover < TARGET, "a handover takes {handover} ms");
        Ok(json!({
            "bench": "handover",
            "handovers": TIMES,
            "handover_ms": rounded(handover),
            "handover_worst_ms": rounded(served[TIMES - 1]),
            "first_answer_ms": rounded(answered[TIMES / 2]),
            "compiling_ms": rounded(handovers[0][0]),
        }))
    })
}

/// A peer with one unit, and its chain.
struct Peer {
    machine: Machine,
    planner: Planner,
    height: u64,
    artifact: (Hash, u64),
    config: Config,
    key: PeerKey,
}

impl Peer {
    async fn open(folder: &Path) -> Result<Self> {
        let key = PeerKey::generate();
        let config = Config {
            // Nobody is there: what the peer has to tell the chain is lost.
            rpc: "http://127.0.0.1:1".into(),
            key: folder.join("unused"),
            data: folder.join("p"),
            listen: "127.0.0.1:0".parse()?,
            announce: Vec::new(),
            worker: vec![env!("CARGO_BIN_EXE_mp").into(), "worker".into()],
            units: Units::Number(1),
            system_cores: None,
            cores: None,
            oversubscribe: false,
            prove: Prove::Full,
            metrics: None,
            gateway: None,
            orphan_seconds: 60,
            outbound: worker::config::Outbound::default(),
            state: true,
            groups: None,
            unit_mib: 4_096,
            stop_workers: true,
        };
        let function = folder.join("hello.wasm");
        fs::write(&function, functions::HELLO)?;
        let artifact = Store::open(&config.data.join("artifacts"))?.add(&function, 1 << 20)?;
        let client = Client::new(&config.rpc)?;
        let (mut machine, inventory) = Machine::open(&config, &key, client).await?;
        let settings = Settings::new(key.id(), machine.cores().to_vec(), 3_600_000);
        let mut planner = Planner::new(settings);
        machine.handle(&mut planner, inventory);
        machine.chains().keep(KEY, None);
        Ok(Self {
            machine,
            planner,
            height: 0,
            artifact,
            config,
            key,
        })
    }

    /// Lets the unit prove, until it hashes. Windows have more leaves than are ever done.
    async fn prove(&mut self) -> Result<()> {
        let begin = Instant::now();
        let chains = self.machine.chains();
        loop {
            ensure!(begin.elapsed() < PATIENCE, "the unit does not prove");
            let figures = chains.figures().remove(&0).unwrap_or_default();
            let hashes = figures.doing == Doing::Proving && figures.leaves_done > 100;
            if hashes && figures.has_dataset {
                return Ok(());
            }
            // Refused as long as the unit is a worker's, or has begun.
            chains.begin(self.statement()?, Shelf::open(&self.shelf())?);
            sleep(LOOK).await;
        }
    }

    fn shelf(&self) -> PathBuf {
        let folder = self.config.data.join("proofs");
        folder.join(self.height.to_string())
    }

    fn statement(&self) -> Result<Statement> {
        let unit = Unit {
            key: KEY,
            provider: 1,
            peer: self.key.id().0,
            unit: 0,
            commitment: 1,
        };
        Ok(Statement {
            chain: 31_337,
            epoch: 1,
            window: 1,
            challenge: [2; 32],
            unit,
            shape: Shape::new(1, 1 << 20, 1)?,
            payout: [3; 20],
        })
    }

    /// The chain assigns a worker. Milliseconds until it serves, and until it has answered.
    async fn hand_over(&mut self, number: u64) -> Result<[f64; 2]> {
        let worker = WorkerId(number);
        let assignment = Assignment {
            worker,
            deal: DealId(number),
            artifact: Artifact::new(self.artifact.0, self.artifact.1),
            runs: self.artifact.0,
            units: vec![0],
            is_running: false,
            is_paused: false,
        };
        let begin = Instant::now();
        self.see(vec![assignment]);
        let started = |event: &Event| {
            matches!(
                event,
                Event::Started {
                    outcome: Ok(()),
                    ..
                }
            )
        };
        self.until(started).await?;
        let socket = self.config.data.join(format!("workers/{worker}/http.sock"));
        let mut connection = Connection::unix(&socket)?;
        let served = begin.elapsed();
        let (status, _) = connection.ask(b"GET / HTTP/1.1\r\nhost: bench\r\n\r\n")?;
        let answered = begin.elapsed();
        ensure!(status == 200, "it answers with {status}");
        let figures = self.machine.chains().figures().remove(&0);
        let figures = figures.context("a unit")?;
        ensure!(
            figures.doing == Doing::Serving && !figures.has_dataset && resident()? < 1024,
            "the dataset is still there: {figures:?}"
        );
        Ok([served, answered].map(|took| took.as_secs_f64() * 1e3))
    }

    /// The chain takes the worker away.
    async fn take_back(&mut self) -> Result<()> {
        self.see(Vec::new());
        let ended = |event: &Event| matches!(event, Event::Ended { .. });
        self.until(ended).await
    }

    fn see(&mut self, workers: Vec<Assignment>) {
        self.height += 1;
        let height = self.height;
        let view = Event::View(View { height, workers });
        self.machine.handle(&mut self.planner, view);
    }

    async fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Result<()> {
        loop {
            let heard = tokio::time::timeout(PATIENCE, self.machine.heard()).await;
            let event = heard?.context("the peer has ended")?;
            let is_wanted = wanted(&event);
            self.machine.handle(&mut self.planner, event);
            if is_wanted {
                return Ok(());
            }
        }
    }
}

/// MiB of this process in memory.
fn resident() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kib.context("Linux says so")?.parse::<u64>()? / 1024)
}
