//! References and manifests of any shape: read, or refused in words of bounded length.

use super::{
    Location, Refused,
    ipfs::unixfs::{self, made},
    oci,
};
use crate::document::dice::{Dice, Fuzz};

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn mutated(dice: &mut Dice, text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    dice.mutate(&mut bytes);
    bytes
}

fn is_bounded(Refused { what, hint }: &Refused) {
    assert!(what.len() + hint.len() < 2_000, "{what}");
    assert!(!what.is_empty() && !hint.is_empty());
    assert!(!what.contains(char::is_control), "{what:?}");
}

/// (P25, P26)
#[test]
fn references_of_any_shape_are_read_as_they_are_written_or_refused() {
    let good = [
        "oci://ghcr.io/me/hello:1.0".to_owned(),
        format!("oci://localhost:5000/a/b-c/d.e_f:v1@{DIGEST}"),
        "oci://[::1]:5000/hello:1".to_owned(),
        "ipfs://bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e/a/b.wasm".to_owned(),
        "ipfs://Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyfD".to_owned(),
        "ipfs://bafkqabtimvwgy3yk".to_owned(),
    ];
    assert!(good.iter().all(|text| text.parse::<Location>().is_ok()));
    let (mut fuzz, mut refused) = (Fuzz::begin(), 0);
    while let Some(dice) = fuzz.round() {
        let text = dice.of(&good);
        let text = String::from_utf8_lossy(&mutated(dice, &text)).into_owned();
        match text.parse::<Location>() {
            // A CID has many ways of being written.
            Ok(Location::Ipfs(read)) => assert_eq!(format!("{read}")[7..].parse(), Ok(read)),
            Ok(location) => assert_eq!(location.to_string(), text),
            Err(hint) => {
                refused += 1;
                assert!(hint.len() < 1_000, "{hint}");
            }
        }
    }
    assert!(refused > 0);
}

/// (P25)
#[test]
fn manifests_of_any_shape_are_read_or_refused_in_bounded_words() {
    let layer = |kind: &str| {
        format!(
            "{{\"mediaType\":\"{kind}\",\"digest\":\"{DIGEST}\",\"size\":7,\"annotations\":{{\"a\":\"b\"}}}}"
        )
    };
    let (wasm, text) = (layer("application/wasm"), layer("text/plain"));
    let good = format!("{{\"schemaVersion\":2,\"config\":{text},\"layers\":[{text},{wasm}]}}");
    assert!(oci::component(good.as_bytes()).is_ok());
    let (mut fuzz, mut refused) = (Fuzz::begin(), 0);
    while let Some(dice) = fuzz.round() {
        if let Err(why) = oci::component(&mutated(dice, &good)) {
            refused += 1;
            is_bounded(&why);
        }
    }
    assert!(refused > 0);
}

/// (P25, P26)
#[test]
fn blocks_of_any_shape_are_files_or_refused() {
    let (cid, _) = made::raw(b"abc");
    let good = [
        made::file(b"abc", &[cid, cid], 9),
        made::folder(&[("a.wasm", cid), ("b.wasm", cid)]),
    ];
    let (mut fuzz, mut refused) = (Fuzz::begin(), 0);
    while let Some(dice) = fuzz.round() {
        let (cid, mut block) = dice.of(&good);
        dice.mutate(&mut block);
        if let Err(why) = unixfs::read(&cid, block) {
            refused += 1;
            assert!(!why.is_empty() && why.len() < 1_000, "{why}");
        }
    }
    assert!(refused > 0);
}
