//! The difference between what the chain wants and what there is, as actions.

use super::{Action, Attempts, Bytes, Failure, Phase, Place, Planner, Process, Report, Worker};
use crate::observer::{Assignment, View};
use marketplace::{
    limits::MAX_WORKERS_PER_CALL,
    units::{Hash, WorkerId},
    worker::{Call, Obstacle},
};
use std::collections::{BTreeMap, BTreeSet};

impl Planner {
    /// Everything to be done now. Nothing before both inventory and view are known. (P1)
    pub(super) fn plan(&mut self, now: u64) -> Vec<Action> {
        if !self.is_open {
            return Vec::new();
        }
        let Some(view) = self.view.take() else {
            return Vec::new();
        };
        let mut actions = Vec::new();
        self.begin_anew(&view);
        self.stop_unwanted(&view, now, &mut actions);
        self.forget(&view, now, &mut actions);
        for wanted in &view.workers {
            actions.extend(self.advance(wanted, now));
        }
        actions.extend(self.report(&view, now));
        self.view = Some(view);
        actions
    }

    /// Another artifact has all its attempts. (P6)
    fn begin_anew(&mut self, view: &View) {
        for wanted in &view.workers {
            let known = self.workers.entry(wanted.worker).or_default();
            if known.tried != wanted.artifact.hash {
                known.tried = wanted.artifact.hash;
                known.attempts = Attempts::default();
            }
        }
    }

    /// Whether a process that runs something else than it is to goes on: until the bytes are here, so that it serves
    /// meanwhile, and for good if they never come. (P10)
    fn serves_on(&self, wanted: &Assignment, process: &Process) -> bool {
        let bytes = self.artifacts.get(&wanted.artifact.hash);
        let here = bytes.is_some_and(|bytes| matches!(bytes.place, Place::Here));
        let given_up = self.given_up(wanted).is_some();
        process.units == wanted.units
            && process.artifact == wanted.runs
            && (wanted.is_paused || given_up || !here)
    }

    /// Stops what the chain does not want, or wants otherwise. (P2)
    fn stop_unwanted(&mut self, view: &View, now: u64, actions: &mut Vec<Action>) {
        let wanted: BTreeMap<_, _> = view
            .workers
            .iter()
            .map(|want| (want.worker, want))
            .collect();
        let patience = self.settings.patience_ms;
        let stays = |(id, known): (&WorkerId, &Worker)| {
            let (process, phase) = known.process.as_ref()?;
            let want = wanted.get(id)?;
            let stays = match phase {
                Phase::Starting { .. } => process.is(want),
                Phase::Running { .. } => process.is(want) || self.serves_on(want, process),
                // It goes, even if the chain wants it again meanwhile; then it is started anew.
                Phase::Stopping { .. } => false,
            };
            stays.then_some(*id)
        };
        let stay: BTreeSet<_> = self.workers.iter().filter_map(stays).collect();
        for (id, known) in &mut self.workers {
            let Some((process, phase)) = &mut known.process else {
                continue;
            };
            if stay.contains(id) {
                continue;
            }
            let is_due = match phase {
                Phase::Running { .. } => true,
                // It is there when it was started, or that took too long.
                Phase::Starting { asked } | Phase::Stopping { asked } => {
                    now.saturating_sub(*asked) >= patience
                }
            };
            if is_due {
                *phase = Phase::Stopping { asked: now };
                let process = process.clone();
                actions.push(Action::Stop { process });
            }
        }
    }

    /// Drops workers that are neither wanted nor there, and artifacts that nobody needed for long. (P8)
    fn forget(&mut self, view: &View, now: u64, actions: &mut Vec<Action>) {
        let wanted: BTreeSet<_> = view.workers.iter().map(|want| want.worker).collect();
        let keep = |id: &WorkerId, known: &Worker| wanted.contains(id) || known.process.is_some();
        self.workers.retain(|id, known| keep(id, known));
        let both = |wanted: &Assignment| [wanted.artifact.hash, wanted.runs];
        let mut needed: BTreeSet<Hash> = view.workers.iter().flat_map(both).collect();
        let processes = self.workers.values().filter_map(|w| w.process.as_ref());
        needed.extend(processes.map(|(process, _)| process.artifact));
        let patience = self.settings.patience_ms;
        let mut idle = Vec::new();
        for (artifact, bytes) in &mut self.artifacts {
            if needed.contains(artifact) {
                bytes.idle = None;
            } else {
                idle.push((*bytes.idle.get_or_insert(now), *artifact));
            }
        }
        idle.sort_unstable();
        let too_many = idle.len().saturating_sub(self.settings.retain);
        for (place, (since, artifact)) in idle.into_iter().enumerate() {
            let is_over = match self.artifacts[&artifact].place {
                Place::Here => {
                    place < too_many || now.saturating_sub(since) >= self.settings.retain_ms
                }
                Place::Coming { asked } => now.saturating_sub(asked) >= patience,
                Place::Missing => true,
            };
            if is_over {
                self.artifacts.remove(&artifact);
                // Missing or not: the word that they had come may have been lost.
                actions.push(Action::Discard { artifact });
            }
        }
    }

    /// The next step of a wanted worker.
    fn advance(&mut self, wanted: &Assignment, now: u64) -> Option<Action> {
        let known = self.workers.entry(wanted.worker).or_default();
        match &known.process {
            Some((process, Phase::Running { .. })) => {
                let process = process.clone();
                self.go_on(wanted, &process, now)
            }
            Some((process, Phase::Starting { asked })) if process.is(wanted) => {
                let is_overdue = now.saturating_sub(*asked) >= self.settings.patience_ms;
                let process = process.clone();
                is_overdue.then(|| self.ask_to_start(process, now))?
            }
            Some(_) => None,
            None => match self.given_up(wanted) {
                Some(Failure::Never(obstacle)) if !wanted.is_running || wanted.changes() => {
                    self.tell(cannot_run(wanted, obstacle), wanted.worker, now)
                }
                Some(_) => None,
                // (P9)
                None if wanted.is_paused => None,
                None => self.begin(wanted, now),
            },
        }
    }

    /// The next step of a worker whose process runs: what the chain does not know of it, or what it is to change to.
    /// (P5, P10)
    fn go_on(&mut self, wanted: &Assignment, process: &Process, now: u64) -> Option<Action> {
        let (worker, artifact) = (wanted.worker, process.artifact);
        if !wanted.is_running || (process.is(wanted) && wanted.changes()) {
            return self.tell(Call::Running { worker, artifact }, worker, now);
        }
        if process.is(wanted) || wanted.is_paused {
            return None;
        }
        match self.given_up(wanted) {
            Some(Failure::Never(obstacle)) => self.tell(cannot_run(wanted, obstacle), worker, now),
            Some(Failure::Trouble) => None,
            None => {
                let bytes = self.artifacts.entry(wanted.artifact.hash).or_default();
                bytes.fetch(wanted, now, self.settings.patience_ms)
            }
        }
    }

    /// Gets the bytes, waits for the units, then starts. (P3)
    fn begin(&mut self, wanted: &Assignment, now: u64) -> Option<Action> {
        let bytes = self.artifacts.entry(wanted.artifact.hash).or_default();
        if !matches!(bytes.place, Place::Here) {
            return bytes.fetch(wanted, now, self.settings.patience_ms);
        }
        let is_early = |known: &Worker| now < known.attempts.wait_until;
        if self.workers.get(&wanted.worker).is_some_and(is_early) || !self.are_free(&wanted.units) {
            return None;
        }
        self.ask_to_start(Process::of(wanted), now)
    }

    /// Whether no process has any of these units. (P4)
    fn are_free(&self, units: &[u16]) -> bool {
        let mut processes = self.workers.values().filter_map(|w| w.process.as_ref());
        processes.all(|(process, _)| process.units.iter().all(|unit| !units.contains(unit)))
    }

    fn ask_to_start(&mut self, process: Process, now: u64) -> Option<Action> {
        let processors = self.processors(&process.units)?;
        let known = self.workers.entry(process.worker).or_default();
        known.process = Some((process.clone(), Phase::Starting { asked: now }));
        Some(Action::Start {
            process,
            processors,
        })
    }

    /// Where units are; None if one of them is none of this machine's.
    fn processors(&self, units: &[u16]) -> Option<Vec<Vec<u32>>> {
        let places = units
            .iter()
            .map(|unit| self.settings.units.get(usize::from(*unit)));
        places.map(Option::<&_>::cloned).collect()
    }

    /// Whether, and why, a worker will never run here. (P6)
    fn given_up(&self, wanted: &Assignment) -> Option<Failure> {
        if self.processors(&wanted.units).is_none() {
            return Some(Failure::Trouble);
        }
        let bytes = self.artifacts.get(&wanted.artifact.hash);
        match bytes.and_then(|bytes| bytes.attempts.given_up) {
            Some(Failure::Trouble) => Some(Failure::Never(Obstacle::Unavailable)),
            Some(never) => Some(never),
            None => self.workers.get(&wanted.worker)?.attempts.given_up,
        }
    }

    /// Tells the chain about a worker, again and again until a view shows it. (P5)
    fn tell(&mut self, call: Call, worker: WorkerId, now: u64) -> Option<Action> {
        let known = self.workers.entry(worker).or_default();
        if let Some((last, told)) = &known.told
            && *last == call
            && now.saturating_sub(*told) < self.settings.resend_ms
        {
            return None;
        }
        known.told = Some((call.clone(), now));
        Some(Action::Send(call))
    }

    /// The report of all workers, when it is due. (P7)
    fn report(&mut self, view: &View, now: u64) -> Option<Action> {
        let mut stopped: Vec<_> = view.workers.iter().filter(|w| self.is_stopped(w)).collect();
        stopped.truncate(MAX_WORKERS_PER_CALL);
        let stopped: Vec<_> = stopped.into_iter().map(|wanted| wanted.worker).collect();
        let earns = |wanted: &Assignment| wanted.is_running && !wanted.is_paused;
        if stopped.is_empty() && !view.workers.iter().any(earns) {
            return None;
        }
        if !self.is_report_due(&stopped, now) {
            return None;
        }
        self.report = Some(Report {
            sent: now,
            is_done: false,
            stopped: stopped.clone(),
        });
        let peer = self.settings.peer;
        Some(Action::Send(Call::Report { peer, stopped }))
    }

    fn is_report_due(&self, stopped: &[WorkerId], now: u64) -> bool {
        let Some(last) = &self.report else {
            return true;
        };
        let distance = if last.is_done {
            self.settings.report_ms
        } else {
            self.settings.resend_ms
        };
        let is_news = stopped.iter().any(|worker| !last.stopped.contains(worker));
        is_news || now.saturating_sub(last.sent) >= distance
    }

    /// Whether the chain has it on this peer, and it is given up here.
    fn is_stopped(&self, wanted: &Assignment) -> bool {
        let known = self.workers.get(&wanted.worker);
        if known.is_some_and(|known| known.process.is_some()) {
            return false;
        }
        match self.given_up(wanted) {
            Some(Failure::Never(_)) => wanted.is_running && !wanted.changes(),
            Some(Failure::Trouble) => true,
            None => false,
        }
    }
}

/// That a worker cannot run what it is to run.
fn cannot_run(wanted: &Assignment, obstacle: Obstacle) -> Call {
    Call::CannotRun {
        worker: wanted.worker,
        artifact: wanted.artifact.hash,
        obstacle,
    }
}

impl Bytes {
    fn fetch(&mut self, wanted: &Assignment, now: u64, patience: u64) -> Option<Action> {
        let is_due = match self.place {
            Place::Here => false,
            Place::Coming { asked } => now.saturating_sub(asked) >= patience,
            Place::Missing => now >= self.attempts.wait_until,
        };
        if !is_due {
            return None;
        }
        self.place = Place::Coming { asked: now };
        Some(Action::Fetch {
            deal: wanted.deal,
            artifact: wanted.artifact.clone(),
        })
    }
}

impl Process {
    fn of(wanted: &Assignment) -> Self {
        Self {
            worker: wanted.worker,
            deal: wanted.deal,
            artifact: wanted.artifact.hash,
            units: wanted.units.clone(),
        }
    }

    fn is(&self, wanted: &Assignment) -> bool {
        *self == Self::of(wanted)
    }
}
