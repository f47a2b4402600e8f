//! What a store clears away, and what it leaves to who works on it.

use super::*;
use std::io::{self, Read};

/// Reads from another, after it has done something for the first time.
struct After<F, R> {
    first: Option<F>,
    from: R,
}

impl<F: FnOnce(), R: Read> Read for After<F, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(first) = self.first.take() {
            first();
        }
        self.from.read(buffer)
    }
}

/// (O6)
#[test]
fn a_deals_folder_that_is_opened_again_disturbs_no_transfer_into_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path()).expect("a store");
    let secrets = store.open_for(DEAL).expect("a folder");
    let document = bytes(100_000);
    let hash = Hash(*blake3::hash(&document).as_bytes());
    let artifact = Artifact::new(hash, document.len() as u64);
    let half = secrets.begin(&artifact).expect("begun");
    let sent = After {
        first: Some(|| drop(store.open_for(DEAL).expect("opened again"))),
        from: Cursor::new(stream(&document, 0)),
    };
    secrets.receive(half, sent).expect("it comes");
    assert_eq!(std::fs::read(secrets.path(hash)).expect("it"), document);
}

/// (O4, O6)
#[test]
fn a_store_forgets_what_was_left_half_done() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path()).expect("a store");
    let deals = store.open_for(DEAL).expect("a folder");
    let (hash, _) = deals.insert(b"x").expect("kept");
    let left = [folder.path(), &deals.folder].map(|folder| folder.join(".tmp-half"));
    for file in &left {
        std::fs::write(file, b"x").expect("written");
    }
    let store = Store::open(folder.path()).expect("a store");
    assert_eq!(left.map(|file| file.exists()), [false; 2]);
    assert!(store.list().expect("a list").is_empty());
    assert_eq!(deals.list().expect("a list"), [hash]);
}
