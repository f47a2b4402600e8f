//! Functions are fetched from Docker's registry, where skopeo has pushed them.

use crate::{Tally, suite, tools};
use anyhow::Result;
use std::collections::BTreeSet;

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
    suite::with_programs(
        "references::",
        &[("MP_REGISTRY", REGISTRY), ("MP_SKOPEO", SKOPEO)],
    )
}
