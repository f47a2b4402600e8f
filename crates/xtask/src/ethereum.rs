//! Real Ethereum clients from npm (cast, viem, ethers, solc) against a real node.

use crate::{
    Tally,
    checks::{cargo, program, root, succeeds},
};
use anyhow::{Context as _, Result, ensure};
use std::process::{Command, Stdio};

/// Builds the program, installs the clients as the lock file says, and runs their tests. Fails without npm.
pub(crate) fn run() -> Result<Tally> {
    // Built like the tests, with the same features of all dependencies, so that nothing is built twice.
    let built = succeeds(cargo(&["test", "--workspace", "--no-run"]))?;
    ensure!(built, "mp cannot be built");
    let folder = root().join("tests/ethereum");
    // Not `npm ci`: it wants the lock file to name cast's binaries for every platform, and npm writes only ours.
    let mut install = Command::new("npm");
    install
        .args([
            "install",
            "--no-save",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
        ])
        .current_dir(&folder);
    let installed = succeeds(install).context("npm is needed; it comes with Node.js")?;
    ensure!(installed, "the Ethereum clients cannot be installed");
    let mut tests = Command::new("node");
    tests
        .args(["--test", "--test-reporter=tap", "--test-concurrency=1"])
        .current_dir(&folder)
        .env("MP", program()?)
        .stdout(Stdio::piped());
    let output = tests
        .spawn()
        .context("cannot start node")?
        .wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    let mut tally = Tally {
        passed: count(&text, "# pass "),
        failed: count(&text, "# fail ") + count(&text, "# cancelled "),
    };
    if !output.status.success() && tally.failed == 0 {
        tally.failed = 1;
    }
    Ok(tally)
}

/// The number on the line that begins with `label`.
fn count(text: &str, label: &str) -> u64 {
    let line = text.lines().rev().find_map(|line| line.strip_prefix(label));
    line.and_then(|number| number.trim().parse().ok())
        .unwrap_or(0)
}
