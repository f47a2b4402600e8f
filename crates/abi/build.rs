//! Joins the published interfaces into one file for `sol!`, which does not follow imports.

use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=solidity");
    let mut paths: Vec<_> = fs::read_dir("solidity")?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    paths.sort();
    let mut joined = String::new();
    for path in paths {
        for line in fs::read_to_string(path)?.lines() {
            if !line.starts_with("import ") && !line.starts_with("pragma ") {
                joined.push_str(line);
                joined.push('\n');
            }
        }
    }
    let out = env::var("OUT_DIR")?;
    fs::write(Path::new(&out).join("interfaces.sol"), joined)?;
    Ok(())
}
