//! Starts and stops validators, and lets time pass until everybody has executed far enough.

use crate::{
    audit::{self, Model},
    property::{Watcher, flt_is_conserved, marketplace_is_sound},
    scenario::Scenario,
    workload::Workload,
};
use commonware_p2p::simulated::{self, Network, Oracle};
use commonware_runtime::{
    Clock as _, Handle as Task, Spawner as _, Supervisor as _,
    deterministic::{Checkpoint as Disks, Config, Context, Runner},
};
use commonware_utils::{NZUsize, Probability, TestRng, channel::oneshot, sync::Mutex};
use node::{
    consensus::Pacing,
    engine::{self, CHANNELS, Handle, max_message},
    validators::{PublicKey, ValidatorKey, Validators},
};
use rand_core::Rng as _;
use std::{future::pending, sync::Arc, time::Duration};

const PACING: Pacing = Pacing {
    interval_ms: 250,
    idle_ms: 1000,
};

/// Time between two steps of faults and workload.
const TICK_MS: u64 = 100;

/// Ticks between two checks of every invariant of the marketplace.
const SOUND_EVERY: u64 = 20;

/// A run that takes longer than this in simulated time is stuck.
const MAX_RUN: Duration = Duration::from_secs(4 * 3600);

/// How a run went. Equal scenarios give equal reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// State root at the scenario's height, hexadecimal.
    pub state_root: String,
    /// Blocks executed by all validators together.
    pub executions: u64,
    /// Transactions executed.
    pub transactions: u64,
    /// Verdicts that blocks list.
    pub verdicts: u64,
    /// Answers that each validator judged, the same one again after a restart.
    pub judged: Vec<u64>,
    /// Events of the marketplace.
    pub events: u64,
    /// Transactions in blocks that turned out to be invalid, counted on every validator.
    pub skipped: u64,
    /// Crashes of single validators.
    pub crashes: u64,
    /// Simulated seconds.
    pub seconds: u64,
    /// Hash over everything that happened in the runtime.
    pub audit: String,
}

/// Runs a scenario to its end.
///
/// # Panics
/// If a property is violated, or nothing moves any more.
pub fn run(scenario: &Scenario) -> Report {
    let (validators, keys) =
        Validators::deal(&mut TestRng::new(scenario.seed), scenario.validators)
            .expect("a sound number of validators");
    let world = Arc::new(World {
        scenario: scenario.clone(),
        validators,
        keys,
        workload: Workload::new(),
        watcher: Mutex::default(),
    });
    let mut disks: Option<Disks> = None;
    let (mut crashes, mut seconds) = (0, 0);
    for height in scenario.phases() {
        let config = Config::new()
            .with_seed(scenario.seed)
            .with_timeout(Some(MAX_RUN));
        let runner = disks
            .take()
            .map_or_else(|| Runner::new(config), Runner::from);
        let phase = world.clone();
        let (passed, after) =
            runner.start_and_recover(|context| async move { phase.run_to(context, height).await });
        crashes += passed.crashes;
        seconds += passed.seconds;
        disks = Some(after);
    }
    let watcher = world.watcher.lock();
    Report {
        state_root: watcher.result(scenario.height).state_root.to_string(),
        executions: watcher.executions(),
        transactions: watcher.transactions(),
        verdicts: watcher.verdicts(),
        judged: watcher.judged_by(scenario.validators),
        events: watcher.events(),
        skipped: watcher.skipped(),
        crashes,
        seconds,
        audit: disks
            .map(|disks| disks.auditor().state())
            .unwrap_or_default(),
    }
}

struct World {
    scenario: Scenario,
    validators: Validators,
    keys: Vec<ValidatorKey>,
    workload: Workload,
    watcher: Mutex<Watcher>,
}

/// A validator's process.
struct Running {
    task: Task<()>,
    node: Handle,
}

struct Passed {
    crashes: u64,
    seconds: u64,
}

impl World {
    /// Lets time pass until every validator has executed `height`.
    async fn run_to(self: Arc<Self>, mut context: Context, height: u64) -> Passed {
        let oracle = self.network(&context).await;
        let begun = context.current();
        let mut nodes: Vec<Option<Running>> = Vec::new();
        for index in 0..self.scenario.validators {
            let node = match self.joined(index) {
                true => Some(self.clone().start(&context, &oracle, index, 0).await),
                false => None,
            };
            nodes.push(node);
        }
        let mut crashes = 0;
        let mut down_until = 0;
        for tick in 1.. {
            context.sleep(Duration::from_millis(TICK_MS)).await;
            let time = tick * TICK_MS;
            if (0..self.scenario.validators).all(|index| self.watcher.lock().head(index) >= height)
            {
                break;
            }
            let random = context.next_u64() as usize % nodes.len();
            if let Some(running) = &nodes[random] {
                self.workload.send(&mut context, &running.node);
                if tick.is_multiple_of(SOUND_EVERY) {
                    marketplace_is_sound(&running.node.chain.rows());
                }
            }
            if let Some((every, down)) = self.scenario.crashes()
                && time.is_multiple_of(every)
                && nodes.iter().all(Option::is_some)
                && let Some(running) = nodes[random].take()
            {
                running.task.abort();
                crashes += 1;
                down_until = time + down;
            }
            for index in 0..self.scenario.validators {
                let stands = &mut nodes[index as usize];
                if stands.is_none() && time >= down_until && self.joined(index) {
                    *stands = Some(self.clone().start(&context, &oracle, index, tick).await);
                }
            }
        }
        for running in nodes.iter().flatten() {
            let rows = running.node.chain.rows();
            flt_is_conserved(&rows, self.workload.total());
            marketplace_is_sound(&rows);
        }
        let elapsed = context.current().duration_since(begun).unwrap_or_default();
        Passed {
            crashes,
            seconds: elapsed.as_secs(),
        }
    }

    /// Whether a validator takes part already: the last one may join late.
    fn joined(&self, index: u32) -> bool {
        index + 1 < self.scenario.validators
            || self.watcher.lock().head(index) > 0
            || self.watcher.lock().head(0) >= self.scenario.late_height()
    }

    async fn network(&self, context: &Context) -> Oracle<PublicKey, Context> {
        let keys = self.validators.participants();
        let config = simulated::Config {
            max_size: max_message(self.scenario.validators),
            max_peers_per_set: NZUsize!(keys.len()),
            disconnect_on_block: true,
            tracked_peer_sets: NZUsize!(1),
        };
        let (network, oracle) =
            Network::new_with_peers(context.child("network"), config, keys.iter().cloned()).await;
        network.start();
        let link = self.scenario.link;
        for from in keys {
            for to in keys.iter().filter(|to| *to != from) {
                let link = simulated::Link {
                    latency: Duration::from_millis(link.latency_ms),
                    jitter: Duration::from_millis(link.jitter_ms),
                    success_rate: Probability::new(100 - link.loss_percent, 100)
                        .expect("at most 1"),
                };
                let linked = oracle.add_link(from.clone(), to.clone(), link).await;
                linked.expect("distinct validators");
            }
        }
        oracle
    }

    async fn start(
        self: Arc<Self>,
        context: &Context,
        oracle: &Oracle<PublicKey, Context>,
        index: u32,
        tick: u64,
    ) -> Running {
        let key = &self.keys[index as usize];
        let participants = self.validators.participants();
        let public_key = participants.get(index as usize).expect("a member").clone();
        let control = oracle.control(public_key.clone());
        let mut channels = Vec::new();
        for (channel, quota) in CHANNELS {
            let registered = control.register(channel, quota).await;
            channels.push(registered.expect("a channel of this network"));
        }
        let genesis = self.workload.genesis(0);
        let scheme = self.validators.signer(&genesis.hash().0.into(), key);
        let mut rows = execution::genesis::rows(&genesis).expect("a sound genesis");
        rows.extend(audit::rows(self.scenario.audits.count));
        let (world, judging) = (self.clone(), self.clone());
        let judge = Model::new(context.child("judge"), &self.scenario, index, move || {
            judging.watcher.lock().judged(index);
        });
        let config = engine::Config {
            genesis,
            rows,
            judges: vec![Box::new(judge)],
            public_key,
            scheme: scheme.expect("a member"),
            partition: format!("validator-{index}"),
            pacing: PACING,
            fee_account: [index as u8 + 1; 20],
            peers: oracle.manager(),
            blocker: control,
            indexed_height: None,
            observer: Arc::new(move |executed| world.watcher.lock().executed(index, executed)),
        };
        let (sender, receiver) = oneshot::channel();
        let context = context
            .child("validator")
            .with_attribute("index", index)
            .with_attribute("tick", tick);
        let task = context.spawn(move |context| async move {
            let node = engine::start(context.child("node"), config, channels).await;
            let _ = sender.send(node);
            pending::<()>().await;
        });
        let node = receiver.await.expect("a validator starts");
        Running {
            task,
            node: node.expect("a validator's disk can be used"),
        }
    }
}
