//! What settings survive, and what strangers may put in their place.

use super::{Error, MAX_BYTES, SECTION, Sealed, Secrets, Settings, Values};
use crate::{ArtifactHash, section};

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

fn values(names: &[&str]) -> Values {
    let pair = |name: &&str| ((*name).to_owned(), format!("value of {name}"));
    names.iter().map(pair).collect()
}

fn settings() -> Settings {
    Settings {
        environment: values(&["A", "B_2"]),
        config: values(&["greeting.text"]),
        outbound: vec!["https://example.com".parse().expect("a server")],
        reuse: Some(100),
        secrets: Some(Sealed {
            hash: ArtifactHash([7; 32]),
            size: 100,
        }),
    }
}

fn section(json: &[u8]) -> Vec<u8> {
    let mut section = Vec::new();
    section::append(&mut section, SECTION, &[json]);
    section
}

#[test]
fn settings_travel_in_an_artifact_that_is_still_webassembly() {
    let artifact = settings().pack(COMPONENT.into()).expect("packed");
    let (component, read) = Settings::split(&artifact).expect("settings");
    assert_eq!((component, &read), (COMPONENT, &settings()));
    let section = artifact[COMPONENT.len()..].to_vec();
    assert_eq!(section[0], 0, "a custom section");
    let mut length = 0;
    for (place, byte) in section[1..6].iter().enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * place);
    }
    assert_eq!(length, section.len() - 6, "which ends where the file does");

    let file = std::env::temp_dir().join(format!("settings-{}", std::process::id()));
    std::fs::write(&file, &artifact).expect("written");
    assert_eq!(Settings::read(&file).expect("settings"), settings());
    std::fs::remove_file(file).expect("removed");
}

#[test]
fn without_settings_the_artifact_is_the_component() {
    let artifact = Settings::default().pack(COMPONENT.into()).expect("packed");
    assert_eq!(artifact, COMPONENT);
    let (component, read) = Settings::split(COMPONENT).expect("none");
    assert_eq!((component, read), (COMPONENT, Settings::default()));
}

#[test]
fn an_artifact_is_not_packed_again() {
    let artifact = settings().pack(COMPONENT.into()).expect("packed");
    assert!(matches!(settings().pack(artifact), Err(Error::Packed)));
}

#[test]
fn limits_hold_for_names_values_and_the_whole() {
    let refused = |settings: Settings| settings.pack(COMPONENT.into()).expect_err("refused");
    let one = |name: &str, value: &str| Settings {
        environment: [(name.to_owned(), value.to_owned())].into(),
        ..Settings::default()
    };
    for name in ["", "A B", "A=B", "é", &"x".repeat(129)] {
        assert!(matches!(refused(one(name, "")), Error::Name(_)), "{name}");
    }
    for value in ["a\0b", &"x".repeat((8 << 10) + 1)] {
        assert!(matches!(refused(one("A", value)), Error::Value(_)));
    }
    let many = |count: usize, bytes: usize| Settings {
        config: (0..count)
            .map(|n| (n.to_string(), "x".repeat(bytes)))
            .collect(),
        ..Settings::default()
    };
    assert!(matches!(refused(many(65, 1)), Error::TooMany(65)));
    assert!(matches!(refused(many(64, 2_000)), Error::TooLong(_)));
    let mut sealed = settings();
    sealed.secrets = Some(Sealed {
        hash: ArtifactHash([0; 32]),
        size: MAX_BYTES as u64 + 1,
    });
    assert!(matches!(refused(sealed), Error::TooLong(_)));
}

#[test]
fn what_only_looks_like_settings_is_refused_or_not_taken_for_them() {
    for json in [
        &b"{"[..],
        b"1",
        br#"{"unknown":1}"#,
        br#"{"environment":{"":""}}"#,
    ] {
        let artifact = [COMPONENT, &section(json)].concat();
        assert!(Settings::split(&artifact).is_err());
    }
    let whole = section(b"{}");
    for cut in 1..whole.len() {
        let (component, none) = Settings::split(&whole[cut..]).expect("none");
        assert_eq!((component, none), (&whole[cut..], Settings::default()));
    }
    let mut wrong = whole.clone();
    let length = wrong.len() - 24;
    wrong[length] ^= 0x40;
    assert_eq!(Settings::split(&wrong).expect("none").0, wrong);
}

#[test]
fn secrets_are_seen_as_environment_and_configuration_and_never_shown() {
    let secrets = Secrets {
        salt: ArtifactHash([1; 32]),
        values: values(&["KEY"]),
    };
    let document = secrets.write().expect("a document");
    let read = Secrets::parse(&document).expect("secrets");
    assert_eq!(format!("{read:?}"), r#"{"KEY"}"#);
    let seen = settings().with(read.clone()).expect("settings");
    assert_eq!(seen.environment["KEY"], "value of KEY");
    assert_eq!(seen.config["KEY"], "value of KEY");
    assert!(matches!(seen.with(read), Err(Error::Twice(name)) if name == "KEY"));
    assert!(Secrets::parse(b"{}").is_err());
}
