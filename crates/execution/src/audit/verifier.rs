//! Judging answers with RandomX. It takes some hundred milliseconds each, so it has no place in what executes blocks.

use super::{Question, Verdict};
use capacity::{Caches, MAX_CACHES, Seat, Shape, Statement, Unit, draw, randomx::Mode};
use std::sync::{Arc, Mutex, PoisonError};

pub use capacity::Error as Trouble;

/// Judges one answer after another, on one thread.
#[derive(Debug)]
pub struct Verifier {
    shared: Arc<Shared>,
    verifier: capacity::Verifier,
}

/// What all verifiers of a process share: caches of 256 MiB, at most two, made when an answer is first in need of one.
#[derive(Debug)]
struct Shared {
    caches: Arc<Caches>,
    /// Cache keys of the last audits, the last one first.
    keys: Mutex<Vec<[u8; 32]>>,
}

impl Verifier {
    /// Verifiers for so many threads.
    ///
    /// # Errors
    /// If there is no memory for their machines.
    pub fn several(count: usize) -> Result<Vec<Self>, Trouble> {
        let caches = Arc::new(Caches::new(Mode::fastest().secure()));
        let shared = Arc::new(Shared {
            caches: caches.clone(),
            keys: Mutex::default(),
        });
        (0..count)
            .map(|_| {
                Ok(Self {
                    shared: shared.clone(),
                    verifier: capacity::Verifier::new(caches.clone())?,
                })
            })
            .collect()
    }

    /// The verdict on an answer.
    ///
    /// # Errors
    /// What this machine lacks now. It says nothing about the answer.
    pub fn verify(&mut self, question: &Question) -> Result<Verdict, Trouble> {
        let Some(audit) = question.audit() else {
            return Ok(Verdict::Malformed);
        };
        self.shared.keep(audit.statement.unit.key);
        Ok(verdict(
            self.verifier.judge(&audit, &question.answer.bytes)?,
        ))
    }

    /// Caches in memory now.
    pub fn caches(&self) -> usize {
        self.shared.caches.count()
    }
}

impl Shared {
    /// Keeps the cache of this key, and that of the last other one.
    fn keep(&self, key: [u8; 32]) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.retain(|other| *other != key);
        keys.insert(0, key);
        keys.truncate(MAX_CACHES);
        self.caches.keep(key, keys.get(1).copied());
    }
}

impl Question {
    /// The question in the words of `capacity`; `None` if parameters or audit are of a shape that no work has.
    pub fn audit(&self) -> Option<capacity::Audit> {
        let audit = &self.audit;
        let leaves_per_class = u32::try_from(self.leaves_per_class).ok()?;
        let steps = u16::try_from(self.steps_per_leaf).ok()?;
        let shape = Shape::new(audit.class, leaves_per_class, steps).ok()?;
        Some(capacity::Audit {
            statement: Statement {
                chain: self.chain_id,
                epoch: audit.epoch.0,
                window: audit.window,
                challenge: audit.challenge,
                unit: Unit {
                    key: audit.key,
                    provider: audit.provider.0,
                    peer: audit.peer.0,
                    unit: audit.unit,
                    commitment: audit.commitment.0,
                },
                shape,
                payout: audit.payout.0,
            },
            peer_root: audit.root.0,
            seat: Seat {
                index: audit.seat,
                of: audit.seats,
            },
            leaves: draw(&audit.seed, shape, audit.leaves.into()),
        })
    }
}

/// What `capacity` found, in the words of the marketplace.
pub fn verdict(found: capacity::Verdict) -> Verdict {
    match found {
        capacity::Verdict::Good => Verdict::Opened { bad: 0 },
        capacity::Verdict::BadLeaves(bad) => Verdict::Opened {
            bad: u16::try_from(bad).unwrap_or(u16::MAX),
        },
        capacity::Verdict::Malformed(_) => Verdict::Malformed,
    }
}
