//! What is decided, one case a test; and that what was sent can be opened.

use super::desk::{Desk, Question};
use super::{Action, Asked, Event, Prover, Seen, Window};
use capacity::work::{STEP_BYTES, Step};
use capacity::{Audit, Control, Digest, Seat, Shape, Statement, Verdict, draw};

const UNITS: [u16; 2] = [0, 1];

/// A window of ten seconds with a grace of four.
fn window(window: u64) -> Window {
    let ends_ms = 10_000 * (window + 1);
    Window {
        window,
        epoch: 1,
        owed: true,
        committed: false,
        challenge: Some([window as u8; 32]),
        key: Some([1; 32]),
        next_key: Some([2; 32]),
        ends_ms,
        commit_by_ms: ends_ms + 4_000,
        chain: 1,
        provider: 1,
        peer: [3; 32],
        commitment: 1,
        shape: Shape::new(1, 8, 1).expect("a shape"),
        payout: [4; 20],
        units: UNITS.to_vec(),
    }
}

fn see(prover: &mut Prover, windows: &[Window], now_ms: u64) -> Vec<Action> {
    let seen = Seen {
        windows: windows.to_vec(),
        audits: Vec::new(),
    };
    prover.handle(Event::Seen(seen), now_ms)
}

fn finish(prover: &mut Prover, window: u64, units: &[u16]) {
    for unit in units {
        let over = Event::Over {
            unit: *unit,
            window,
            finished: true,
        };
        assert!(prover.handle(over, 0).is_empty());
    }
}

/// Units and windows of the chains that are begun.
fn begun(actions: &[Action]) -> Vec<(u64, u16)> {
    let begun = actions.iter().filter_map(|action| match action {
        Action::Begin(statement) => Some((statement.window, statement.unit.unit)),
        _ => None,
    });
    begun.collect()
}

fn commits(actions: &[Action]) -> Vec<(u64, Vec<u16>)> {
    let commits = actions.iter().filter_map(|action| match action {
        Action::Commit { window, units } => Some((*window, units.clone())),
        _ => None,
    });
    commits.collect()
}

/// (N2, N3)
#[test]
fn a_peer_commits_once_when_all_its_units_are_done() {
    let mut prover = Prover::new();
    let seen = [window(1)];
    let actions = see(&mut prover, &seen, 12_000);
    assert_eq!(begun(&actions), [(1, 0), (1, 1)]);
    finish(&mut prover, 1, &[0]);
    let actions = see(&mut prover, &seen, 18_000);
    assert_eq!((begun(&actions), commits(&actions)), (vec![(1, 1)], vec![]));
    finish(&mut prover, 1, &[1]);
    let actions = see(&mut prover, &seen, 19_000);
    assert_eq!(commits(&actions), [(1, UNITS.to_vec())]);
    assert_eq!(commits(&see(&mut prover, &seen, 19_100)), []);
}

/// (N3)
#[test]
fn a_commit_that_failed_is_sent_again_and_one_that_was_taken_is_not() {
    let mut prover = Prover::new();
    see(&mut prover, &[window(1)], 12_000);
    finish(&mut prover, 1, &UNITS);
    for done in [false, true] {
        let actions = see(&mut prover, &[window(1)], 19_000);
        assert_eq!(commits(&actions), [(1, UNITS.to_vec())]);
        let ended = Event::Committed { window: 1, done };
        prover.handle(ended, 19_000);
    }
    assert_eq!(commits(&see(&mut prover, &[window(1)], 19_000)), []);
    assert!(prover.asks(Some(2)).is_empty());
}

/// (N3)
#[test]
fn whoever_is_not_done_at_the_last_call_is_left_out() {
    let mut prover = Prover::new();
    see(&mut prover, &[window(1)], 12_000);
    finish(&mut prover, 1, &[1]);
    assert_eq!(commits(&see(&mut prover, &[window(1)], 21_999)), []);
    let actions = see(&mut prover, &[window(1)], 22_000);
    assert_eq!(commits(&actions), [(1, vec![1])]);
}

/// (N1)
#[test]
fn after_a_restart_the_window_before_is_taken_up_first() {
    let mut prover = Prover::new();
    assert_eq!(prover.asks(Some(2)), [1]);
    let seen = [window(1), window(2)];
    let actions = see(&mut prover, &seen, 21_000);
    assert_eq!(begun(&actions), [(1, 0), (1, 1), (2, 0), (2, 1)]);
    assert!(actions.contains(&Action::StopBefore(1)));
    finish(&mut prover, 1, &UNITS);
    let actions = see(&mut prover, &seen, 21_500);
    assert_eq!(commits(&actions), [(1, UNITS.to_vec())]);
}

/// (N1)
#[test]
fn a_window_that_is_over_is_left() {
    for committed in [true, false] {
        let mut prover = Prover::new();
        let before = Window {
            committed,
            ..window(1)
        };
        let now_ms = if committed { 21_000 } else { 24_001 };
        let actions = see(&mut prover, &[before, window(2)], now_ms);
        assert_eq!(begun(&actions), [(2, 0), (2, 1)]);
        assert!(actions.contains(&Action::StopBefore(2)));
        assert_eq!(prover.asks(Some(2)).is_empty(), committed);
        let void = Window {
            owed: false,
            ..window(2)
        };
        see(&mut prover, &[void, window(3)], 31_000);
        assert!(prover.asks(Some(3)).is_empty());
    }
}

/// (N1)
#[test]
fn what_the_chain_does_not_ask_any_more_is_left() {
    let mut prover = Prover::new();
    see(&mut prover, &[window(1)], 12_000);
    assert_eq!(prover.asks(Some(3)), [1, 2]);
    see(&mut prover, &[window(3)], 31_000);
    assert_eq!(prover.asks(Some(3)), [2]);
    see(&mut prover, &[], 31_000);
    assert!(prover.asks(None).is_empty());
}

#[test]
fn nothing_begins_without_a_challenge() {
    let early = Window {
        owed: false,
        challenge: None,
        ..window(1)
    };
    let mut prover = Prover::new();
    assert_eq!(begun(&see(&mut prover, &[early], 10_500)), []);
    assert_eq!(begun(&see(&mut prover, &[window(1)], 11_000)).len(), 2);
}

/// (N5)
#[test]
fn the_key_of_an_open_window_is_kept_before_the_next_one() {
    let keep = |key, next| Action::Keep {
        key: [key; 32],
        next: Some([next; 32]),
    };
    let old = Window {
        key: Some([9; 32]),
        next_key: Some([1; 32]),
        ..window(1)
    };
    let mut prover = Prover::new();
    let actions = see(&mut prover, &[old.clone(), window(2)], 21_000);
    assert!(actions.contains(&keep(9, 1)), "{actions:?}");
    let actions = see(&mut prover, &[old, window(2)], 25_000);
    assert!(actions.contains(&keep(1, 2)), "{actions:?}");
}

/// (N4)
#[test]
fn an_audit_is_answered_once_for_each_draw_and_again_if_that_failed() {
    let mut prover = Prover::new();
    let mut answers = |seed: u8, failed: bool| {
        let asked = Asked {
            audit: 7,
            seed: [seed; 32],
        };
        let seen = Seen {
            windows: Vec::new(),
            audits: vec![(asked, 30_000)],
        };
        let actions = prover.handle(Event::Seen(seen), 0);
        if failed {
            let done = false;
            prover.handle(Event::Answered { asked, done }, 0);
        }
        actions == [Action::Answer(asked)]
    };
    assert!(answers(1, true));
    assert!(answers(1, false));
    assert!(!answers(1, false));
    assert!(answers(2, false));
}

/// (N4)
#[test]
fn answers_are_spread_over_two_thirds_of_the_time_that_is_left() {
    let mut prover = Prover::new();
    let asked = |seed: u8| Asked {
        audit: seed.into(),
        seed: [seed; 32],
    };
    let audits: Vec<_> = (0..=255).map(|seed| (asked(seed), 901_000)).collect();
    let mut answered = |now_ms: u64| {
        let seen = Seen {
            windows: Vec::new(),
            audits: audits.clone(),
        };
        prover.handle(Event::Seen(seen), now_ms).len()
    };
    let halves = [answered(1_000), answered(301_000), answered(601_000)];
    assert_eq!(halves, [1, 127, 128], "each in its turn, and all in time");
    assert_eq!(answered(901_000), 0, "and once");
}

/// Not slow.
struct Toy;

impl Step for Toy {
    fn step(&mut self, input: &[u8; STEP_BYTES]) -> Digest {
        std::array::from_fn(|place| input[place + 32].wrapping_add(input[place] | 1))
    }
}

fn work(desk: &Desk, unit: u16) -> Statement {
    let window = window(1);
    let statement = window.statement(unit, [1; 32], [1; 32]);
    let shelf = desk.shelf(unit).expect("a shelf");
    for mut chain in shelf.chains(&statement).expect("chains") {
        chain.run(&mut Toy, &Control::new()).expect("runs");
    }
    statement
}

/// A commit may be taken by the chain although its peer never heard of that.
#[test]
fn whichever_commit_the_chain_took_can_be_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    let desk = Desk::new(folder.path().into());
    let statements = UNITS.map(|unit| work(&desk, unit));
    let first = desk.commit(1, &[0]).expect("a disk").expect("work");
    let second = desk.commit(1, &UNITS).expect("a disk").expect("work");
    assert_ne!(first.root, second.root);
    for (commit, unit) in [(&first, 0), (&second, 0), (&second, 1)] {
        let question = Question {
            window: 1,
            unit,
            root: commit.root,
            seed: [5; 32],
            leaves: 2,
        };
        let answer = Desk::new(folder.path().into()).answer(&question);
        let statement = statements[usize::from(unit)];
        let audit = Audit {
            statement,
            peer_root: commit.root,
            seat: Seat {
                index: unit,
                of: commit.units.len() as u16,
            },
            leaves: draw(&[5; 32], statement.shape, 2),
        };
        let answer = answer.expect("a disk").expect("an answer");
        assert_eq!(audit.judge(&answer, &mut Toy), Verdict::Good);
    }
    assert_eq!(desk.commit(1, &[9]).expect("a disk"), None);
}
