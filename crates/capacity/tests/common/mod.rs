//! What the tests of this crate share.

#![allow(dead_code, reason = "no test program uses all of it")]

pub(crate) mod liar;

use capacity::{
    Audit, Control, Digest, PeerTree, Shape, Statement, Unit, draw,
    randomx::{Cache, Mode},
    work::{STEP_BYTES, Shelf, Step, Work},
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// The key of [`cache`], that of RandomX's own tests.
pub(crate) const KEY: &[u8] = b"test key 000";

/// The one cache of a test program: another would cost half a second and 256 MiB.
pub(crate) fn cache() -> Arc<Cache> {
    static CACHE: OnceLock<Arc<Cache>> = OnceLock::new();
    let cache = CACHE.get_or_init(|| {
        let cache = Cache::new(KEY, Mode::fastest());
        Arc::new(cache.expect("memory"))
    });
    Arc::clone(cache)
}

/// Bytes as text.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What this process has in memory, in bytes.
pub(crate) fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux says so");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<u64>().ok())
        .expect("a number")
        << 10
}

/// A step that is not slow, with programs of a unit like the real one.
#[derive(Clone, Copy)]
pub(crate) struct Toy(pub(crate) Digest);

impl Toy {
    /// The machine of that unit.
    pub(crate) fn of(statement: &Statement) -> Self {
        Self(statement.unit.seed())
    }
}

impl Step for Toy {
    fn step(&mut self, input: &[u8; STEP_BYTES]) -> Digest {
        blake3::keyed_hash(&self.0, input).into()
    }
}

/// The statement of unit `unit`, of so many leaves per class and two steps each.
pub(crate) fn statement(unit: u16, class: u8, leaves: u32) -> Statement {
    Statement {
        chain: 31_337,
        epoch: 3,
        window: 100,
        challenge: [1; 32],
        unit: Unit {
            key: [2; 32],
            provider: 4,
            peer: [3; 32],
            unit,
            commitment: 5,
        },
        shape: Shape::new(class, leaves, 2).expect("a shape"),
        payout: [6; 20],
    }
}

/// A folder that goes when this does.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("capacity-{}-{number}", std::process::id());
        Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn shelf(&self) -> Shelf {
        Shelf::open(&self.0).expect("a folder")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Does the work of a window with that machine, and takes it off the shelf.
pub(crate) fn prove(shelf: &Shelf, statement: &Statement, step: &mut impl Step) -> Work {
    for mut chain in shelf.chains(statement).expect("a file") {
        chain.run(step, &Control::new()).expect("the disk is there");
    }
    let work = shelf.work(statement.window).expect("a file");
    work.expect("both chains are finished")
}

/// Honest work of that unit.
pub(crate) fn honest(statement: &Statement) -> Work {
    prove(&Folder::new().shelf(), statement, &mut Toy::of(statement))
}

/// The question about that unit, which sits among others, when its root is this; and its path.
pub(crate) fn audit(
    statement: &Statement,
    unit_root: Digest,
    leaves: usize,
) -> (Audit, Vec<Digest>) {
    let unit = statement.unit.unit;
    let mut units: Vec<_> = (0..5)
        .map(|other| (other * 10, [other as u8; 32]))
        .collect();
    units.retain(|(other, _)| *other != unit);
    units.push((unit, unit_root));
    units.sort_unstable();
    let tree = PeerTree::new(&units).expect("units");
    let (seat, path) = tree.path(unit).expect("it is there");
    let audit = Audit {
        statement: *statement,
        peer_root: tree.root(),
        seat,
        leaves: draw(&[8; 32], statement.shape, leaves),
    };
    (audit, path)
}
