//! References and manifests of any shape: read, or refused in words of bounded length.

use super::{Location, Refused, oci};
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

/// (P25)
#[test]
fn references_of_any_shape_are_read_as_they_are_written_or_refused() {
    let good = [
        "oci://ghcr.io/me/hello:1.0".to_owned(),
        format!("oci://localhost:5000/a/b-c/d.e_f:v1@{DIGEST}"),
        "oci://[::1]:5000/hello:1".to_owned(),
    ];
    assert!(good.iter().all(|text| text.parse::<Location>().is_ok()));
    let (mut fuzz, mut refused) = (Fuzz::begin(), 0);
    while let Some(dice) = fuzz.round() {
        let text = dice.of(&good);
        let text = String::from_utf8_lossy(&mutated(dice, &text)).into_owned();
        match text.parse::<Location>() {
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
