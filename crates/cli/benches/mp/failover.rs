//! How long requests and workers take to come back when processes are killed, while clients ask all the time.
//!
//! Four machines of two peers with one unit each, a deal of two workers on two machines, and a gateway that is the deal's monitor;
//! reports every 2 s, leases of 5 s, as `mp up` has them. Killed is in turn a worker, a peer, and a machine: both of its peers
//! and all of their workers. What was killed is started again before the next.

use crate::{
    http::{Connection, PATIENCE},
    market::{Layout, Market},
    process::text,
    rounded,
    serving::median,
};
use anyhow::{Context as _, Result, ensure};
use client::{marketplace::units::DealId, view::deal::Deal};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, sleep},
    time::{Duration, Instant},
};

const KILLS: usize = 20;
const CLIENTS: usize = 4;
/// The pause of a client between two requests.
const PAUSE: Duration = Duration::from_millis(2);
/// So many answers in a row without a failure make it quiet.
const QUIET: usize = 200;
/// Who was evicted is a candidate again in the next epoch but one at the latest: what is measured is how a worker is replaced,
/// not how long a marketplace of eight peers has nobody left.
const EXCLUDED: Duration = Duration::from_secs(2 * 15);
/// Kills of peers or machines within that time, so that candidates are left.
const MOST: usize = 2;
const PARAMETERS: [&str; 6] = [
    "epoch_seconds=15",
    "min_charge_seconds=10",
    "report_seconds=2",
    "lease_seconds=5",
    "start_timeout_seconds=60",
    "exclude_epochs=1",
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kill {
    Worker,
    Peer,
    Machine,
}

impl Kill {
    fn name(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Peer => "peer",
            Self::Machine => "machine",
        }
    }
}

/// A request.
#[derive(Clone, Copy)]
struct Sample {
    began: Instant,
    ended: Instant,
    /// The status; none: the gateway did not answer.
    status: Option<u16>,
    /// Who answered, if it is good.
    worker: Option<u64>,
}

/// What came of one kill, in milliseconds.
struct Came {
    traffic: f64,
    replacement: f64,
    /// Requests that failed, by status.
    failed: BTreeMap<Option<u16>, usize>,
    /// The slowest of all.
    slowest: f64,
}

pub(crate) fn measure() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let monitor = format!(
        "[monitor]\nkey = \"{}\"\n",
        text(&folder.path().join("monitor.json"))?
    );
    let gateways = [monitor];
    let layout = Layout {
        machines: 4,
        peers: 2,
        workers: 2,
        parameters: &PARAMETERS,
        ..Layout::least(&["[]"], &gateways)
    };
    let mut arena = Arena {
        market: Market::open(folder.path(), &layout)?,
        samples: Arc::default(),
        kills: Vec::new(),
    };
    arena.market.serves()?;
    let stop = Arc::new(AtomicBool::new(false));
    let address = arena.market.gateways[0].address("http")?.to_owned();
    let clients = (0..CLIENTS).map(|_| {
        let (address, samples, stop) = (address.clone(), arena.samples.clone(), stop.clone());
        thread::spawn(move || ask_on(&address, &samples, &stop))
    });
    let clients: Vec<_> = clients.collect();
    let outcome = [Kill::Worker, Kill::Peer, Kill::Machine]
        .iter()
        .try_for_each(|kill| arena.kills(*kill));
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        ensure!(client.join().is_ok(), "a client panicked");
    }
    outcome
}

/// Asks until it is told to stop, on one connection as long as that lives.
fn ask_on(address: &str, samples: &Mutex<Vec<Sample>>, stop: &AtomicBool) {
    let request = b"GET /1/hello HTTP/1.1\r\nhost: bench\r\n\r\n";
    let mut connection = None;
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let mut asked = match connection.take() {
            Some(connection) => Ok(connection),
            None => Connection::tcp(address),
        };
        let answer = asked
            .as_mut()
            .ok()
            .and_then(|asked| asked.ask(request).ok().map(|a| a.0));
        let worker = asked.as_ref().ok().filter(|_| answer == Some(200));
        let worker =
            worker.and_then(|asked| asked.header("mp-worker")?.strip_prefix("1/")?.parse().ok());
        let ended = Instant::now();
        let sample = Sample {
            began,
            ended,
            status: answer,
            worker,
        };
        samples
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(sample);
        connection = asked.ok().filter(|_| answer.is_some());
        sleep(PAUSE);
    }
}

struct Arena {
    market: Market,
    samples: Arc<Mutex<Vec<Sample>>>,
    /// Of peers and machines.
    kills: Vec<Instant>,
}

impl Arena {
    fn kills(&mut self, kill: Kill) -> Result<()> {
        let mut all = Vec::new();
        for number in 0..KILLS {
            let came = self
                .kill(kill, number)
                .with_context(|| format!("{} {number}", kill.name()))?;
            eprintln!(
                "{} {number}: traffic {:.0} ms, replacement {:.0} ms, failed {:?}, slowest {:.0} ms",
                kill.name(),
                came.traffic,
                came.replacement,
                came.failed,
                came.slowest
            );
            all.push(came);
        }
        println!("{}", line(kill, &all));
        Ok(())
    }

    fn kill(&mut self, kill: Kill, number: usize) -> Result<Came> {
        let deal = self.settled()?;
        let hosts: BTreeMap<u64, usize> = self.hosts(&deal)?;
        let (victim, host) = hosts.iter().nth(number % hosts.len()).context("a worker")?;
        let (victim, host) = (*victim, *host);
        let machine = self.market.peers[host].machine;
        let peers: Vec<usize> = match kill {
            Kill::Worker => Vec::new(),
            Kill::Peer => vec![host],
            Kill::Machine => (0..self.market.peers.len())
                .filter(|peer| self.market.peers[*peer].machine == machine)
                .collect(),
        };
        let doomed = match kill {
            Kill::Peer => Vec::new(),
            Kill::Worker => self.market.peers[host].workers()?,
            Kill::Machine => {
                let workers = peers.iter().map(|peer| self.market.peers[*peer].workers());
                workers.collect::<Result<Vec<_>>>()?.concat()
            }
        };
        self.samples().clear();
        let killed = Instant::now();
        if kill != Kill::Worker {
            self.kills.push(killed);
        }
        for process in doomed {
            let process = i32::try_from(process).ok().and_then(Pid::from_raw);
            // It may have ended by itself.
            let _ = kill_process(process.context("a process")?, Signal::KILL);
        }
        for peer in &peers {
            self.market.peers[*peer].kill()?;
        }
        let known: BTreeSet<u64> = hosts.keys().copied().collect();
        let came = self.watch(kill, killed, victim, &known)?;
        if kill == Kill::Worker {
            // A peer that has just started does not hold against a worker that it ended before.
            self.market.peers[host].kill()?;
            self.market.peers[host].restart()?;
        }
        for peer in &peers {
            self.market.peers[*peer].restart()?;
        }
        // What was answered before tells nothing about now.
        self.samples().clear();
        Ok(came)
    }

    /// Waits until somebody else serves in the victim's place.
    fn watch(
        &self,
        kill: Kill,
        killed: Instant,
        victim: u64,
        known: &BTreeSet<u64>,
    ) -> Result<Came> {
        let is_new = |worker: u64| match kill {
            // Its peer starts it again.
            Kill::Worker => worker == victim,
            Kill::Peer | Kill::Machine => !known.contains(&worker),
        };
        let after = |time: Instant| rounded(time.duration_since(killed).as_secs_f64() * 1e3);
        let first = |samples: &[Sample], is: &dyn Fn(u64) -> bool| {
            let good = samples.iter().filter(|sample| sample.began > killed);
            let good = good.filter(|sample| sample.worker.is_some_and(is));
            good.map(|sample| sample.ended).min()
        };
        loop {
            ensure!(
                killed.elapsed() < PATIENCE,
                "nobody serves in place of worker {victim}"
            );
            sleep(Duration::from_millis(5));
            let samples = self.samples().clone();
            let traffic = first(&samples, &|worker| worker != victim);
            let replacement = first(&samples, &is_new);
            if let (Some(traffic), Some(replacement)) = (traffic, replacement) {
                let slowest = samples
                    .iter()
                    .map(|sample| sample.ended - sample.began)
                    .max();
                return Ok(Came {
                    traffic: after(traffic),
                    replacement: after(replacement),
                    failed: failures(&samples),
                    slowest: rounded(slowest.unwrap_or_default().as_secs_f64() * 1e3),
                });
            }
        }
    }

    /// Waits until both workers run and requests have not failed for a while.
    fn settled(&self) -> Result<Deal> {
        let begin = Instant::now();
        loop {
            ensure!(
                begin.elapsed() < EXCLUDED + 2 * PATIENCE,
                "it does not become quiet"
            );
            sleep(Duration::from_millis(100));
            let deal = self
                .market
                .runtime
                .block_on(self.market.client.deal(DealId(1)))?;
            let samples = self.samples();
            let running: BTreeSet<_> = deal.workers.iter().map(|worker| worker.id).collect();
            // A worker that is slower than the other is seldom asked.
            let answered: BTreeSet<_> = samples.iter().filter_map(|sample| sample.worker).collect();
            let mut last = samples.iter().rev().take(QUIET);
            let is_good = last.all(|sample| sample.worker.is_some_and(|id| running.contains(&id)));
            let is_quiet = samples.len() >= QUIET && is_good && answered.is_superset(&running);
            let recent = self.kills.iter().filter(|kill| kill.elapsed() < EXCLUDED);
            let is_quiet = is_quiet && recent.count() < MOST;
            if is_quiet && deal.running == 2 && deal.workers.len() == 2 {
                return Ok(deal);
            }
        }
    }

    /// The peers of workers, by index.
    fn hosts(&self, deal: &Deal) -> Result<BTreeMap<u64, usize>> {
        let host = |worker: &client::view::worker::Worker| {
            let mut peers = self.market.peers.iter();
            let index = peers.position(|peer| peer.key == worker.peer.0);
            Ok((worker.id, index.context("a peer of ours")?))
        };
        deal.workers.iter().map(host).collect()
    }

    fn samples(&self) -> std::sync::MutexGuard<'_, Vec<Sample>> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failures(samples: &[Sample]) -> BTreeMap<Option<u16>, usize> {
    let mut failures = BTreeMap::new();
    for sample in samples.iter().filter(|sample| sample.worker.is_none()) {
        *failures.entry(sample.status).or_default() += 1;
    }
    failures
}

fn line(kill: Kill, all: &[Came]) -> Value {
    let of = |figure: fn(&Came) -> f64| all.iter().map(figure);
    let most = |figure: fn(&Came) -> f64| rounded(of(figure).fold(0.0, f64::max));
    json!({
        "bench": "failover",
        "kill": kill.name(),
        "kills": all.len(),
        "traffic_ms_median": median(of(|came| came.traffic)),
        "traffic_ms_max": most(|came| came.traffic),
        "replacement_ms_median": median(of(|came| came.replacement)),
        "replacement_ms_max": most(|came| came.replacement),
        "failed_requests": all.iter().flat_map(|came| came.failed.values()).sum::<usize>(),
        "slowest_request_ms": most(|came| came.slowest),
    })
}
