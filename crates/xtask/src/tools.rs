//! Programs that benches compare with: built once, and kept in the target folder.

use crate::checks::{cargo, root, succeeds};
use anyhow::{Context as _, Result, ensure};
use std::{fs, path::PathBuf};

/// What is built of `wasmtime`: all that `wasmtime serve` uses by default with a component of WASI 0.2.
const WASMTIME: &str = "serve,cranelift,parallel-compilation,pooling-allocator";

/// `wasmtime` of the version that workers run functions with. Takes some ten minutes the first time.
pub(crate) fn wasmtime() -> Result<PathBuf> {
    let version = locked("wasmtime")?;
    let folder = folder().join(format!("wasmtime-{version}"));
    let program = folder.join("bin/wasmtime");
    if !program.exists() {
        let mut install = cargo(&[
            "install",
            "wasmtime-cli",
            "--locked",
            "--no-default-features",
        ]);
        install.args(["--features", WASMTIME, "--version", &version, "--root"]);
        // Its own target folder: it would build what we have, with other features, over and over.
        install.arg(&folder).env_remove("CARGO_TARGET_DIR");
        ensure!(succeeds(install)?, "wasmtime {version} cannot be built");
    }
    Ok(program)
}

fn folder() -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("tools")
}

/// The version of a crate that the tree is built with.
fn locked(name: &str) -> Result<String> {
    let text = fs::read_to_string(root().join("Cargo.lock"))?;
    let mut lines = text.lines();
    lines.find(|line| *line == format!("name = \"{name}\""));
    let version = lines
        .next()
        .and_then(|line| line.strip_prefix("version = \""));
    let version = version.and_then(|version| version.strip_suffix('"'));
    Ok(version
        .with_context(|| format!("no {name} in Cargo.lock"))?
        .to_owned())
}
