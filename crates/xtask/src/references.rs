//! Functions are fetched from Docker's registry, where skopeo has pushed them, and from a gateway of IPFS.

use crate::{
    Tally,
    checks::{root, succeeds},
    suite, tools,
};
use anyhow::{Context as _, Result, ensure};
use std::{collections::BTreeSet, process::Command};

/// Programs, each of the Debian package of its name.
const REGISTRY: &str = "docker-registry";
const SKOPEO: &str = "skopeo";

/// Runs `crates/cli/tests/mp/references.rs` with them. Fails where they cannot be installed.
pub(crate) fn run() -> Result<Tally> {
    let programs = [REGISTRY, SKOPEO];
    let missing = programs.iter().copied();
    let missing: BTreeSet<_> = missing
        .filter(|program| !tools::is_there(program))
        .collect();
    tools::packages(&missing)?;
    let folder = root().join("tests/ipfs");
    let mut install = Command::new("npm");
    install
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&folder);
    let installed = succeeds(install).context("npm is needed; it comes with Node.js")?;
    ensure!(installed, "the gateway of IPFS cannot be installed");
    let gateway = folder.join("gateway.mjs");
    let gateway = gateway.to_str().context("the tree lies at no plain path")?;
    let programs = [
        ("MP_REGISTRY", REGISTRY),
        ("MP_SKOPEO", SKOPEO),
        ("MP_IPFS", gateway),
    ];
    suite::with_programs("references::", &programs)
}
