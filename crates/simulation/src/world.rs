//! Starts and stops validators, and lets time pass until everybody has executed far enough.

mod validator;

use crate::{
    fleet::{Deaths, Fleet, Validating},
    property::{Watcher, flt_is_conserved, marketplace_is_sound},
    scenario::Scenario,
    tally::Proved,
    workload::Workload,
};
use commonware_runtime::{
    Clock as _, Handle as Task,
    deterministic::{Checkpoint as Disks, Config, Context, Runner},
};
use commonware_utils::{TestRng, sync::Mutex};
use node::{
    consensus::Pacing,
    engine::Handle,
    validators::{ValidatorKey, Validators},
};
use rand_core::Rng as _;
use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

const PACING: Pacing = Pacing {
    interval_ms: 250,
    idle_ms: 1000,
};

/// Time between two steps of faults and workload.
const TICK_MS: u64 = 100;

/// Ticks between two checks of every invariant of the marketplace.
const SOUND_EVERY: u64 = 20;

/// A run that takes longer than this in simulated time, and this for each window, is stuck.
const MAX_RUN: Duration = Duration::from_secs(4 * 3600);
const MAX_WINDOW: Duration = Duration::from_secs(15);

/// Ticks between two transactions of the workload where peers prove: most blocks have the time of an idle chain.
const SPARSE: u64 = 20;

/// How a run went. Equal scenarios give equal reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// State root at the last height that all validators executed, hexadecimal.
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
    /// What came of proving.
    pub proved: Proved,
    /// Who died meanwhile.
    pub deaths: Deaths,
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
        workload: Workload::new(scenario.proving.as_ref()),
        watcher: Mutex::new(Watcher::new(scenario.proving.is_some())),
        fleet: Mutex::new(Fleet::new(scenario)),
    });
    let mut disks: Option<Disks> = None;
    let (mut crashes, mut seconds) = (0, 0);
    for height in scenario.phases() {
        let config = Config::new()
            .with_seed(scenario.seed)
            .with_timeout(Some(MAX_RUN + MAX_WINDOW * scenario.windows() as u32));
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
    let heads = (0..scenario.validators).map(|index| watcher.head(index));
    let height = heads.min().expect("there are validators");
    Report {
        state_root: watcher.result(height).state_root.to_string(),
        executions: watcher.executions(),
        transactions: watcher.transactions(),
        verdicts: watcher.verdicts(),
        judged: watcher.judged_by(scenario.validators),
        events: watcher.events(),
        skipped: watcher.skipped(),
        crashes,
        proved: watcher.proved().clone(),
        deaths: world.fleet.lock().deaths(),
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
    fleet: Mutex<Fleet>,
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
            if (0..self.scenario.validators).all(|index| self.is_done(index, height)) {
                break;
            }
            let random = context.next_u64() as usize % nodes.len();
            if let Some(running) = &nodes[random] {
                if self.scenario.proving.is_none() || tick.is_multiple_of(SPARSE) {
                    self.workload.send(&mut context, &running.node);
                }
                if tick.is_multiple_of(SOUND_EVERY) {
                    marketplace_is_sound(&running.node.chain.rows());
                }
            }
            let by_plan = self.crashes(time, random, &nodes);
            let by_chance = self.prove(&mut context, &nodes);
            if let Some((victim, down)) = by_plan.or(by_chance)
                && let Some(running) = nodes[victim].take()
            {
                running.task.abort();
                self.watcher.lock().dies(victim as u32);
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

    /// The validator that crashes because it is time, and for how many milliseconds.
    fn crashes(&self, time: u64, random: usize, nodes: &[Option<Running>]) -> Option<(usize, u64)> {
        let (every, down) = self.scenario.crashes()?;
        let all_up = nodes.iter().all(Option::is_some);
        (all_up && time.is_multiple_of(every)).then_some((random, down))
    }

    /// Lets peers prove; says which validator dies, and for how many milliseconds.
    fn prove(&self, context: &mut Context, nodes: &[Option<Running>]) -> Option<(usize, u64)> {
        self.scenario.proving?;
        let since = context.current().duration_since(UNIX_EPOCH);
        let now_ms = since.unwrap_or_default().as_millis() as u64;
        let mut fleet = self.fleet.lock();
        let handles: Vec<_> = nodes
            .iter()
            .map(|node| node.as_ref().map(|running| &running.node))
            .collect();
        fleet.act(&self.workload, &handles, now_ms);
        let validators = Validating {
            all: nodes.len(),
            up: handles.iter().all(Option::is_some),
            judging: &self.watcher.lock().judging(),
        };
        fleet.strike(context, &validators, now_ms)
    }

    /// Whether a validator has come as far as the scenario goes.
    fn is_done(&self, index: u32, height: u64) -> bool {
        let watcher = self.watcher.lock();
        watcher.head(index) >= height && watcher.window(index) >= self.scenario.windows()
    }

    /// Whether a validator takes part already: the last one may join late.
    fn joined(&self, index: u32) -> bool {
        index + 1 < self.scenario.validators
            || self.watcher.lock().head(index) > 0
            || self.watcher.lock().head(0) >= self.scenario.late_height()
    }
}
