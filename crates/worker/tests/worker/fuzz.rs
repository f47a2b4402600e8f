//! What strangers may send, mutated: each body takes any bytes.

use crate::dice::Fuzz;
use worker::{
    Bundle, control, host,
    settings::{Secrets, Settings, Wasi},
};

/// A control message from anybody: understood the same way twice, or refused.
fn control_message(bytes: &[u8]) {
    if let Ok(request) = control::parse::<control::Request>(bytes) {
        let mut line = serde_json::to_vec(&request).expect("JSON");
        line.push(b'\n');
        assert_eq!(
            control::parse::<control::Request>(&line).expect("our own"),
            request
        );
    }
    // A supervisor reads what a process it started says.
    let _ = control::parse::<control::Reply>(bytes);
    let _ = control::parse::<control::Announcement>(bytes);
}

/// An artifact from anybody: admitted or refused in words of bounded length.
fn artifact(bytes: &[u8]) {
    for wasi in Wasi::ALL {
        if let Err(refusal) = host::interfaces(bytes, wasi) {
            assert!(refusal.detail.len() < 10_000);
        }
    }
}

/// Settings and secrets from anybody: what is read is written the same, the rest refused.
fn settings(bytes: &[u8]) {
    if let Ok((component, settings)) = Settings::split(bytes)
        && let Ok(again) = settings.pack(component.to_vec())
    {
        let (same, read) = Settings::split(&again).expect("our own");
        assert_eq!((same, read), (component, settings));
    }
    if let Ok(secrets) = Secrets::parse(bytes) {
        assert!(secrets.write().is_ok());
    }
}

/// Functions from anybody: what is read is packed the same, the rest refused.
fn bundle(bytes: &[u8]) {
    if let Ok(bundle) = Bundle::split(bytes) {
        assert_eq!(bundle.pack().expect("our own"), bytes);
    }
}

/// The corpus as it is, then mutations of it.
fn run(corpus: &[Vec<u8>], body: fn(&[u8])) {
    corpus.iter().for_each(|input| body(input));
    let mut fuzz = Fuzz::begin();
    while let Some(dice) = fuzz.round() {
        let mut input = dice.of(corpus);
        dice.mutate(&mut input);
        body(&input);
    }
}

#[test]
fn control_messages_of_any_shape_are_understood_or_refused() {
    let corpus: Vec<Vec<u8>> = [
        r#"{"request":"hello","protocol":2}"#,
        r#"{"request":"health"}"#,
        r#"{"request":"logs","from":18446744073709551615}"#,
        r#"{"request":"stop"}"#,
        r#"{"reply":"done"}"#,
        r#"{"reply":"logs","lines":[{"number":0,"unix_ms":1,"source":"stdout","text":"a"}],"next":1}"#,
        r#"{"event":"cannot_run","reason":"forbidden_import","detail":"x"}"#,
    ]
    .iter()
    .map(|line| format!("{line}\n").into_bytes())
    .collect();
    run(&corpus, control_message);
}

#[test]
fn artifacts_of_any_shape_are_admitted_or_refused() {
    let corpus: Vec<Vec<u8>> = [
        functions::HELLO,
        functions::ECHO,
        functions::SERVICE,
        functions::hostile::TRESPASSER,
    ]
    .iter()
    .map(|bytes| bytes.to_vec())
    .collect();
    run(&corpus, artifact);
}

#[test]
fn settings_of_any_shape_are_read_or_refused() {
    let salt = "00".repeat(32);
    let secrets = format!(r#"{{"salt":"{salt}","values":{{"KEY":"value"}}}}"#);
    let settings = Settings {
        environment: [("A".into(), "1".into())].into(),
        ..Settings::default()
    };
    let artifact = settings.pack(functions::HELLO.into()).expect("packed");
    run(&[artifact, secrets.into_bytes()], self::settings);
}

#[test]
fn bundles_of_any_shape_are_read_or_refused() {
    let named = |name: &str| (name.parse().expect("a name"), functions::ECHO);
    let two = Bundle {
        main: functions::HELLO,
        others: [named("a"), named("words")].into(),
    };
    let small = Bundle {
        main: b"",
        others: [("a".parse().expect("a name"), &b""[..])].into(),
    };
    let packed = |bundle: Bundle<'_>| bundle.pack().expect("packed");
    run(&[packed(two), packed(small)], bundle);
}
