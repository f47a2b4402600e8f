//! What state keeps, and what it refuses.

use super::{Fault, LISTED, State};
use crate::config::Limits;
use std::{os::unix::fs::PermissionsExt as _, path::PathBuf, sync::Arc};

struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        Self(std::env::temp_dir().join(format!("state-{}-{test}", std::process::id())))
    }

    fn open(&self) -> Arc<State> {
        let limits = Limits {
            state_bytes: 1_000,
            state_keys: 250,
            state_value_bytes: 900,
            ..Limits::default()
        };
        State::open(&self.0.join("state.redb"), &limits).expect("a state")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn set(state: &State, key: &str, value: &[u8]) -> Result<(), Fault> {
    state.set("b", &[(key.to_owned(), value.to_vec())])
}

/// (W23)
#[test]
fn values_are_seen_at_once_and_after_another_start() {
    let folder = Folder::new("kept");
    let state = folder.open();
    set(&state, "a", b"1").expect("set");
    set(&state, "a", b"2").expect("set");
    set(&state, "c", b"3").expect("set");
    state
        .delete("b", &["c".into(), "never".into()])
        .expect("deleted");
    assert_eq!(state.get("b", "a").expect("read"), Some(b"2".to_vec()));
    assert_eq!(state.get("other", "a").expect("read"), None);
    assert!(!state.exists("b", "c").expect("read"));
    state.flush().expect("on disk");
    let file = folder.0.join("state.redb");
    let mode = std::fs::metadata(&file)
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    // As a process that is killed leaves it.
    let copy = Folder::new("copied");
    std::fs::create_dir(&copy.0).expect("a folder");
    std::fs::set_permissions(&copy.0, std::fs::Permissions::from_mode(0o700)).expect("ours");
    std::fs::copy(&file, copy.0.join("state.redb")).expect("copied");
    assert_eq!(
        copy.open().get("b", "a").expect("read"),
        Some(b"2".to_vec())
    );
}

/// (W23)
#[test]
fn a_state_has_one_owner() {
    let folder = Folder::new("owner");
    let _first = folder.open();
    let second = State::open(&folder.0.join("state.redb"), &Limits::default());
    assert!(second.is_err());
}

/// (W23)
#[test]
fn bytes_keys_and_values_have_limits_and_what_is_refused_changes_nothing() {
    let folder = Folder::new("limits");
    let state = folder.open();
    assert!(matches!(
        set(&state, "a", &[0; 901]),
        Err(Fault::Value(900))
    ));
    assert!(matches!(
        set(&state, &"k".repeat(257), b""),
        Err(Fault::Key)
    ));
    set(&state, "a", &[0; 900]).expect("within");
    assert!(matches!(
        set(&state, "b", &[0; 99]),
        Err(Fault::Bytes(1_000))
    ));
    set(&state, "b", &[0; 96]).expect("1,000 bytes with names");
    let pair = |key: &str, value: &[u8]| (key.to_owned(), value.to_vec());
    let many = [pair("a", b""), pair("c", &[0; 900]), pair("d", &[0; 900])];
    assert!(matches!(state.set("b", &many), Err(Fault::Bytes(_))));
    assert_eq!(
        state.get("b", "a").expect("read").map(|v| v.len()),
        Some(900)
    );
    state
        .delete("b", &["a".into(), "b".into()])
        .expect("deleted");
    for key in 0..250 {
        set(&state, &key.to_string(), b"").expect("one of the keys");
    }
    assert!(matches!(set(&state, "250", b""), Err(Fault::Keys(250))));
    set(&state, "249", b"x").expect("it is there already");
}

#[test]
fn keys_are_listed_in_order_and_page_by_page() {
    let folder = Folder::new("list");
    let state = folder.open();
    for key in 0..LISTED + 5 {
        set(&state, &format!("{key:03}"), b"").expect("set");
    }
    state.set("a", &[("before".into(), vec![])]).expect("set");
    state.set("c", &[("after".into(), vec![])]).expect("set");
    let first = state.list("b", 0).expect("a list");
    assert_eq!(
        (first.keys.len(), first.next),
        (LISTED, Some(LISTED as u64))
    );
    let second = state.list("b", LISTED as u64).expect("a list");
    assert_eq!(second.keys, ["100", "101", "102", "103", "104"]);
    assert_eq!(second.next, None);
    assert!(state.list("b", u64::MAX).expect("a list").keys.is_empty());
    assert_eq!(state.list("a", 0).expect("a list").keys, ["before"]);
}

#[test]
fn numbers_are_added_to_by_many_at_once() {
    let folder = Folder::new("numbers");
    let state = folder.open();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    state.increment("b", "n", 2).expect("a number");
                }
            });
        }
    });
    assert_eq!(state.increment("b", "n", 0).expect("a number"), 400);
    assert!(matches!(
        state.increment("b", "n", u64::MAX),
        Err(Fault::NoNumber)
    ));
    set(&state, "n", b"x").expect("set");
    assert!(matches!(state.increment("b", "n", 1), Err(Fault::NoNumber)));
}
