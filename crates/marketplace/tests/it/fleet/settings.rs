//! What is simulated, and how it is said from outside.

use super::prover::Kind;
use crate::dice::environment;
use marketplace::Params;

/// A light hash, in microseconds of a core: an audit of eight took 175 ms on an idle machine and 255 ms on a busy one
/// (`audit_ms` of `cargo xtask bench capacity`).
const HASH_US: u64 = 255_000 / 8;

/// What is simulated.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) units: u64,
    pub(crate) windows: u64,
    pub(crate) audit_budget: u64,
    /// Seconds between two blocks.
    pub(crate) seconds: u64,
    /// Threads of a validator that judge, and what a hash costs them.
    pub(crate) threads: u64,
    pub(crate) hash_us: u64,
    /// Peers answer at some time within so many seconds from the draw on; 0: all in the next blocks.
    pub(crate) spread: u64,
    /// Of a thousand peers so many are of a kind, in the order of [`Kind::ALL`]; the rest is honest.
    pub(crate) per_thousand: [u64; 7],
    /// Everything is checked after so many steps.
    pub(crate) every: u64,
    pub(crate) seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            units: 1_000_000,
            windows: 48,
            audit_budget: Params::default().audit_budget,
            seconds: 1,
            threads: 2,
            hash_us: HASH_US,
            spread: 1_200,
            per_thousand: [0, 2, 1, 1, 1, 2, 5],
            every: u64::MAX,
            seed: 1,
        }
    }
}

impl Settings {
    /// `MP_FLEET_UNITS`, `MP_FLEET_WINDOWS` and so on; `MP_FLEET_SILENT`: peers of a kind among a thousand.
    pub(super) fn from_environment() -> Self {
        fn named(name: &str, usual: u64) -> u64 {
            environment(&format!("MP_FLEET_{}", name.to_uppercase()), usual)
        }
        let usual = Self::default();
        Self {
            units: named("units", usual.units),
            windows: named("windows", usual.windows),
            audit_budget: named("budget", usual.audit_budget),
            seconds: named("seconds", usual.seconds),
            threads: named("threads", usual.threads),
            hash_us: named("audit_ms", usual.hash_us * 8 / 1_000) * 1_000 / 8,
            spread: named("spread", usual.spread),
            per_thousand: Kind::ALL
                .map(|kind| named(kind.name(), usual.per_thousand[kind as usize])),
            every: usual.every,
            seed: environment("MP_SEED", usual.seed),
        }
    }
}

/// Four windows of so many units, of whom one in two is honest.
pub(super) fn short(units: u64) -> Settings {
    Settings {
        units,
        windows: 4,
        audit_budget: 400,
        seconds: 10,
        per_thousand: [0, 113, 55, 112, 55, 55, 112],
        every: 499,
        ..Settings::default()
    }
}
