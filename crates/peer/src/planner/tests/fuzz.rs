//! A planner against a world that delays, loses and repeats, ends processes and restarts the peer.

use super::text::{artifact, process, settings};
use crate::{
    dice::{Dice, Fuzz},
    observer::{Assignment, View},
    planner::{Action, Event, Failure, Planner, Process},
};
use marketplace::{
    units::{DealId, Hash, WorkerId},
    worker::Call,
};
use std::collections::{BTreeMap, BTreeSet};

/// Where the dice stood at the beginning of rounds that failed once.
///
/// - The word that bytes had come was lost, and so was every later attempt: they were left over.
const FAILED: [u64; 1] = [0x6f84_e257_7ac1_5185];

const STEPS: u64 = 400;

/// After the last fault, this is enough for every attempt, resend and patience.
const CALM_STEPS: u64 = 1_000;

/// The truth: what the chain has, which processes run, which bytes are on disk.
struct World<'d> {
    dice: &'d mut Dice,
    is_calm: bool,
    now: u64,
    height: u64,
    chain: BTreeMap<WorkerId, Assignment>,
    next_worker: u64,
    processes: BTreeMap<WorkerId, Process>,
    disk: BTreeSet<Hash>,
    /// What will happen, by time.
    coming: Vec<(u64, Coming)>,
}

enum Coming {
    Done(Action),
    Heard(Event),
}

impl<'d> World<'d> {
    fn new(dice: &'d mut Dice) -> Self {
        Self {
            dice,
            is_calm: false,
            now: 0,
            height: 0,
            chain: BTreeMap::new(),
            next_worker: 1,
            processes: BTreeMap::new(),
            disk: BTreeSet::new(),
            coming: Vec::new(),
        }
    }

    fn inventory(&self) -> Event {
        Event::Inventory {
            workers: self.processes.values().cloned().collect(),
            artifacts: self.disk.iter().copied().collect(),
        }
    }

    fn view(&mut self) -> Event {
        self.height += 1;
        Event::View(View {
            height: self.height,
            workers: self.chain.values().cloned().collect(),
        })
    }

    /// The chain assigns units that it knows to be free, ends workers, pauses and resumes.
    fn change_chain(&mut self) {
        let pick = self.dice.below(4) as u16;
        if self
            .chain
            .values()
            .all(|known| !known.units.contains(&pick))
        {
            let worker = WorkerId(self.next_worker);
            self.next_worker += 1;
            let name = self.dice.of(&["a", "b", "c"]);
            let assignment = Assignment {
                worker,
                deal: DealId(worker.0),
                artifact: artifact(name),
                runs: artifact(name).hash,
                units: vec![pick],
                is_running: false,
                is_paused: false,
            };
            self.chain.insert(worker, assignment);
            return;
        }
        let ids: Vec<_> = self.chain.keys().copied().collect();
        let worker = self.dice.of(&ids);
        let name = self.dice.of(&["a", "b", "c"]);
        if self.dice.one_in(3) {
            self.chain.remove(&worker);
        } else if let Some(known) = self.chain.get_mut(&worker)
            && self.dice.one_in(2)
        {
            known.artifact = artifact(name);
        } else if let Some(known) = self.chain.get_mut(&worker) {
            known.is_paused = !known.is_paused;
        }
    }

    fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            if let Action::Discard { artifact } = action {
                self.disk.remove(&artifact);
                continue;
            }
            if !self.is_calm && self.dice.one_in(10) {
                continue;
            }
            let at = self.now + self.dice.below(3_000) as u64;
            self.coming.push((at, Coming::Done(action)));
        }
    }

    fn answer(&mut self, event: Event) {
        if !self.is_calm && self.dice.one_in(10) {
            return;
        }
        let at = self.now + self.dice.below(500) as u64;
        if !self.is_calm && self.dice.one_in(10) {
            self.coming.push((at, Coming::Heard(event.clone())));
        }
        self.coming.push((at, Coming::Heard(event)));
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Fetch { artifact, .. } => {
                let outcome = self.outcome();
                if outcome.is_ok() {
                    self.disk.insert(artifact.hash);
                }
                let artifact = artifact.hash;
                self.answer(Event::Fetched { artifact, outcome });
            }
            Action::Discard { .. } => unreachable!("carried out at once"),
            Action::Start { process, .. } => self.start(process),
            Action::Stop { process } => {
                let worker = process.worker;
                // An executor takes actions in order. One that comes late here is about a process that is gone.
                let running = self.processes.get(&worker);
                if running.is_some_and(|running| *running != process) {
                    return;
                }
                self.processes.remove(&worker);
                self.answer(Event::Ended { worker });
            }
            Action::Send(call) => {
                self.execute(&call);
                self.answer(Event::Sent { call, ok: true });
            }
        }
    }

    fn start(&mut self, process: Process) {
        let worker = process.worker;
        if let Some(running) = self.processes.get(&worker) {
            assert_eq!(*running, process, "a worker is started as another");
            return self.answer(Event::Started {
                worker,
                outcome: Ok(()),
            });
        }
        let shares = |other: &Process| other.units.iter().any(|unit| process.units.contains(unit));
        assert!(
            !self.processes.values().any(shares),
            "two workers on one unit"
        );
        assert!(
            self.disk.contains(&process.artifact),
            "started without its bytes"
        );
        let outcome = self.outcome();
        if outcome.is_ok() {
            self.processes.insert(worker, process);
        }
        self.answer(Event::Started { worker, outcome });
    }

    fn outcome(&mut self) -> Result<(), Failure> {
        if !self.is_calm && self.dice.one_in(8) {
            Err(Failure::Trouble)
        } else {
            Ok(())
        }
    }

    fn execute(&mut self, call: &Call) {
        match call {
            Call::Running { worker, artifact } => {
                if let Some(known) = self.chain.get_mut(worker) {
                    let begins = !known.is_running && known.runs == *artifact;
                    if begins || known.artifact.hash == *artifact {
                        known.runs = *artifact;
                        known.is_running = true;
                    }
                }
            }
            Call::CannotRun {
                worker, artifact, ..
            } => match self.chain.get_mut(worker) {
                Some(known) if known.artifact.hash != *artifact => {}
                Some(known) if known.is_running => known.artifact.hash = known.runs,
                Some(_) => _ = self.chain.remove(worker),
                None => {}
            },
            Call::Report { stopped, .. } => {
                for worker in stopped {
                    self.chain.remove(worker);
                }
            }
            other => panic!("a planner makes no such call: {other:?}"),
        }
    }

    /// What happens by itself.
    fn fault(&mut self, planner: &mut Planner) {
        if self.dice.one_in(20) {
            self.change_chain();
        }
        let running: Vec<_> = self.processes.keys().copied().collect();
        if !running.is_empty() && self.dice.one_in(40) {
            let worker = self.dice.of(&running);
            self.processes.remove(&worker);
            // Who keeps a process tells in order: its end not before its start.
            let starts = self.coming.iter().filter_map(|(at, coming)| match coming {
                Coming::Heard(Event::Started { worker: other, .. }) if *other == worker => {
                    Some(*at)
                }
                _ => None,
            });
            let at = starts.max().unwrap_or(self.now);
            self.coming
                .push((at, Coming::Heard(Event::Ended { worker })));
        }
        if self.dice.one_in(100) {
            // SIGKILL: what was under way is forgotten, what runs goes on.
            self.coming.clear();
            *planner = Planner::new(settings());
            let actions = planner.handle(self.inventory(), self.now);
            self.take(actions);
        }
    }

    fn step(&mut self, planner: &mut Planner) {
        self.now += 500;
        if !self.is_calm {
            self.fault(planner);
        }
        let now = self.now;
        let (due, later): (Vec<_>, Vec<_>) = self.coming.drain(..).partition(|(at, _)| *at <= now);
        self.coming = later;
        for (_, coming) in due {
            match coming {
                Coming::Done(action) => self.act(action),
                Coming::Heard(event) => {
                    let actions = planner.handle(event, now);
                    self.take(actions);
                }
            }
        }
        let event = if self.is_calm || self.dice.one_in(2) {
            self.view()
        } else {
            Event::Tick
        };
        let actions = planner.handle(event, now);
        self.take(actions);
    }

    fn assert_settled(&self) {
        let live = self.chain.values().filter(|known| !known.is_paused);
        for known in live {
            let running = self.processes.get(&known.worker);
            assert_eq!(running, Some(&process(known)), "not running");
            assert!(known.is_running, "not reported");
            assert_eq!(known.runs, known.artifact.hash, "not changed");
        }
        for worker in self.processes.keys() {
            assert!(self.chain.contains_key(worker), "not wanted");
        }
        // A paused worker has not changed yet, and needs what it runs.
        let needs = |known: &Assignment| [known.artifact.hash, known.runs];
        let wanted: BTreeSet<_> = self.chain.values().flat_map(needs).collect();
        assert!(self.disk.is_subset(&wanted), "bytes are left over");
    }
}

/// Plays one world to its end.
fn play(dice: &mut Dice) {
    let mut world = World::new(dice);
    let mut planner = Planner::new(settings());
    let actions = planner.handle(world.inventory(), 0);
    world.take(actions);
    for step in 0..STEPS + CALM_STEPS {
        world.is_calm = step >= STEPS;
        world.step(&mut planner);
    }
    world.assert_settled();
}

#[test]
fn whatever_is_lost_it_ends_with_what_the_chain_wants() {
    let mut fuzz = Fuzz::begin();
    while let Some(dice) = fuzz.round() {
        play(dice);
    }
}

#[test]
fn rounds_that_failed_once_pass() {
    for seed in FAILED {
        play(&mut Dice::new(seed));
    }
}
