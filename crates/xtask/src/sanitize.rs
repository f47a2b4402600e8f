//! Builds RandomX and our glue with a driver under the sanitizers for addresses and undefined behaviour, and runs it.

use crate::{
    Tally,
    checks::{root, succeeds},
};
use anyhow::{Context as _, Result, anyhow, ensure};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

#[path = "../../capacity/build/sources.rs"]
mod sources;

/// Findings of the sanitizer for undefined behaviour do not end the program, so that one run shows all of them.
const FLAGS: [&str; 7] = [
    "-g",
    "-O1",
    "-DNDEBUG",
    "-w",
    "-pthread",
    "-fno-omit-frame-pointer",
    "-fsanitize=address,undefined",
];

/// Fails for whatever the sanitizer for addresses finds, and for undefined behaviour in our glue. Places of undefined
/// behaviour in RandomX are counted and shown.
pub(crate) fn run() -> Result<Tally> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let capacity = root().join("crates/capacity");
    let folder = sources::find(Path::new(&cargo), &capacity.join("Cargo.toml"))
        .map_err(|error| anyhow!(error))?;
    let program = build(&capacity, &folder)?;
    eprintln!("running {}", program.display());
    let output = Command::new(&program)
        .env("ASAN_OPTIONS", "detect_leaks=1:strict_string_checks=1")
        .env("UBSAN_OPTIONS", "print_stacktrace=0")
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    print!("{}", String::from_utf8_lossy(&output.stdout));
    let errors = String::from_utf8_lossy(&output.stderr);
    let places = places(&errors);
    for (place, what) in &places {
        println!("undefined: {place}: {what}");
    }
    if !output.status.success() {
        eprint!("{errors}");
    }
    let ours = places.keys().any(|place| place.contains("glue.cpp"));
    println!("{} places of undefined behaviour", places.len());
    let mut tally = Tally::default();
    tally.check("addresses, leaks and hashes", Ok(output.status.success()));
    tally.check("undefined behaviour in the glue", Ok(!ours));
    Ok(tally)
}

/// Compiles everything into one program.
fn build(capacity: &Path, folder: &Path) -> Result<PathBuf> {
    let arch = sources::arch(std::env::consts::ARCH);
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let out = target.unwrap_or(root().join("target")).join("sanitize");
    std::fs::create_dir_all(&out)?;
    let mut objects = Vec::new();
    let mut compile = |compiler: &str, file: &Path, extra: &[&str]| -> Result<()> {
        let object = out.join(format!("{}.o", objects.len()));
        let mut command = Command::new(compiler);
        command.args(FLAGS).args(arch.flags).args(extra);
        command.arg("-I").arg(folder).arg("-c").arg(file);
        command.arg("-o").arg(&object);
        ensure!(succeeds(command)?, "{} cannot be compiled", file.display());
        objects.push(object);
        Ok(())
    };
    for file in sources::C.iter().chain(&arch.assembly) {
        compile("gcc", &folder.join(file), &["-Wa,--noexecstack"])?;
    }
    for (file, flag) in sources::VECTOR {
        let flags: &[&str] = if arch.vector { &[flag] } else { &[] };
        compile("gcc", &folder.join(file), flags)?;
    }
    for file in sources::CPP.iter().chain(&arch.jit) {
        compile("g++", &folder.join(file), &["-std=c++11"])?;
    }
    for file in ["src/randomx/glue.cpp", "tests/sanitize.cpp"] {
        compile("g++", &capacity.join(file), &["-std=c++11"])?;
    }
    let program = out.join("sanitize");
    let mut link = Command::new("g++");
    link.args(FLAGS).args(&objects).arg("-o").arg(&program);
    ensure!(succeeds(link)?, "the driver cannot be linked");
    Ok(program)
}

/// Each place that the sanitizer for undefined behaviour names, and the first thing it says of it.
fn places(errors: &str) -> BTreeMap<String, String> {
    let mut places = BTreeMap::new();
    for line in errors.lines() {
        if let Some((place, what)) = line.split_once(": runtime error: ") {
            let name = place.rsplit('/').next().unwrap_or(place);
            places.entry(name.to_owned()).or_insert(what.to_owned());
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::places;

    #[test]
    fn a_place_is_named_once() {
        let errors = "/src/a.cpp:3:5: runtime error: shift of 1\n/src/a.cpp:3:5: runtime error: shift of 2\nother\n";
        let found: Vec<_> = places(errors).into_iter().collect();
        assert_eq!(found, [("a.cpp:3:5".to_owned(), "shift of 1".to_owned())]);
    }
}
