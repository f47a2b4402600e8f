//! Work is kept: through stops, crashes and torn writes, for the right statement and the right time.

mod common;

use capacity::{
    Control, Digest, Statement,
    work::{Error, KEPT_WINDOWS, Leaf, Outcome, STEP_BYTES, Shelf, Step},
};
use common::{Folder, Toy, honest, liar, prove, statement};
use std::fs;

/// A machine that asks to stop when it has made so many steps.
struct Stopping {
    toy: Toy,
    left: u32,
    control: Control,
}

impl Step for Stopping {
    fn step(&mut self, input: &[u8; STEP_BYTES]) -> Digest {
        assert!(self.left > 0, "a step after the stop");
        self.left -= 1;
        if self.left == 0 {
            self.control.stop();
        }
        self.toy.step(input)
    }
}

/// Runs the first chain for so many steps.
fn run_for(shelf: &Shelf, statement: &Statement, steps: u32) -> (u32, u64) {
    let control = Control::new();
    let mut step = Stopping {
        toy: Toy::of(statement),
        left: steps,
        control: control.clone(),
    };
    let [mut chain, _] = shelf.chains(statement).expect("a file");
    let outcome = chain.run(&mut step, &control).expect("a disk");
    assert_eq!(outcome, Outcome::Stopped);
    (chain.done(), control.done())
}

/// (E5)
#[test]
fn the_crate_and_its_documentation_make_the_same_roots() {
    for leaves in [1, 2, 3, 8, 13] {
        let statement = statement(7, 1, leaves);
        let mut toy = Toy::of(&statement);
        let chain = |thread| {
            let chain = liar::Chain::new(&statement, thread, &[]);
            chain.work(|input| toy.step(input)).root()
        };
        let roots = [0, 1].map(chain);
        let work = honest(&statement);
        assert_eq!(work.roots(), roots);
        let [zero, one] = &roots;
        let parts: [&[u8]; 5] = [&7_u16.to_le_bytes(), &[1], &statement.payout, zero, one];
        assert_eq!(work.unit_root(), liar::h("unit root", &parts));
    }
}

/// (E7)
#[test]
fn a_chain_stops_within_a_step_and_goes_on_where_it_was() {
    let statement = statement(7, 1, 8);
    let whole = honest(&statement).roots();
    for steps in 1..16 {
        let folder = Folder::new();
        let (done, counted) = run_for(&folder.shelf(), &statement, steps);
        assert_eq!((done, counted), (steps / 2, steps.into()));
        let work = prove(&folder.shelf(), &statement, &mut Toy::of(&statement));
        assert_eq!(work.roots(), whole, "stopped after {steps} steps");
    }
}

/// (E7)
#[test]
fn a_file_torn_at_any_byte_costs_no_more_than_what_was_torn() {
    let statement = statement(7, 1, 5);
    let folder = Folder::new();
    let whole = prove(&folder.shelf(), &statement, &mut Toy::of(&statement)).roots();
    let path = folder.path().join("100-0.leaves");
    let bytes = fs::read(&path).expect("a file");
    let head = bytes.len() - 5 * 40;
    for cut in 0..=bytes.len() {
        for filled in [0, 100] {
            let mut torn = bytes[..cut].to_vec();
            // What a disk may have where a write never came.
            torn.resize(cut + filled, 0xa5);
            fs::write(&path, &torn).expect("a disk");
            let [mut chain, _] = folder.shelf().chains(&statement).expect("a file");
            let kept = cut.saturating_sub(head) / 40;
            assert_eq!(chain.done() as usize, kept, "cut at {cut}");
            let outcome = chain.run(&mut Toy::of(&statement), &Control::new());
            assert_eq!(outcome.expect("a disk"), Outcome::Finished(whole[0]));
        }
        assert_eq!(fs::read(&path).expect("a file"), bytes);
    }
}

/// (E7)
#[test]
fn a_result_that_the_disk_changed_is_made_again() {
    let statement = statement(7, 1, 5);
    let folder = Folder::new();
    let whole = prove(&folder.shelf(), &statement, &mut Toy::of(&statement)).roots();
    let path = folder.path().join("100-1.leaves");
    let bytes = fs::read(&path).expect("a file");
    for leaf in 0..5 {
        let mut changed = bytes.clone();
        changed[bytes.len() - (5 - leaf) * 40] ^= 1;
        fs::write(&path, &changed).expect("a disk");
        assert!(folder.shelf().work(100).expect("a file").is_none());
        let [_, chain] = folder.shelf().chains(&statement).expect("a file");
        assert_eq!(chain.done() as usize, leaf);
        drop(chain);
        let work = prove(&folder.shelf(), &statement, &mut Toy::of(&statement));
        assert_eq!(work.roots(), whole);
    }
}

/// (E8)
#[test]
fn work_for_another_statement_is_refused_and_kept() {
    let (mine, mut other) = (statement(7, 1, 5), statement(7, 1, 5));
    other.payout = [9; 20];
    let folder = Folder::new();
    let shelf = folder.shelf();
    let roots = prove(&shelf, &mine, &mut Toy::of(&mine)).roots();
    let refused = shelf.chains(&other);
    assert!(matches!(refused, Err(Error::OtherStatement(_))));
    let kept = shelf.work(100).expect("a file").expect("finished");
    assert_eq!((kept.roots(), kept.statement()), (roots, &mine));
    shelf.discard(100).expect("a disk");
    assert_eq!(shelf.chains(&other).expect("files")[0].done(), 0);
}

/// (E8)
#[test]
fn a_file_in_the_place_of_another_is_refused() {
    let statement = statement(7, 1, 5);
    let folder = Folder::new();
    prove(&folder.shelf(), &statement, &mut Toy::of(&statement));
    let file = |name: &str| folder.path().join(name);
    fs::copy(file("100-0.leaves"), file("100-1.leaves")).expect("a disk");
    let refused = folder.shelf().work(100);
    assert!(matches!(refused, Err(Error::OtherStatement(_))));
}

/// (E8)
#[test]
fn two_do_not_work_on_one_chain() {
    let statement = statement(7, 1, 5);
    let folder = Folder::new();
    let first = folder.shelf().chains(&statement).expect("files");
    let second = folder.shelf().chains(&statement);
    assert!(matches!(second, Err(Error::InUse(_))));
    drop(first);
    assert!(folder.shelf().chains(&statement).is_ok());
}

/// (E8)
#[test]
fn work_of_eight_windows_is_kept_besides_the_newest() {
    let folder = Folder::new();
    let shelf = folder.shelf();
    for window in 10..30 {
        let mut now = statement(7, 1, 3);
        now.window = window;
        prove(&shelf, &now, &mut Toy::of(&now));
        let first = (window - KEPT_WINDOWS).max(10);
        let kept: Vec<_> = (first..=window).collect();
        assert_eq!(shelf.windows().expect("a folder"), kept);
        for window in kept {
            let work = shelf.work(window).expect("a file").expect("finished");
            assert_eq!(work.statement().window, window);
            assert!(
                work.open(Leaf {
                    thread: 1,
                    index: 2
                })
                .is_some()
            );
        }
    }
    assert!(shelf.work(9).expect("no file").is_none());
}

#[test]
fn work_that_is_not_finished_is_not_shown() {
    let statement = statement(7, 1, 5);
    let folder = Folder::new();
    run_for(&folder.shelf(), &statement, 4);
    assert!(folder.shelf().work(100).expect("a file").is_none());
}

#[test]
fn a_folder_that_is_a_file_is_said_to_be_none() {
    let folder = Folder::new();
    folder.shelf();
    let path = folder.path().join("file");
    fs::write(&path, "").expect("a disk");
    let error = Shelf::open(&path).expect_err("it is a file");
    assert!(matches!(&error, Error::Io { path: named, .. } if *named == path));
}
