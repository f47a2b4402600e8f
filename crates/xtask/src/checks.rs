//! Everything that is checked besides the tests.

use crate::{Tally, acme, ethereum, guests, references, suite, tidy};
use anyhow::{Context as _, Result};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// All checks and all tests; stops at nothing, so that one run shows everything.
pub(crate) fn ci() -> Result<Tally> {
    let mut tally = Tally::default();
    tally.check("format", succeeds(cargo(&["fmt", "--all", "--check"])));
    tally.check("tidy", tidy::run());
    tally.check(
        "licences",
        succeeds(cargo(&["deny", "check", "licenses", "bans", "sources"])),
    );
    tally.check(
        "clippy",
        succeeds(cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "--deny=warnings",
        ])),
    );
    let mut docs = cargo(&["doc", "--workspace", "--no-deps"]);
    docs.env("RUSTDOCFLAGS", "--deny=warnings");
    tally.check("docs", succeeds(docs));
    tally.add(&suite::run()?);
    match ethereum::run() {
        Ok(clients) => tally.add(&clients),
        Err(error) => tally.check("Ethereum clients", Err(error)),
    }
    match guests::quick() {
        Ok(guests) => tally.add(&guests),
        Err(error) => tally.check("guests", Err(error)),
    }
    match acme::run() {
        Ok(acme) => tally.add(&acme),
        Err(error) => tally.check("ACME", Err(error)),
    }
    match references::run() {
        Ok(references) => tally.add(&references),
        Err(error) => tally.check("references", Err(error)),
    }
    tally.check("generated files", unchanged());
    Ok(tally)
}

/// Formats the tree and applies what clippy can mend.
pub(crate) fn fix() -> Result<bool> {
    let clippy = succeeds(cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--fix",
        "--allow-dirty",
        "--allow-staged",
    ]))?;
    Ok(succeeds(cargo(&["fmt", "--all"]))? && clippy)
}

/// A clean checkout stays clean: nothing that a build or test generates differs from what is
/// committed. In a tree with changes of your own there is nothing to compare with.
fn unchanged() -> Result<bool> {
    if std::env::var_os("CI").is_none() {
        return Ok(true);
    }
    let output = Command::new("git")
        .args(["status", "--porcelain"])
        .current_dir(root())
        .output()
        .context("cannot start git")?;
    eprint!("{}", String::from_utf8_lossy(&output.stdout));
    Ok(output.status.success() && output.stdout.is_empty())
}

/// The cargo that runs us, in the root of the tree.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    // What cargo says to us about ourselves is not for it: build scripts that look at it (ring's does) would run
    // again, and everything that depends on them be built again.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
}

/// The program that a build of the tests has made.
pub(crate) fn program() -> Result<PathBuf> {
    let output = cargo(&["metadata", "--format-version=1", "--no-deps"]).output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let target = metadata["target_directory"].as_str();
    Ok(Path::new(target.context("cargo names no target folder")?).join("debug/mp"))
}

/// The root of the tree.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn succeeds(mut command: Command) -> Result<bool> {
    eprintln!("running {command:?}");
    let status = command
        .status()
        .with_context(|| format!("cannot start {command:?}"))?;
    Ok(status.success())
}
