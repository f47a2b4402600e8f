//! Audits: units of a closed window are drawn, their peer opens what it computed, validators compute it again.
//!
//! ```text
//! drawn -> answered -> good: over
//!   |         +------> a bad leaf: asked again, for more leaves -> answered -> hardware fault | fraud
//!   +-> no answer in time, or none that opens the root
//! ```
//! Promises (`docs/spec/commitment.md`):
//! - A1: a window draws `audit_budget` of the units entered, without replacement, from a beacon that nobody knew when
//!   its commits were closed; all of them, if there are fewer. Half of the budget is for peers under a flag, and second
//!   audits take from it.
//! - A2: no answer in time, and one that opens nothing, costs `no_answer_ppm` of the unit's collateral.
//! - A3: after a bad leaf so many more are opened that few bad ones tell a fault of the hardware, which costs
//!   `hardware_ppm`, from fraud, which costs all of the unit's collateral and expels it.
//!   A unit that an audit costs the last of its collateral is expelled just so.
//! - A4: whoever does not pass an audit loses the window, what the unit has held back, and is under a flag.

use crate::call::Reply;
use crate::commitment::{COMMITMENTS, CommitmentNow, Offence, Status};
use crate::cx::Cx;
use crate::limits::{
    AUDIT_LEAVES, MAX_ANSWER, MAX_HARDWARE_LEAVES, MAX_VERDICTS, SECOND_AUDIT_LEAVES,
};
use crate::refusal::{Error, Object, Refusal, ensure, long};
use crate::store::Store;
use crate::table::Table;
use crate::units::{
    Address, AuditId, CommitmentId, Epoch, Hash, PeerId, ProviderId, Seconds, Time,
};
use crate::window::{COMMITTED, ENTRIES, FLAGGED, KEYS, PROGRESS, Window, derive};
use crate::{peer, time};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeSet;

/// An audit that is not over. It holds all that a validator needs to judge an answer, beside the chain's id and the
/// parameters `leaves_per_class` and `steps_per_leaf`.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// The window that is audited.
    pub window: u64,
    /// The epoch in which that window began.
    pub epoch: Epoch,
    /// Who must answer.
    pub peer: PeerId,
    /// Whose peer that is.
    pub provider: ProviderId,
    /// The commitment under which the unit proved.
    pub commitment: CommitmentId,
    /// Index of the unit.
    pub unit: u16,
    /// The class that it declared.
    pub class: u8,
    /// Who earns for it.
    pub payout: Address,
    /// The cache key of the window's key period.
    pub key: [u8; 32],
    /// The window's challenge.
    pub challenge: [u8; 32],
    /// The root that the peer committed to for the window.
    pub root: Hash,
    /// How many of the units in that root have a lower index.
    pub seat: u16,
    /// How many units are in that root.
    pub seats: u16,
    /// What the asked leaves are drawn from.
    pub seed: [u8; 32],
    /// How many leaves are asked for.
    pub leaves: u16,
    /// Last second at which it can be answered; never: its leaves are not drawn yet.
    pub answer_by: Time,
    /// What the peer answered; only its length has been looked at.
    pub answer: Option<Answer>,
}

/// What a peer answered to an audit.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// From when on a block lists the verdict.
    pub due: Time,
    /// The opened leaves, as `capacity` encodes them.
    pub bytes: Vec<u8>,
}

/// What validators find when they compute the opened leaves again.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// So many of the opened leaves are not what the unit's programs give; none: all is well.
    Opened {
        /// How many.
        bad: u16,
    },
    /// The bytes do not open the asked leaves of the root at all: as if nothing had been answered.
    Malformed,
}

/// Audits that are not over, by id.
pub const AUDITS: Table<AuditId, Audit> = Table::new(0x46, "audits");
/// Answered audits that wait for their verdict, by when that is due.
pub const ANSWERED: Table<(Time, AuditId), ()> = Table::new(0x47, "answered");

/// Audits that are not answered, by the last second at which they can be.
pub const OPEN: Table<(Time, AuditId), ()> = Table::new(0x48, "open_audits");
/// Second audits whose leaves are drawn from the beacon of that block.
pub const ASKED_AGAIN: Table<(u64, AuditId), ()> = Table::new(0x49, "second_audits");
/// Audits by peer.
pub const AUDITS_OF: Table<(PeerId, AuditId), ()> = Table::new(0x4a, "audits_by_peer");
const COUNTER: u8 = 9;

/// Calls about audits, made by the operator key of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// The peer opens the leaves that are asked for.
    Answer {
        /// Which audit.
        audit: AuditId,
        /// The opened leaves, as `capacity` encodes them.
        bytes: Vec<u8>,
    },
}

/// What came of an audit.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All leaves are good.
    Passed,
    /// There was no answer in time, or none that opens the root.
    NoAnswer,
    /// A leaf is bad; more are asked for.
    AskedAgain,
    /// Few leaves of the second audit are bad.
    Hardware,
    /// More leaves of the second audit are bad.
    Fraud,
}

/// What happens to audits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Leaves of a unit are asked for.
    Drawn {
        /// The audit.
        audit: AuditId,
        /// Who must answer.
        peer: PeerId,
        /// Of which window.
        window: u64,
        /// Of which unit.
        unit: u16,
        /// How many leaves.
        leaves: u16,
        /// Last second at which it can be answered.
        answer_by: Time,
    },
    /// Its peer answered.
    Answered {
        /// The audit.
        audit: AuditId,
        /// From when on a block lists the verdict.
        due: Time,
    },
    /// It is over, or goes on with more leaves.
    Judged {
        /// The audit.
        audit: AuditId,
        /// Who had to answer.
        peer: PeerId,
        /// Of which unit.
        unit: u16,
        /// What came of it.
        outcome: Outcome,
    },
}

/// Steps of computing that an answer is charged, since validators hash for it: to bring a unit's programs up, and for
/// each hash. A step stands for 20 microseconds of a core.
const RESEED_STEPS: u64 = 100;
const HASH_STEPS: u64 = 2_500;

/// One handler for each call.
pub(crate) fn apply<S: Store>(cx: &mut Cx<'_, S>, call: Call) -> Result<Reply, Error> {
    match call {
        Call::Answer { audit, bytes } => answer(cx, audit, bytes),
    }?;
    Ok(Reply::Done)
}

fn answer<S: Store>(cx: &mut Cx<'_, S>, id: AuditId, bytes: Vec<u8>) -> Result<(), Error> {
    let audit = get(cx.store, id)?;
    let mut audit = audit.ok_or(Refusal::Unknown(Object::Audit(id)))?;
    peer::operated(cx, audit.peer)?;
    long("answer, in bytes", bytes.len(), 1, MAX_ANSWER)?;
    let state = match (audit.answer.is_some(), audit.answer_by) {
        (true, _) => "answered already",
        (_, Time::NEVER) => "not drawn yet",
        _ => "closed: its time is over",
    };
    let object = Object::Audit(id);
    let open = audit.answer.is_none() && audit.answer_by != Time::NEVER;
    let open = open && cx.now() <= audit.answer_by;
    ensure(open, Refusal::WrongState { object, state })?;
    let hashes = cx.params.steps_per_leaf.saturating_mul(audit.leaves.into());
    let steps = hashes.saturating_mul(HASH_STEPS);
    cx.store.step(steps.saturating_add(RESEED_STEPS))?;
    let due = cx.now().after(Seconds(cx.params.verdict_delay_seconds));
    OPEN.delete(cx.store, &(audit.answer_by, id))?;
    ANSWERED.put(cx.store, &(due, id), &())?;
    audit.answer = Some(Answer { due, bytes });
    AUDITS.put(cx.store, &id, &audit)?;
    cx.emit(Event::Answered { audit: id, due });
    Ok(())
}

/// Draws the audits of a window that is closed. (A1)
pub(crate) fn draw<S: Store>(
    cx: &mut Cx<'_, S>,
    window: u64,
    row: &Window,
    spent: u64,
) -> Result<(), Error> {
    let (chain, beacon) = (cx.params.chain_id, cx.origin.beacon);
    let seed = derive("marketplace+ audit draw 1", chain, window, &beacon);
    let budget = cx.params.audit_budget.saturating_sub(spent);
    let mut drawn: BTreeSet<(PeerId, u16)> = BTreeSet::new();
    let most = budget.div_ceil(2);
    for ((window, number), peer) in FLAGGED.list(cx.store, &window, None, usize::MAX)? {
        FLAGGED.delete(cx.store, &(window, number))?;
        let committed = COMMITTED.get(cx.store, &(window, peer))?;
        for unit in committed.into_iter().flat_map(|row| row.units) {
            if count(&drawn) < most {
                drawn.insert((peer, unit));
            }
        }
    }
    let left = budget.saturating_sub(count(&drawn)).min(row.entries);
    for number in sample(&seed, row.entries, left) {
        let from = (window, number.saturating_add(1));
        let Some(((_, _), peer)) = ENTRIES.first(cx.store, &window, Some(&from))? else {
            continue;
        };
        // What failed since has no entries any more.
        let committed = COMMITTED.get(cx.store, &(window, peer))?;
        let unit = committed.and_then(|row| {
            let place = usize::try_from(number.checked_sub(row.before)?).ok()?;
            row.units.get(place).copied()
        });
        if let Some(unit) = unit {
            drawn.insert((peer, unit));
        }
    }
    let answer_by = cx.params.commit_by(window);
    let answer_by = answer_by.after(Seconds(cx.params.answer_seconds));
    for (peer, unit) in drawn {
        ask(cx, window, row, (peer, unit), &seed, answer_by)?;
    }
    Ok(())
}

fn count<T>(set: &BTreeSet<T>) -> u64 {
    u64::try_from(set.len()).unwrap_or(u64::MAX)
}

/// So many different numbers below `all`, each set of them as likely as any other (Floyd's algorithm).
fn sample(seed: &[u8; 32], all: u64, number: u64) -> BTreeSet<u64> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(seed);
    let mut stream = hasher.finalize_xof();
    let mut below = |bound: u64| {
        let mut bytes = [0; 8];
        stream.fill(&mut bytes);
        // The high half of the product: uneven by less than one part in 2^64 / bound.
        let product = u128::from(u64::from_le_bytes(bytes)).saturating_mul(bound.into());
        u64::try_from(product >> 64).unwrap_or(0)
    };
    let mut chosen = BTreeSet::new();
    for last in all.saturating_sub(number)..all {
        let one = below(last.saturating_add(1));
        if !chosen.insert(one) {
            chosen.insert(last);
        }
    }
    chosen
}

fn ask<S: Store>(
    cx: &mut Cx<'_, S>,
    window: u64,
    row: &Window,
    (peer, unit): (PeerId, u16),
    seed: &[u8; 32],
    answer_by: Time,
) -> Result<(), Error> {
    let Some(committed) = COMMITTED.get(cx.store, &(window, peer))? else {
        return Ok(());
    };
    let mut commitment = COMMITMENTS.must(cx.store, &committed.commitment)?;
    let below = committed.seats.partition_point(|other| *other < unit);
    let seat = u16::try_from(below).unwrap_or(u16::MAX);
    let seats = u16::try_from(committed.seats.len()).unwrap_or(u16::MAX);
    let period = cx.params.key_period(window);
    let key = KEYS.get(cx.store, &period)?.unwrap_or_default();
    let id = AuditId(time::next_id(cx.store, COUNTER)?);
    let audit = Audit {
        window,
        epoch: cx.params.epoch_of_window(window),
        peer,
        provider: commitment.provider,
        commitment: committed.commitment,
        unit,
        class: commitment.class,
        payout: commitment.payout,
        key,
        challenge: row.challenge.unwrap_or_default(),
        root: committed.root,
        seat,
        seats,
        seed: derive("marketplace+ audit 1", cx.params.chain_id, id.0, seed),
        leaves: AUDIT_LEAVES,
        answer_by,
        answer: None,
    };
    commitment.audits = commitment.audits.saturating_add(1);
    COMMITMENTS.put(cx.store, &audit.commitment, &commitment)?;
    AUDITS_OF.put(cx.store, &(peer, id), &())?;
    open(cx, id, &audit)
}

fn open<S: Store>(cx: &mut Cx<'_, S>, id: AuditId, audit: &Audit) -> Result<(), Error> {
    AUDITS.put(cx.store, &id, audit)?;
    OPEN.put(cx.store, &(audit.answer_by, id), &())?;
    cx.emit(Event::Drawn {
        audit: id,
        peer: audit.peer,
        window: audit.window,
        unit: audit.unit,
        leaves: audit.leaves,
        answer_by: audit.answer_by,
    });
    Ok(())
}

/// What the beginning of a block does to audits: verdicts that it lists, answers that did not come, leaves of second
/// audits.
pub(crate) fn step<S: Store>(
    cx: &mut Cx<'_, S>,
    verdicts: &[(AuditId, Verdict)],
) -> Result<(), Error> {
    for (id, verdict) in verdicts.iter().take(MAX_VERDICTS) {
        judge(cx, *id, *verdict)?;
    }
    expire(cx)?;
    ask_again(cx)
}

/// Acts on a verdict; one about an audit that waits for none is passed over.
fn judge<S: Store>(cx: &mut Cx<'_, S>, id: AuditId, verdict: Verdict) -> Result<(), Error> {
    let Some(audit) = get(cx.store, id)? else {
        return Ok(());
    };
    let Some(answer) = &audit.answer else {
        return Ok(());
    };
    ANSWERED.delete(cx.store, &(answer.due, id))?;
    let outcome = match verdict {
        Verdict::Malformed => Outcome::NoAnswer,
        Verdict::Opened { .. } if audit.leaves > AUDIT_LEAVES => match verdict {
            Verdict::Opened { bad } if bad > MAX_HARDWARE_LEAVES => Outcome::Fraud,
            _ => Outcome::Hardware,
        },
        Verdict::Opened { bad: 0 } => Outcome::Passed,
        Verdict::Opened { .. } => Outcome::AskedAgain,
    };
    conclude(cx, id, audit, outcome)
}

/// Audits whose last second is over; a bounded number in a block. (A2)
fn expire<S: Store>(cx: &mut Cx<'_, S>) -> Result<(), Error> {
    for _ in 0..cx.params.due_budget {
        let first = OPEN.first(cx.store, &(), None)?;
        let Some((at, ())) = first.filter(|((at, _), ())| *at <= cx.clock.passed) else {
            return Ok(());
        };
        OPEN.delete(cx.store, &at)?;
        let audit = AUDITS.must(cx.store, &at.1)?;
        conclude(cx, at.1, audit, Outcome::NoAnswer)?;
    }
    Ok(())
}

/// Draws the leaves of second audits. (A3)
fn ask_again<S: Store>(cx: &mut Cx<'_, S>) -> Result<(), Error> {
    for _ in 0..cx.params.due_budget {
        let first = ASKED_AGAIN.first(cx.store, &(), None)?;
        let Some((at, ())) = first.filter(|((block, _), ())| *block <= cx.clock.block) else {
            return Ok(());
        };
        ASKED_AGAIN.delete(cx.store, &at)?;
        let mut audit = AUDITS.must(cx.store, &at.1)?;
        let (chain, beacon) = (cx.params.chain_id, cx.origin.beacon);
        audit.seed = derive("marketplace+ second audit 1", chain, at.1.0, &beacon);
        audit.answer_by = cx.now().after(Seconds(cx.params.answer_seconds));
        open(cx, at.1, &audit)?;
        let mut progress = PROGRESS.get(cx.store, &())?.unwrap_or_default();
        progress.second_audits = progress.second_audits.saturating_add(1);
        PROGRESS.put(cx.store, &(), &progress)?;
    }
    Ok(())
}

/// What an outcome does to the unit, its commitment and the audit.
fn conclude<S: Store>(
    cx: &mut Cx<'_, S>,
    id: AuditId,
    mut audit: Audit,
    outcome: Outcome,
) -> Result<(), Error> {
    cx.emit(Event::Judged {
        audit: id,
        peer: audit.peer,
        unit: audit.unit,
        outcome,
    });
    if outcome == Outcome::AskedAgain {
        audit.answer = None;
        audit.answer_by = Time::NEVER;
        audit.leaves = SECOND_AUDIT_LEAVES;
        AUDITS.put(cx.store, &id, &audit)?;
        let block = cx.clock.block.saturating_add(2);
        return ASKED_AGAIN.put(cx.store, &(block, id), &());
    }
    AUDITS.delete(cx.store, &id)?;
    AUDITS_OF.delete(cx.store, &(audit.peer, id))?;
    let mut now = CommitmentNow::load(cx, audit.commitment)?;
    now.commitment.audits = now.commitment.audits.saturating_sub(1);
    let params = now.params();
    let (ppm, offence) = match outcome {
        Outcome::NoAnswer => (params.no_answer_ppm, Offence::NoAnswer),
        Outcome::Hardware => (params.hardware_ppm, Offence::Hardware),
        Outcome::Fraud => (1_000_000, Offence::Fraud),
        Outcome::Passed | Outcome::AskedAgain => return now.save(cx),
    };
    // A4
    now.slash(audit.unit, ppm, offence)?;
    now.lose_held(audit.unit, cx.epoch());
    now.void_window(audit.unit, audit.window);
    now.raise_flag(cx.params.flag_windows);
    // One that has nothing left to lose would go on for free.
    if outcome != Outcome::Fraud && !now.is_spent(audit.unit) {
        return now.save(cx);
    }
    let active = !now.is_over();
    now.expel(audit.unit);
    if active && (0..now.commitment.units).all(|unit| now.expelled(unit)) {
        now.fail(Status::Failed { epoch: cx.epoch() });
    }
    now.save(cx)?;
    if active {
        peer::expel(cx, audit.peer, audit.unit)?;
    }
    Ok(())
}

/// The audit with this id, if it is not over.
///
/// # Errors
/// Out of work.
pub fn get<S: Store>(store: &mut S, id: AuditId) -> Result<Option<Audit>, Error> {
    AUDITS.get(store, &id)
}

/// Audits of a peer that are not over, by id; at most `limit` and never more than a page.
///
/// # Errors
/// Out of work.
pub fn of_peer<S: Store>(
    store: &mut S,
    peer: PeerId,
    limit: usize,
) -> Result<Vec<(AuditId, Audit)>, Error> {
    let mut audits = Vec::new();
    for ((_, id), ()) in AUDITS_OF.page(store, &peer, None, limit)? {
        audits.push((id, AUDITS.must(store, &id)?));
    }
    Ok(audits)
}

/// Answered audits whose verdict is due at or before `upto`, in the order in which a block lists them.
///
/// # Errors
/// Out of work.
pub fn due<S: Store>(
    store: &mut S,
    upto: Time,
    limit: usize,
) -> Result<Vec<(AuditId, Audit)>, Error> {
    let mut audits = Vec::new();
    for ((at, id), ()) in ANSWERED.list(store, &(), None, limit)? {
        if at > upto {
            break;
        }
        audits.push((id, AUDITS.must(store, &id)?));
    }
    Ok(audits)
}
