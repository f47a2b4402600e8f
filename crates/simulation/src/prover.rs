//! A peer that proves: the decisions, the files and the chains of the real one. Its threads and its node are a model.

mod sight;

use crate::{
    toy::Toy,
    workload::{Supplier, Workload},
};
use capacity::{
    Control, Statement,
    work::{Chain, Outcome},
};
use execution::{Rows, state::read};
use marketplace::{
    Call, audit,
    units::{AuditId, Hash, PeerId},
    window,
};
use node::engine::Handle;
use peer::prover::{
    Action, Asked, Event, Prover, Seen,
    desk::{Desk, Question},
};
use rand_core::Rng;
use sight::{questions, took_effect, window_of};
use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    path::Path,
};

/// A unit takes so long for a leaf of both chains: seven seconds for a window.
const LEAF_MS: u64 = 580;
/// A call that is not executed by then is made again.
const PATIENCE_MS: u64 = 3_000;
/// A record in a file of leaves is not shorter: a process that dies while it writes leaves less.
const TORN_BYTES: u64 = 40;

/// What is wrong with a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flaws {
    /// Its disk is empty whenever it starts again.
    pub(crate) loses: bool,
    /// It computes something else.
    pub(crate) wrong: bool,
}

/// The process of a prover. What it knows is gone when it dies, but for its files.
pub(crate) struct Process {
    decides: Prover,
    desk: Desk,
    flaws: Flaws,
    /// By unit.
    running: BTreeMap<u16, Running>,
    under_way: Vec<UnderWay>,
}

struct Running {
    statement: Statement,
    chains: [Chain; 2],
    /// When the leaves that are being made are whole.
    leaf_ms: u64,
}

/// A call that was handed over.
struct UnderWay {
    what: What,
    since_ms: u64,
}

#[derive(Clone, Copy)]
enum What {
    Commit(u64),
    Answer(Asked),
}

impl Process {
    pub(crate) fn start(folder: &Path, flaws: Flaws) -> Self {
        Self {
            decides: Prover::new(),
            desk: Desk::new(folder.into()),
            flaws,
            running: BTreeMap::new(),
            under_way: Vec::new(),
        }
    }

    /// Makes the leaves that are whole by now.
    pub(crate) fn compute(&mut self, now_ms: u64) {
        let wrong = self.flaws.wrong;
        let mut over = Vec::new();
        for (unit, running) in &mut self.running {
            while running.leaf_ms <= now_ms {
                running.leaf_ms += LEAF_MS;
                if running.leaf(wrong) {
                    over.push((*unit, running.statement.window));
                    break;
                }
            }
        }
        for (unit, window) in over {
            self.running.remove(&unit);
            self.over(unit, window, true, now_ms);
        }
    }

    fn over(&mut self, unit: u16, window: u64, finished: bool, now_ms: u64) {
        let over = Event::Over {
            unit,
            window,
            finished,
        };
        let follows = self.decides.handle(over, now_ms);
        assert!(follows.is_empty(), "the chain is looked at first");
    }

    /// Looks at the chain through a node, and does what follows.
    pub(crate) fn look(&mut self, load: &Workload, of: &Supplier, node: &Handle, now_ms: u64) {
        let (seen, questions) = {
            let rows = node.chain.rows();
            self.learn(&rows, of.peer(), now_ms);
            self.see(&rows, of.peer())
        };
        for action in self.decides.handle(Event::Seen(seen), now_ms) {
            let call = self.carry_out(action, of.peer(), &questions, now_ms);
            if let Some(call) = call {
                load.call(of, node, &call);
            }
        }
    }

    /// Whether calls under way took effect.
    fn learn(&mut self, rows: &Rows, peer: PeerId, now_ms: u64) {
        for under_way in std::mem::take(&mut self.under_way) {
            let done = read(rows, |cx| took_effect(cx, peer, under_way.what));
            let done = done.expect("queries of executed rows succeed");
            if !done && now_ms < under_way.since_ms + PATIENCE_MS {
                self.under_way.push(under_way);
                continue;
            }
            let ended = match under_way.what {
                What::Commit(window) => Event::Committed { window, done },
                What::Answer(asked) => Event::Answered { asked, done },
            };
            self.decides.handle(ended, now_ms);
        }
    }

    fn see(&self, rows: &Rows, peer: PeerId) -> (Seen, BTreeMap<Asked, (Question, u64)>) {
        let seen = read(rows, |cx| {
            let newest = window::newest(cx.store)?.map(|(window, _)| window);
            let mut windows = Vec::new();
            for window in self.decides.asks(newest).into_iter().chain(newest) {
                windows.extend(window_of(cx, rows, peer, window)?);
            }
            let questions = questions(cx, rows, peer)?;
            let audits = questions.iter().map(|(asked, (_, by))| (*asked, *by));
            let audits = audits.collect();
            Ok((Seen { windows, audits }, questions))
        });
        seen.expect("queries of executed rows succeed")
    }

    fn carry_out(
        &mut self,
        action: Action,
        peer: PeerId,
        questions: &BTreeMap<Asked, (Question, u64)>,
        now_ms: u64,
    ) -> Option<Call> {
        let (what, call) = match action {
            Action::Keep { .. } => return None,
            Action::StopBefore(window) => {
                self.stop_before(window, now_ms);
                return None;
            }
            Action::Begin(statement) => {
                self.begin(statement, now_ms);
                return None;
            }
            Action::Commit { window, units } => {
                let commit = self.desk.commit(window, &units).expect("a disk")?;
                let commit = window::Call::Commit {
                    peer,
                    window,
                    root: Hash(commit.root),
                    units: commit.units,
                };
                (What::Commit(window), Call::Window(commit))
            }
            Action::Answer(asked) => {
                let bytes = self.desk.answer(&questions[&asked].0).expect("a disk")?;
                let audit = AuditId(asked.audit);
                let answer = audit::Call::Answer { audit, bytes };
                (What::Answer(asked), Call::Audit(answer))
            }
        };
        let since_ms = now_ms;
        self.under_way.push(UnderWay { what, since_ms });
        Some(call)
    }

    fn stop_before(&mut self, window: u64, now_ms: u64) {
        let late = |(unit, running): (&u16, &Running)| {
            let of = running.statement.window;
            (of < window).then_some((*unit, of))
        };
        let late: Vec<_> = self.running.iter().filter_map(late).collect();
        for (unit, of) in late {
            self.running.remove(&unit);
            self.over(unit, of, false, now_ms);
        }
    }

    fn begin(&mut self, statement: Statement, now_ms: u64) {
        let unit = statement.unit.unit;
        if self.running.contains_key(&unit) {
            return;
        }
        let shelf = self.desk.shelf(unit).expect("a disk");
        let chains = shelf.chains(&statement).expect("a chain of this window");
        if chains.iter().all(|chain| chain.root().is_some()) {
            self.over(unit, statement.window, true, now_ms);
            return;
        }
        let running = Running {
            statement,
            chains,
            leaf_ms: now_ms + LEAF_MS,
        };
        self.running.insert(unit, running);
    }

    /// Dies in the middle of everything: files that are being written are torn.
    pub(crate) fn die(self, folder: &Path, rng: &mut impl Rng) {
        let chains = self.running.iter().map(|(unit, running)| {
            let thread = rng.next_u32() % 2;
            let file = format!("{}-{thread}.leaves", running.statement.window);
            let torn = u64::from(rng.next_u32()) % TORN_BYTES;
            (folder.join(format!("unit-{unit}")).join(file), torn)
        });
        let chains: Vec<_> = chains.collect();
        drop(self.running);
        for (path, torn) in chains {
            tear(&path, torn).expect("a disk");
        }
        if self.flaws.loses {
            fs::remove_dir_all(folder)
                .and_then(|()| fs::create_dir(folder))
                .expect("a disk");
        }
    }
}

/// Takes some bytes from the end of a file.
fn tear(path: &Path, bytes: u64) -> std::io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    let length = file.metadata()?.len();
    file.set_len(length.saturating_sub(bytes))
}

impl Running {
    /// Makes a leaf of each chain that is not done; whether both are.
    fn leaf(&mut self, wrong: bool) -> bool {
        let (seed, steps) = (
            self.statement.unit.seed(),
            self.statement.shape.steps().into(),
        );
        let mut finished = true;
        for chain in &mut self.chains {
            let control = Control::new();
            let mut toy = Toy::limited(seed, wrong, steps, control.clone());
            let outcome = chain.run(&mut toy, &control).expect("a disk");
            finished &= matches!(outcome, Outcome::Finished(_));
        }
        finished
    }
}
