//! What sources and strangers may send.

use super::*;
use crate::dice::Fuzz;

/// (O4, O8)
#[test]
fn whatever_a_source_sends_nothing_wrong_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path()).expect("a store");
    let whole = bytes(20_000);
    let artifact = Artifact::new(Hash(*blake3::hash(&whole).as_bytes()), 20_000);
    let mut fuzz = Fuzz::begin();
    while let Some(dice) = fuzz.round() {
        let half = store.begin(&artifact).expect("begun");
        let mut sent = stream(&whole, half.offset());
        if !dice.one_in(4) {
            dice.mutate(&mut sent);
        }
        if store.receive(half, &sent[..]).is_ok() {
            let kept = std::fs::read(store.path(artifact.hash)).expect("a file");
            assert!(kept == whole, "wrong bytes are kept");
            store.remove(artifact.hash).expect("removed");
        }
        let left = std::fs::read_dir(folder.path()).expect("a folder");
        let left: Vec<_> = left.map(|entry| entry.expect("an entry").path()).collect();
        assert!(left.len() <= 1, "{left:?} are left");
        // The disk is no better than a source.
        if let (Some(path), true) = (left.first(), dice.one_in(4)) {
            let mut garbled = std::fs::read(path).expect("a file");
            dice.mutate(&mut garbled);
            std::fs::write(path, garbled).expect("written");
        }
    }
    let half = store.begin(&artifact).expect("begun");
    let rest = stream(&whole, half.offset());
    store.receive(half, &rest[..]).expect("the right ones");
}

/// (O2, O3)
#[tokio::test]
async fn whatever_a_stranger_sends_others_are_served() {
    let (first, second) = tokio::join!(peer(1), peer(2));
    let artifact = first.add(&bytes(100));
    first.admit(artifact.hash, second.overlay.id());
    let stranger = Endpoint::builder(presets::Minimal)
        .relay_mode(RelayMode::Disabled)
        .secret_key(SecretKey::from_bytes(&[9; 32]))
        .clear_ip_transports()
        .bind_addr("127.0.0.1:0")
        .expect("an address");
    let stranger = stranger.bind().await.expect("an endpoint");
    let id = EndpointId::from_bytes(&first.overlay.id().0).expect("a key");
    let listens = first.overlay.listens();
    let address = listens
        .iter()
        .fold(EndpointAddr::new(id), |a, l| a.with_ip_addr(*l));
    let mut fuzz = Fuzz::begin();
    while let Some(dice) = fuzz.round() {
        let protocol = dice.of(&[REQUEST, ARTIFACT, LOGS]);
        let connecting = stranger.connect(address.clone(), protocol);
        let connection = timeout(PATIENCE, connecting)
            .await
            .expect("in time")
            .expect("a connection");
        for _ in 0..dice.below(50) {
            let (mut send, mut receive) = connection.open_bi().await.expect("a stream");
            let mut sent = question(DEAL, WorkerId(3)).to_vec();
            sent.extend(artifact.hash.0);
            sent.resize(dice.below(60), 0);
            if !sent.is_empty() {
                let at = dice.below(sent.len());
                sent[at] ^= dice.below(256) as u8;
            }
            // Refused streams may be closed under our hands.
            let _ = send.write_all(&sent).await;
            match dice.below(3) {
                0 => drop(send.finish()),
                1 => drop(send.reset(1u8.into())),
                _ => {}
            }
            if sent.len() >= 40 && dice.below(2) == 0 && send.finish().is_ok() {
                let answer = timeout(PATIENCE, receive.read_u8()).await.expect("in time");
                assert!(!matches!(answer, Ok(0)), "a stranger is served");
            }
        }
        connection.close(0u8.into(), b"");
    }
    timeout(PATIENCE, second.fetch(&artifact, &first))
        .await
        .expect("in time")
        .expect("fetched");
}
