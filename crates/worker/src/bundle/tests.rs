//! What bundles survive, and what strangers may put in their place.

use super::{Bundle, Error, MAX_FUNCTIONS, Name, SECTION};
use crate::{Settings, section};

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

fn bundle<'a>(names: &[&str], component: &'a [u8]) -> Bundle<'a> {
    let name = |name: &&str| (name.parse().expect("a name"), component);
    Bundle {
        main: COMPONENT,
        others: names.iter().map(name).collect(),
    }
}

/// The main component and sections as they are given.
fn artifact(sections: &[&[u8]]) -> Vec<u8> {
    let mut artifact = COMPONENT.to_vec();
    for content in sections {
        section::append(&mut artifact, SECTION, &[content]);
    }
    artifact
}

/// (W20, W25)
#[test]
fn functions_travel_in_one_artifact_before_its_settings() {
    let bundle = bundle(&["words", "a-1"], b"\0asm\x0d\0\x01\0other");
    let settings = Settings {
        environment: [("A".into(), "1".into())].into(),
        ..Settings::default()
    };
    let packed = bundle.pack().expect("packed");
    assert!(packed.starts_with(COMPONENT));
    let artifact = settings.pack(packed).expect("an artifact");
    let (functions, read) = Settings::split(&artifact).expect("settings");
    assert_eq!(read, settings);
    assert_eq!(Bundle::split(functions).expect("functions"), bundle);
}

#[test]
fn one_function_alone_is_its_component() {
    assert_eq!(bundle(&[], b"").pack().expect("packed"), COMPONENT);
    assert_eq!(Bundle::split(COMPONENT).expect("one"), bundle(&[], b""));
}

/// (W25)
#[test]
fn sixteen_functions_are_one_artifact_and_more_are_none() {
    let names: Vec<String> = (0..MAX_FUNCTIONS).map(|n| format!("f{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let most = bundle(&names[1..], COMPONENT);
    let packed = most.pack().expect("packed");
    assert_eq!(Bundle::split(&packed).expect("functions"), most);
    assert_eq!(bundle(&names, COMPONENT).pack(), Err(Error::TooMany));
    let sections: Vec<Vec<u8>> = names
        .iter()
        .map(|name| [b"\x03", name.as_bytes(), COMPONENT].concat())
        .collect();
    let sections: Vec<&[u8]> = sections.iter().map(Vec::as_slice).collect();
    assert_eq!(Bundle::split(&artifact(&sections)), Err(Error::TooMany));
}

/// (W25)
#[test]
fn a_name_is_a_label_of_a_host_and_not_that_of_the_main_function() {
    for name in ["a", "words", "a-1", "0", &"x".repeat(63)] {
        assert_eq!(name.parse::<Name>().expect("a name").as_str(), name);
    }
    for text in [
        "",
        "-a",
        "a-",
        "A",
        "a.b",
        "a_b",
        "ä",
        "main",
        "a b",
        &"x".repeat(64),
    ] {
        assert!(text.parse::<Name>().is_err(), "{text}");
    }
}

/// (W25)
#[test]
fn an_artifact_within_an_artifact_is_refused() {
    let inner = bundle(&["a"], COMPONENT).pack().expect("packed");
    let refused = |bundle: Bundle<'_>| bundle.pack().expect_err("refused");
    let is_nested = |error: Error, name: &str| {
        assert_eq!(
            error.to_string(),
            format!("the function {name} is an artifact, not what was built")
        );
    };
    is_nested(refused(bundle(&["b"], &inner)), "b");
    let main = Bundle {
        main: &inner,
        others: [].into(),
    };
    is_nested(refused(main), "main");
    let section = [b"\x01b", &inner[..]].concat();
    is_nested(
        Bundle::split(&artifact(&[&section])).expect_err("refused"),
        "b",
    );
}

/// (W25)
#[test]
fn what_only_looks_like_functions_is_refused() {
    for sections in [
        &[&b""[..]][..],
        &[b"\0"],
        &[b"\xffwords"],
        &[b"\x01A"],
        &[b"\x04main"],
        &[b"\x01\xff"],
        &[b"\x01b", b"\x01a"],
        &[b"\x01a", b"\x01a"],
    ] {
        assert!(Bundle::split(&artifact(sections)).is_err(), "{sections:?}");
    }
    // A section that was cut, or says another length, is none, and no component may end like one.
    let whole = artifact(&[b"\x01a"]);
    for place in [
        whole.len() - SECTION.len() - 4,
        COMPONENT.len(),
        COMPONENT.len() + 1,
    ] {
        let mut wrong = whole.clone();
        wrong[place] ^= 0x01;
        assert!(Bundle::split(&wrong).is_err());
    }
}
