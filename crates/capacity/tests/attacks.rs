//! What a cheating peer may try, and what becomes of it. Steps are toys that are bound to the unit's seed as RandomX
//! is to its programs, except in one test.

mod common;

use capacity::{
    Answer, Audit, Digest, Malformed, NotAnAnswer, Statement, Verdict,
    randomx::{LightVm, Mode},
    work::{Leaf, Step as _, Work},
};
use common::{Toy, audit, honest, liar, statement};

/// A statement with one thing changed.
type Change = fn(&mut Statement);

/// Everything that work is bound to.
const CHANGES: [(&str, Change); 11] = [
    ("chain", |other| other.chain += 1),
    ("epoch", |other| other.epoch += 1),
    ("window", |other| other.window += 1),
    ("challenge", |other| other.challenge = [99; 32]),
    ("key period", |other| other.unit.key = [99; 32]),
    ("provider", |other| other.unit.provider += 1),
    ("peer", |other| other.unit.peer = [99; 32]),
    ("unit", |other| other.unit.unit = 8),
    ("commitment", |other| other.unit.commitment += 1),
    ("payout", |other| other.payout = [99; 20]),
    ("class", |other| {
        other.shape = capacity::Shape::new(2, 8, 2).expect("a shape");
    }),
];

/// Both chains of a unit, and its place among its peer's.
struct Forged {
    chains: [liar::Chain; 2],
    audit: Audit,
    path: Vec<Digest>,
}

impl Forged {
    /// Commits to two chains.
    fn new(statement: &Statement, chains: [liar::Chain; 2]) -> Self {
        let roots = [chains[0].root(), chains[1].root()];
        let (audit, path) = audit(statement, statement.unit_root(&roots), 1);
        Self {
            chains,
            audit,
            path,
        }
    }

    fn statement(&self) -> &Statement {
        &self.audit.statement
    }

    fn verdict(&mut self, leaf: Leaf) -> Verdict {
        let answer = Answer {
            roots: [self.chains[0].root(), self.chains[1].root()],
            path: self.path.clone(),
            openings: vec![self.chains[usize::from(leaf.thread)].open(leaf)],
        };
        self.audit.leaves = vec![leaf];
        self.audit
            .judge(&answer.encode(), &mut Toy::of(self.statement()))
    }

    /// Opens every leaf of a thread: how many are good, bad, and do not even lead to the root.
    fn count(&mut self, thread: u8) -> [u32; 3] {
        let mut counts = [0; 3];
        for index in 0..self.statement().shape.leaves() {
            let at = match self.verdict(Leaf { thread, index }) {
                Verdict::Good => 0,
                Verdict::BadLeaves(1) => 1,
                Verdict::Malformed(Malformed::Path(_)) => 2,
                other => panic!("{other:?}"),
            };
            counts[at] += 1;
        }
        counts
    }
}

/// A chain as it should be, but with another unit's machine.
fn chain(statement: &Statement, thread: u8, mut toy: Toy) -> liar::Chain {
    liar::Chain::new(statement, thread, &[]).work(|input| toy.step(input))
}

/// A chain with results that somebody else computed.
fn relabelled(statement: &Statement, thread: u8, work: &Work) -> liar::Chain {
    let mut chain = liar::Chain::new(statement, thread, &[]);
    for index in 0..statement.shape.leaves() {
        let leaf = Leaf { thread, index };
        let result = work.open(leaf).map_or([7; 32], |opening| opening.result);
        chain.put(index, result);
    }
    chain
}

/// (E5)
#[test]
fn honest_work_is_good_at_every_leaf() {
    let statement = statement(7, 1, 64);
    let toy = Toy::of(&statement);
    let chains = [0, 1].map(|thread| chain(&statement, thread, toy));
    let mut forged = Forged::new(&statement, chains);
    assert_eq!([forged.count(0), forged.count(1)], [[64, 0, 0]; 2]);
}

/// (E5, E11)
#[test]
fn classes_of_every_size_open_every_leaf() {
    for class in 1..=16 {
        let statement = statement(7, class, 3);
        let work = honest(&statement);
        let (mut audit, path) = audit(&statement, work.unit_root(), 1);
        for thread in [0, 1] {
            for index in 0..statement.shape.leaves() {
                audit.leaves = vec![Leaf { thread, index }];
                let answer = Answer::new(&work, path.clone(), &audit.leaves).expect("a leaf");
                let bytes = answer.encode();
                assert_eq!(bytes.len(), audit.answer_bytes());
                let verdict = audit.judge(&bytes, &mut Toy::of(&statement));
                assert_eq!(verdict, Verdict::Good, "class {class}, {:?}", audit.leaves);
            }
        }
        assert!(
            work.open(Leaf {
                thread: 2,
                index: 0
            })
            .is_none()
        );
        let index = statement.shape.leaves();
        assert!(work.open(Leaf { thread: 0, index }).is_none());
    }
}

/// (E2, E6)
#[test]
fn one_dataset_for_two_units_makes_every_leaf_of_the_other_bad() {
    let (first, second) = (statement(7, 1, 64), statement(8, 1, 64));
    let toy = Toy::of(&first);
    let chains = [0, 1].map(|thread| chain(&second, thread, toy));
    let mut forged = Forged::new(&second, chains);
    assert_eq!([forged.count(0), forged.count(1)], [[0, 64, 0]; 2]);
}

/// (E2, E6)
#[test]
fn one_dataset_for_two_units_is_found_by_randomx_itself() {
    let (first, second) = (statement(7, 1, 2), statement(8, 1, 2));
    let (cache, mut vm) = (
        common::cache(),
        LightVm::new(Mode::fastest()).expect("memory"),
    );
    let mut verdict = |programs: &Statement| {
        let seed = programs.unit.seed();
        let mut prover = vm.load(&cache, &seed).expect("memory");
        let shelf = common::Folder::new();
        let work = common::prove(&shelf.shelf(), &second, &mut prover);
        let (audit, path) = audit(&second, work.unit_root(), 2);
        let answer = Answer::new(&work, path, &audit.leaves).expect("leaves");
        let mut verifier = vm.load(&cache, &second.unit.seed()).expect("memory");
        audit.judge(&answer.encode(), &mut verifier)
    };
    assert_eq!(verdict(&second), Verdict::Good);
    assert_eq!(verdict(&first), Verdict::BadLeaves(2));
}

/// With the label of the left half made up, both halves can be worked on at once. Half of the leaves cannot be shown.
/// (E5)
#[test]
fn a_chain_that_was_split_cannot_show_the_forged_part() {
    let statement = statement(7, 1, 64);
    let mut toy = Toy::of(&statement);
    for (node, lost) in [((5, 0), 32), ((4, 1), 16), ((2, 15), 4), ((0, 63), 1)] {
        let forged = [(node, [7; 32])];
        let split = liar::Chain::new(&statement, 0, &forged).work(|input| toy.step(input));
        let mut forged = Forged::new(&statement, [split, chain(&statement, 1, toy)]);
        assert_eq!(forged.count(0), [64 - lost, 0, lost], "{node:?}");
        assert_eq!(forged.count(1), [64, 0, 0]);
    }
}

/// (E5)
#[test]
fn leaves_that_were_skipped_are_the_ones_that_are_bad() {
    let statement = statement(7, 1, 64);
    let mut toy = Toy::of(&statement);
    let mut lazy = liar::Chain::new(&statement, 0, &[]);
    for leaf in 0..64 {
        let skipped = leaf % 10 == 3;
        let made_up = lazy.result(leaf, &mut |_| [leaf as u8; 32]);
        let result = lazy.result(leaf, &mut |input| toy.step(input));
        lazy.put(leaf, if skipped { made_up } else { result });
    }
    let mut forged = Forged::new(&statement, [lazy, chain(&statement, 1, toy)]);
    assert_eq!(forged.count(0), [57, 7, 0]);
    for index in 0..64 {
        let bad = forged.verdict(Leaf { thread: 0, index }) == Verdict::BadLeaves(1);
        assert_eq!(bad, index % 10 == 3);
    }
}

/// Whoever leaves out a step of each leaf saves half of the work, and has nothing that is good.
/// (E5)
#[test]
fn a_step_left_out_of_every_leaf_makes_every_leaf_bad() {
    let statement = statement(7, 1, 16);
    let mut toy = Toy::of(&statement);
    let short = liar::Chain::new(&statement, 0, &[]).work(|input| {
        let last = input[32] % 2 == 1;
        if last {
            input[40..].try_into().expect("32 bytes")
        } else {
            toy.step(input)
        }
    });
    let mut forged = Forged::new(&statement, [short, chain(&statement, 1, toy)]);
    assert_eq!(forged.count(0), [0, 16, 0]);
}

/// (E6)
#[test]
fn an_answer_copied_from_anybody_or_any_time_does_not_lead_to_the_root() {
    let mine = statement(7, 1, 16);
    let work = honest(&mine);
    let (genuine, path) = audit(&mine, work.unit_root(), 2);
    let answer = Answer::new(&work, path, &genuine.leaves).expect("leaves");
    for (what, change) in CHANGES {
        let mut copied = genuine.clone();
        change(&mut copied.statement);
        let verdict = copied.judge(&answer.encode(), &mut Toy::of(&copied.statement));
        let path = matches!(verdict, Verdict::Malformed(Malformed::Path(_)));
        assert!(path, "{what}: {verdict:?}");
    }
}

/// Results of others under labels of one's own: the form is right, every leaf is bad. So is work that was done before
/// the challenge was known, and work of an epoch before.
/// (E6)
#[test]
fn results_copied_from_anybody_or_any_time_make_every_leaf_bad() {
    let theirs = statement(7, 1, 16);
    let work = honest(&theirs);
    for (what, change) in CHANGES {
        let mut mine = theirs;
        change(&mut mine);
        let chains = [0, 1].map(|thread| relabelled(&mine, thread, &work));
        let mut forged = Forged::new(&mine, chains);
        let leaves = mine.shape.leaves();
        assert_eq!(forged.count(0), [0, leaves, 0], "{what}");
        assert_eq!(forged.count(1), [0, leaves, 0], "{what}");
    }
}

/// (E6)
#[test]
fn one_chain_shown_for_both_threads_is_not_good() {
    let statement = statement(7, 1, 16);
    let toy = Toy::of(&statement);
    let once = || chain(&statement, 0, toy);
    let mut forged = Forged::new(&statement, [once(), once()]);
    assert_eq!(forged.count(0), [16, 0, 0]);
    assert_eq!(forged.count(1), [0, 0, 16]);
}

/// (E6)
#[test]
fn another_unit_of_the_same_peer_does_not_answer_for_this_one() {
    let (asked, other) = (statement(7, 1, 16), statement(8, 1, 16));
    let (asked_work, other_work) = (honest(&asked), honest(&other));
    let (audit, path) = audit(&asked, asked_work.unit_root(), 2);
    let answer = Answer::new(&other_work, path, &audit.leaves).expect("leaves");
    let verdict = audit.judge(&answer.encode(), &mut Toy::of(&asked));
    assert!(matches!(verdict, Verdict::Malformed(Malformed::Path(_))));
}

/// (E9)
#[test]
fn a_unit_that_sits_elsewhere_or_in_another_commit_is_not_there() {
    let statement = statement(7, 1, 16);
    let work = honest(&statement);
    let (genuine, path) = audit(&statement, work.unit_root(), 2);
    let answer = Answer::new(&work, path, &genuine.leaves).expect("leaves");
    let bytes = answer.encode();
    let judge = |audit: &Audit| audit.judge(&bytes, &mut Toy::of(&statement));
    assert_eq!(judge(&genuine), Verdict::Good);
    let changes: [fn(&mut Audit); 5] = [
        |audit| audit.seat.index += 1,
        |audit| audit.seat.of += 1,
        |audit| audit.seat.of = 1,
        |audit| audit.seat.of = 0,
        |audit| audit.peer_root = [9; 32],
    ];
    for change in changes {
        let mut audit = genuine.clone();
        change(&mut audit);
        assert_eq!(judge(&audit), Verdict::Malformed(Malformed::Peer));
    }
}

/// (E12)
#[test]
fn an_answer_to_another_question_is_refused() {
    let statement = statement(7, 1, 16);
    let work = honest(&statement);
    let (audit, path) = audit(&statement, work.unit_root(), 3);
    let answer = Answer::new(&work, path, &audit.leaves).expect("leaves");
    let changes: [fn(&mut Answer); 5] = [
        |answer| answer.openings.reverse(),
        |answer| drop(answer.openings.pop()),
        |answer| answer.openings.clear(),
        |answer| answer.openings.push(answer.openings[0].clone()),
        |answer| answer.openings[1] = answer.openings[0].clone(),
    ];
    for change in changes {
        let mut other = answer.clone();
        change(&mut other);
        assert_eq!(audit.inspect(&other.encode()), Err(Malformed::Leaves));
    }
    // A question for a leaf that there is not has no answer.
    let mut nobody = audit.clone();
    nobody.leaves[2].index = 16;
    let mut other = answer.clone();
    other.openings[2].leaf.index = 16;
    assert_eq!(nobody.inspect(&other.encode()), Err(Malformed::Leaves));
}

/// (E11)
#[test]
fn bytes_that_are_no_answer_are_refused_for_what_is_wrong_with_them() {
    let statement = statement(7, 1, 16);
    let work = honest(&statement);
    let (audit, path) = audit(&statement, work.unit_root(), 2);
    let bytes = Answer::new(&work, path, &audit.leaves)
        .expect("leaves")
        .encode();
    for length in 0..bytes.len() {
        let cut = Answer::decode(&bytes[..length]);
        assert_eq!(cut, Err(NotAnAnswer::Cut), "{length} bytes");
    }
    let changed = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        Answer::decode(&bytes).err()
    };
    let (path, openings) = (65, 65 + 1 + 3 * 32);
    let thread = openings + 1;
    let siblings = thread + 5 + 32;
    let list = |is, most| Some(NotAnAnswer::List { is, most });
    assert_eq!(changed(0, 2), Some(NotAnAnswer::Version(2)));
    assert_eq!(changed(path, 11), list(11, 10));
    assert_eq!(changed(openings, 17), list(17, 16));
    assert_eq!(changed(thread, 2), Some(NotAnAnswer::Thread(2)));
    assert_eq!(changed(siblings, 25), list(25, 24));
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(Answer::decode(&longer), Err(NotAnAnswer::Rest(1)));
    longer.resize(capacity::MAX_ANSWER_BYTES + 1, 0);
    assert_eq!(Answer::decode(&longer), Err(NotAnAnswer::TooLong));
}

/// (E11)
#[test]
fn no_byte_of_an_answer_can_be_changed() {
    let statement = statement(7, 3, 5);
    let work = honest(&statement);
    let (audit, path) = audit(&statement, work.unit_root(), 2);
    let bytes = Answer::new(&work, path, &audit.leaves)
        .expect("leaves")
        .encode();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x40;
        assert!(audit.inspect(&changed).is_err(), "byte {at}");
    }
}

/// (E11)
#[test]
fn a_path_of_another_length_is_refused() {
    let statement = statement(7, 1, 13);
    let work = honest(&statement);
    let (audit, path) = audit(&statement, work.unit_root(), 2);
    let answer = Answer::new(&work, path, &audit.leaves).expect("leaves");
    let changes: [fn(&mut Answer); 4] = [
        |answer| answer.openings[0].path.truncate(2),
        |answer| answer.openings[1].path.push([0; 32]),
        |answer| answer.path.truncate(2),
        |answer| answer.path.push([0; 32]),
    ];
    for change in changes {
        let mut other = answer.clone();
        change(&mut other);
        assert!(audit.inspect(&other.encode()).is_err());
    }
}
