//! The process: real files, real sockets, JSON-RPC, until it is told to stop.

use crate::{
    audit::Judge,
    block::Digest,
    consensus::Pacing,
    engine::{self, CHANNELS, max_message},
    index::{self, Index, Record},
    network::{self, Node},
    rpc::{self, Source},
    storage,
};
use commonware_cryptography::{ChaCha20Poly1305, Signer as _};
use commonware_p2p::{
    Address, AddressableManager as _,
    authenticated::lookup::{self, Network},
};
use commonware_runtime::{
    Runner as _, Spawner as _, Supervisor as _,
    tokio::{Config, Context, Runner},
};
use commonware_stream::{
    cups::{self, Cups},
    sake::{self, Sake},
};
use commonware_utils::{NZUsize, ordered::Map};
use execution::audit::{Trouble, Verifier};
use std::{io::Write as _, net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{SignalKind, signal},
};

/// Milliseconds between blocks on every network of ours.
const PACING: Pacing = Pacing {
    interval_ms: 250,
    idle_ms: 1000,
};

/// How far a connecting validator's clock may be off.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);
const MAX_HANDSHAKE_AGE: Duration = Duration::from_secs(10);
/// How long its parts may take to end.
const ENDING: Duration = Duration::from_secs(5);
/// Requests that read the state or the disk at once.
const RPC_THREADS: usize = 8;
const MAILBOX: std::num::NonZeroUsize = NZUsize!(256);

/// Why a node does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its network folder.
    #[error(transparent)]
    Network(#[from] network::Error),
    /// Its genesis file.
    #[error("the genesis file is not valid: {0}")]
    Genesis(#[from] execution::genesis::Invalid),
    /// What judges answers to audits.
    #[error("answers to audits cannot be judged: {0}")]
    Judges(#[from] Trouble),
    /// Its keys.
    #[error(transparent)]
    Validators(#[from] crate::validators::Error),
    /// Its index.
    #[error(transparent)]
    Index(#[from] index::Error),
    /// Its state on disk.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// Its data folder.
    #[error("the data folder {path} cannot be used: {source}")]
    Data {
        /// The folder.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// Its RPC address.
    #[error(
        "JSON-RPC cannot be served on {address}: {source}\nhint: is another node running? choose another port for `rpc` in node.toml"
    )]
    Rpc {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// It cannot start threads.
    #[error("no threads can be started")]
    Threads(#[source] std::io::Error),
    /// Signals cannot be received.
    #[error("cannot wait for signals")]
    Signals(#[source] std::io::Error),
}

/// Runs the validator that a `node.toml` describes until SIGTERM or SIGINT. When it serves, it prints one line of
/// JSON with its addresses to stdout.
///
/// # Errors
/// If it cannot start.
///
/// # Panics
/// If it must not go on: its disk fails, or its state differs from a quorum's.
pub fn run(path: &Path) -> Result<(), Error> {
    let node = network::open(path)?;
    let data = &node.file.data;
    std::fs::create_dir_all(data).map_err(|source| Error::Data {
        path: data.display().to_string(),
        source,
    })?;
    let index = Index::open(&data.join("index.redb"), &node.genesis)?;
    let config = Config::default()
        .with_storage_directory(data.join("chain"))
        .with_worker_threads(2);
    Runner::new(config).start(|context| serve(context, node, Arc::new(index)))
}

async fn serve(context: Context, node: Node, index: Arc<Index>) -> Result<(), Error> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
    let handle = start(&context, &node, index.clone()).await?;
    let address = node.file.rpc;
    let source = Source {
        node: handle,
        index,
        chain_id: node.genesis.chain_id,
        peers: node.validators.participants().len() - 1,
    };
    let threads = Threads::new().map_err(Error::Threads)?;
    let served = threads.run(rpc::serve(address, source)).await;
    let (rpc, server) = served.map_err(|source| Error::Rpc { address, source })?;
    announce(rpc);
    tokio::select! {
        _ = terminate.recv() => {},
        _ = interrupt.recv() => {},
        () = server.clone().stopped() => {},
    }
    tracing::info!("stopping");
    let _ = server.stop(); // Already stopped is fine.
    if context.stop(0, Some(ENDING)).await.is_err() {
        tracing::warn!("not everything ended in time");
    }
    Ok(())
}

/// Threads of their own for JSON-RPC, so that clients who ask for much do not keep consensus from its disk.
struct Threads(Option<Runtime>);

impl Threads {
    fn new() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(RPC_THREADS)
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = std::io::Result<T>> + Send + 'static,
    ) -> std::io::Result<T> {
        match &self.0 {
            Some(runtime) => runtime.spawn(work).await?,
            None => work.await,
        }
    }
}

impl Drop for Threads {
    /// In the background: waiting is not allowed where this runs.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Tells whoever started this process where it serves.
fn announce(rpc: SocketAddr) {
    let line = serde_json::json!({ "ready": "node", "rpc": format!("http://{rpc}") });
    let mut stdout = std::io::stdout();
    // Nobody may be listening; the node runs all the same.
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

async fn start(context: &Context, node: &Node, index: Arc<Index>) -> Result<engine::Handle, Error> {
    let participants = node.validators.participants();
    let public_key = node.key.signer.public_key();
    let scheme = node
        .validators
        .signer(&Digest::from(node.genesis.hash().0), &node.key)?;
    let handshake = Cups::<_, ChaCha20Poly1305>::new(
        Sake {
            signer: node.key.signer.clone(),
            synchrony_bound: CLOCK_TOLERANCE,
            max_handshake_age: MAX_HANDSHAKE_AGE,
            version: sake::Version::V1,
        },
        cups::Version::V1,
    );
    let place = participants.position(&public_key).unwrap_or_default();
    let count = participants.len();
    let (mut network, mut oracle) = Network::new(
        context.child("network"),
        lookup::Config::local(
            handshake,
            &[
                b"marketplace-plus/p2p/1/".as_slice(),
                node.genesis.hash().as_slice(),
            ]
            .concat(),
            node.file.validators[place],
            NZUsize!(count),
            max_message(count as u32),
            MAILBOX,
        ),
    );
    let addresses = node
        .file
        .validators
        .iter()
        .map(|address| Address::from(*address));
    let peers: Vec<_> = participants.iter().cloned().zip(addresses).collect();
    oracle.track(0, Map::try_from(peers).expect("validators are distinct"));
    let channels = CHANNELS.map(|(channel, quota)| network.register(channel, quota));
    network.start();
    let verifiers = Verifier::several(node.file.audit_threads)?.into_iter();
    let judges = verifiers.map(|verifier| Box::new(verifier) as Box<dyn Judge>);
    let config = engine::Config {
        genesis: node.genesis.clone(),
        rows: execution::genesis::rows(&node.genesis)?,
        judges: judges.collect(),
        public_key,
        scheme,
        partition: "validator".into(),
        pacing: PACING,
        fee_account: node.file.fee_account.0.0,
        peers: oracle.clone(),
        blocker: oracle,
        indexed_height: Some(index.height()?),
        observer: Arc::new(move |executed| {
            if let Err(error) = index.put(&Record::new(executed)) {
                panic!(
                    "block {} cannot be recorded: {error}",
                    executed.block.height
                );
            }
        }),
    };
    Ok(engine::start(context.child("node"), config, channels.into()).await?)
}
