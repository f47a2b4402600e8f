//! Turns the sources in `wat` into components: core module, plus the interfaces in `wit`.

use anyhow::{Context as _, Result};
use std::{
    fs,
    path::{Path, PathBuf},
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Where a source takes the text that all answering functions share.
const INCLUDE: &str = "  ;; include answer\n";

/// What sources of asynchronous functions have in common.
const ASYNCHRONOUS: &str = "wasi:http/handler@0.3.0";

/// Where one takes what keeps a compiler busy, and how much of it.
const BOMB: &str = "    ;; include bomb\n";
const VARIABLES: usize = 5_000;
const BLOCKS: usize = 20_000;

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=wat");
    println!("cargo::rerun-if-changed=wit");
    let answer = fs::read_to_string("wat/answer.wat")?;
    let out = PathBuf::from(std::env::var_os("OUT_DIR").context("OUT_DIR is not set")?);
    for source in sources()? {
        let component =
            component(&source, &answer).with_context(|| format!("cannot build {source:?}"))?;
        let name = source.file_name().context("a source has no name")?;
        fs::write(out.join(name).with_extension("wasm"), component)?;
    }
    Ok(())
}

/// Every source but the shared text.
fn sources() -> Result<Vec<PathBuf>> {
    let mut sources = Vec::new();
    for folder in ["wat", "wat/hostile"] {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let is_source = path.extension().is_some_and(|extension| extension == "wat");
            if is_source && !path.ends_with("answer.wat") {
                sources.push(path);
            }
        }
    }
    Ok(sources)
}

/// One component from one source.
fn component(source: &Path, answer: &str) -> Result<Vec<u8>> {
    let text = fs::read_to_string(source)?.replace(INCLUDE, answer);
    let text = text.replace(BOMB, &bomb());
    let mut module = wat::parse_str(&text)?;
    let mut interfaces = Resolve::default();
    let (package, _) = interfaces.push_dir("wit")?;
    let world = if source.ends_with("trespasser.wat") {
        "trespasser"
    } else if text.contains(ASYNCHRONOUS) {
        "service"
    } else {
        "function"
    };
    let world = interfaces.select_world(&[package], Some(world))?;
    embed_component_metadata(&mut module, &interfaces, world, StringEncoding::UTF8)?;
    let mut encoder = ComponentEncoder::default().module(&module)?.validate(true);
    encoder.encode()
}

/// Variables, and loops that each change one of them.
fn bomb() -> String {
    let variables = "(local i64) ".repeat(VARIABLES);
    let block = |number: usize| {
        let (variable, other) = (2 + number % VARIABLES, 2 + number * 7 % VARIABLES);
        format!(
            "(loop (local.set {variable} (i64.add (local.get {variable}) (local.get {other}))) (br_if 0 (local.get 0)))\n"
        )
    };
    let blocks: String = (0..BLOCKS).map(block).collect();
    format!("    {variables}\n{blocks}")
}
