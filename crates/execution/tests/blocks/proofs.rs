//! Answers of real work, judged with RandomX.

use crate::harness::CHAIN_ID;
use capacity::{
    Control, PeerTree, Shape, Statement, Unit, draw,
    randomx::{Cache, LightVm, Mode},
    work::{Chain, STEP_BYTES, Shelf, Step},
};
use execution::audit::{Answer, Audit, Question, Time, Verdict, Verifier};
use marketplace::units::{Address, CommitmentId, Epoch, Hash, PeerId, ProviderId};

const LEAVES_PER_CLASS: u32 = 2;
const STEPS: u16 = 1;
/// The unit is the second of three in its peer's root.
const UNIT: u16 = 5;

/// Steps that cost nothing and are wrong.
struct Made;

impl Step for Made {
    fn step(&mut self, input: &[u8; STEP_BYTES]) -> [u8; 32] {
        let mut made = [0; 32];
        made.copy_from_slice(&input[40..]);
        made
    }
}

/// The question about a window's work that is done by `finish`, with the right answer.
fn asked(key: [u8; 32], finish: impl FnOnce(&Statement, &mut [Chain; 2])) -> Question {
    let shape = Shape::new(1, LEAVES_PER_CLASS, STEPS).expect("a shape");
    let unit = Unit {
        key,
        provider: 7,
        peer: [4; 32],
        unit: UNIT,
        commitment: 9,
    };
    let statement = Statement {
        chain: CHAIN_ID,
        epoch: 2,
        window: 11,
        challenge: [2; 32],
        unit,
        shape,
        payout: [6; 20],
    };
    let folder = std::env::temp_dir().join(format!("proofs-{}-{}", std::process::id(), key[0]));
    let shelf = Shelf::open(&folder).expect("a folder");
    let mut chains = shelf.chains(&statement).expect("chains");
    finish(&statement, &mut chains);
    drop(chains);
    let work = shelf.work(statement.window).expect("reads").expect("done");
    std::fs::remove_dir_all(folder).expect("ours");
    let others = [
        (UNIT - 1, [1; 32]),
        (UNIT, work.unit_root()),
        (UNIT + 1, [1; 32]),
    ];
    let tree = PeerTree::new(&others).expect("units");
    let (seat, path) = tree.path(UNIT).expect("there");
    let seed = [3; 32];
    let leaves = draw(&seed, shape, 2);
    let bytes = capacity::Answer::new(&work, path, &leaves).expect("all leaves");
    Question {
        chain_id: CHAIN_ID,
        leaves_per_class: LEAVES_PER_CLASS.into(),
        steps_per_leaf: STEPS.into(),
        audit: Audit {
            window: statement.window,
            epoch: Epoch(statement.epoch),
            peer: PeerId(unit.peer),
            provider: ProviderId(unit.provider),
            commitment: CommitmentId(unit.commitment),
            unit: UNIT,
            class: 1,
            payout: Address(statement.payout),
            key,
            challenge: statement.challenge,
            root: Hash(tree.root()),
            seat: seat.index,
            seats: seat.of,
            seed,
            leaves: 2,
            answer_by: Time(1),
            answer: None,
        },
        answer: Answer {
            due: Time(1),
            bytes: bytes.encode(),
        },
    }
}

/// Real work.
fn honest(key: [u8; 32]) -> Question {
    let cache = Cache::new(&key, Mode::fastest()).expect("memory");
    let mut vm = LightVm::new(Mode::fastest()).expect("memory");
    asked(key, |statement, chains| {
        let seed = statement.unit.seed();
        let mut step = vm.load(&cache, &seed).expect("memory");
        for chain in chains {
            chain.run(&mut step, &Control::new()).expect("a disk");
        }
    })
}

/// Work of which every leaf is made up.
fn made_up(key: [u8; 32]) -> Question {
    asked(key, |_, chains| {
        for chain in chains {
            chain.run(&mut Made, &Control::new()).expect("a disk");
        }
    })
}

fn verifier() -> Verifier {
    let mut verifiers = Verifier::several(1).expect("memory");
    verifiers.pop().expect("one")
}

#[test]
fn honest_work_is_found_to_be_so_and_for_nobody_else() {
    let mut verifier = verifier();
    let question = honest([9; 32]);
    let verdict = verifier.verify(&question);
    assert_eq!(verdict, Ok(Verdict::Opened { bad: 0 }));
    let mut malformed = |change: fn(&mut Question)| {
        let mut other = question.clone();
        change(&mut other);
        assert_eq!(verifier.verify(&other), Ok(Verdict::Malformed));
    };
    malformed(|other| other.chain_id += 1);
    malformed(|other| other.leaves_per_class += 1);
    malformed(|other| other.steps_per_leaf += 1);
    malformed(|other| other.audit.window += 1);
    malformed(|other| other.audit.epoch.0 += 1);
    malformed(|other| other.audit.peer.0[0] += 1);
    malformed(|other| other.audit.provider.0 += 1);
    malformed(|other| other.audit.commitment.0 += 1);
    malformed(|other| other.audit.unit += 1);
    malformed(|other| other.audit.class = 17);
    malformed(|other| other.audit.payout.0[0] += 1);
    malformed(|other| other.audit.key[0] += 1);
    malformed(|other| other.audit.challenge[0] += 1);
    malformed(|other| other.audit.root.0[0] += 1);
    malformed(|other| other.audit.seat = 0);
    malformed(|other| other.audit.seats = 4);
    malformed(|other| other.audit.seed[0] += 2);
    malformed(|other| other.audit.leaves = 1);
    malformed(|other| _ = other.answer.bytes.pop());
    malformed(|other| other.answer.bytes.clear());
}

#[test]
fn made_up_leaves_are_counted_and_no_third_cache_is_made() {
    let mut verifier = verifier();
    for key in [1, 2, 3, 1] {
        let verdict = verifier.verify(&made_up([key; 32]));
        assert_eq!(verdict, Ok(Verdict::Opened { bad: 2 }));
        assert!(verifier.caches() <= 2);
    }
}
