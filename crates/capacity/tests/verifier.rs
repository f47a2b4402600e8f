//! Validators check with real RandomX, and never have more than two caches.

mod common;

use capacity::{
    Answer, Audit, Caches, Digest, Error, MAX_CACHES, Statement, Verdict, Verifier,
    randomx::{Cache, LightVm, Mode},
    work::Work,
};
use common::{Folder, audit, prove, statement};
use std::{sync::Arc, thread};

const KEYS: [Digest; 3] = [[2; 32], [20; 32], [200; 32]];

/// A unit that works in light mode in the period of that key.
fn work(caches: &Caches, unit: u16, key: Digest) -> Work {
    let mut statement = statement(unit, 1, 3);
    statement.unit.key = key;
    let cache = caches.get(&key).expect("a cache");
    let mut vm = LightVm::new(Mode::fastest()).expect("memory");
    let mut step = vm.load(&cache, &statement.unit.seed()).expect("memory");
    prove(&Folder::new().shelf(), &statement, &mut step)
}

fn question(statement: &Statement, work: &Work) -> (Audit, Vec<u8>) {
    let (audit, path) = audit(statement, work.unit_root(), 2);
    let answer = Answer::new(work, path, &audit.leaves).expect("leaves");
    (audit, answer.encode())
}

fn caches() -> Arc<Caches> {
    Arc::new(Caches::new(Mode::fastest().secure()))
}

/// (E13, E14)
#[test]
fn verifiers_of_many_units_share_the_caches_of_two_periods() {
    let caches = caches();
    caches.keep(KEYS[0], Some(KEYS[1]));
    let cases = [(7, KEYS[0]), (8, KEYS[1]), (9, KEYS[0])].map(|(unit, key)| {
        let work = work(&caches, unit, key);
        question(work.statement(), &work)
    });
    let judge = |caches| {
        let mut verifier = Verifier::new(caches).expect("memory");
        let verdicts = cases.each_ref().map(|(audit, bytes)| {
            assert_eq!((audit.cost(), bytes.len()), (4, audit.answer_bytes()));
            verifier.judge(audit, bytes).expect("a verdict")
        });
        assert_eq!(verdicts, [Verdict::Good; 3]);
        // The same answer for a unit of the other period.
        let (mut audit, bytes) = cases[0].clone();
        audit.statement.unit.key = KEYS[1];
        let verdict = verifier.judge(&audit, &bytes).expect("a verdict");
        assert!(matches!(verdict, Verdict::Malformed(_)));
    };
    thread::scope(|scope| {
        scope.spawn(|| judge(Arc::clone(&caches)));
        judge(Arc::clone(&caches));
    });
    assert_eq!(caches.count(), MAX_CACHES);
}

/// (E14)
#[test]
fn a_third_cache_waits_until_one_of_two_is_not_used() {
    let caches = caches();
    caches.keep(KEYS[0], Some(KEYS[1]));
    let used = caches.get(&KEYS[0]).expect("a cache");
    caches.prepare(&KEYS[1]).expect("a cache");
    // Nobody has the second, so it goes at once, and the first when we let go of it.
    caches.keep(KEYS[2], None);
    assert_eq!(caches.count(), 1);
    caches.prepare(&KEYS[2]).expect("a cache");
    assert_eq!(caches.count(), 2);
    caches.keep(KEYS[1], None);
    assert_eq!(caches.count(), 1);
    caches.keep(KEYS[1], Some(KEYS[2]));
    caches.prepare(&KEYS[1]).expect("a cache");
    let waiting = Arc::clone(&caches);
    let waiting = thread::spawn(move || waiting.prepare(&KEYS[2]));
    // Long enough to make a cache, if there were a place for it.
    let elsewhere = Cache::new(b"", Mode::fastest()).expect("memory");
    assert!(!waiting.is_finished());
    drop(elsewhere);
    drop(used);
    assert_eq!(waiting.join().expect("it ends"), Ok(()));
    assert_eq!(caches.count(), 2);
}

/// (E12, E13, E14)
#[test]
fn an_audit_of_a_period_that_is_not_kept_has_no_verdict() {
    let caches = caches();
    let mut verifier = Verifier::new(Arc::clone(&caches)).expect("memory");
    let work = common::honest(&statement(7, 1, 3));
    let (audit, bytes) = question(work.statement(), &work);
    assert_eq!(verifier.judge(&audit, &bytes), Err(Error::UnknownKey));
    // What is malformed is so in any period, and makes no cache.
    let malformed = verifier.judge(&audit, &bytes[1..]).expect("a verdict");
    assert!(matches!(malformed, Verdict::Malformed(_)));
    assert_eq!(caches.count(), 0);
    assert_eq!(caches.prepare(&KEYS[0]), Err(Error::UnknownKey));
}
