//! Transfers that break off, and what goes on with them.

use super::*;
use crate::overlay::half::GROUP;
use std::{path::PathBuf, sync::Mutex, time::SystemTime};
use tokio::task::{JoinHandle, yield_now};

/// Bytes of the artifacts here.
const SIZE: u32 = 3_000_000;

/// What somebody does to a half.
type Tamper = fn(&mut Vec<u8>);

/// What a source of the test's own making does with a question.
#[derive(Clone, Copy)]
enum Conduct {
    /// Sends everything.
    Honest,
    /// Sends so many bytes, and ends there.
    Ends(usize),
    /// Sends so many bytes, and then none.
    Stalls(usize),
    /// Sends everything, and the byte at this place is wrong.
    Lies(usize),
}

/// A source that counts.
struct Source {
    endpoint: Endpoint,
    /// The offset of each question, and the bytes that were sent for it.
    asked: Arc<Mutex<Vec<(u64, usize)>>>,
    _serving: JoinHandle<()>,
}

impl Source {
    async fn open(seed: u8, whole: &[u8], conduct: Conduct) -> Self {
        let binding = Endpoint::builder(presets::Minimal)
            .relay_mode(RelayMode::Disabled)
            .secret_key(SecretKey::from_bytes(&[seed; 32]))
            .alpns(vec![ARTIFACT.to_vec()])
            .clear_ip_transports()
            .bind_addr("127.0.0.1:0")
            .expect("an address");
        let endpoint = binding.bind().await.expect("an endpoint");
        let asked = Arc::default();
        let serving = serve(
            endpoint.clone(),
            whole.to_vec(),
            conduct,
            Arc::clone(&asked),
        );
        Self {
            endpoint,
            asked,
            _serving: tokio::spawn(serving),
        }
    }

    fn address(&self) -> Address {
        let listens = self.endpoint.bound_sockets();
        Address {
            peer: PeerId(*self.endpoint.id().as_bytes()),
            endpoints: listens.iter().map(ToString::to_string).collect(),
        }
    }

    fn asked(&self) -> Vec<(u64, usize)> {
        self.asked.lock().expect("no panic").clone()
    }

    /// The one question, and how many bytes it was answered with.
    fn asked_once(&self) -> (u64, usize) {
        let asked = self.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        asked[0]
    }
}

async fn serve(
    endpoint: Endpoint,
    whole: Vec<u8>,
    conduct: Conduct,
    asked: Arc<Mutex<Vec<(u64, usize)>>>,
) {
    while let Some(incoming) = endpoint.accept().await {
        let Ok(connection) = incoming.await else {
            continue;
        };
        while let Ok((mut send, mut receive)) = connection.accept_bi().await {
            let mut question = [0; 48];
            receive.read_exact(&mut question).await.expect("a question");
            let offset = question[40..].try_into().expect("eight bytes");
            let offset = u64::from_be_bytes(offset);
            let mut sent = stream(&whole, offset);
            match conduct {
                Conduct::Ends(count) | Conduct::Stalls(count) => sent.truncate(count),
                Conduct::Lies(at) => sent[at] ^= 1,
                Conduct::Honest => {}
            }
            send.write_u8(Answer::Yes.byte()).await.expect("answered");
            let place = {
                let mut asked = asked.lock().expect("no panic");
                asked.push((offset, 0));
                asked.len() - 1
            };
            for piece in sent.chunks(1024) {
                // Whoever asked may have heard enough.
                if send.write_all(piece).await.is_err() {
                    break;
                }
                asked.lock().expect("no panic")[place].1 += piece.len();
            }
            if let Conduct::Stalls(_) = conduct {
                connection.closed().await;
            }
            let _ = send.finish();
        }
    }
}

fn artifact_of(whole: &[u8]) -> Artifact {
    Artifact::new(Hash(*blake3::hash(whole).as_bytes()), whole.len() as u64)
}

/// Goes on when it is so.
async fn until(mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            yield_now().await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("in time");
}

/// The file of what came of an artifact.
fn half(peer: &Peer, artifact: &Artifact) -> PathBuf {
    peer.store.path(artifact.hash).with_extension("half")
}

fn assert_whole(peer: &Peer, artifact: &Artifact, whole: &[u8]) {
    let came = std::fs::read(peer.store.path(artifact.hash)).expect("a file");
    assert!(came == whole, "other bytes came");
    assert!(!half(peer, artifact).exists(), "a half is left behind");
}

/// (O8)
#[tokio::test]
async fn a_transfer_goes_on_at_another_source_and_a_break_costs_a_group_at_most() {
    let whole = bytes(SIZE);
    let artifact = artifact_of(&whole);
    let first = Source::open(1, &whole, Conduct::Stalls(1_000_000)).await;
    let second = Source::open(2, &whole, Conduct::Ends(700_001)).await;
    let third = Source::open(3, &whole, Conduct::Honest).await;
    let peer = peer(4).await;
    let address = first.address();
    let killing = async {
        // It has sent all it will, and all but the last leaf is here.
        until(|| peer.store.begun(artifact.hash) > 1_000_000 - 2048).await;
        first.endpoint.close().await;
    };
    let (broken, ()) = tokio::join!(peer.fetch_at(&artifact, &address), killing);
    assert!(broken.is_err());
    let broken = peer.fetch_at(&artifact, &second.address()).await;
    assert!(broken.is_err());
    let came = peer.fetch_at(&artifact, &third.address()).await;
    came.expect("the rest comes");
    assert_whole(&peer, &artifact, &whole);
    let sent = [&first, &second, &third].map(|source| source.asked_once().1);
    let least = stream(&whole, 0).len();
    let total: usize = sent.iter().sum();
    assert!(total < least + 2 * GROUP, "{sent:?} for {least}");
}

/// (O8)
#[tokio::test]
async fn a_transfer_goes_on_at_the_same_source() {
    let whole = bytes(SIZE);
    let artifact = artifact_of(&whole);
    let (first, second) = tokio::join!(peer(1), peer(2));
    let _ = first.add(&whole);
    first.admit(artifact.hash, second.overlay.id());
    // Its disk gives no more for a while.
    let path = first.store.path(artifact.hash);
    std::fs::write(&path, &whole[..1_000_000]).expect("written");
    let broken = second.fetch(&artifact, &first).await;
    assert!(broken.is_err());
    let begun = second.store.begun(artifact.hash);
    assert!((1_000_000..1_100_000).contains(&begun), "{begun}");
    std::fs::write(&path, &whole).expect("written");
    second.fetch(&artifact, &first).await.expect("the rest");
    assert_whole(&second, &artifact, &whole);
}

/// (O8)
#[tokio::test]
async fn a_peer_that_is_started_again_or_was_killed_goes_on_where_it_was() {
    let whole = bytes(SIZE);
    let artifact = artifact_of(&whole);
    let stalling = Source::open(1, &whole, Conduct::Stalls(1_000_000)).await;
    let killed = peer(3).await;
    let address = stalling.address();
    let copy = tempfile::tempdir().expect("a folder");
    let dying = async {
        until(|| killed.store.begun(artifact.hash) > 1_000_000 - 2048).await;
        // What is on disk at this moment, in the middle of everything.
        for entry in std::fs::read_dir(killed.folder.path()).expect("a folder") {
            let entry = entry.expect("an entry");
            let to = copy.path().join(entry.file_name());
            std::fs::copy(entry.path(), to).expect("copied");
        }
        stalling.endpoint.close().await;
    };
    let (broken, ()) = tokio::join!(killed.fetch_at(&artifact, &address), dying);
    assert!(broken.is_err());
    killed.overlay.close().await;
    let stopped = killed.folder;
    for (seed, folder) in [(4, copy), (5, stopped)] {
        let again = peer_in(folder, 3, patient()).await;
        let honest = Source::open(seed, &whole, Conduct::Honest).await;
        let came = again.fetch_at(&artifact, &honest.address()).await;
        came.expect("the rest comes");
        assert_whole(&again, &artifact, &whole);
        let total = 1_000_000 + honest.asked_once().1;
        assert!(total < stream(&whole, 0).len() + GROUP, "{total}");
    }
}

/// (O4, O8)
#[tokio::test]
async fn a_liar_costs_a_group_at_most_and_is_not_asked_again() {
    let whole = bytes(SIZE);
    let artifact = artifact_of(&whole);
    let least = stream(&whole, 0).len();
    // In the length, in the first node, among the leaves; honest but for that.
    for (seed, at) in [(1, 0), (3, 9), (5, 700_000)] {
        let liar = Source::open(seed, &whole, Conduct::Lies(at)).await;
        let honest = Source::open(seed + 1, &whole, Conduct::Honest).await;
        let peer = peer(9).await;
        let lied = peer.fetch_at(&artifact, &liar.address()).await;
        let Err(Error::Receive { source, .. }) = lied else {
            panic!("{at}: {lied:?}");
        };
        assert!(matches!(source, ReceiveError::Wrong(_)), "{at}: {source:?}");
        let questions = liar.asked().len();
        let again = peer.fetch_at(&artifact, &liar.address()).await;
        assert!(matches!(again, Err(Error::Liar { .. })), "{at}: {again:?}");
        assert_eq!(liar.asked().len(), questions, "{at}: it is asked again");
        let came = peer.fetch_at(&artifact, &honest.address()).await;
        came.expect("the rest comes");
        assert_whole(&peer, &artifact, &whole);
        let total = at + honest.asked_once().1;
        assert!(total < least + GROUP, "{at}: {total} for {least}");
    }
}

/// (O4)
#[tokio::test]
async fn nothing_is_written_of_an_artifact_of_another_size() {
    let whole = bytes(SIZE);
    let honest = Source::open(1, &whole, Conduct::Honest).await;
    let peer = peer(2).await;
    for size in [1, 1024, 2_999_999, 3_000_001, 1 << 30] {
        let wrong = Artifact::new(artifact_of(&whole).hash, size);
        let told = peer.fetch_at(&wrong, &honest.address()).await;
        let Err(Error::Receive { source, .. }) = told else {
            panic!("{size}: {told:?}");
        };
        assert!(matches!(source, ReceiveError::Size), "{size}: {source:?}");
        let left = std::fs::read_dir(peer.folder.path()).expect("a folder");
        assert_eq!(left.count(), 0, "{size}");
    }
}

/// (O8)
#[tokio::test]
async fn what_was_tampered_with_on_disk_is_not_used() {
    let whole = bytes(SIZE);
    let artifact = artifact_of(&whole);
    // What is done to it, and how much of it may be gone on with after that.
    let cases: [(Tamper, u64); 6] = [
        (|half| half[500_000] ^= 1, 500_000),
        (|half| half.truncate(500_000), 500_000),
        (|half| half.extend_from_within(..500), 1_000_000),
        (|half| half[0] ^= 1, 0),
        (|half| half.fill(0), 0),
        (|half| half.clear(), 0),
    ];
    for (case, (tamper, most)) in (0_u8..).zip(cases) {
        let peer = peer(1).await;
        let source = Source::open(2 * case + 2, &whole, Conduct::Ends(1_000_000)).await;
        let broken = peer.fetch_at(&artifact, &source.address()).await;
        assert!(broken.is_err());
        let path = half(&peer, &artifact);
        let mut left = std::fs::read(&path).expect("a half");
        tamper(&mut left);
        std::fs::write(&path, left).expect("written");
        let honest = Source::open(2 * case + 3, &whole, Conduct::Honest).await;
        let came = peer.fetch_at(&artifact, &honest.address()).await;
        came.expect("the rest comes");
        assert_whole(&peer, &artifact, &whole);
        let (offset, _) = honest.asked_once();
        // A sixteenth of the stream is tree.
        let least = (most * 16 / 17).saturating_sub(2048);
        assert!((least..=most).contains(&offset), "{case}: {offset}");
    }
}

/// (O8)
#[tokio::test]
async fn two_transfers_of_one_artifact_do_not_disturb_each_other() {
    let whole = bytes(SIZE);
    let artifact = artifact_of(&whole);
    let peer = peer(1).await;
    let stalling = Source::open(2, &whole, Conduct::Stalls(1_000_000)).await;
    let honest = Source::open(3, &whole, Conduct::Honest).await;
    let (slow, fast) = (stalling.address(), honest.address());
    let other = async {
        until(|| peer.store.begun(artifact.hash) > 900_000).await;
        peer.fetch_at(&artifact, &fast).await.expect("it comes");
        stalling.endpoint.close().await;
    };
    let (broken, ()) = tokio::join!(peer.fetch_at(&artifact, &slow), other);
    assert!(broken.is_err());
    let came = std::fs::read(peer.store.path(artifact.hash)).expect("a file");
    assert!(came == whole, "other bytes came");
}

/// (O8)
#[test]
fn halves_are_few_and_none_is_kept_for_nobody_or_for_long() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path()).expect("a store");
    let begin = |number: u8| {
        let whole = vec![number; 5_000];
        let artifact = artifact_of(&whole);
        let half = store.begin(&artifact).expect("begun");
        let broken = store.receive(half, &stream(&whole, 0)[..4_000]);
        assert!(broken.is_err());
        let path = store.path(artifact.hash).with_extension("half");
        let age = Duration::from_secs(3_600 - u64::from(number));
        let written = SystemTime::now() - age;
        let file = std::fs::File::options().write(true).open(&path);
        file.expect("a half").set_modified(written).expect("a time");
        (artifact.hash, path)
    };
    let all: Vec<_> = (0..10).map(begin).collect();
    let are_there = || -> Vec<bool> { all.iter().map(|(_, path)| path.exists()).collect() };
    let newest = |count| [vec![false; 10 - count], vec![true; count]].concat();
    assert_eq!(are_there(), newest(8));
    // The deal of three of them is over.
    let over: Vec<_> = all[2..5].iter().map(|(hash, _)| *hash).collect();
    store
        .keep_halves(|hash| !over.contains(&hash))
        .expect("kept");
    assert_eq!(are_there(), newest(5));
    store.remove(all[5].0).expect("removed");
    assert_eq!(are_there(), newest(4));
    let old = SystemTime::now() - Duration::from_secs(100_000);
    let file = std::fs::File::options().write(true).open(&all[6].1);
    file.expect("a half").set_modified(old).expect("a time");
    Store::open(folder.path()).expect("a store again");
    assert_eq!(are_there(), newest(3));
}
