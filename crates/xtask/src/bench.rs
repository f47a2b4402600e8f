//! Measures how fast the tree is. Each benchmark prints one line of JSON; `docs/benchmarks.md` keeps the figures.

use crate::{
    checks::{cargo, succeeds},
    guests, tools,
};
use anyhow::Result;

/// Names of benchmarks, the program that holds each, and what that calls it. One name may have parts in several.
const BENCHES: [(&str, &str, &str); 11] = [
    ("finality", "mp", "finality"),
    ("transfers", "mp", "transfers"),
    ("offers", "offers", "offers"),
    ("clearing", "clearing", "clearing"),
    ("settle", "settle", "settle"),
    ("serving", "mp", "serving"),
    ("function", "mp", "function"),
    ("failover", "mp", "failover"),
    ("hostile", "mp", "hostile"),
    ("capacity", "capacity", "capacity"),
    ("capacity", "mp", "handover"),
];

/// Whether there is a benchmark of that name.
pub(crate) fn exists(name: &str) -> bool {
    BENCHES.iter().any(|(bench, ..)| *bench == name)
}

/// Runs the benchmark of that name, or all of them, one after the other.
pub(crate) fn run(name: Option<&str>) -> Result<bool> {
    let mut all = true;
    for (bench, program, part) in BENCHES {
        if name.is_none_or(|name| name == bench) {
            let packages = match program {
                // Needs next to nothing of the workspace, whose build takes half an hour.
                "capacity" => "--package=capacity",
                // The whole workspace, so that features and thus builds stay the same.
                _ => "--workspace",
            };
            let selected = ["bench", packages, "--locked", "--bench", program];
            let mut measuring = cargo(&[&selected[..], &["--", part]].concat());
            if part == "function" {
                measuring.env("MP_FUNCTION", guests::example("hello")?);
                measuring.env("MP_WASMTIME", tools::wasmtime()?);
            }
            all &= succeeds(measuring)?;
        }
    }
    Ok(all)
}
