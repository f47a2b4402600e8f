//! Windows as blocks see them.

use crate::world::World;
use marketplace::store::MemoryStore;
use marketplace::units::{Epoch, Seconds};
use marketplace::{Cx, Event, Origin, Params, window};

/// V5.
#[test]
fn a_cache_key_is_known_two_windows_before_its_first_use() {
    let params = Params {
        epoch_seconds: 60,
        windows_per_epoch: 6,
        commit_grace_seconds: 9,
        answer_seconds: 9,
        verdict_delay_seconds: 9,
        key_epochs: 2,
        ..Params::without_commitments()
    };
    let mut world = World::new(params.clone(), &[]);
    for _ in 0..600 {
        world.block(1);
    }
    let mut keys = Vec::new();
    for (at, event) in &world.events {
        if let Event::Window(window::Event::KeyDrawn { period, key }) = event {
            keys.push((*period, *at, *key));
        }
    }
    let periods: Vec<_> = keys.iter().map(|(period, ..)| *period).collect();
    assert_eq!(
        periods,
        [0, 1, 2, 3, 4, 5],
        "one key for each period, in order"
    );
    for (period, at, key) in keys.iter().skip(1) {
        let first = params.epoch_begins(Epoch(1 + period * params.key_epochs));
        let before = first.0 - 2 * params.window().0;
        assert!(*at <= before, "the key of {period} was drawn at {at}");
        let others = keys.iter().filter(|(_, _, other)| other == key);
        assert_eq!(others.count(), 1, "no key is used twice");
    }
}

/// Challenges of the first windows of 60 seconds, blocks being 10 seconds apart, each with its beacon.
fn challenges(beacon: impl Fn(u64) -> u8) -> Vec<(u64, [u8; 32])> {
    let params = Params {
        epoch_seconds: 360,
        windows_per_epoch: 6,
        commit_grace_seconds: 20,
        answer_seconds: 20,
        verdict_delay_seconds: 20,
        ..Params::without_commitments()
    };
    let mut store = MemoryStore::default();
    marketplace::genesis(&mut store, &params, &[]).expect("genesis");
    let (mut events, mut payouts) = (Vec::new(), Vec::new());
    for block in 0..20 {
        let origin = Origin {
            beacon: [beacon(block); 32],
            ..Origin::default()
        };
        let elapsed = Seconds(if block == 0 { 0 } else { 10 });
        let cx = Cx::open(&mut store, origin, &mut events, &mut payouts);
        let begun = cx.and_then(|mut cx| marketplace::begin_block(&mut cx, elapsed, &[]));
        begun.expect("a block");
    }
    let opened = events.into_iter().filter_map(|event| match event {
        Event::Window(window::Event::Opened { window, challenge }) => Some((window, challenge)),
        _ => None,
    });
    opened.collect()
}

/// V1. Window 1 begins with block 6; its challenge is the beacon of block 8.
#[test]
fn nothing_can_be_computed_before_a_window_since_its_challenge_is_a_later_beacon() {
    let usual = challenges(|_| 1);
    assert_eq!(usual.len(), 3);
    let of = |challenges: &[(u64, [u8; 32])], window| {
        let found = challenges.iter().find(|(other, _)| *other == window);
        found.expect("it has one").1
    };
    for block in 0..20 {
        let other = challenges(|number| if number == block { 2 } else { 1 });
        let same = of(&other, 1) == of(&usual, 1);
        assert_eq!(same, block != 8, "the beacon of block {block}");
    }
    assert_ne!(of(&usual, 1), of(&usual, 2), "one beacon, two windows");
}

/// Hashes a second of one thread with its unit's dataset, and in light mode, as `docs/benchmarks.md` has them.
const FULL: u64 = 266;
const LIGHT: u64 = 41;

/// V2. What is missing to class 1 is missing to every other: these do so many times the work in the same time.
#[test]
fn a_thread_without_its_dataset_does_not_finish_a_window_of_class_1() {
    let params = Params::default();
    let hashes = params.leaves_per_class * params.steps_per_leaf;
    let most = params.window().0 + params.commit_grace_seconds;
    assert!(
        LIGHT * most < hashes,
        "{} of {hashes} hashes until the last commit",
        LIGHT * most
    );
    assert!(FULL * params.window().0 >= 3 * hashes, "with it, class 3");
    // From so many hashes a second on, a thread does: cores are sold whose light mode is as fast as that.
    assert_eq!(hashes.div_ceil(most), 65);
}
