//! Where the sources of RandomX are and which of them are needed. Shared by the build script and by
//! `cargo xtask sanitize`.

use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The package that holds them. `Cargo.lock` pins it by its checksum; it is never compiled as a crate.
const PACKAGE: &str = "randomx-rs";
/// Its version; the package lies in a folder of its own for each, so another one is another path.
const VERSION: &str = "1.6.0";

/// Compiled as C++11.
pub(crate) const CPP: &[&str] = &[
    "aes_hash.cpp",
    "allocator.cpp",
    "assembly_generator_x86.cpp",
    "blake2_generator.cpp",
    "bytecode_machine.cpp",
    "cpu.cpp",
    "dataset.cpp",
    "instruction.cpp",
    "instructions_portable.cpp",
    "randomx.cpp",
    "soft_aes.cpp",
    "superscalar.cpp",
    "virtual_machine.cpp",
    "vm_compiled.cpp",
    "vm_compiled_light.cpp",
    "vm_interpreted.cpp",
    "vm_interpreted_light.cpp",
];

/// Compiled as C.
pub(crate) const C: &[&str] = &[
    "argon2_core.c",
    "argon2_ref.c",
    "blake2/blake2b.c",
    "reciprocal.c",
    "virtual_memory.c",
];

/// Compiled as C, each with a flag that lets it use instructions which the rest must not: a machine without them
/// never calls into these.
pub(crate) const VECTOR: &[(&str, &str)] =
    &[("argon2_ssse3.c", "-mssse3"), ("argon2_avx2.c", "-mavx2")];

/// What an architecture adds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arch {
    /// The compiler of RandomX programs, in C++.
    pub(crate) jit: Option<&'static str>,
    /// Its templates of machine code.
    pub(crate) assembly: Option<&'static str>,
    /// Flags of every file.
    pub(crate) flags: &'static [&'static str],
    /// Whether the files in [`VECTOR`] may use their flag.
    pub(crate) vector: bool,
}

/// What an architecture adds, by the name that Rust has for it. One that RandomX has no compiler for gets the
/// interpreter alone.
pub(crate) fn arch(name: &str) -> Arch {
    match name {
        "x86_64" => Arch {
            jit: Some("jit_compiler_x86.cpp"),
            assembly: Some("jit_compiler_x86_static.S"),
            flags: &["-maes"],
            vector: true,
        },
        "aarch64" => Arch {
            jit: Some("jit_compiler_a64.cpp"),
            assembly: Some("jit_compiler_a64_static.S"),
            flags: &["-march=armv8-a+crypto", "-DHAVE_HWCAP"],
            vector: false,
        },
        "riscv64" => Arch {
            jit: Some("jit_compiler_rv64.cpp"),
            assembly: Some("jit_compiler_rv64_static.S"),
            flags: &["-march=rv64gc"],
            vector: false,
        },
        _ => Arch {
            jit: None,
            assembly: None,
            flags: &[],
            vector: false,
        },
    }
}

/// The folder of RandomX's sources. Asks cargo where the package lies: first without the network, and if it is not
/// there yet once more with it, which downloads it.
///
/// # Errors
/// A text that says what to do.
pub(crate) fn find(cargo: &Path, manifest: &Path) -> Result<PathBuf, String> {
    let offline = metadata(cargo, manifest, &["--offline"]);
    let found = match offline {
        Ok(found) => found,
        Err(first) => metadata(cargo, manifest, &[]).map_err(|second| {
            format!(
                "the C++ sources of RandomX are not on this machine and cannot be downloaded: run `cargo fetch --locked` \
                 where there is a network, then build again; without the network: {first}; with it: {second}"
            )
        })?,
    };
    let sources = found.join("RandomX/src");
    if sources.join("randomx.h").is_file() {
        Ok(sources)
    } else {
        Err(format!(
            "{} has no sources of RandomX in it: delete this folder and run `cargo fetch --locked`",
            found.display()
        ))
    }
}

/// The folder of the package, or why cargo does not say.
fn metadata(cargo: &Path, manifest: &Path, extra: &[&str]) -> Result<PathBuf, String> {
    let output = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--locked", "--quiet"])
        .arg("--manifest-path")
        .arg(manifest)
        .args(extra)
        .output()
        .map_err(|error| format!("cannot start {}: {error}", cargo.display()))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(text.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cannot read what cargo says: {error}"))?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let mut manifests = packages
        .filter(|package| package["name"] == PACKAGE && package["version"] == VERSION)
        .filter_map(|package| package["manifest_path"].as_str());
    let manifest = manifests
        .next()
        .ok_or_else(|| format!("Cargo.lock does not name {PACKAGE} {VERSION}"))?;
    let folder = Path::new(manifest).parent();
    Ok(folder.unwrap_or(Path::new("")).to_path_buf())
}
