//! Our side of consensus: propose, verify, certify, relay, report. Nothing is executed here.
//!
//! Every answer may be late, never wrong: what can still become valid is waited for, and consensus votes to move
//! on when it has waited long enough. `false` is for what can never become valid.

use crate::{
    audit::Verdicts,
    block::{Block, Digest, Seed, is_backlog},
    chain::Chain,
    mempool::Pool,
    validators::{PublicKey, Scheme},
};
use commonware_actor::Feedback;
use commonware_consensus::{
    Automaton, CertifiableAutomaton, Epochable as _, Heightable as _, Relay, Reporter,
    Viewable as _,
    marshal::{
        core::{CommitmentFallback, DigestFallback, Mailbox},
        standard::Standard,
    },
    simplex::{
        Plan,
        scheme::bls12381_threshold::vrf::Seedable as _,
        types::{Activity, Context},
    },
    types::{Height, Round, View},
};
use commonware_cryptography::{Digested, Digestible as _};
use commonware_macros::select;
use commonware_p2p::Recipients;
use commonware_parallel::Sequential;
use commonware_runtime::{Clock, Spawner};
use commonware_utils::{
    SystemTimeExt as _,
    channel::{fallible::OneshotExt as _, oneshot, watch},
    non_empty_vec,
    sync::Mutex,
};
use std::{
    collections::BTreeMap,
    future::{Future, pending},
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Where blocks and finality come from.
pub(crate) type Marshal = Mailbox<Scheme, Standard<Block>>;
type ConsensusContext = Context<Digest, PublicKey>;

/// Milliseconds between a block and its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pacing {
    /// At least; part of what makes a block valid.
    pub interval_ms: u64,
    /// At most, while there is nothing to do.
    pub idle_ms: u64,
}

/// How far a block may be ahead of a verifier's clock before the vote waits.
const MAX_AHEAD_MS: u64 = 500;

/// How many beacon values are kept; a block needs its parent's.
const MAX_SEEDS: usize = 64;

/// Answers consensus. Cheap to clone; all clones share their state.
pub(crate) struct Application<E> {
    pub(crate) context: Arc<E>,
    pub(crate) scheme: Scheme,
    pub(crate) marshal: Marshal,
    pub(crate) pacing: Pacing,
    pub(crate) fee_account: [u8; 20],
    pub(crate) pool: Pool,
    pub(crate) chain: Arc<Chain>,
    pub(crate) verdicts: Verdicts,
    /// Beacon values of recent rounds.
    pub(crate) seeds: watch::Sender<BTreeMap<View, Seed>>,
    /// Our latest proposal, until consensus asks to send it.
    pub(crate) proposal: Arc<Mutex<Option<Digested<Block>>>>,
}

impl<E> Clone for Application<E> {
    fn clone(&self) -> Self {
        Self {
            context: self.context.clone(),
            scheme: self.scheme.clone(),
            marshal: self.marshal.clone(),
            pacing: self.pacing,
            fee_account: self.fee_account,
            pool: self.pool.clone(),
            chain: self.chain.clone(),
            verdicts: self.verdicts.clone(),
            seeds: self.seeds.clone(),
            proposal: self.proposal.clone(),
        }
    }
}

fn at(time_ms: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(time_ms)
}

impl<E: Spawner + Clock> Application<E> {
    /// Answers when `work` is done, unless consensus has lost interest before.
    fn answer<T, F>(
        &self,
        label: &'static str,
        work: impl FnOnce(Self) -> F,
    ) -> oneshot::Receiver<T>
    where
        T: Send + 'static,
        F: Future<Output = Option<T>> + Send + 'static,
    {
        let (mut response, receiver) = oneshot::channel();
        let work = work(self.clone());
        self.context.child(label).spawn(move |_| async move {
            let answer = select! {
                _ = response.closed() => None,
                answer = work => answer,
            };
            if let Some(answer) = answer {
                response.send_lossy(answer);
            }
        });
        receiver
    }

    async fn parent(&self, context: &ConsensusContext) -> Option<Digested<Block>> {
        let (view, digest) = context.parent;
        let round = Round::new(context.epoch(), view);
        let fallback = CommitmentFallback::FetchByRound { round };
        self.marshal
            .subscribe_by_commitment(digest, fallback)
            .await
            .ok()
    }

    /// Blocks from `tip` down that are ordered but not executed here, newest first.
    async fn unexecuted(&self, tip: Digested<Block>) -> Option<Vec<Digested<Block>>> {
        let executed = self.chain.executed().height;
        let (mut blocks, mut block) = (Vec::new(), tip);
        while block.height() > executed {
            let height = Height::new(block.height().get() - 1);
            let fallback = CommitmentFallback::FetchByCommitment { height };
            let parent = block.inner().parent;
            blocks.push(block);
            block = self
                .marshal
                .subscribe_by_commitment(parent, fallback)
                .await
                .ok()?;
        }
        Some(blocks)
    }

    /// The beacon value of a round that notarized a block.
    async fn seed(&self, view: View) -> Option<Seed> {
        let mut seeds = self.seeds.subscribe();
        let seeds = seeds.wait_for(|seeds| seeds.contains_key(&view)).await;
        seeds.ok()?.get(&view).cloned()
    }

    async fn build(self, context: ConsensusContext) -> Option<Digest> {
        let parent = self.parent(&context).await?;
        let (parent_view, parent_digest) = context.parent;
        let height = parent.height().next();
        // A proposer that lags behind what its parent names waits, as a verifier would: until then there would be
        // too many blocks to look through.
        self.chain.result(parent.inner().executed.height).await;
        let blocks = self.unexecuted(parent.clone()).await?;
        let in_flight = self.pool.in_flight(blocks.iter().map(Digested::inner));

        // Leave time between blocks in any case; wait for work, but not forever.
        let earliest = parent.inner().time_ms + self.pacing.interval_ms;
        let latest = parent.inner().time_ms + self.pacing.idle_ms;
        self.context.sleep_until(at(earliest)).await;
        let claim = || self.verdicts.claim(&self.chain, parent.inner(), &blocks);
        let may_fill = || !is_backlog(height, claim().0.height);
        let mut changes = self.pool.changes();
        select! {
            _ = self.context.sleep_until(at(latest)) => {},
            _ = changes.wait_for(|_| self.pool.has_work(&in_flight) && may_fill()) => {},
        }

        let beacon = match parent_view.is_zero() {
            true => None,
            false => Some(self.seed(parent_view).await?),
        };
        let (executed, verdicts) = claim();
        if executed.height > parent.height() {
            return None; // Finality has overtaken this view.
        }
        let transactions = match is_backlog(height, executed.height) {
            true => Vec::new(),
            false => self.pool.select(&in_flight),
        };
        let block = Block {
            parent: parent_digest,
            height,
            time_ms: self.context.current().epoch_millis().max(earliest),
            fee_account: self.fee_account,
            beacon,
            executed,
            verdicts,
            transactions,
        };
        let block = Digested::compute(block, &Sequential).await;
        let digest = block.digest();
        *self.proposal.lock() = Some(block);
        Some(digest)
    }

    async fn check(self, context: ConsensusContext, digest: Digest) -> Option<bool> {
        let block = self
            .marshal
            .subscribe_by_digest(digest, DigestFallback::Wait)
            .await
            .ok()?;
        let parent = self.parent(&context).await?;
        let (block, (parent_view, parent_digest)) = (block.inner(), context.parent);
        let beacon = match &block.beacon {
            None => parent_view.is_zero(),
            Some(seed) => {
                seed.round() == Round::new(context.epoch(), parent_view)
                    && (self.seeds.borrow().get(&parent_view) == Some(seed)
                        || seed.verify(&self.scheme))
            }
        };
        if !beacon || !block.extends(parent.inner(), parent_digest, self.pacing.interval_ms) {
            return Some(false);
        }
        self.context
            .sleep_until(at(block.time_ms.saturating_sub(MAX_AHEAD_MS)))
            .await;
        // Only the proposer may hold the finalization that lets us execute as far as it has, for the height it
        // names or for one above it.
        if self.chain.executed().height < block.executed.height {
            for height in block.executed.height.get()..block.height.get() {
                let leader = non_empty_vec![context.leader.clone()];
                self.marshal.hint_finalized(Height::new(height), leader);
            }
        }
        let Some(known) = self.chain.result(block.executed.height).await else {
            return pending().await;
        };
        if known.result != block.executed || !block.lists_verdicts(parent.inner()) {
            return Some(known.result == block.executed);
        }
        let blocks = self.unexecuted(parent.clone()).await?;
        let agrees = self
            .verdicts
            .agrees(&self.chain, block, known.time, &blocks);
        match agrees.await {
            Some(agrees) => Some(agrees),
            None => pending().await,
        }
    }
}

impl<E: Spawner + Clock> Automaton for Application<E> {
    type Context = ConsensusContext;
    type Digest = Digest;

    async fn propose(&mut self, context: ConsensusContext) -> oneshot::Receiver<Digest> {
        self.answer("propose", |this| this.build(context))
    }

    async fn verify(
        &mut self,
        context: ConsensusContext,
        digest: Digest,
    ) -> oneshot::Receiver<bool> {
        self.answer("verify", |this| this.check(context, digest))
    }
}

impl<E: Spawner + Clock> CertifiableAutomaton for Application<E> {
    /// A quorum has verified the block; before voting to finalize it we only need it on our disk.
    async fn certify(&mut self, round: Round, digest: Digest) -> oneshot::Receiver<bool> {
        self.answer("certify", |this| async move {
            let fallback = DigestFallback::FetchByRound { round };
            let block = this
                .marshal
                .subscribe_by_digest(digest, fallback)
                .await
                .ok()?;
            this.marshal.certified(round, block).await.then_some(true)
        })
    }
}

impl<E: Spawner + Clock> Relay for Application<E> {
    type Digest = Digest;
    type PublicKey = PublicKey;
    type Plan = Plan<PublicKey>;

    fn broadcast(&mut self, digest: Digest, plan: Self::Plan) -> Feedback {
        match plan {
            Plan::Propose { round } => {
                let proposal = self.proposal.lock().take();
                let Some(block) = proposal.filter(|block| block.digest() == digest) else {
                    return Feedback::Ok;
                };
                // Certification makes the block durable; nobody waits for it here.
                let (durable, _) = oneshot::channel();
                self.marshal
                    .proposed(round, block, Recipients::All, durable)
            }
            Plan::Forward { round, recipients } => self.marshal.forward(round, digest, recipients),
            Plan::Prepare { .. } => Feedback::Ok,
        }
    }
}

impl<E: Spawner + Clock> Reporter for Application<E> {
    type Activity = Activity<Scheme, Digest>;

    fn report(&mut self, activity: Self::Activity) -> Feedback {
        let seed = match &activity {
            Activity::Notarization(certificate) => Some((certificate.view(), certificate.seed())),
            Activity::Finalization(certificate) => Some((certificate.view(), certificate.seed())),
            _ => None,
        };
        if let Some((view, seed)) = seed {
            self.seeds.send_modify(|seeds| {
                seeds.insert(view, seed);
                while seeds.len() > MAX_SEEDS {
                    seeds.pop_first();
                }
            });
        }
        self.marshal.report(activity)
    }
}
