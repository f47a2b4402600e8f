//! Programs that benches and tests compare with or build with: built once, and kept in the target folder; or Debian's.

use crate::checks::{cargo, root, succeeds};
use anyhow::{Context as _, Result, ensure};
use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

/// What is built of `wasmtime`: all that `wasmtime serve` uses by default with a component of WASI 0.2, which does not compile
/// without `run` and `component-model-async`; and the interfaces beside it that workers have, too.
const WASMTIME: &str = "run,serve,component-model-async,cranelift,parallel-compilation,pooling-allocator,wasi-config,wasi-keyvalue";

/// The linker of `wasm32-wasip2`, which wasi-sdk and Rust bring along.
const COMPONENT_LINKER: &str = "0.5.31";

/// `wasmtime` of the version that workers run functions with. Takes some ten minutes the first time.
pub(crate) fn wasmtime() -> Result<PathBuf> {
    let version = locked("wasmtime")?;
    let features = ["--no-default-features", "--features", WASMTIME];
    let folder = install("wasmtime-cli", &version, &features)?;
    Ok(folder.join("bin/wasmtime"))
}

/// `wasm-component-ld`.
pub(crate) fn component_linker() -> Result<PathBuf> {
    let folder = install("wasm-component-ld", COMPONENT_LINKER, &[])?;
    Ok(folder.join("bin/wasm-component-ld"))
}

/// The folder of a program from crates.io, built now if it is not there.
fn install(name: &str, version: &str, features: &[&str]) -> Result<PathBuf> {
    let folder = target().join(format!("tools/{name}-{version}"));
    if !folder.join("bin").exists() {
        let mut install = cargo(&["install", name, "--locked", "--version", version, "--root"]);
        // Its own target folder: it would build what we have, with other features, over and over.
        install
            .arg(&folder)
            .args(features)
            .env_remove("CARGO_TARGET_DIR");
        ensure!(succeeds(install)?, "{name} {version} cannot be built");
    }
    Ok(folder)
}

/// Whether a program is on the path.
pub(crate) fn is_there(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(program).exists())
}

/// Installs Debian packages that are missing.
pub(crate) fn packages(missing: &BTreeSet<&str>) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let missing: Vec<_> = missing.iter().copied().collect();
    let mut update = Command::new("apt-get");
    update.args(["update", "-qq"]);
    let mut install = Command::new("apt-get");
    install.args(["install", "-y", "-qq", "--no-install-recommends"]);
    install.args(&missing);
    let installed = succeeds(update).and_then(|updated| Ok(updated && succeeds(install)?));
    ensure!(
        installed.unwrap_or(false),
        "these packages are needed, and cannot be installed: {}",
        missing.join(" ")
    );
    Ok(())
}

/// The target folder.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
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
