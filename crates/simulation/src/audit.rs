//! Audits whose answers wait from the first block on, and a model of those who judge them: an answer says by its
//! bytes what is wrong with it, and looking at it takes as long as is declared.

use crate::{scenario::Scenario, toy::Toy};
use commonware_runtime::Clock;
use execution::{
    Diff,
    audit::{ANSWERED, AUDITS, Answer, Audit, AuditId, Question, Time, Verdict, verdict},
};
use marketplace::audit::AUDITS_OF;
use marketplace::commitment::{COMMITMENTS, Commitment, PROOFS, Proofs};
use marketplace::units::{Address, CommitmentId, Epoch, Hash, PeerId, ProviderId};
use node::audit::{Judge, Judgement};
use std::time::Duration;

/// Audits whose verdicts fall due in one second.
const PER_SECOND: u64 = 8;

/// Protocol time at which the first verdicts are due.
const FIRST: u64 = 3;

/// What is right to find about an audit: one of three things.
pub(crate) fn truth(id: AuditId) -> Verdict {
    match id.0 % 3 {
        0 => Verdict::Malformed,
        bad => Verdict::Opened {
            bad: bad as u16 - 1,
        },
    }
}

/// Rows of so many answered audits.
pub(crate) fn rows(count: u64) -> Diff {
    let rows: Diff = (1..=count).flat_map(|id| answered(AuditId(id))).collect();
    if rows.is_empty() {
        return rows;
    }
    let id = CommitmentId(1);
    let row = Commitment::of_no_units(u32::try_from(count).unwrap_or(u32::MAX));
    let of = [
        (COMMITMENTS.key(&id), Some(COMMITMENTS.encode_row(&row))),
        (PROOFS.key(&id), Some(PROOFS.encode_row(&Proofs::default()))),
    ];
    rows.into_iter().chain(of).collect()
}

fn answered(id: AuditId) -> [(Vec<u8>, Option<Vec<u8>>); 3] {
    let due = Time(FIRST + (id.0 - 1) / PER_SECOND);
    let bytes = match truth(id) {
        Verdict::Opened { bad } => vec![bad as u8],
        Verdict::Malformed => Vec::new(),
    };
    let audit = Audit {
        window: 0,
        epoch: Epoch(1),
        peer: PeerId([1; 32]),
        provider: ProviderId(1),
        commitment: CommitmentId(1),
        unit: 0,
        class: 1,
        payout: Address([1; 20]),
        key: [1; 32],
        challenge: [1; 32],
        root: Hash([1; 32]),
        seat: 0,
        seats: 1,
        seed: [1; 32],
        leaves: 2,
        answer_by: due,
        answer: Some(Answer { due, bytes }),
    };
    [
        (AUDITS.key(&id), Some(AUDITS.encode_row(&audit))),
        (ANSWERED.key(&(due, id)), Some(ANSWERED.encode_row(&()))),
        (
            AUDITS_OF.key(&(audit.peer, id)),
            Some(AUDITS_OF.encode_row(&())),
        ),
    ]
}

/// Judges by looking.
pub(crate) struct Model<E> {
    clock: E,
    takes: Duration,
    lies: bool,
    /// Told of every answer it judges.
    judged: Box<dyn Fn() + Send>,
}

impl<E: Clock> Model<E> {
    /// The judge of a validator.
    pub(crate) fn new(
        clock: E,
        scenario: &Scenario,
        validator: u32,
        judged: impl Fn() + Send + 'static,
    ) -> Self {
        Self {
            clock,
            takes: Duration::from_millis(scenario.judging_ms(validator)),
            lies: scenario.lies(validator),
            judged: Box::new(judged),
        }
    }
}

impl<E: Clock> Judge for Model<E> {
    fn judge(&mut self, question: &Question) -> Judgement<'_> {
        let found = match (question.answer.bytes.first(), self.lies) {
            (Some(bad), false) => Verdict::Opened {
                bad: u16::from(*bad),
            },
            (None, false) | (Some(_), true) => Verdict::Malformed,
            (None, true) => Verdict::Opened { bad: 0 },
        };
        Box::pin(async move {
            self.clock.sleep(self.takes).await;
            (self.judged)();
            Some(found)
        })
    }
}

/// Judges real answers, with a step that is not slow; what it finds takes as long as is declared.
pub(crate) struct Examiner<E> {
    clock: E,
    takes: Duration,
    /// Told of every answer when it is taken, and of what is found.
    tell: Box<dyn Fn(Found) + Send>,
}

/// What an examiner tells.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found {
    /// It takes an answer.
    Begun,
    /// It has a verdict on the answer whose leaves were drawn from this.
    Verdict([u8; 32], Verdict),
}

impl<E: Clock> Examiner<E> {
    /// The judge of a validator.
    pub(crate) fn new(
        clock: E,
        scenario: &Scenario,
        validator: u32,
        tell: impl Fn(Found) + Send + 'static,
    ) -> Self {
        Self {
            clock,
            takes: Duration::from_millis(scenario.judging_ms(validator)),
            tell: Box::new(tell),
        }
    }
}

impl<E: Clock> Judge for Examiner<E> {
    fn judge(&mut self, question: &Question) -> Judgement<'_> {
        let audit = question.audit().expect("a shape of this network");
        let mut toy = Toy::new(audit.statement.unit.seed());
        let found = verdict(audit.judge(&question.answer.bytes, &mut toy));
        let seed = question.audit.seed;
        (self.tell)(Found::Begun);
        Box::pin(async move {
            self.clock.sleep(self.takes).await;
            (self.tell)(Found::Verdict(seed, found));
            Some(found)
        })
    }
}
