//! Habits of the tree that the compiler does not check: which crate may know which.

use crate::checks::{cargo, root};
use anyhow::{Context as _, Result};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Crate -> crates of ours it may depend on. Arrows point inward only; see `ARCHITECTURE.md`.
const ARROWS: &[(&str, &[&str])] = &[
    ("marketplace", &[]),
    ("abi", &["marketplace"]),
    ("capacity", &[]),
    ("functions", &[]),
    ("worker", &[]),
    ("execution", &["abi", "capacity", "marketplace"]),
    ("client", &["abi", "marketplace"]),
    ("node", &["execution", "abi", "marketplace"]),
    ("peer", &["client", "capacity", "worker", "marketplace"]),
    ("cli", &["node", "peer", "worker", "client", "functions"]),
    (
        "simulation",
        &[
            "node",
            "execution",
            "abi",
            "capacity",
            "marketplace",
            "client",
            "peer",
        ],
    ),
    ("xtask", &[]),
];

/// The only foreign crates that decisions about money may be built on.
const MARKETPLACE_MAY_USE: &[&str] = &["blake3", "borsh", "ed25519-dalek"];

/// A crate's README is its first page, not its manual.
const README_LINES: usize = 60;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// None: a normal dependency.
    kind: Option<String>,
    path: Option<String>,
}

/// Prints every violation; true if there is none.
pub(crate) fn run() -> Result<bool> {
    let output = cargo(&["metadata", "--format-version=1", "--no-deps", "--locked"])
        .output()
        .context("cannot start cargo")?;
    anyhow::ensure!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Metadata = serde_json::from_slice(&output.stdout)?;
    let mut violations = arrows(&metadata);
    for package in &metadata.packages {
        violations.extend(readme(&package.name));
    }
    for violation in &violations {
        eprintln!("tidy: {violation}");
    }
    Ok(violations.is_empty())
}

fn arrows(metadata: &Metadata) -> Vec<String> {
    let allowed: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let mut violations = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let Some(inward) = allowed.get(name) else {
            violations.push(format!("crate {name} has no place in the house"));
            continue;
        };
        let normal = |dependency: &&Dependency| dependency.kind.is_none();
        for dependency in package.dependencies.iter().filter(normal) {
            let to = dependency.name.as_str();
            if dependency.path.is_some() && !inward.contains(&to) {
                violations.push(format!("{name} -> {to} is not an arrow of the house"));
            }
            if name == "marketplace" && !MARKETPLACE_MAY_USE.contains(&to) {
                violations.push(format!("marketplace must not depend on {to}"));
            }
        }
    }
    violations
}

fn readme(name: &str) -> Option<String> {
    let path = root().join("crates").join(name).join("README.md");
    match std::fs::read_to_string(path) {
        Ok(text) if text.lines().count() <= README_LINES => None,
        Ok(_) => Some(format!(
            "crates/{name}/README.md is over {README_LINES} lines"
        )),
        Err(_) => Some(format!("crates/{name} has no README.md")),
    }
}
