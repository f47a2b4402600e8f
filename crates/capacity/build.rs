//! Compiles RandomX, and our glue on top of it, from the sources in the package that `Cargo.lock` pins. Needs a C++
//! compiler and nothing else. Always optimised: a debug build would take minutes for one hash.

#[path = "build/sources.rs"]
mod sources;

use std::{env, path::PathBuf, process::ExitCode};

fn main() -> ExitCode {
    for input in ["build.rs", "build/sources.rs", "src/randomx/glue.cpp"] {
        println!("cargo::rerun-if-changed={input}");
    }
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={}", error.replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    let variable = |name| env::var(name).map_err(|_| format!("cargo does not set {name}"));
    let manifest = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("Cargo.toml");
    let folder = sources::find(&PathBuf::from(variable("CARGO")?), &manifest)?;
    let arch = sources::arch(&variable("CARGO_CFG_TARGET_ARCH")?);

    let mut common = cc::Build::new();
    common
        .opt_level(3)
        .debug(false)
        .define("NDEBUG", None)
        .warnings(false)
        .cargo_warnings(false);
    for flag in arch.flags {
        common.flag(flag);
    }
    let objects = |build: &cc::Build| {
        build
            .try_compile_intermediates()
            .map_err(|error| error.to_string())
    };

    let mut c = common.clone();
    c.include(&folder);
    c.files(sources::C.iter().map(|file| folder.join(file)));
    let mut all = objects(&c)?;
    for (file, flag) in sources::VECTOR {
        let mut build = common.clone();
        build.include(&folder).file(folder.join(file));
        if arch.vector {
            build.flag(flag);
        }
        all.extend(objects(&build)?);
    }
    if let Some(file) = arch.assembly {
        let mut build = common.clone();
        build.include(&folder).file(folder.join(file));
        // Without this mark of the object the linker would give the program an executable stack.
        build.flag("-Wa,--noexecstack");
        all.extend(objects(&build)?);
    }

    let mut cpp = common.clone();
    cpp.cpp(true).std("c++11").include(&folder);
    cpp.files(sources::CPP.iter().map(|file| folder.join(file)));
    cpp.files(arch.jit.map(|file| folder.join(file)));
    all.extend(objects(&cpp)?);

    // Ours: warnings are shown, but not those of RandomX's headers.
    let mut glue = common;
    glue.cpp(true).std("c++11").file("src/randomx/glue.cpp");
    glue.flag("-isystem").flag(&folder);
    glue.warnings(true)
        .extra_warnings(true)
        .cargo_warnings(true);
    glue.objects(all)
        .try_compile("randomx")
        .map_err(|error| error.to_string())
}
