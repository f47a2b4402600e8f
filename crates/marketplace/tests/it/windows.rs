//! Windows as blocks see them.

use crate::world::World;
use marketplace::units::Epoch;
use marketplace::{Event, Params, window};

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
