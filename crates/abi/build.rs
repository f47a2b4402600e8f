//! Joins the published interfaces into one `sol!`, which does not follow imports.

use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=solidity");
    let mut paths: Vec<_> = fs::read_dir("solidity")?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    paths.sort();
    let mut joined = "alloy_sol_types::sol! {\n#![sol(all_derives)]\n".to_owned();
    for path in paths {
        for line in fs::read_to_string(path)?.lines() {
            if !line.starts_with("import ") && !line.starts_with("pragma ") {
                joined.push_str(line);
                joined.push('\n');
            }
        }
    }
    joined.push_str("}\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("sol.rs"), joined)?;
    Ok(())
}
