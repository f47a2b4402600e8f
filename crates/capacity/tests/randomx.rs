//! RandomX is RandomX, whichever way it is run, and every unit has programs of its own.

mod common;

use capacity::{
    Control, Digest,
    randomx::{Cache, Dataset, Error, LightVm, MAX_SEED, Mode, PlainVm},
};
use common::{cache, hex};
use std::{num::NonZeroUsize, sync::Arc, thread};

const KEY: &[u8] = common::KEY;
const SENTENCE: &str = "sed do eiusmod tempor incididunt ut labore et dolore magna aliqua";
/// Official vectors of RandomX v1: input and hash under the key "test key 000".
const VECTORS: [(&str, &str); 3] = [
    (
        "This is a test",
        "639183aae1bf4c9a35884cb46b09cad9175f04efd7684e7262a0ac1c2f0b4e3f",
    ),
    (
        "Lorem ipsum dolor sit amet",
        "300a0adb47603dedb42228ccb2b211104f4da45af709cd7547cd049e9489c969",
    ),
    (
        SENTENCE,
        "c36d4ed4191e617309867ed66a443be4075014e2b061bcdaf9ce7b721d2b77a8",
    ),
];
/// The same under the key "test key 001".
const OTHER_KEY: (&[u8], &str, &str) = (
    b"test key 001",
    SENTENCE,
    "e9ff4503201c0c2cca26d285c93ae883f9b1d30c9eb240b820756f2d5a7905fc",
);

fn light() -> LightVm {
    LightVm::new(Mode::fastest()).expect("memory")
}

/// A hash of a unit, on a machine that never was another unit's.
fn fresh(seed: &[u8], input: &[u8]) -> Digest {
    light().load(&cache(), seed).expect("memory").hash(input)
}

/// (E1)
#[test]
fn a_cache_gives_the_official_hashes() {
    let cache = cache();
    let mut vm = PlainVm::new(&cache, Mode::fastest()).expect("memory");
    for (input, hash) in VECTORS {
        assert_eq!(hex(&vm.hash(input.as_bytes())), hash, "{input}");
    }
}

/// (E1)
#[test]
fn a_view_whose_seed_is_the_key_gives_the_official_hashes() {
    let (cache, mut vm) = (cache(), light());
    let mut loaded = vm.load(&cache, KEY).expect("memory");
    for (input, hash) in VECTORS {
        assert_eq!(hex(&loaded.hash(input.as_bytes())), hash, "{input}");
    }
    let (key, input, hash) = OTHER_KEY;
    let other = Cache::new(key, Mode::fastest()).expect("memory");
    let mut loaded = vm.load(&other, key).expect("memory");
    assert_eq!(hex(&loaded.hash(input.as_bytes())), hash);
}

/// Without a new cache key in the view, a machine would go on with the programs of the unit before.
/// (E2)
#[test]
fn a_machine_that_is_loaded_again_hashes_like_a_fresh_one() {
    let (cache, mut vm) = (cache(), light());
    let mut hash = |seed: &[u8]| vm.load(&cache, seed).expect("memory").hash(b"input");
    let (one, two) = (hash(b"unit 1"), hash(b"unit 2"));
    assert_ne!(one, two);
    assert_eq!(two, fresh(b"unit 2", b"input"));
    assert_eq!(hash(b"unit 1"), one);
}

/// (E1, E13)
#[test]
fn every_mode_gives_the_same_hashes() {
    let cache = cache();
    let compiled = fresh(b"unit", b"input");
    for mode in [Mode::fastest().secure(), Mode::fastest().interpreted()] {
        let mut vm = LightVm::new(mode).expect("memory");
        let hash = vm.load(&cache, b"unit").expect("memory").hash(b"input");
        assert_eq!(hash, compiled, "{mode:?}");
    }
}

/// (E2, E3)
#[test]
fn machines_on_several_threads_share_a_cache() {
    let expected = [b"unit 0", b"unit 1", b"unit 2"].map(|seed| fresh(seed, b"input"));
    let cache = cache();
    let threads: Vec<_> = (0..3)
        .map(|unit| {
            let cache = Arc::clone(&cache);
            thread::spawn(move || {
                let seed = format!("unit {unit}");
                let mut vm = light();
                let mut loaded = vm.load(&cache, seed.as_bytes()).expect("memory");
                loaded.hash(b"input")
            })
        })
        .collect();
    let hashes: Vec<_> = threads.into_iter().map(thread::JoinHandle::join).collect();
    for (hash, expected) in hashes.into_iter().zip(expected) {
        assert_eq!(hash.expect("the thread ends"), expected);
    }
}

/// (E3)
#[cfg(target_os = "linux")]
#[test]
fn a_unit_more_takes_no_cache_more() {
    let cache = cache();
    let mut vms: Vec<_> = (0..8).map(|_| light()).collect();
    let before = common::resident();
    let mut hashes = Vec::new();
    for (unit, vm) in vms.iter_mut().enumerate() {
        let seed = format!("unit {unit}");
        hashes.push(vm.load(&cache, seed.as_bytes()).expect("memory").hash(b""));
    }
    let grown = common::resident().saturating_sub(before);
    hashes.dedup();
    assert_eq!(hashes.len(), 8, "every unit has programs of its own");
    // Other tests of this program may make one cache meanwhile. Eight of them would be 2 GiB.
    assert!(grown < 2 * Cache::BYTES, "{grown} bytes for eight units");
}

#[test]
fn a_seed_that_randomx_would_cut_is_refused() {
    let (cache, mut vm) = (cache(), light());
    assert!(vm.load(&cache, &[1; MAX_SEED]).is_ok());
    let long = Error::SeedTooLong { bytes: 61 };
    assert_eq!(vm.load(&cache, &[1; MAX_SEED + 1]).err(), Some(long));
    let long = Error::SeedTooLong { bytes: 61 };
    assert_eq!(Cache::new(&[1; 61], Mode::fastest()).err(), Some(long));
}

/// (E3)
#[test]
fn a_dataset_that_is_stopped_is_not_made() {
    let (cache, control) = (cache(), Control::new());
    control.stop();
    let threads = NonZeroUsize::new(2).expect("two");
    let stopped = Dataset::build(&cache, b"unit", Mode::fastest(), threads, &control);
    assert_eq!(stopped.err(), Some(Error::Stopped));
    assert_eq!(control.done(), 0);
    let worker = Control::new();
    let handle = thread::spawn({
        let control = worker.clone();
        move || Dataset::build(&cache, b"unit", Mode::fastest(), threads, &control).err()
    });
    while worker.done() == 0 && !handle.is_finished() {
        thread::yield_now();
    }
    worker.stop();
    assert_eq!(handle.join().expect("it ends"), Some(Error::Stopped));
    assert!(worker.done() < Dataset::items() / 10);
}

/// In a process of its own, which may have 800 MB of addresses.
/// (E4)
#[cfg(target_os = "linux")]
#[test]
fn memory_that_the_system_refuses_is_an_error() {
    const LIMITED: &str = "MP_LIMITED";
    if std::env::var_os(LIMITED).is_some() {
        let no_memory = |result| matches!(result, Some(Error::NoMemory { .. }));
        let threads = NonZeroUsize::MIN;
        let control = Control::new();
        let cache = Cache::new(KEY, Mode::fastest()).expect("there is enough for one");
        assert!(no_memory(
            Dataset::build(&cache, b"unit", Mode::fastest(), threads, &control).err()
        ));
        let more: Vec<_> = (0..3).map(|_| Cache::new(KEY, Mode::fastest())).collect();
        assert!(no_memory(more.into_iter().find_map(Result::err)));
        let (_, hash) = VECTORS[0];
        let mut vm = light();
        let mut loaded = vm.load(&cache, KEY).expect("there is enough again");
        assert_eq!(hex(&loaded.hash(VECTORS[0].0.as_bytes())), hash);
        return;
    }
    let output = std::process::Command::new("sh")
        .args(["-c", r#"ulimit -v 800000 && exec "$0" "$@""#])
        .arg(std::env::current_exe().expect("a path"))
        .args(["--exact", "memory_that_the_system_refuses_is_an_error"])
        .env(LIMITED, "1")
        .output()
        .expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

/// What others rely on: a machine goes where its thread goes, and caches and datasets are everybody's.
#[test]
fn what_is_shared_may_be_shared() {
    fn send<T: Send>() {}
    fn sync<T: Sync>() {}
    send::<LightVm>();
    send::<capacity::randomx::FullVm>();
    sync::<Cache>();
    sync::<Dataset>();
}
