//! Verdicts on answered audits: computed in the background, listed in blocks, compared before a vote.
//!
//! The queue is the marketplace's own table of answered audits, so whoever starts anew goes on where the rows are.
//! A thread takes the first answer that nobody here has judged; its verdict is kept until a block that lists it is
//! executed. Execution never waits for any of this, and blocks that are final already are never judged.
//! Promises: B12 to B16 of `docs/spec/block.md`.

#[cfg(test)]
mod tests;

use crate::{
    block::{Block, Checkpoint, Listed, is_backlog},
    chain::{Chain, Remembered, Results},
};
use commonware_cryptography::Digested;
use commonware_macros::select;
use commonware_runtime::{
    Clock, Metrics, Spawner,
    telemetry::metrics::{Counter, Gauge, GaugeExt as _, MetricsExt as _},
};
use commonware_utils::{
    channel::{fallible::OneshotExt as _, oneshot},
    sync::Mutex,
};
use execution::{
    Diff,
    audit::{self, MAX_VERDICTS, Place, Question, Time, Verdict, Verifier},
};
use std::{collections::BTreeMap, future::ready, pin::Pin, sync::Arc, time::Duration};

/// Judges answers, one after another, on a thread of its own.
pub trait Judge: Send {
    /// Computes the opened leaves again. May hold the thread as long as that takes.
    fn judge(&mut self, question: &Question) -> Judgement<'_>;
}

impl Judge for Verifier {
    fn judge(&mut self, question: &Question) -> Judgement<'_> {
        let verdict = self.verify(question);
        let verdict = verdict.inspect_err(|trouble| tracing::error!(%trouble, "cannot judge"));
        Box::pin(ready(verdict.ok()))
    }
}

/// A verdict, when it is found; none if this machine cannot find it now.
pub type Judgement<'a> = Pin<Box<dyn Future<Output = Option<Verdict>> + Send + 'a>>;

/// Answers that are judged or being judged at most, before a block lists them: as many as are due in all blocks that
/// may be ahead of execution, and as many again.
const MAX_AHEAD: usize = 2 * 16 * MAX_VERDICTS;

/// Until an answer is taken again that could not be judged.
const PAUSE: Duration = Duration::from_secs(1);

/// Verdicts that wait to be listed. Cheap to clone; all clones share their state.
///
/// Whoever waits is woken in the order in which it came, so that a simulated run is the same every time.
#[derive(Clone, Default)]
pub(crate) struct Verdicts(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Answers that a thread has taken, with what it found.
    taken: BTreeMap<Place, Option<Verdict>>,
    /// Votes that wait for a verdict.
    votes: BTreeMap<Place, Vec<oneshot::Sender<Verdict>>>,
    /// Threads that wait for a block.
    idle: Vec<oneshot::Sender<()>>,
}

/// What a thread does next.
enum Next {
    /// Judge this; so many more wait.
    Judge(Place, Box<Question>, usize),
    /// Look again when this comes.
    Wait(oneshot::Receiver<()>),
}

impl Verdicts {
    /// Takes the first answer that nobody judges yet.
    fn next(&self, chain: &Chain) -> Next {
        // Rows do not change meanwhile, so whoever is idle now hears of the block that changes them.
        let rows = chain.rows();
        let mut state = self.0.lock();
        let answered = match chain.is_behind() {
            true => Ok(Vec::new()),
            false => audit::answered(&rows, MAX_AHEAD),
        };
        let answered = answered.expect("audit rows are sound");
        let mut waiting = answered
            .iter()
            .filter(|place| !state.taken.contains_key(place));
        let Some(place) = waiting.next().copied() else {
            let (sender, receiver) = oneshot::channel();
            state.idle.push(sender);
            return Next::Wait(receiver);
        };
        let waiting = waiting.count();
        state.taken.insert(place, None);
        let question = audit::question(&rows, place).expect("audit rows are sound");
        let question = question.expect("an answer has its audit");
        Next::Judge(place, Box::new(question), waiting)
    }

    /// Keeps what a thread has found, unless the audit is over meanwhile. Without a verdict, somebody may take the
    /// answer again.
    fn keep(&self, place: Place, verdict: Option<Verdict>) {
        let mut state = self.0.lock();
        let Some(found) = state.taken.get_mut(&place) else {
            return;
        };
        *found = verdict;
        let Some(verdict) = verdict else {
            state.taken.remove(&place);
            return;
        };
        for vote in state.votes.remove(&place).unwrap_or_default() {
            vote.send_lossy(verdict);
        }
    }

    /// Learns what an executed block has changed: drops verdicts that it lists, and wakes who waits for a block.
    pub(crate) fn follow(&self, diff: &Diff) {
        let mut state = self.0.lock();
        for place in audit::removed(diff) {
            state.taken.remove(&place);
            state.votes.remove(&place); // too late
        }
        for idle in std::mem::take(&mut state.idle) {
            idle.send_lossy(());
        }
    }

    /// The verdict on an answer, when it is found; `None` if its audit is over before.
    async fn of(&self, place: Place) -> Option<Verdict> {
        let receiver = {
            let mut state = self.0.lock();
            if let Some(Some(verdict)) = state.taken.get(&place) {
                return Some(*verdict);
            }
            let (sender, receiver) = oneshot::channel();
            let votes = state.votes.entry(place).or_default();
            votes.retain(|vote| !vote.is_closed());
            votes.push(sender);
            receiver
        };
        receiver.await.ok()
    }

    /// The longest beginning of `due` that is judged.
    fn ready(&self, due: &[Place]) -> Vec<(Place, Verdict)> {
        let state = self.0.lock();
        let judged = |place: &Place| Some((*place, (*state.taken.get(place)?)?));
        due.iter().map_while(judged).collect()
    }

    /// The newest result that a proposer may name on `parent`, and what its block then lists; `unexecuted` are the
    /// ancestors that may not be executed here. (B15)
    pub(crate) fn claim(
        &self,
        chain: &Chain,
        parent: &Block,
        unexecuted: &[Digested<Block>],
    ) -> (Checkpoint, Vec<Listed>) {
        let due = chain.due(None, unexecuted).places;
        claim(parent, &chain.heads().borrow(), &due, &self.ready(&due))
    }

    /// Whether a block that names a result with this protocol time lists what it has to, as we find it ourselves;
    /// `None` if that cannot be known any more. (B13, B14)
    pub(crate) async fn agrees(
        &self,
        chain: &Chain,
        block: &Block,
        time: Time,
        unexecuted: &[Digested<Block>],
    ) -> Option<bool> {
        let due = chain.due(Some(time), unexecuted);
        if due.head >= block.height.get() {
            return None;
        }
        let listed = block.verdicts.iter().map(|listed| listed.audit);
        if !listed.eq(due.places.iter().map(|(_, audit)| *audit)) {
            return Some(false);
        }
        for (place, listed) in due.places.into_iter().zip(&block.verdicts) {
            if self.of(place).await? != listed.verdict {
                return Some(false);
            }
        }
        Some(true)
    }
}

/// Of `due`, the verdicts due in the newest result, we have `ready`, the first ones. (B15)
fn claim(
    parent: &Block,
    results: &Results,
    due: &[Place],
    ready: &[(Place, Verdict)],
) -> (Checkpoint, Vec<Listed>) {
    let height = parent.height.next();
    let missing = due.get(ready.len()).map(|(at, _)| *at);
    let may_be_named = |(_, known): &(&u64, &Remembered)| {
        missing.is_none_or(|missing| known.time < missing)
            || is_backlog(height, known.result.height)
    };
    let newest = results.iter().rev().find(may_be_named);
    let newest = newest.map(|(_, known)| *known);
    match newest.filter(|known| known.result.height > parent.executed.height) {
        None => (parent.executed, Vec::new()),
        Some(Remembered { result, .. }) if is_backlog(height, result.height) => {
            (result, Vec::new())
        }
        Some(Remembered { result, time }) => {
            let in_time = ready.iter().take_while(|((due, _), _)| *due <= time);
            let listed = in_time.map(|&((_, audit), verdict)| Listed { audit, verdict });
            (result, listed.collect())
        }
    }
}

/// Starts a thread for each of `judges`; they are children of `context`.
pub(crate) fn start<E: Spawner + Clock + Metrics>(
    context: &E,
    chain: &Arc<Chain>,
    verdicts: &Verdicts,
    judges: Vec<Box<dyn Judge>>,
) {
    for (thread, judge) in judges.into_iter().enumerate() {
        let (chain, verdicts) = (chain.clone(), verdicts.clone());
        context
            .child("audit")
            .with_attribute("thread", thread)
            .dedicated()
            .spawn(move |context| async move {
                let gauges = Gauges::new(&context);
                select! {
                    _ = context.stopped() => {},
                    () = judge_all(&context, &chain, &verdicts, judge, gauges) => {},
                }
            });
    }
}

/// What an operator sees of the work in the background.
struct Gauges {
    /// Answers that nobody judges yet.
    waiting: Gauge,
    /// Answers judged.
    judged: Counter,
    /// Milliseconds that took: those of the processor, since a judge does nothing else.
    busy: Counter,
}

impl Gauges {
    fn new(context: &impl Metrics) -> Self {
        Self {
            waiting: context.gauge("waiting", "Answers that wait to be judged"),
            judged: context.counter("judged", "Answers judged"),
            busy: context.counter("busy_milliseconds", "Time spent on judging"),
        }
    }
}

async fn judge_all(
    context: &impl Clock,
    chain: &Chain,
    verdicts: &Verdicts,
    mut judge: Box<dyn Judge>,
    gauges: Gauges,
) {
    loop {
        let (place, question, waiting) = match verdicts.next(chain) {
            Next::Judge(place, question, waiting) => (place, question, waiting),
            Next::Wait(block) => {
                gauges.waiting.set(0);
                if block.await.is_err() {
                    return;
                }
                continue;
            }
        };
        let _ = gauges.waiting.try_set(waiting);
        let begun = context.current();
        let verdict = judge.judge(&question).await;
        let busy = context.current().duration_since(begun).unwrap_or_default();
        verdicts.keep(place, verdict);
        let busy_ms = u64::try_from(busy.as_millis()).unwrap_or(u64::MAX);
        gauges.busy.inc_by(busy_ms);
        let (audit, due) = (place.1.0, place.0.0);
        let Some(verdict) = verdict else {
            tracing::warn!(audit, due, "an answer cannot be judged now");
            context.sleep(PAUSE).await;
            continue;
        };
        gauges.judged.inc();
        tracing::debug!(
            audit,
            due,
            ?verdict,
            waiting,
            busy_ms,
            "an answer is judged"
        );
    }
}
