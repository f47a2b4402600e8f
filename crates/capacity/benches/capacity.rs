//! What a check costs, and how fast a unit is, in processor time. One line of JSON.
//!
//! Needs 3 GiB and a quarter of an hour of processor time: the rate of a unit's dataset is compared with that of
//! unmodified RandomX in the same build, in turns and in the same memory.

use capacity::{
    Answer, Audit, Caches, Control, Digest, PeerTree, Seat, Shape, Statement, Unit, Verdict,
    Verifier, draw,
    randomx::{Cache, Dataset, FullVm, LightVm, Mode},
    work::{STEP_BYTES, Shelf, Step},
};
use std::{fs, hint::black_box, num::NonZeroUsize, path::Path, sync::Arc, thread, time::Duration};

/// Repetitions of what takes milliseconds.
const TIMES: u32 = 50;
/// Repetitions of what takes tenths of a second.
const FEW: u32 = 7;
/// Pairs of runs whose rates are compared, and processor time of each run.
const PAIRS: u32 = 9;
const RUN: Duration = Duration::from_secs(10);
/// Hashes between two looks at the clock.
const TURN: u32 = 20;
/// Leaves of class 1 in a window of half an hour, of four steps each.
const LEAVES: u32 = 1 << 15;
const WINDOW: Duration = Duration::from_secs(30 * 60);
const STEPS: u16 = 4;
const KEY: Digest = [1; 32];

fn main() {
    let figures = [light(), full()].concat();
    let texts: Vec<_> = figures
        .iter()
        .map(|(name, figure)| format!(r#""{name}":{figure:.3}"#))
        .collect();
    println!(r#"{{"bench":"capacity",{}}}"#, texts.join(","));
    let figure = |wanted| figures.iter().find(|(name, _)| *name == wanted);
    let (_, fresh_unit) = figure("check_fresh_unit_ms").expect("it is one");
    assert!(*fresh_unit < 40.0, "a fresh unit takes {fresh_unit} ms");
    let (_, saved) = figure("new_key_over_fresh_unit").expect("it is one");
    assert!(*saved >= 10.0, "a new key costs {saved} times as much only");
    let (_, ratio) = figure("full_over_plain").expect("it is one");
    assert!(*ratio >= 0.97, "{ratio} of the rate of unmodified RandomX");
}

type Figures = Vec<(&'static str, f64)>;

/// What verifying costs.
fn light() -> Figures {
    let mode = Mode::fastest().secure();
    let made = |seed: u32| Cache::new(&seed.to_le_bytes(), mode).expect("memory");
    let cache_init = median(FEW, made);
    let cache = made(0);
    let mut vm = LightVm::new(mode).expect("memory");
    let reseed = median(TIMES, |seed| {
        vm.load(&cache, &seed.to_le_bytes()).expect("memory");
    });
    let fresh_unit = median(TIMES, |seed| {
        let mut unit = vm.load(&cache, &seed.to_le_bytes()).expect("memory");
        unit.hash(&[0; STEP_BYTES]);
    });
    let mut unit = vm.load(&cache, b"unit").expect("memory");
    let hash = median(TIMES, |input| unit.hash(&input.to_le_bytes()));
    let mut vm = LightVm::new(mode).expect("memory");
    let new_key = median(FEW, |seed| {
        let (cache, seed) = (made(seed), seed.to_le_bytes());
        vm.load(&cache, &seed).expect("memory").hash(&seed);
    });
    let [inspect, audit, rss] = audit(mode);
    vec![
        ("cache_init_ms", cache_init),
        ("reseed_ms", reseed),
        ("light_hash_ms", hash),
        ("check_fresh_unit_ms", fresh_unit),
        ("check_new_key_ms", new_key),
        ("new_key_over_fresh_unit", new_key / fresh_unit),
        ("inspect_us", inspect),
        ("audit_ms", audit),
        ("two_caches_rss_mib", rss),
    ]
}

/// A whole audit, of a unit that the verifier has not seen before: two leaves of a class 1 window. What it answers is
/// made up, but for its form: the steps are made again all the same.
fn audit(mode: Mode) -> [f64; 3] {
    let caches = Arc::new(Caches::new(mode));
    caches.keep(KEY, None);
    caches.prepare(&KEY).expect("a cache");
    let mut verifier = Verifier::new(caches).expect("memory");
    let folder = std::env::temp_dir().join(format!("capacity-bench-{}", std::process::id()));
    let cases: Vec<_> = (0..FEW as u16).map(|unit| case(&folder, unit)).collect();
    fs::remove_dir_all(&folder).expect("it is ours");
    let (first, answer) = &cases[0];
    // Microseconds, from milliseconds for a hundred.
    let inspect = median(TIMES, |_| {
        for _ in 0..100 {
            black_box(first.inspect(answer)).expect("the right form");
        }
    });
    let mut cases = cases.iter();
    let cost = median(FEW, |_| {
        let (audit, answer) = cases.next().expect("one for each time");
        let verdict = verifier.judge(audit, answer).expect("a cache");
        assert_eq!((audit.cost(), verdict), (8, Verdict::BadLeaves(2)));
    });
    [inspect * 10.0, cost, resident()]
}

/// A window of unit `unit` whose steps were not made, and an answer that shows it.
fn case(folder: &Path, unit: u16) -> (Audit, Vec<u8>) {
    struct Nothing;
    impl Step for Nothing {
        fn step(&mut self, _: &[u8; STEP_BYTES]) -> Digest {
            [0; 32]
        }
    }
    let statement = statement(unit);
    let shelf = Shelf::open(&folder.join(unit.to_string())).expect("a folder");
    for mut chain in shelf.chains(&statement).expect("files") {
        chain.run(&mut Nothing, &Control::new()).expect("a disk");
    }
    let work = shelf
        .work(statement.window)
        .expect("files")
        .expect("finished");
    let tree = PeerTree::new(&[(unit, work.unit_root())]).expect("a unit");
    let leaves = draw(&[unit as u8; 32], statement.shape, 2);
    let answer = Answer::new(&work, Vec::new(), &leaves).expect("leaves");
    let audit = Audit {
        statement,
        peer_root: tree.root(),
        seat: Seat { index: 0, of: 1 },
        leaves,
    };
    (audit, answer.encode())
}

fn statement(unit: u16) -> Statement {
    Statement {
        chain: 1,
        epoch: 2,
        window: 3,
        challenge: [4; 32],
        unit: Unit {
            key: KEY,
            provider: 5,
            peer: [6; 32],
            unit,
            commitment: 7,
        },
        shape: Shape::new(1, LEAVES, STEPS).expect("a shape"),
        payout: [8; 20],
    }
}

/// Whose dataset a thread hashes over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Unit,
    Plain,
}

/// A run over a dataset: hashes in a second of processor time, and what of the process lies in memory and in huge
/// pages then, in MiB.
struct Run {
    rate: f64,
    resident: f64,
    huge: f64,
}

/// How fast a unit is with its dataset, beside unmodified RandomX with its own.
fn full() -> Figures {
    let mode = Mode::fastest();
    let cache = Cache::new(&KEY, mode).expect("memory");
    let pairs = pairs(&cache, mode);
    let each = |figure: fn(&[Run; 2]) -> f64| pairs.iter().map(figure).collect::<Vec<_>>();
    let rate = middle(each(|[unit, _]| unit.rate));
    let mut light = LightVm::new(mode).expect("memory");
    let seed = statement(0).unit.seed();
    let mut light = light.load(&cache, &seed).expect("memory");
    let light_rate = 1_000.0 / median(TIMES, |input| light.hash(&input.to_le_bytes()));
    // What a thread must do for class 1, and the class it can hold with its dataset and, as a cheat would, without.
    let needed = f64::from(LEAVES) * f64::from(STEPS) / WINDOW.as_secs_f64();
    vec![
        ("full_rate_hps", rate),
        ("plain_rate_hps", middle(each(|[_, plain]| plain.rate))),
        (
            "full_over_plain",
            middle(each(|[unit, plain]| unit.rate / plain.rate)),
        ),
        ("light_rate_hps", light_rate),
        ("full_over_light", rate / light_rate),
        ("class_1_needs_hps", needed),
        ("class_full", rate / needed),
        ("class_light", light_rate / needed),
        ("rss_mib", middle(each(|[unit, _]| unit.resident))),
        // What lies in small pages is slow to reach: without as many huge ones the two do not compare.
        ("full_huge_mib", middle(each(|[unit, _]| unit.huge))),
        ("plain_huge_mib", middle(each(|[_, plain]| plain.huge))),
    ]
}

/// Runs over the dataset of a unit and over that of unmodified RandomX, which differ in the cache's programs only.
///
/// One dataset is there at a time, so that each gets the memory that the other had: of two at once the second got
/// half as many huge pages, and was slower by a quarter for it. The turns are unit, plain, plain, unit and so on: what
/// changes with time weighs on both, and every second run finds its dataset made.
fn pairs(cache: &Cache, mode: Mode) -> Vec<[Run; 2]> {
    let mut turns = [Whose::Unit, Whose::Plain];
    let mut held: Option<(Whose, Arc<Dataset>)> = None;
    (0..PAIRS)
        .map(|_| {
            let mut runs = turns.map(|whose| {
                held.take_if(|(of, _)| *of != whose);
                let (_, dataset) = held.get_or_insert_with(|| (whose, made(cache, mode, whose)));
                run(dataset, mode)
            });
            if turns[0] == Whose::Plain {
                runs.reverse();
            }
            turns.reverse();
            let [unit, plain] = &runs;
            eprintln!(
                "unit {:.1}, plain {:.1} hashes a second: {:.3}; {:.0} and {:.0} MiB in huge pages",
                unit.rate,
                plain.rate,
                unit.rate / plain.rate,
                unit.huge,
                plain.huge
            );
            runs
        })
        .collect()
}

fn made(cache: &Cache, mode: Mode, whose: Whose) -> Arc<Dataset> {
    let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let control = Control::new();
    let seed = statement(0).unit.seed();
    let dataset = match whose {
        Whose::Unit => Dataset::build(cache, &seed, mode, threads, &control),
        Whose::Plain => Dataset::plain(cache, threads, &control),
    };
    Arc::new(dataset.expect("memory"))
}

/// One thread's hashes, each made from the one before.
fn run(dataset: &Arc<Dataset>, mode: Mode) -> Run {
    let mut vm = FullVm::new(Arc::clone(dataset), mode).expect("memory");
    let mut input = [0; STEP_BYTES];
    let mut hashes = 0_u32;
    let begin = processor_time();
    let mut spent = Duration::ZERO;
    while spent < RUN {
        for _ in 0..TURN {
            let hash = vm.step(&input);
            input[40..].copy_from_slice(&hash);
        }
        hashes += TURN;
        spent = processor_time() - begin;
    }
    Run {
        rate: f64::from(hashes) / spent.as_secs_f64(),
        resident: resident(),
        huge: huge(),
    }
}

/// Milliseconds of processor time, the median of so many.
fn median<T>(times: u32, mut run: impl FnMut(u32) -> T) -> f64 {
    let one = |number| {
        let begin = processor_time();
        black_box(run(number));
        (processor_time() - begin).as_secs_f64() * 1e3
    };
    middle((0..times).map(one).collect())
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Processor time of this thread: Linux counts it in nanoseconds, and brings the count up to now when the thread
/// offers its turn to others.
fn processor_time() -> Duration {
    thread::yield_now();
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux says so");
    let nanoseconds = text
        .split_whitespace()
        .next()
        .and_then(|text| text.parse().ok());
    Duration::from_nanos(nanoseconds.expect("a number"))
}

/// MiB of this process in memory.
fn resident() -> f64 {
    mib("/proc/self/status", "VmRSS:")
}

/// MiB of this process in huge pages.
fn huge() -> f64 {
    mib("/proc/self/smaps_rollup", "AnonHugePages:")
}

fn mib(file: &str, name: &str) -> f64 {
    let text = fs::read_to_string(file).expect("Linux says so");
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<f64>().ok())
        .expect("a number")
        / 1024.0
}
