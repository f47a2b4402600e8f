//! Whole datasets: 2.3 GiB and some minutes of processor time, so this is `cargo xtask test capacity` and not part of
//! the suite.

mod common;

use capacity::{
    Answer, Audit, Caches, Control, Digest, Statement, Verdict, Verifier,
    randomx::{Cache, Dataset, FullVm, LightVm, Mode},
    work::Outcome,
};
use common::{Folder, KEY, audit, hex, resident, statement};
use std::{num::NonZeroUsize, sync::Arc, thread};

/// Builds the dataset of a seed with so many threads.
fn build(cache: &Cache, seed: &[u8], threads: usize) -> Arc<Dataset> {
    let threads = NonZeroUsize::new(threads).expect("some");
    let control = Control::new();
    let dataset = Dataset::build(cache, seed, Mode::fastest(), threads, &control);
    assert_eq!(control.done(), Dataset::items());
    Arc::new(dataset.expect("memory"))
}

fn full(dataset: &Arc<Dataset>, mode: Mode) -> FullVm {
    FullVm::new(Arc::clone(dataset), mode).expect("memory")
}

#[test]
fn with_its_dataset_a_unit_hashes_as_without_it() {
    let cache = common::cache();
    let before = resident();

    // Plain RandomX, by three threads, which share an odd number of items unevenly.
    let dataset = build(&cache, KEY, 3);
    let official = "639183aae1bf4c9a35884cb46b09cad9175f04efd7684e7262a0ac1c2f0b4e3f";
    for mode in [Mode::fastest(), Mode::fastest().secure()] {
        let hash = full(&dataset, mode).hash(b"This is a test");
        assert_eq!(hex(&hash), official);
    }
    let last = Dataset::items() - 1;
    let some = (0..1_000).map(|n| n * (last / 999)).chain([last - 1, last]);
    let wrong = |seed: &[u8]| dataset.wrong_items(&cache, seed, some.clone());
    assert_eq!(wrong(KEY), Ok(0));
    assert_eq!(wrong(b"another unit"), Ok(1_002));
    assert!(resident() > before + 2 * (1 << 30));
    drop(dataset);
    assert!(resident() < before + (64 << 20), "it was not freed");

    let statement = statement(7, 1, 16);
    let dataset = build(&cache, &statement.unit.seed(), 2);
    let (mut fast, mut light) = (
        full(&dataset, Mode::fastest()),
        LightVm::new(Mode::fastest()).expect("memory"),
    );
    let mut light = light.load(&cache, &statement.unit.seed()).expect("memory");
    let mut value: Digest = [0; 32];
    for _ in 0..50 {
        let next = fast.hash(&value);
        assert_eq!(light.hash(&value), next);
        value = next;
    }
}

#[test]
fn a_window_proven_by_two_threads_over_one_dataset_is_good() {
    let statement = statement(7, 1, 16);
    let caches = Arc::new(Caches::new(Mode::fastest().secure()));
    caches.keep(statement.unit.key, None);
    let cache = caches.get(&statement.unit.key).expect("a cache");
    let dataset = build(&cache, &statement.unit.seed(), 2);
    let (audit, answer) = prove(&statement, &dataset);
    let mut verifier = Verifier::new(caches).expect("memory");
    assert_eq!(verifier.judge(&audit, &answer), Ok(Verdict::Good));
}

fn prove(statement: &Statement, dataset: &Arc<Dataset>) -> (Audit, Vec<u8>) {
    let folder = Folder::new();
    let shelf = folder.shelf();
    thread::scope(|scope| {
        for mut chain in shelf.chains(statement).expect("files") {
            scope.spawn(move || {
                let outcome = chain.run(&mut full(dataset, Mode::fastest()), &Control::new());
                assert!(matches!(outcome, Ok(Outcome::Finished(_))));
            });
        }
    });
    let work = shelf
        .work(statement.window)
        .expect("files")
        .expect("finished");
    let (audit, path) = audit(statement, work.unit_root(), 16);
    let answer = Answer::new(&work, path, &audit.leaves).expect("leaves");
    (audit, answer.encode())
}
