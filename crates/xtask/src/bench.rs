//! Measures how fast the tree is. Each benchmark prints one line of JSON; `docs/benchmarks.md` keeps the figures.

use crate::checks::{cargo, succeeds};
use anyhow::Result;

/// Names of benchmarks, and the program that holds each.
const BENCHES: [(&str, &str); 7] = [
    ("finality", "mp"),
    ("transfers", "mp"),
    ("offers", "offers"),
    ("clearing", "clearing"),
    ("settle", "settle"),
    ("serving", "mp"),
    ("capacity", "capacity"),
];

/// Whether there is a benchmark of that name.
pub(crate) fn exists(name: &str) -> bool {
    BENCHES.iter().any(|(bench, _)| *bench == name)
}

/// Runs the benchmark of that name, or all of them, one after the other.
pub(crate) fn run(name: Option<&str>) -> Result<bool> {
    let mut all = true;
    for (bench, program) in BENCHES {
        if name.is_none_or(|name| name == bench) {
            let packages = match program {
                // Needs next to nothing of the workspace, whose build takes half an hour.
                "capacity" => "--package=capacity",
                // The whole workspace, so that features and thus builds stay the same.
                _ => "--workspace",
            };
            let selected = ["bench", packages, "--locked", "--bench", program];
            all &= succeeds(cargo(&[&selected[..], &["--", bench]].concat()))?;
        }
    }
    Ok(all)
}
