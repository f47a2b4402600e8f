//! Proves idle units: what the chain asks of them in each window, on threads of their own.
//!
//! The chain says which units may prove, and on what; a unit that a worker is to have is released first. Chains lie in
//! files, so a peer that is killed goes on where it was, and opens what it committed to when it is asked.

mod chains;
pub(super) mod figures;

use super::{file, replace};
use capacity::{Answer, PeerTree, Shape, Statement, Unit, draw, work::Shelf};
use client::view::{audit::Audit, commitment::Proving};
use client::{Client, PeerKey};
use marketplace::units::{AuditId, CommitmentId, Hash};
use marketplace::{Call, audit, window};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::task::JoinSet;
use tokio::time::sleep;

pub use chains::Chains;
pub use figures::{Doing, Figures};

/// How often the node is asked what to prove.
const POLL: Duration = Duration::from_millis(250);
/// The pause after a failed attempt to reach the node.
const PAUSE: Duration = Duration::from_secs(1);
/// Windows whose commits are remembered, for audits of them.
const REMEMBERED: usize = 32;

/// How a peer proves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prove {
    /// With a dataset of 2 GiB for each unit.
    #[default]
    Full,
    /// Without: five to eight times slower, for networks with small windows.
    Light,
}

/// What the peer committed to for a window: units and their roots, in ascending order.
type Committed = Vec<(u16, [u8; 32])>;

/// A window in which units prove.
#[derive(Default)]
struct Round {
    begun: BTreeSet<u16>,
    finished: BTreeSet<u16>,
    committed: bool,
    /// Units that are to prove in it, as the chain said last, until it is counted who did not.
    owing: BTreeSet<u16>,
    /// When it is too late to commit, in milliseconds of the Unix epoch.
    commit_by: u64,
}

pub(super) struct Prover {
    client: Client,
    key: PeerKey,
    chains: Chains,
    folder: PathBuf,
    chain_id: u64,
    rounds: BTreeMap<u64, Round>,
    /// Audits whose answers are under way, and those answers.
    answering: BTreeSet<u64>,
    sending: JoinSet<()>,
    /// The window in which the chain was last asked what it counted.
    counted: Option<u64>,
}

/// Why a round of proving is given up; the next one begins soon.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Client(#[from] client::Error),
    #[error(transparent)]
    File(#[from] super::Error),
    #[error(transparent)]
    Work(#[from] capacity::work::Error),
    #[error("the network's shape of proofs is none that this program knows\nhint: update it")]
    Shape,
}

impl Prover {
    pub(super) fn new(client: Client, key: PeerKey, chains: Chains, folder: PathBuf) -> Self {
        Self {
            client,
            key,
            chains,
            folder,
            chain_id: 0,
            rounds: BTreeMap::new(),
            answering: BTreeSet::new(),
            sending: JoinSet::new(),
            counted: None,
        }
    }

    /// Proves for as long as the peer lives.
    pub(super) async fn run(mut self) {
        loop {
            let pause = match self.round().await {
                Ok(()) => POLL,
                Err(error) => {
                    tracing::warn!(%error, "units are not proven now");
                    PAUSE
                }
            };
            sleep(pause).await;
        }
    }

    async fn round(&mut self) -> Result<(), Trouble> {
        if self.chain_id == 0 {
            self.chain_id = self.client.chain_id().await?;
        }
        for (unit, window, finished) in self.chains.reap() {
            if let Some(round) = self.rounds.get_mut(&window) {
                if finished {
                    round.finished.insert(unit);
                } else {
                    round.begun.remove(&unit);
                }
            }
        }
        if let Some(proving) = self.client.proving(self.key.id(), None).await? {
            self.begin(&proving)?;
            self.count(&proving).await?;
        }
        self.close_rounds();
        self.answer().await?;
        self.commit().await
    }

    /// Gives up what it is too late for: whose window it was, missed it.
    fn close_rounds(&mut self) {
        let now = now_ms();
        for (window, round) in &mut self.rounds {
            if round.commit_by >= now {
                continue;
            }
            self.chains.stop_before(window.saturating_add(1));
            for unit in std::mem::take(&mut round.owing) {
                tracing::warn!(unit, window, "a window was missed");
                self.chains
                    .tally(unit, |figures| figures.windows_missed += 1);
            }
        }
    }

    /// Once a window, learns what the chain counted.
    async fn count(&mut self, proving: &Proving) -> Result<(), Trouble> {
        if self.counted == Some(proving.window.window) {
            return Ok(());
        }
        let id = CommitmentId(proving.commitment);
        for proof in self.client.commitment(id).await?.proofs {
            self.chains.tally(proof.unit, |figures| {
                figures.owed_in_epoch = proof.owed;
                figures.passed_in_epoch = proof.passed.into();
            });
        }
        self.counted = Some(proving.window.window);
        Ok(())
    }

    /// Begins the chains of all units that may prove in a window and have none.
    fn begin(&mut self, proving: &Proving) -> Result<(), Trouble> {
        let window = proving.window.window;
        let Some((key, challenge)) = proving.window.key.zip(proving.window.challenge) else {
            return Ok(());
        };
        self.chains
            .keep(key.0, proving.window.next_key.map(|next| next.0));
        self.chains.stop_before(window.saturating_sub(1));
        if !proving.window.owed || proving.committed.is_some() {
            return Ok(());
        }
        let shape = shape(
            proving.class,
            proving.leaves_per_class,
            proving.steps_per_leaf,
        )?;
        let round = self.rounds.entry(window).or_default();
        round.commit_by = proving.window.commit_by.wall_ms;
        if !round.committed {
            round.owing = proving.units.iter().copied().collect();
        }
        for unit in &proving.units {
            if round.committed || round.finished.contains(unit) {
                continue;
            }
            let statement = Statement {
                chain: self.chain_id,
                epoch: proving.window.epoch,
                window,
                challenge: challenge.0,
                unit: Unit {
                    key: key.0,
                    provider: proving.provider,
                    peer: self.key.id().0,
                    unit: *unit,
                    commitment: proving.commitment,
                },
                shape,
                payout: proving.payout.into_array(),
            };
            round.begun.insert(*unit);
            let shelf = Shelf::open(&self.folder.join(format!("unit-{unit}")))?;
            self.chains.begin(statement, shelf);
        }
        let old = window.saturating_sub(4);
        self.rounds.retain(|window, _| *window >= old);
        Ok(())
    }

    /// Commits to windows whose units are all done, or of which the time is nearly over.
    async fn commit(&mut self) -> Result<(), Trouble> {
        let open: Vec<_> = self
            .rounds
            .iter()
            .filter(|(_, round)| !round.committed && !round.finished.is_empty())
            .map(|(window, _)| *window)
            .collect();
        for window in open {
            let proving = self.client.proving(self.key.id(), Some(window)).await?;
            let Some(proving) = proving else {
                self.done(window, &[]);
                continue;
            };
            if let Some(committed) = proving.committed {
                self.done(window, &committed.seats);
                continue;
            }
            let (ends, by) = (
                proving.window.ends.wall_ms,
                proving.window.commit_by.wall_ms,
            );
            let last_call = ends.saturating_add(by.saturating_sub(ends) / 2);
            let Some(round) = self.rounds.get(&window) else {
                continue;
            };
            let may = |unit: &&u16| proving.units.contains(unit);
            let all = round
                .begun
                .iter()
                .filter(may)
                .all(|unit| round.finished.contains(unit));
            if !all && now_ms() < last_call {
                continue;
            }
            let units: Vec<_> = round.finished.iter().filter(may).copied().collect();
            self.commit_to(window, &units).await?;
        }
        Ok(())
    }

    async fn commit_to(&mut self, window: u64, units: &[u16]) -> Result<(), Trouble> {
        let mut committed: Committed = Vec::new();
        for unit in units {
            let shelf = Shelf::open(&self.folder.join(format!("unit-{unit}")))?;
            if let Some(work) = shelf.work(window)? {
                committed.push((*unit, work.unit_root()));
            }
        }
        let Ok(tree) = PeerTree::new(&committed) else {
            self.done(window, &[]);
            return Ok(());
        };
        let units: Vec<_> = committed.iter().map(|(unit, _)| *unit).collect();
        self.remember(window, &committed)?;
        let call = Call::Window(window::Call::Commit {
            peer: self.key.id(),
            window,
            root: Hash(tree.root()),
            units: units.clone(),
        });
        self.client.send(self.key.operator(), &call).await?;
        tracing::info!(window, units = units.len(), "committed");
        self.done(window, &units);
        Ok(())
    }

    /// Nothing more is to be committed to in a window; these units are.
    fn done(&mut self, window: u64, units: &[u16]) {
        let Some(round) = self.rounds.get_mut(&window) else {
            return;
        };
        round.committed = true;
        for unit in units {
            round.owing.remove(unit);
            self.chains
                .tally(*unit, |figures| figures.windows_committed += 1);
        }
    }

    /// Answers the audits that are open, all at a time: each has little time.
    async fn answer(&mut self) -> Result<(), Trouble> {
        let audits = self.client.audits(self.key.id()).await?;
        let open = |id: &u64| {
            audits
                .iter()
                .any(|audit| audit.id == *id && audit.is_open())
        };
        self.answering.retain(open);
        while self.sending.try_join_next().is_some() {}
        for audit in audits.iter().filter(|audit| audit.is_open()) {
            if !self.answering.insert(audit.id) {
                continue;
            }
            let Some(bytes) = self.open(audit).await? else {
                tracing::warn!(
                    audit = audit.id,
                    window = audit.window,
                    "its work is not there"
                );
                continue;
            };
            let (client, operator) = (self.client.clone(), self.key.operator().clone());
            let (id, window, unit) = (audit.id, audit.window, audit.unit);
            let chains = self.chains.clone();
            self.sending.spawn(async move {
                let call = Call::Audit(audit::Call::Answer {
                    audit: AuditId(id),
                    bytes,
                });
                match client.send(&operator, &call).await {
                    Ok(_) => {
                        tracing::info!(audit = id, window, unit, "answered");
                        chains.tally(unit, |figures| figures.audits_answered += 1);
                    }
                    Err(error) => tracing::warn!(%error, audit = id, "not answered"),
                }
            });
        }
        Ok(())
    }

    /// The answer to an audit, if the work of its window is still there.
    async fn open(&self, audit: &Audit) -> Result<Option<Vec<u8>>, Trouble> {
        let parameters = self.client.parameters().await?;
        let parameter = |name: &str| parameters.get(name).copied().unwrap_or_default();
        let leaves = parameter("leaves_per_class");
        let shape = shape(audit.class, leaves, parameter("steps_per_leaf"))?;
        let shelf = Shelf::open(&self.folder.join(format!("unit-{}", audit.unit)))?;
        let tree = self.recall(audit.window)?;
        let tree = tree.and_then(|committed| PeerTree::new(&committed).ok());
        let path = tree.and_then(|tree| tree.path(audit.unit));
        let Some((work, (_, path))) = shelf.work(audit.window)?.zip(path) else {
            return Ok(None);
        };
        let leaves = draw(&audit.seed.0, shape, audit.leaves.into());
        Ok(Answer::new(&work, path, &leaves).map(|answer| answer.encode()))
    }

    fn memory(&self) -> PathBuf {
        self.folder.join("commits.json")
    }

    fn memories(&self) -> Result<BTreeMap<u64, Committed>, Trouble> {
        let path = self.memory();
        match std::fs::read(&path) {
            Ok(text) => Ok(serde_json::from_slice(&text).unwrap_or_else(|error| {
                tracing::warn!(%error, "what was committed to is forgotten");
                BTreeMap::new()
            })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(source) => Err(file(&path, source).into()),
        }
    }

    /// Writes down what is committed to before the chain hears of it.
    fn remember(&self, window: u64, committed: &Committed) -> Result<(), Trouble> {
        let mut all = self.memories()?;
        all.insert(window, committed.clone());
        while all.len() > REMEMBERED {
            all.pop_first();
        }
        let path = self.memory();
        let text = serde_json::to_vec(&all).unwrap_or_default();
        replace(&path, &text).map_err(|source| file(&path, source).into())
    }

    fn recall(&self, window: u64) -> Result<Option<Committed>, Trouble> {
        Ok(self.memories()?.remove(&window))
    }
}

fn shape(class: u8, leaves: u64, steps: u64) -> Result<Shape, Trouble> {
    let leaves = u32::try_from(leaves).map_err(|_| Trouble::Shape)?;
    let steps = u16::try_from(steps).map_err(|_| Trouble::Shape)?;
    Shape::new(class, leaves, steps).map_err(|_| Trouble::Shape)
}

/// Milliseconds of the Unix epoch.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = since.unwrap_or_default().as_millis();
    u64::try_from(ms).unwrap_or(u64::MAX)
}
