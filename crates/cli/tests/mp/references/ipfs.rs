//! Plans whose functions lie in IPFS.

use super::{Developer, gateway::Gateway, plan};
use std::{fs, path::PathBuf};

/// A component of that many bytes and more: with a section that nobody reads.
fn large(component: &[u8], bytes: usize) -> Vec<u8> {
    let mut large = component.to_vec();
    let mut length = bytes + 1;
    large.push(0);
    // As WebAssembly writes numbers.
    while length >= 0x80 {
        large.push(length as u8 | 0x80);
        length >>= 7;
    }
    large.push(length as u8);
    large.push(0);
    large.extend((0..bytes).map(|at| (at / 251) as u8));
    large
}

/// (P26)
#[test]
#[ignore = "it needs a gateway of IPFS: cargo xtask test references"]
fn a_function_is_put_together_from_the_blocks_of_a_gateway() {
    let developer = Developer::new();
    let folder = developer.path("files");
    fs::create_dir(&folder).expect("a folder");
    let large = large(functions::HELLO, 3 << 20);
    fs::write(folder.join("hello.wasm"), functions::HELLO).expect("writes");
    fs::write(folder.join("large.wasm"), &large).expect("writes");
    let mut gateway = Gateway::start(&folder);
    let url = PathBuf::from(gateway.url());
    let artifact = |path: &str| {
        let planned = developer.plan(path, &[("IPFS_GATEWAY", &url)]);
        let planned = planned.unwrap_or_else(|said| panic!("{path}: {said}"));
        assert_eq!(planned["imports"]["main"]["reference"], path);
        planned["terms"]["artifact"]
            .as_str()
            .expect("a hash")
            .to_owned()
    };
    let hash = |bytes: &[u8]| format!("0x{}", blake3::hash(bytes).to_hex());
    for way in ["old", "usual", "deep"] {
        for (name, bytes) in [("hello.wasm", functions::HELLO), ("large.wasm", &large)] {
            let file = gateway.cid(&format!("{way}/{name}"));
            assert_eq!(
                artifact(&format!("ipfs://{file}")),
                hash(bytes),
                "{way} {name}"
            );
            let all = gateway.cid(way);
            assert_eq!(
                artifact(&format!("ipfs://{all}/{name}")),
                hash(bytes),
                "{way} {name}"
            );
        }
    }
    let all = gateway.cid("usual").to_owned();
    let missing = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";
    let functions = format!(
        "[functions]\nmissing = \"ipfs://{missing}\"\nfolder = \"ipfs://{all}\"\nfile = \"ipfs://{all}/none.wasm\"\n"
    );
    let wrong = plan(&format!("ipfs://{all}/hello.wasm/more"), &functions);
    let said = developer.plan_of(&wrong, &[("IPFS_GATEWAY", &url)]);
    let said = said.expect_err("all is wrong");
    for part in [
        "4 faults",
        "is no folder",
        "does not give",
        "is a folder",
        "has no file",
    ] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }

    gateway.stop();
    let kept = format!("ipfs://{}", gateway.cid("deep/large.wasm"));
    assert_eq!(
        artifact(&kept),
        hash(&large),
        "nobody is asked for what is kept"
    );
    let said = developer.plan(&format!("ipfs://{missing}"), &[("IPFS_GATEWAY", &url)]);
    let said = said.expect_err("nobody is there");
    assert!(
        said.contains("cannot be reached") && said.contains("--ipfs-gateway"),
        "{said}"
    );
}
