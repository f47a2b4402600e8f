//! Carries actions out. Each may come twice: what is under way already is not begun again.

use super::{
    Config, Error,
    chain::{self, Seen},
    file,
    groups::Groups,
    keeper::{Keeper, control, deals, folder_name, http, identity},
    prover::Chains,
    secrets,
    state::States,
};
use crate::{
    gateway::{Asker, Between, Name, deal_name},
    observer::{Assignment, View},
    overlay::{self, Address, Directory, Overlay, ReceiveError, Serving, Store},
    planner::{Action, Event, Failure, Process},
    units::Core,
};
use client::{AccountKey, Client, PeerKey};
use marketplace::{
    demand::Artifact,
    units::{DealId, Hash, PeerId, WorkerId},
    worker::{Call, Obstacle},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    net::SocketAddr,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use worker::{Settings, config::Limits, supervisor};

/// What the folder of a worker says about it.
#[derive(Serialize, Deserialize)]
struct Memory {
    worker: u64,
    deal: u64,
    artifact: worker::ArtifactHash,
    units: Vec<u16>,
}

/// Distance of looks at what deals left behind.
const TIDY: Duration = Duration::from_secs(60);

/// All sources of an artifact are asked once more if they brought so many bytes of it together.
const STEP: u64 = 1 << 20;

const MEMORY: &str = "process.json";

pub(super) struct Executor {
    config: Config,
    peer: PeerId,
    operator: AccountKey,
    client: Client,
    overlay: Overlay,
    store: Store,
    states: States,
    /// When what deals left behind was last looked at.
    tidied: Instant,
    directory: watch::Sender<Arc<Directory>>,
    /// Brings what workers ask other deals there.
    between: Between,
    /// What units do that have no worker.
    chains: Chains,
    seen: Option<Seen>,
    events: mpsc::Sender<Event>,
    /// Artifacts and calls under way.
    fetching: BTreeSet<Hash>,
    sending: Vec<Call>,
    /// Workers that are kept: what they are, whether they serve, how they are stopped.
    kept: BTreeMap<WorkerId, Kept>,
    keepers: JoinSet<()>,
}

struct Kept {
    process: Process,
    /// Deals that its artifact names.
    names: BTreeSet<Name>,
    /// When it was decided to start it.
    since: Instant,
    serves: bool,
    stop: mpsc::Sender<()>,
}

impl Executor {
    /// Opens the store and the overlay.
    pub(super) async fn open(
        config: &Config,
        key: &PeerKey,
        client: Client,
        cores: Vec<Core>,
        events: mpsc::Sender<Event>,
    ) -> Result<Self, Error> {
        let folder = config.data.join("artifacts");
        let store = Store::open(&folder).map_err(|source| file(&folder, source))?;
        let states = States::open(&config.data).map_err(|source| file(&config.data, source))?;
        let (directory, served) = watch::channel(Arc::default());
        let opening = Overlay::open(
            key.overlay_seed(),
            config.listen,
            overlay::Limits::default(),
            store.clone(),
            served,
        );
        let overlay = opening.await?;
        Ok(Self {
            config: config.clone(),
            peer: key.id(),
            operator: key.operator().clone(),
            between: Between::open(client.clone(), overlay.clone(), &config.data),
            client,
            overlay,
            store,
            states,
            tidied: Instant::now(),
            directory,
            chains: Chains::new(config.prove, cores),
            seen: None,
            events,
            fetching: BTreeSet::new(),
            sending: Vec::new(),
            kept: BTreeMap::new(),
            keepers: JoinSet::new(),
        })
    }

    /// Where the overlay listens.
    pub(super) fn listens(&self) -> Vec<SocketAddr> {
        self.overlay.listens()
    }

    /// What units do that have no worker.
    pub(super) fn chains(&self) -> Chains {
        self.chains.clone()
    }

    /// Adopts every worker that answers, clears away what is left of others, and lists what there is.
    pub(super) async fn inventory(&mut self) -> Result<Event, Error> {
        let folder = self.config.data.join("workers");
        let trouble = |source| file(&folder, source);
        make_folder(&folder).map_err(trouble)?;
        let mut workers = Vec::new();
        for entry in fs::read_dir(&folder).map_err(trouble)? {
            let path = entry.map_err(trouble)?.path();
            let Some(process) = recall(&path) else {
                continue;
            };
            let keeper = self.keeper(process.clone(), Vec::new());
            if let Ok(control) = keeper.adopt().await {
                let (stop, stopped) = mpsc::channel(1);
                let (chains, units) = (self.chains.clone(), process.units.clone());
                chains.release(&units).await;
                self.keepers.spawn(async move {
                    keeper.resume(control, stopped).await;
                    chains.take_back(&units);
                });
                self.keep(&process, stop, true);
                workers.push(process);
            } else if !supervisor::lives(&keeper.control()) {
                // Nobody is left there.
                fs::remove_dir_all(&path).map_err(trouble)?;
            }
        }
        let artifacts = self.store.list().map_err(trouble)?;
        Ok(Event::Inventory { workers, artifacts })
    }

    /// Begins to follow the chain.
    pub(super) fn observe(&mut self) -> mpsc::Receiver<Seen> {
        let (sender, seen) = mpsc::channel(1);
        self.keepers
            .spawn(chain::follow(self.client.clone(), self.peer, sender));
        seen
    }

    /// Takes a view in, and passes on what the planner needs of it.
    pub(super) fn look(&mut self, seen: Seen) -> Event {
        let view = seen.view.clone();
        let left = |old: &Seen| old.subnets.keys().ne(seen.subnets.keys());
        if self.seen.as_ref().is_none_or(left) || self.tidied.elapsed() > TIDY {
            self.tidied = Instant::now();
            if let Err(error) = self.forget(&seen) {
                tracing::warn!(%error, "what a deal left behind cannot be deleted");
            }
        }
        self.seen = Some(seen);
        self.publish();
        Event::View(view)
    }

    /// Deletes secrets and states of deals that are not here any more, and what came of artifacts that none of them has.
    fn forget(&self, seen: &Seen) -> io::Result<()> {
        let workers = seen.view.workers.iter().map(|wanted| wanted.artifact.hash);
        let subnets = seen.subnets.values().flat_map(|subnet| &subnet.artifacts);
        let wanted: BTreeSet<Hash> = workers.chain(subnets.copied()).collect();
        self.store
            .keep_halves(|artifact| wanted.contains(&artifact))?;
        let is_here = |deal| {
            let is_kept = self.kept.values().any(|kept| kept.process.deal == deal);
            is_kept || seen.subnets.contains_key(&deal)
        };
        self.store.keep_deals(is_here)?;
        self.states.forget(is_here)
    }

    /// Learns from what the planner is told.
    pub(super) fn note(&mut self, event: &Event) {
        while self.keepers.try_join_next().is_some() {}
        match event {
            Event::Fetched { artifact, .. } => {
                self.fetching.remove(artifact);
            }
            Event::Sent { call, .. } => self.sending.retain(|other| other != call),
            Event::Started {
                worker,
                outcome: Ok(()),
            } => {
                if let Some(kept) = self.kept.get_mut(worker) {
                    kept.serves = true;
                    let units = &kept.process.units;
                    self.chains.handed_over(units, kept.since.elapsed());
                }
                self.publish();
            }
            Event::Started { worker, .. } | Event::Ended { worker } => {
                self.kept.remove(worker);
                self.publish();
            }
            Event::Inventory { .. } | Event::View(_) | Event::Tick => {}
        }
    }

    pub(super) fn carry_out(&mut self, action: Action) {
        match action {
            Action::Fetch { deal, artifact } => self.fetch(deal, artifact),
            Action::Discard { artifact } => {
                if let Err(error) = self.store.remove(artifact) {
                    tracing::warn!(%error, "an artifact cannot be deleted");
                }
            }
            Action::Start {
                process,
                processors,
            } => self.start(process, processors),
            Action::Stop { process } => self.stop(process.worker),
            Action::Send(call) => self.send(call),
        }
    }

    fn fetch(&mut self, deal: DealId, artifact: Artifact) {
        let hash = artifact.hash;
        if !self.fetching.insert(hash) {
            return;
        }
        let holders = self.holders(deal, &artifact);
        let (overlay, store) = (self.overlay.clone(), self.store.clone());
        let events = self.events.clone();
        self.keepers.spawn(async move {
            let outcome = fetch(&overlay, &store, deal, &artifact, &holders).await;
            let artifact = hash;
            // Nobody listens when the peer stops.
            let _ = events.send(Event::Fetched { artifact, outcome }).await;
        });
    }

    /// Who may have the bytes: the deal's sources, then its peers, those that run it first.
    fn holders(&self, deal: DealId, artifact: &Artifact) -> Vec<Address> {
        let source = |source: &marketplace::demand::Source| Address {
            peer: source.key,
            endpoints: vec![source.endpoint.clone()],
        };
        let mut holders: Vec<_> = artifact.sources.iter().map(source).collect();
        let subnet = self.seen.as_ref().and_then(|seen| seen.subnets.get(&deal));
        let mut members: Vec<_> = subnet.map_or(Vec::new(), |subnet| subnet.members.clone());
        members.sort_by_key(|member| !member.is_running);
        holders.extend(members.into_iter().map(|member| Address {
            peer: member.peer,
            endpoints: member.endpoints,
        }));
        holders.retain(|holder| holder.peer != self.peer);
        holders
    }

    fn start(&mut self, process: Process, processors: Vec<Vec<u32>>) {
        if self.kept.contains_key(&process.worker) {
            return;
        }
        let (stop, stopped) = mpsc::channel(1);
        self.keep(&process, stop, false);
        let (chains, units) = (self.chains.clone(), process.units.clone());
        let (overlay, store) = (self.overlay.clone(), self.store.clone());
        let holders = self.holders(process.deal, &self.wanted(&process));
        let keeper = self.keeper(process, processors);
        self.keepers.spawn(async move {
            // Nothing of the proofs is left on the units before the worker is there.
            chains.release(&units).await;
            // They are here but for an artifact that came for another deal, or before this process began.
            let Process { deal, artifact, .. } = keeper.process;
            match secrets::fetch(&overlay, &store, deal, artifact, &holders).await {
                Ok(()) => keeper.run(stopped).await,
                Err(failure) => keeper.failed(failure).await,
            }
            chains.take_back(&units);
        });
    }

    /// What a worker is to run, with who besides the deal's peers has it as far as the chain says.
    fn wanted(&self, process: &Process) -> Artifact {
        let mut workers = self.seen.iter().flat_map(|seen| &seen.view.workers);
        let is_its = |wanted: &&Assignment| {
            wanted.worker == process.worker && wanted.artifact.hash == process.artifact
        };
        match workers.find(is_its) {
            Some(wanted) => wanted.artifact.clone(),
            None => Artifact::new(process.artifact, 0),
        }
    }

    fn stop(&mut self, worker: WorkerId) {
        if let Some(kept) = self.kept.get_mut(&worker) {
            kept.serves = false;
            // Full: it was asked before.
            let _ = kept.stop.try_send(());
            self.publish();
            return;
        }
        let events = self.events.clone();
        self.keepers.spawn(async move {
            let _ = events.send(Event::Ended { worker }).await;
        });
    }

    fn send(&mut self, call: Call) {
        if self.sending.contains(&call) {
            return;
        }
        self.sending.push(call.clone());
        let (client, operator) = (self.client.clone(), self.operator.clone());
        let events = self.events.clone();
        self.keepers.spawn(async move {
            let ok = chain::send(&client, &operator, call.clone()).await;
            let _ = events.send(Event::Sent { call, ok }).await;
        });
    }

    fn keep(&mut self, process: &Process, stop: mpsc::Sender<()>, serves: bool) {
        let kept = Kept {
            process: process.clone(),
            names: self.names(process.artifact),
            since: Instant::now(),
            serves,
            stop,
        };
        self.kept.insert(process.worker, kept);
    }

    /// The deals that an artifact names that is here. Settings that are wrong are for the worker to refuse.
    fn names(&self, artifact: Hash) -> BTreeSet<Name> {
        let settings = Settings::read(&self.store.path(artifact)).unwrap_or_default();
        let servers = settings.outbound.iter();
        let deals = servers.filter_map(|server| deal_name(server.deal()?));
        deals.collect()
    }

    fn keeper(&self, process: Process, processors: Vec<Vec<u32>>) -> Keeper {
        let folder = self.folder(process.worker);
        let names = self.names(process.artifact);
        Keeper {
            deals: (!names.is_empty()).then(|| deals(&folder)),
            folder,
            secrets: secrets::path(&self.store, process.deal, process.artifact),
            artifact: self.store.path(process.artifact),
            state: self.config.state.then(|| self.states.file(process.deal)),
            groups: self
                .config
                .groups
                .as_ref()
                .map(|folder| Groups::new(folder, self.config.unit_mib)),
            outbound: self.config.outbound,
            cache: self.config.data.join("code"),
            command: self.config.worker.clone(),
            orphan_seconds: self.config.orphan_seconds,
            events: self.events.clone(),
            process,
            processors,
        }
    }

    fn folder(&self, worker: WorkerId) -> PathBuf {
        self.config.data.join("workers").join(folder_name(worker))
    }

    /// Tells the overlay who is served, a paused deal is not; and who asks other deals, as long as they are there.
    fn publish(&mut self) {
        let Some(seen) = &self.seen else {
            return;
        };
        let asker = |(worker, kept): (&WorkerId, &Kept)| {
            let subnet = seen.subnets.get(&kept.process.deal)?;
            let asker = Asker {
                owner: subnet.owner,
                names: kept.names.clone(),
                socket: deals(&self.folder(*worker)),
            };
            (!asker.names.is_empty()).then_some((*worker, asker))
        };
        let askers = self.kept.iter().filter_map(asker).collect();
        self.between.follow(askers);
        let serves = |view: &View, worker: WorkerId| {
            let wanted = view.workers.iter().find(|wanted| wanted.worker == worker);
            wanted.is_some_and(|wanted| !wanted.is_paused)
        };
        let kept = self.kept.iter();
        let serving = kept.filter(|(worker, kept)| kept.serves && serves(&seen.view, **worker));
        let entry = |(worker, kept): (&WorkerId, &Kept)| {
            let folder = self.folder(*worker);
            let serving = Serving {
                listen: http(&folder),
                control: control(&folder),
                identity: identity(&kept.process),
            };
            ((kept.process.deal, *worker), serving)
        };
        self.directory.send_replace(Arc::new(Directory {
            workers: serving.map(entry).collect(),
            subnets: seen.subnets.clone(),
        }));
    }

    /// Ends everything but the workers, or them too.
    pub(super) async fn close(mut self, stop_workers: bool) {
        if stop_workers {
            for kept in self.kept.values() {
                let _ = kept.stop.try_send(());
            }
        } else {
            // Keepers leave when nobody can tell them to stop any more.
            self.kept.clear();
        }
        drop(self.events);
        self.overlay.close().await;
        if stop_workers {
            while self.keepers.join_next().await.is_some() {}
        }
    }
}

/// Gets the bytes of an artifact, and its secrets.
async fn fetch(
    overlay: &Overlay,
    store: &Store,
    deal: DealId,
    artifact: &Artifact,
    holders: &[Address],
) -> Result<(), Failure> {
    if !store.path(artifact.hash).exists() {
        fetch_artifact(overlay, store, deal, artifact, holders).await?;
    }
    secrets::fetch(overlay, store, deal, artifact.hash, holders).await
}

/// Asks one after the other, each to go on where the last one ended, as long as that brings the transfer further.
async fn fetch_artifact(
    overlay: &Overlay,
    store: &Store,
    deal: DealId,
    artifact: &Artifact,
    holders: &[Address],
) -> Result<(), Failure> {
    if artifact.size > Limits::default().artifact_bytes {
        return Err(Failure::Never(Obstacle::Unsupported));
    }
    let mut begun = store.begun(artifact.hash);
    loop {
        for holder in holders {
            match overlay.fetch(deal, artifact, holder, store).await {
                Ok(()) => return Ok(()),
                Err(overlay::Error::Receive {
                    source: ReceiveError::Size,
                    ..
                }) => return Err(Failure::Never(Obstacle::Invalid)),
                Err(error) => tracing::info!(%error, artifact = %artifact.hash, "not from there"),
            }
        }
        let now = store.begun(artifact.hash);
        if now < begun.saturating_add(STEP) {
            return Err(Failure::Trouble);
        }
        begun = now;
    }
}

/// Makes a folder that only this user may enter.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(path)
}

/// Writes down what the worker of a folder is.
pub(super) fn remember(folder: &Path, process: &Process) -> io::Result<()> {
    let memory = Memory {
        worker: process.worker.0,
        deal: process.deal.0,
        artifact: worker::ArtifactHash(process.artifact.0),
        units: process.units.clone(),
    };
    fs::write(folder.join(MEMORY), serde_json::to_vec(&memory)?)
}

fn recall(folder: &Path) -> Option<Process> {
    let text = fs::read(folder.join(MEMORY)).ok()?;
    let memory: Memory = serde_json::from_slice(&text).ok()?;
    Some(Process {
        worker: WorkerId(memory.worker),
        deal: DealId(memory.deal),
        artifact: Hash(memory.artifact.0),
        units: memory.units,
    })
}
