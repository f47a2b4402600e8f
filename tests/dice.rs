//! What random tests share: dice that fall the same way for the same seed, and how long to go on. Tests of several
//! crates include this file by its path.
//!
//! `MP_SEED` repeats a run and `MP_FUZZ_SECONDS` lengthens it. `cargo xtask fuzz` runs every test in a module called
//! `fuzz`.

#![allow(dead_code)] // No test program uses all of it.

use std::{
    fmt::Display,
    str::FromStr,
    time::{Duration, Instant},
};

/// What a variable of the environment says; `default` if it is not set.
///
/// # Panics
/// If it says something else than a `T`.
pub(crate) fn environment<T: FromStr<Err: Display>>(name: &str, default: T) -> T {
    let Ok(text) = std::env::var(name) else {
        return default;
    };
    text.parse()
        .unwrap_or_else(|error| panic!("{name}={text}: {error}"))
}

/// splitmix64: small, and the same everywhere.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Dice from `MP_SEED`, which is printed.
    pub(crate) fn from_environment() -> Self {
        let seed = environment("MP_SEED", 1);
        println!("{}: MP_SEED={seed}", test());
        Self::new(seed)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 if there is none.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound.max(1) as u64) as usize
    }

    pub(crate) fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    /// One of `values`, of which there must be one.
    pub(crate) fn of<T: Clone>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())].clone()
    }

    /// Changes one to four places: flips, overwrites, removes, cuts, repeats, inserts.
    pub(crate) fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(6) {
                0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                1 if !bytes.is_empty() => bytes[at] = self.below(256) as u8,
                2 if !bytes.is_empty() => drop(bytes.remove(at)),
                3 => bytes.truncate(at),
                4 => {
                    let end = at + self.below(bytes.len() - at);
                    bytes.extend_from_within(at..end);
                }
                _ => bytes.insert(at, self.of(&[0, 1, 0x7f, 0x80, 0xff, b'"', b'{', b'['])),
            }
        }
    }
}

/// Rounds of a fuzz test: at least one, until `MP_FUZZ_SECONDS` are over.
pub(crate) struct Fuzz {
    dice: Dice,
    end: Instant,
    rounds: u64,
}

impl Fuzz {
    pub(crate) fn begin() -> Self {
        let seconds = environment("MP_FUZZ_SECONDS", 2);
        Self {
            dice: Dice::from_environment(),
            end: Instant::now() + Duration::from_secs(seconds),
            rounds: 0,
        }
    }

    /// Dice for another round; `None` when the time is over.
    pub(crate) fn round(&mut self) -> Option<&mut Dice> {
        if self.rounds > 0 && Instant::now() >= self.end {
            return None;
        }
        self.rounds += 1;
        Some(&mut self.dice)
    }

    /// Whether the time is over, for a test that throws dice of its own.
    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }
}

/// Says how far it came, also when a round fails.
impl Drop for Fuzz {
    fn drop(&mut self) {
        if self.rounds > 0 {
            println!("{}: {} rounds", test(), self.rounds);
        }
    }
}

/// Tests run in threads that have their names.
fn test() -> String {
    let thread = std::thread::current();
    thread.name().unwrap_or("a test").to_owned()
}
