//! Functions built with the tools of their languages, and run: every template as `mp init` writes it, and every example.
//!
//! All is built in the target folder, by the commands of each README. `crates/cli/tests/mp/guests.rs` deploys and asks them.

use crate::{
    Tally,
    checks::{cargo, program, root, succeeds},
    suite, tools,
};
use anyhow::{Context as _, Result, ensure};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

const TEMPLATES: [&str; 4] = ["rust", "javascript", "python", "c"];

/// A program that is needed, and the Debian package that has it.
type Needed = (&'static str, &'static str);

/// What builds a guest: a template in another language than Rust is named after it.
fn needed(name: &str) -> &'static [Needed] {
    match name {
        "c" => &[
            ("clang-19", "clang-19"),
            ("wasm-ld-19", "lld-19"),
            ("make", "make"),
        ],
        "javascript" => &[("npm", "npm")],
        "python" => &[("python3", "python3-venv")],
        _ => &[("wasm-ld-19", "lld-19")],
    }
}

/// The standard library of Rust for components: by rustup, or built from Debian's sources.
const TARGET: &str = "wasm32-wasip2";
const RUST_SOURCES: &str = "/usr/lib/rustlib/src/rust/library/std/Cargo.toml";
const RUST_PACKAGES: [&str; 3] = ["rustc-web", "rust-web-src", "wasi-libc"];

/// Builds all of them, and runs them here and in `wasmtime serve`.
pub(crate) fn all() -> Result<Tally> {
    let guests = built(|_| true)?;
    suite::guests(&guests, Some(&tools::wasmtime()?))
}

/// The same with C only, which is built at once, and here only.
pub(crate) fn quick() -> Result<Tally> {
    suite::guests(&built(|name| name == "c")?, None)
}

/// The component of an example in Rust with one function, built.
pub(crate) fn example(name: &str) -> Result<PathBuf> {
    let has_target = has_target()?;
    install(&["rust"], has_target)?;
    let guest = tools::target().join("guests").join(name);
    copy(&root().join("examples").join(name), &guest)?;
    build(&guest, &bin()?, has_target)?;
    Ok(guest.join(format!("target/{TARGET}/release/function.wasm")))
}

/// Builds those that are chosen; gives their folders. Fails without their tools where those cannot be installed.
fn built(chosen: fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let is_built = succeeds(cargo(&["test", "--workspace", "--test=mp", "--no-run"]))?;
    ensure!(is_built, "mp cannot be built");
    let folder = tools::target().join("guests");
    fs::create_dir_all(&folder)?;
    let sources = sources(&folder)?;
    let sources: Vec<_> = sources
        .into_iter()
        .filter(|(name, _)| chosen(name))
        .collect();
    let names: Vec<_> = sources.iter().map(|(name, _)| name.as_str()).collect();
    let has_target = has_target()?;
    install(&names, has_target)?;
    let bin = bin()?;
    let mut guests = Vec::new();
    for (name, source) in &sources {
        let guest = folder.join(name);
        copy(source, &guest)?;
        let began = Instant::now();
        build(&guest, &bin, has_target).with_context(|| format!("{name} cannot be built"))?;
        println!("{name}: built in {:.1} s", began.elapsed().as_secs_f64());
        guests.push(guest);
    }
    Ok(guests)
}

/// Whether rustup has Rust's target for components.
fn has_target() -> Result<bool> {
    let output = Command::new("rustup")
        .args(["target", "list", "--installed"])
        .output();
    let listed = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    Ok(listed.is_ok_and(|listed| listed.lines().any(|line| line == TARGET)))
}

/// Installs the packages whose programs are missing.
fn install(names: &[&str], has_target: bool) -> Result<()> {
    let needed = names.iter().flat_map(|name| needed(name));
    let missing = needed.filter(|(program, _)| !tools::is_there(program));
    let mut missing: BTreeSet<&str> = missing.map(|(_, package)| *package).collect();
    let is_rust = |name: &&str| *name == "rust";
    if names.iter().any(is_rust) && !has_target && !Path::new(RUST_SOURCES).exists() {
        missing.extend(RUST_PACKAGES);
    }
    tools::packages(&missing)
}

/// A folder with what a C developer has on the path: `clang`, and the linkers that it calls.
fn bin() -> Result<PathBuf> {
    let linker = tools::component_linker()?;
    let bin = tools::target().join("tools/guests");
    fs::create_dir_all(&bin)?;
    for (name, program) in [
        ("clang", Path::new("/usr/bin/clang-19")),
        ("wasm-ld", Path::new("/usr/bin/wasm-ld-19")),
        ("wasm-component-ld", &linker),
    ] {
        let link = bin.join(name);
        // One from before may lead to nowhere by now.
        if link.is_symlink() {
            fs::remove_file(&link)?;
        }
        symlink(program, link)?;
    }
    Ok(bin)
}

/// Names and folders of all sources: templates as `mp init` writes them now, and examples.
fn sources(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let fresh = folder.with_extension("fresh");
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    fs::create_dir_all(&fresh)?;
    let mut sources = Vec::new();
    for name in TEMPLATES {
        let mut init = Command::new(program()?);
        init.args(["init", name, "--template", name]);
        ensure!(succeeds_in(init, &fresh)?, "mp init fails");
        sources.push((name.to_owned(), fresh.join(name)));
    }
    for entry in fs::read_dir(root().join("examples"))? {
        let path = entry?.path();
        if path.join("Cargo.toml").exists() {
            let name = path.file_name().context("an example has no name")?;
            sources.push((name.to_string_lossy().into_owned(), path));
        }
    }
    Ok(sources)
}

/// Puts the files of a folder into another, which keeps what was built there before.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let goes = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &goes)?;
        } else {
            fs::copy(entry.path(), goes)?;
        }
    }
    Ok(())
}

/// Runs the first block of commands in its README, but for those of `mp`.
fn build(guest: &Path, bin: &Path, has_target: bool) -> Result<()> {
    let readme = fs::read_to_string(guest.join("README.md"))?;
    let (_, block) = readme.split_once("```sh\n").context("no commands")?;
    let (block, _) = block.split_once("\n```").context("no commands")?;
    let is_of_it = |line: &&str| !line.starts_with("mp ") && !line.starts_with("rustup ");
    for line in block.lines().filter(is_of_it) {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]);
        surround(&mut shell, bin, has_target)?;
        ensure!(succeeds_in(shell, guest)?, "{line:?} fails");
    }
    Ok(())
}

/// The tools on the path; and the standard library of Rust, built from sources, if rustup has none for the target.
fn surround(command: &mut Command, bin: &Path, has_target: bool) -> Result<()> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let paths = [bin.to_owned()]
        .into_iter()
        .chain(std::env::split_paths(&paths));
    command.env("PATH", std::env::join_paths(paths)?);
    // It builds where a developer finds it; what lies on the way is the same for all.
    command.env_remove("CARGO_TARGET_DIR").env(
        "CARGO_BUILD_BUILD_DIR",
        tools::target().join("guests.build"),
    );
    if !has_target {
        let flags =
            "-Clinker=wasm-component-ld -Clink-self-contained=no -Lnative=/usr/lib/wasm32-wasi";
        command
            .env("RUSTC", "/usr/bin/rustc")
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort")
            .env("RUSTFLAGS", flags);
    }
    Ok(())
}

fn succeeds_in(mut command: Command, folder: &Path) -> Result<bool> {
    command.current_dir(folder);
    succeeds(command)
}
