//! Endpoints on loopback, and what strangers may send to them.

mod fuzz;
mod resume;
mod store;
mod window;

use super::{
    Address, Answer, Dial as _, Directory, Error, Limits, Overlay, ReceiveError, Route, Serving,
    Store,
    endpoint::{ARTIFACT, LOGS, REQUEST, question},
};
use crate::observer::{Member, Subnet};
use bao::encode::SliceExtractor;
use client::AccountKey;
use iroh::{Endpoint, EndpointAddr, EndpointId, RelayMode, SecretKey, endpoint::presets};
use marketplace::{
    demand::Artifact,
    units::{self, DealId, Hash, PeerId, WorkerId},
};
use std::{
    io::{Cursor, Read as _},
    os::unix::fs::PermissionsExt as _,
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::watch,
    time::timeout,
};
use worker::{ArtifactHash, Identity, config::Listen};

/// Long enough for a slow machine; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);
const DEAL: DealId = DealId(7);

struct Peer {
    overlay: Overlay,
    store: Store,
    directory: watch::Sender<Arc<Directory>>,
    folder: TempDir,
}

/// The machine may be slow.
fn patient() -> Limits {
    Limits {
        connect: PATIENCE,
        answer: PATIENCE,
        ..Limits::default()
    }
}

async fn peer(seed: u8) -> Peer {
    peer_with(seed, patient()).await
}

async fn peer_with(seed: u8, limits: Limits) -> Peer {
    let folder = tempfile::tempdir().expect("a folder");
    peer_in(folder, seed, limits).await
}

async fn peer_in(folder: TempDir, seed: u8, limits: Limits) -> Peer {
    let store = Store::open(folder.path()).expect("a store");
    let (directory, watched) = watch::channel(Arc::default());
    let listen = ([127, 0, 0, 1], 0).into();
    let opening = Overlay::open([seed; 32], listen, limits, store.clone(), watched);
    Peer {
        overlay: opening.await.expect("an endpoint"),
        store,
        directory,
        folder,
    }
}

impl Peer {
    fn address(&self) -> Address {
        let listens = self.overlay.listens();
        Address {
            peer: self.overlay.id(),
            endpoints: listens.iter().map(ToString::to_string).collect(),
        }
    }

    fn add(&self, bytes: &[u8]) -> Artifact {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("written");
        let (hash, size) = self.store.add(file.path(), 1 << 30).expect("added");
        assert_eq!(hash.0, *blake3::hash(bytes).as_bytes());
        Artifact::new(hash, size)
    }

    /// Takes `member` into the deal that runs `artifact`.
    fn admit(&self, artifact: Hash, member: PeerId) {
        let member = Member {
            worker: WorkerId(1),
            peer: member,
            endpoints: Vec::new(),
            is_running: false,
        };
        let subnet = Subnet {
            deal: DEAL,
            owner: units::Address::default(),
            artifacts: vec![artifact],
            members: vec![member],
            sources: Vec::new(),
        };
        self.directory.send_modify(|directory| {
            Arc::make_mut(directory).subnets.insert(DEAL, subnet);
        });
    }

    async fn fetch(&self, artifact: &Artifact, from: &Peer) -> Result<(), Error> {
        self.fetch_at(artifact, &from.address()).await
    }

    async fn fetch_at(&self, artifact: &Artifact, from: &Address) -> Result<(), Error> {
        let fetching = self.overlay.fetch(DEAL, artifact, from, &self.store);
        timeout(PATIENCE, fetching).await.expect("in time")
    }
}

/// A worker whose control socket nobody answers at.
fn serving(listen: Listen) -> Serving {
    Serving {
        listen,
        control: "/nowhere/control.sock".into(),
        identity: Identity {
            deal: DEAL.0,
            worker: 3,
            artifact: ArtifactHash([1; 32]),
        },
    }
}

fn bytes(count: u32) -> Vec<u8> {
    let byte = |index: u32| (index.wrapping_mul(2_654_435_761) >> 13) as u8;
    (0..count).map(byte).collect()
}

/// What an honest source sends of an artifact from `offset` on.
fn stream(whole: &[u8], offset: u64) -> Vec<u8> {
    let (encoded, _) = bao::encode::encode(whole);
    let rest = (whole.len() as u64).saturating_sub(offset);
    let mut slice = SliceExtractor::new(Cursor::new(encoded), offset, rest);
    let mut sent = Vec::new();
    slice.read_to_end(&mut sent).expect("a stream");
    sent
}

/// (O1, O3)
#[tokio::test]
async fn an_artifact_comes_over_and_can_be_passed_on() {
    let (first, second, third) = tokio::join!(peer(1), peer(2), peer(3));
    for size in [1, 1024, 1025, 3_000_000] {
        let artifact = first.add(&bytes(size));
        first.admit(artifact.hash, second.overlay.id());
        second.fetch(&artifact, &first).await.expect("fetched");
        second.admit(artifact.hash, third.overlay.id());
        third.fetch(&artifact, &second).await.expect("fetched");
        let came = std::fs::read(third.store.path(artifact.hash)).expect("a file");
        assert_eq!(came, bytes(size));
        assert_eq!(third.store.list().expect("a list"), [artifact.hash]);
        third.store.remove(artifact.hash).expect("removed");
    }
}

/// (O3)
#[tokio::test]
async fn only_who_takes_part_in_the_deal_gets_its_artifact() {
    let (first, second) = tokio::join!(peer(1), peer(2));
    let artifact = first.add(&bytes(10));
    let other = first.add(&bytes(11));
    let refused = |result: Result<(), Error>| match result {
        Err(Error::Refused { answer, .. }) => format!("{answer:?}"),
        other => format!("{other:?}"),
    };
    let stranger = second.fetch(&artifact, &first).await;
    assert_eq!(refused(stranger), "Forbidden");
    first.admit(artifact.hash, second.overlay.id());
    assert_eq!(refused(second.fetch(&other, &first).await), "Forbidden");
    first.store.remove(artifact.hash).expect("removed");
    assert_eq!(refused(second.fetch(&artifact, &first).await), "Absent");
    assert!(second.store.list().expect("a list").is_empty());
}

/// (O4)
#[tokio::test]
async fn a_size_that_is_not_the_artifacts_is_noticed() {
    let (first, second) = tokio::join!(peer(1), peer(2));
    let artifact = first.add(&bytes(5_000));
    first.admit(artifact.hash, second.overlay.id());
    for size in [1, 1024, 4_999, 5_001, 1 << 30] {
        let wrong = Artifact {
            size,
            ..artifact.clone()
        };
        let Err(Error::Receive { source, .. }) = second.fetch(&wrong, &first).await else {
            panic!("{size} is taken");
        };
        assert!(matches!(source, ReceiveError::Size), "{size}: {source:?}");
    }
    assert!(second.store.list().expect("a list").is_empty());
}

/// (O1, O2)
#[tokio::test]
async fn a_request_stream_reaches_the_worker_and_back() {
    let (first, second) = tokio::join!(peer(1), peer(2));
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let listen = Listen::Tcp(socket.local_addr().expect("an address"));
    first.directory.send_modify(|directory| {
        let workers = &mut Arc::make_mut(directory).workers;
        workers.insert((DEAL, WorkerId(3)), serving(listen));
    });
    let echo = tokio::spawn(async move {
        for _ in 0..2 {
            let (mut stream, _) = socket.accept().await.expect("a connection");
            let mut asked = [0; 4];
            stream.read_exact(&mut asked).await.expect("asked");
            stream.write_all(&asked).await.expect("answered");
            // The caller leaves.
            assert!(stream.read_u8().await.is_err());
        }
    });
    let mut route = Route {
        deal: DEAL,
        worker: WorkerId(3),
        address: first.address(),
    };
    for _ in 0..2 {
        let mut stream = second.overlay.dial(&route).await.expect("a stream");
        stream.write_all(b"ping").await.expect("sent");
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(&answer, b"ping");
    }
    timeout(PATIENCE, echo)
        .await
        .expect("in time")
        .expect("well");
    route.worker = WorkerId(4);
    assert!(matches!(
        second.overlay.dial(&route).await,
        Err(Error::Refused { .. })
    ));
}

/// (D4)
#[tokio::test]
async fn a_stream_to_a_worker_that_is_reached_no_more_ends() {
    let limits = Limits {
        drain: Duration::ZERO,
        ..patient()
    };
    let (first, second) = tokio::join!(peer_with(1, limits), peer(2));
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let listen = Listen::Tcp(socket.local_addr().expect("an address"));
    let serve = |workers| {
        first.directory.send_modify(|directory| {
            Arc::make_mut(directory).workers = workers;
        });
    };
    serve([((DEAL, WorkerId(3)), serving(listen))].into());
    let route = Route {
        deal: DEAL,
        worker: WorkerId(3),
        address: first.address(),
    };
    let mut stream = second.overlay.dial(&route).await.expect("a stream");
    let (mut worker, _) = socket.accept().await.expect("a connection");
    serve([].into());
    let ended = timeout(PATIENCE, worker.read_u8()).await;
    assert!(ended.expect("in time").is_err());
    let ended = timeout(PATIENCE, stream.read_u8()).await;
    assert!(ended.expect("in time").is_err());
}

/// (O5)
#[tokio::test]
async fn who_is_not_there_is_unreachable_in_time() {
    let first = peer(1).await;
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path()).expect("a store");
    let listen = ([127, 0, 0, 1], 0).into();
    let opening = Overlay::open(
        [2; 32],
        listen,
        Limits::default(),
        store,
        watch::channel(Arc::default()).1,
    );
    let hasty = opening.await.expect("an endpoint");
    let mut route = Route {
        deal: DEAL,
        worker: WorkerId(1),
        address: first.address(),
    };
    let probed = timeout(PATIENCE, hasty.probe(&route)).await;
    probed.expect("in time").expect("it is there");
    first.overlay.close().await;
    let probed = timeout(PATIENCE, hasty.probe(&route)).await;
    assert!(matches!(
        probed.expect("in time"),
        Err(Error::Unreachable { .. })
    ));
    for endpoints in [
        route.address.endpoints.clone(),
        vec!["no address".into()],
        vec![],
    ] {
        route.address.endpoints = endpoints;
        let dialled = timeout(PATIENCE, hasty.dial(&route))
            .await
            .expect("in time");
        assert!(matches!(dialled, Err(Error::Unreachable { .. })));
    }
}

/// (O6)
#[tokio::test]
async fn only_a_deals_peers_get_its_secrets_and_nobody_by_their_hash_alone() {
    let (first, second, source) = tokio::join!(peer(1), peer(2), peer(3));
    let document = bytes(3_000);
    let inner = first.store.open_for(DEAL).expect("a folder");
    let (hash, size) = inner.insert(&document).expect("kept");
    let secrets = Artifact::new(hash, size);
    let refused = |result: Result<(), Error>| match result {
        Err(Error::Refused { answer, .. }) => format!("{answer:?}"),
        other => format!("{other:?}"),
    };
    first.admit(Hash([1; 32]), second.overlay.id());
    first.directory.send_modify(|directory| {
        let subnets = &mut Arc::make_mut(directory).subnets;
        let mut subnet = subnets[&DEAL].clone();
        subnet.sources = vec![source.overlay.id()];
        // A deal of another owner, on the same peers.
        let deal = DealId(8);
        subnets.insert(
            deal,
            Subnet {
                deal,
                ..subnet.clone()
            },
        );
        subnets.insert(DEAL, subnet);
    });
    let asked = source.fetch(&secrets, &first).await;
    assert_eq!(refused(asked), "Forbidden");
    let (overlay, address) = (&second.overlay, first.address());
    let elsewhere = overlay.fetch(DealId(8), &secrets, &address, &second.store);
    assert_eq!(refused(elsewhere.await), "Forbidden");

    let theirs = second.store.open_for(DEAL).expect("a folder");
    let came = overlay.fetch(DEAL, &secrets, &address, &theirs);
    came.await.expect("a peer of the deal gets them");
    assert_eq!(std::fs::read(theirs.path(hash)).expect("a file"), document);
    let mode = std::fs::metadata(theirs.path(hash))
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(second.store.list().expect("a list").is_empty());
}

/// (O6)
#[test]
fn secrets_outlive_their_peers_process_and_not_its_part_in_the_deal() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path()).expect("a store");
    let (hash, _) = store
        .open_for(DEAL)
        .expect("a folder")
        .insert(b"x")
        .expect("kept");
    let store = Store::open(folder.path()).expect("a store again");
    store.keep_deals(|deal| deal == DEAL).expect("kept");
    assert!(store.of(DEAL).path(hash).exists());
    store.keep_deals(|_| false).expect("deleted");
    assert!(!store.of(DEAL).path(hash).exists());
}

/// (O6)
#[test]
fn a_deal_keeps_the_newest_of_its_secrets() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path()).expect("a store");
    let store = store.open_for(DEAL).expect("a folder");
    for number in 0..5_u8 {
        store.make_room(3).expect("room");
        let (hash, _) = store.insert(&[number]).expect("kept");
        let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(number.into());
        let file = std::fs::File::open(store.path(hash)).expect("a file");
        file.set_modified(time).expect("a time");
    }
    let hash = |number: u8| Hash(*blake3::hash(&[number]).as_bytes());
    let mut kept = store.list().expect("a list");
    let mut newest = vec![hash(2), hash(3), hash(4)];
    kept.sort();
    newest.sort();
    assert_eq!(kept, newest);
}

/// (O7)
#[tokio::test]
async fn only_a_deals_owner_reads_what_its_functions_log() {
    let (first, reader, other) = tokio::join!(peer(1), peer(2), peer(3));
    let owner = AccountKey::generate();
    first.admit(Hash([1; 32]), other.overlay.id());
    first.directory.send_modify(|directory| {
        let directory = Arc::make_mut(directory);
        let subnet = directory.subnets.get_mut(&DEAL).expect("a subnet");
        subnet.owner = units::Address(owner.address().into_array());
        let listen = Listen::Tcp(([127, 0, 0, 1], 1).into());
        directory
            .workers
            .insert((DEAL, WorkerId(3)), serving(listen));
    });
    let route = Route {
        deal: DEAL,
        worker: WorkerId(3),
        address: first.address(),
    };
    let answer =
        async |peer: &Peer, permit: [u8; 65]| match peer.overlay.logs(&route, 0, &permit).await {
            Err(Error::Refused { answer, .. }) => answer,
            other => panic!("{other:?}"),
        };
    let permit = owner.permit_logs(DEAL, reader.overlay.id());
    // Nobody answers at that worker's socket, but the owner is let as far.
    assert_eq!(answer(&reader, permit).await, Answer::Absent);
    assert_eq!(
        answer(&other, permit).await,
        Answer::Forbidden,
        "not theirs"
    );
    let elsewhere = owner.permit_logs(DealId(8), reader.overlay.id());
    assert_eq!(answer(&reader, elsewhere).await, Answer::Forbidden);
    let stranger = AccountKey::generate().permit_logs(DEAL, reader.overlay.id());
    assert_eq!(answer(&reader, stranger).await, Answer::Forbidden);
    assert_eq!(answer(&reader, [0; 65]).await, Answer::Forbidden);
}
