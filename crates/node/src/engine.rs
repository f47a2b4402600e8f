//! Wires one validator together, on any runtime and any network: blocks, finality, execution, consensus, gossip.
//! The only file that knows how the engine's parts are configured.

use crate::{
    audit::{self, Judge, Verdicts},
    block::{Block, Digest},
    chain::Chain,
    consensus::{Application, Pacing},
    executor::{Delivery, Executor, Observer},
    gossip::{self, Submissions},
    mempool::Pool,
    storage::{self, Storage},
    validators::{PublicKey, Scheme},
};
use commonware_broadcast::buffered;
use commonware_consensus::{
    marshal::{self, resolver::p2p as backfill, standard::Standard},
    simplex::{
        self,
        config::{Floor, ForwardPolicy, SkipPolicy},
        elector::{Random, RandomVersion},
    },
    types::{Epoch, FixedEpocher, Height, ViewDelta},
};
use commonware_cryptography::{Digested, Digestible as _, Sha256, certificate::ConstantProvider};
use commonware_macros::select;
use commonware_p2p::{Blocker, Provider, Receiver, Sender, max_message_size};
use commonware_parallel::Sequential;
use commonware_runtime::{
    Clock, Metrics, Network, Quota, Spawner, Storage as Disk, buffer::paged::CacheRef,
};
use commonware_storage::{archive::prunable, translator::TwoCap};
use commonware_utils::{
    NZDuration, NZU16, NZU32, NZU64, NZUsize,
    channel::{mpsc, watch},
    sync::Mutex,
};
use execution::{Diff, Genesis};
use rand_core::CryptoRng;
use std::{collections::BTreeMap, num::NonZeroUsize, sync::Arc, time::Duration};

/// Votes, certificates, consensus repair, block backfill, block broadcast, transactions. A channel reserves room
/// for a burst of its quota from every peer, so quotas are memory.
pub const CHANNELS: [(u64, Quota); 6] = {
    const SMALL: Quota = Quota::per_second(NZU32!(256));
    const LARGE: Quota = Quota::per_second(NZU32!(32));
    [
        (0, SMALL),
        (1, SMALL),
        (2, SMALL),
        (3, LARGE),
        (4, LARGE),
        (5, LARGE),
    ]
};

const MAILBOX: NonZeroUsize = NZUsize!(256);
const BUFFER: NonZeroUsize = NZUsize!(1 << 16);
const FETCH_TIMEOUT: Duration = Duration::from_secs(1);
const FETCH_RETRY: Duration = Duration::from_millis(100);

/// Views of consensus state kept for peers that lag a little.
const VIEW_RETENTION: ViewDelta = ViewDelta::new(10);

/// Finalized blocks handed to the executor and not yet acknowledged.
const MAX_PENDING_BLOCKS: NonZeroUsize = NZUsize!(16);

/// The largest message of any channel.
pub fn max_message(validators: u32) -> u32 {
    max_message_size(&[
        simplex::max_payload_size::<Scheme, Digest>(validators),
        marshal::max_payload_size::<Standard<Block>, Scheme>(validators, &()),
        gossip::MAX_MESSAGE_BYTES,
    ])
}

/// What a validator is made of besides its runtime and its channels.
pub struct Config<P, B> {
    /// What everybody agrees on beforehand.
    pub genesis: Genesis,
    /// Rows of block 0, which follow from it.
    pub rows: Diff,
    /// This validator's name.
    pub public_key: PublicKey,
    /// How it votes.
    pub scheme: Scheme,
    /// Prefix of everything it keeps on disk.
    pub partition: String,
    /// Time between blocks.
    pub pacing: Pacing,
    /// Account that earns the tips of its blocks.
    pub fee_account: [u8; 20],
    /// Who is on the network.
    pub peers: P,
    /// Bars peers that break the protocol.
    pub blocker: B,
    /// Each judges answered audits on a thread of its own.
    pub judges: Vec<Box<dyn Judge>>,
    /// Told of every executed block.
    pub observer: Observer,
    /// The height up to which the observer keeps what it was told; blocks above it are executed again. `None` if
    /// it keeps nothing.
    pub indexed_height: Option<u64>,
}

/// A running validator as the rest of the process sees it.
#[derive(Clone)]
pub struct Handle {
    /// What has been executed.
    pub chain: Arc<Chain>,
    /// Transactions that wait.
    pub pool: Pool,
    /// Takes transactions from outside.
    pub submissions: Submissions,
}

/// Starts a validator; its tasks are children of `context`.
///
/// # Errors
/// If its disk cannot be used.
///
/// # Panics
/// If `channels` are not one for each of [`CHANNELS`], in that order.
pub async fn start<E, S, R, P, B>(
    context: E,
    config: Config<P, B>,
    channels: Vec<(S, R)>,
) -> Result<Handle, storage::Error>
where
    E: Spawner + Clock + CryptoRng + Disk + Metrics + Network,
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
    P: Provider<PublicKey = PublicKey> + Clone,
    B: Blocker<PublicKey = PublicKey> + Clone,
{
    let Ok(
        [
            votes,
            certificates,
            repair,
            blocks,
            broadcasts,
            transactions,
        ],
    ) = <[_; CHANNELS.len()]>::try_from(channels)
    else {
        panic!("one channel for each of CHANNELS")
    };
    let page_cache = CacheRef::new(NZU16!(4096), NZUsize!(1024));
    let partition = &config.partition;
    let genesis_hash = Digest::from(config.genesis.hash().0);
    let genesis = Block::genesis(genesis_hash, config.genesis.time_ms);
    let (genesis_digest, first) = (genesis.digest(), genesis.executed);

    // Blocks, and which of them are final.
    let (broadcast, buffer) = buffered::Engine::new(
        context.child("broadcast"),
        buffered::Config {
            public_key: config.public_key.clone(),
            mailbox_size: MAILBOX,
            deque_size: 16,
            priority: false,
            codec_config: (),
            peer_provider: config.peers.clone(),
            strategy: Sequential,
        },
    );
    broadcast.start(broadcasts);
    let resolver = backfill::init(
        context.child("backfill"),
        backfill::Config {
            public_key: config.public_key.clone(),
            peer_provider: config.peers,
            blocker: config.blocker.clone(),
            mailbox_size: MAILBOX,
            fetch_timeout: NZDuration!(FETCH_TIMEOUT),
            fetch_retry_delay: FETCH_RETRY,
            priority_requests: false,
            priority_responses: false,
        },
        blocks,
    );
    let archive = |name: &str| prunable::Config {
        translator: TwoCap,
        metadata_partition: format!("{partition}-{name}-metadata"),
        key_partition: format!("{partition}-{name}-key"),
        key_page_cache: page_cache.clone(),
        value_partition: format!("{partition}-{name}-value"),
        compression: None,
        codec_config: (),
        items_per_section: NZU64!(1024),
        key_write_buffer: BUFFER,
        value_write_buffer: BUFFER,
        replay_buffer: BUFFER,
    };
    let finalizations = context.child("finalizations");
    let blocks = context.child("blocks");
    let (actor, marshal, floor) = marshal::core::Actor::<_, Standard<Block>, _, _, _, _, _>::init(
        context.child("marshal"),
        prunable::Archive::init(finalizations, archive("finalizations")).await?,
        prunable::Archive::init(blocks, archive("blocks")).await?,
        marshal::Config {
            provider: ConstantProvider::new(config.scheme.clone()),
            epocher: FixedEpocher::new(NZU64!(u64::MAX)),
            start: marshal::Start::Genesis(Digested::precomputed(genesis, genesis_digest)),
            partition_prefix: format!("{partition}-marshal"),
            mailbox_size: MAILBOX,
            view_retention: VIEW_RETENTION,
            prunable_items_per_section: NZU64!(1024),
            page_cache: page_cache.clone(),
            replay_buffer: BUFFER,
            key_write_buffer: BUFFER,
            value_write_buffer: BUFFER,
            block_codec_config: (),
            max_repair: NZUsize!(16),
            max_pending_acks: MAX_PENDING_BLOCKS,
            strategy: Sequential,
        },
    )
    .await;

    // Execution of what is final.
    let (storage, opened) = Storage::open(
        context.child("storage"),
        partition,
        (first, &config.rows),
        config.indexed_height,
    )
    .await?;
    let chain = Arc::new(Chain::new(opened.rows, opened.results));
    let pool = Pool::new(config.genesis.chain_id);
    let verdicts = Verdicts::default();
    audit::start(&context, &chain, &verdicts, config.judges);
    let executor = Executor::new(
        storage,
        chain.clone(),
        pool.clone(),
        verdicts.clone(),
        genesis_hash,
        config.observer,
    );
    let (delivery, updates) = mpsc::unbounded_channel();
    actor.start(Delivery(delivery), buffer, resolver);
    let processed = floor
        .processed()
        .map_or(Height::zero(), marshal::core::Processed::height);
    let blocks = marshal.clone();
    context
        .child("executor")
        .dedicated()
        .spawn(move |context| async move {
            // Marshal may end first, and would then say that it has no block.
            select! {
                _ = context.stopped() => {},
                () = executor.run(blocks, processed, updates) => {},
            }
        });

    // Order.
    let application = Application {
        context: Arc::new(context.child("application")),
        scheme: config.scheme.clone(),
        marshal,
        pacing: config.pacing,
        fee_account: config.fee_account,
        pool: pool.clone(),
        chain: chain.clone(),
        verdicts,
        seeds: watch::Sender::new(BTreeMap::new()),
        proposal: Arc::new(Mutex::new(None)),
    };
    // A leader may wait for work as long as the idle interval.
    let leader_timeout = Duration::from_millis(config.pacing.idle_ms + 1000);
    simplex::Engine::new(
        context.child("consensus"),
        simplex::Config {
            scheme: config.scheme,
            elector: Random::<Sha256>::new(RandomVersion::V1),
            blocker: config.blocker,
            automaton: application.clone(),
            relay: application.clone(),
            reporter: application,
            strategy: Sequential,
            partition: format!("{partition}-consensus"),
            mailbox_size: MAILBOX,
            epoch: Epoch::zero(),
            floor: Floor::Genesis(genesis_digest),
            replay_buffer: BUFFER,
            write_buffer: BUFFER,
            page_cache,
            leader_timeout,
            certification_timeout: leader_timeout * 3 / 2,
            timeout_retry: Duration::from_millis(500),
            view_retention: VIEW_RETENTION,
            skip: SkipPolicy::Enabled {
                timeout: leader_timeout * 4,
                budget: simplex::SkipBudget::Participants,
            },
            fetch_timeout: NZDuration!(FETCH_TIMEOUT),
            fetch_retry_delay: FETCH_RETRY,
            forward: ForwardPolicy::SilentVoters,
            track_historical_votes: false,
        },
    )
    .start(votes, certificates, repair);

    let submissions = gossip::start(
        context.child("gossip"),
        format!("{partition}-submissions"),
        chain.clone(),
        pool.clone(),
        transactions,
    )
    .await?;
    Ok(Handle {
        chain,
        pool,
        submissions,
    })
}
