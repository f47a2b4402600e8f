//! Proves idle units: what the chain asks of them in each window, on threads of their own.
//!
//! The chain says which units may prove, and on what; a unit that a worker is to have is released first. Chains lie in
//! files, so a peer that is killed goes on where it was, and opens what it committed to when it is asked.

mod chains;
mod count;
pub(super) mod figures;

use crate::prover::desk::{self, Desk, Question};
use crate::prover::{self, Action, Asked, Event, Seen, Window};
use capacity::Shape;
use client::view::{audit::Audit, commitment::Proving};
use client::{Client, PeerKey};
use count::Count;
use marketplace::units::{AuditId, Hash};
use marketplace::{Call, audit, window};
use serde::{Deserialize, Serialize};
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

pub(super) struct Prover {
    client: Client,
    key: PeerKey,
    chains: Chains,
    desk: Desk,
    chain_id: u64,
    decides: prover::Prover,
    /// The audits of the last look.
    audits: Vec<Audit>,
    /// Calls under way, and how they end.
    sending: JoinSet<Event>,
    count: Count,
}

/// Why a round of proving is given up; the next one begins soon.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Client(#[from] client::Error),
    #[error(transparent)]
    Desk(#[from] desk::Error),
    #[error("the network's shape of proofs is none that this program knows\nhint: update it")]
    Shape,
}

impl Prover {
    pub(super) fn new(client: Client, key: PeerKey, chains: Chains, folder: PathBuf) -> Self {
        Self {
            client,
            key,
            chains,
            desk: Desk::new(folder),
            chain_id: 0,
            decides: prover::Prover::new(),
            audits: Vec::new(),
            sending: JoinSet::new(),
            count: Count::default(),
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
        for (unit, window, finished) in self.chains.reap() {
            self.tell(Event::Over {
                unit,
                window,
                finished,
            });
        }
        while let Some(ended) = self.sending.try_join_next() {
            match ended {
                Ok(event) => {
                    if let Event::Committed { window, done: true } = event {
                        self.count.committed(window, &self.chains);
                    }
                    self.tell(event);
                }
                Err(error) => tracing::error!(%error, "a call is lost"),
            }
        }
        let seen = self.look().await?;
        self.tell(Event::Seen(seen));
        Ok(())
    }

    /// What the chain says of all that is to be done.
    async fn look(&mut self) -> Result<Seen, Trouble> {
        if self.chain_id == 0 {
            self.chain_id = self.client.chain_id().await?;
        }
        let newest = self.client.window(None).await?;
        let newest = newest.map(|newest| newest.window);
        let mut windows = Vec::new();
        for window in self.decides.asks(newest).into_iter().chain(newest) {
            let proving = self.client.proving(self.key.id(), Some(window)).await?;
            if let Some(proving) = proving {
                self.count.see(&proving, &self.chains);
                windows.push(self.window(proving)?);
            }
        }
        self.count.close(now_ms(), &self.chains);
        self.count.learn(&self.client, &self.chains).await?;
        self.audits = self.client.audits(self.key.id()).await?;
        self.audits.retain(Audit::is_open);
        let open = self.audits.iter();
        let audits = open.filter_map(|audit| Some((asked(audit), audit.answer_by?.wall_ms)));
        let audits = audits.collect();
        Ok(Seen { windows, audits })
    }

    fn window(&self, proving: Proving) -> Result<Window, Trouble> {
        let window = proving.window;
        Ok(Window {
            window: window.window,
            epoch: window.epoch,
            owed: window.owed,
            committed: proving.committed.is_some(),
            challenge: window.challenge.map(Into::into),
            key: window.key.map(Into::into),
            next_key: window.next_key.map(Into::into),
            ends_ms: window.ends.wall_ms,
            commit_by_ms: window.commit_by.wall_ms,
            chain: self.chain_id,
            provider: proving.provider,
            peer: self.key.id().0,
            commitment: proving.commitment,
            shape: shape(
                proving.class,
                proving.leaves_per_class,
                proving.steps_per_leaf,
            )?,
            payout: proving.payout.into_array(),
            units: proving.units,
        })
    }

    /// Has decided what follows from an event, and does it. What cannot be done is decided again.
    fn tell(&mut self, event: Event) {
        for action in self.decides.handle(event, now_ms()) {
            let failed = match &action {
                Action::Commit { window, .. } => Some(Event::Committed {
                    window: *window,
                    done: false,
                }),
                Action::Answer(asked) => Some(Event::Answered {
                    asked: *asked,
                    done: false,
                }),
                _ => None,
            };
            if let Err(error) = self.carry_out(action) {
                tracing::warn!(%error, "units are not proven now");
                // Nothing follows from a failure at once.
                failed.map(|failed| self.decides.handle(failed, now_ms()));
            }
        }
    }

    fn carry_out(&mut self, action: Action) -> Result<(), Trouble> {
        match action {
            Action::Keep { key, next } => self.chains.keep(key, next),
            Action::StopBefore(window) => self.chains.stop_before(window),
            Action::Begin(statement) => {
                let shelf = self.desk.shelf(statement.unit.unit)?;
                self.chains.begin(statement, shelf);
            }
            Action::Commit { window, units } => self.commit(window, &units)?,
            Action::Answer(asked) => self.answer(asked)?,
        }
        Ok(())
    }

    fn commit(&mut self, window: u64, units: &[u16]) -> Result<(), Trouble> {
        let Some(commit) = self.desk.commit(window, units)? else {
            tracing::warn!(window, "its work is not there");
            let done = true;
            self.sending
                .spawn(async move { Event::Committed { window, done } });
            return Ok(());
        };
        let (client, operator) = (self.client.clone(), self.key.operator().clone());
        self.count.sent(window, &commit.units);
        let units = commit.units.len();
        let call = Call::Window(window::Call::Commit {
            peer: self.key.id(),
            window,
            root: Hash(commit.root),
            units: commit.units,
        });
        self.sending.spawn(async move {
            let sent = client.send(&operator, &call).await;
            match &sent {
                Ok(_) => tracing::info!(window, units, "committed"),
                Err(error) => tracing::warn!(%error, window, "not committed"),
            }
            paused(&sent).await;
            let done = sent.is_ok();
            Event::Committed { window, done }
        });
        Ok(())
    }

    fn answer(&mut self, question: Asked) -> Result<(), Trouble> {
        let mut audits = self.audits.iter();
        let Some(open) = audits.find(|open| asked(open) == question) else {
            return Ok(());
        };
        let (audit, window, unit) = (open.id, open.window, open.unit);
        let answer = self.desk.answer(&Question {
            window,
            unit,
            root: open.root.into(),
            seed: open.seed.into(),
            leaves: open.leaves,
        })?;
        let Some(bytes) = answer else {
            tracing::warn!(audit, window, unit, "its work is not there");
            return Ok(());
        };
        let (client, operator) = (self.client.clone(), self.key.operator().clone());
        let chains = self.chains.clone();
        let call = Call::Audit(audit::Call::Answer {
            audit: AuditId(audit),
            bytes,
        });
        self.sending.spawn(async move {
            let sent = client.send(&operator, &call).await;
            match &sent {
                Ok(_) => {
                    tracing::info!(audit, window, unit, "answered");
                    chains.tally(unit, |figures| figures.audits_answered += 1);
                }
                Err(error) => tracing::warn!(%error, audit, "not answered"),
            }
            paused(&sent).await;
            let done = sent.is_ok();
            let asked = question;
            Event::Answered { asked, done }
        });
        Ok(())
    }
}

fn asked(audit: &Audit) -> Asked {
    Asked {
        audit: audit.id,
        seed: audit.seed.into(),
    }
}

/// A call that failed is tried again, but not at once.
async fn paused<T>(sent: &Result<T, client::Error>) {
    if sent.is_err() {
        sleep(PAUSE).await;
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
