//! What a developer gives to a function: environment, configuration, secrets.

use crate::support::{Folder, start};
use functions::{CONFIG, ENVIRONMENT};
use std::path::PathBuf;
use worker::{
    ArtifactHash, Config, Settings,
    control::Reason,
    settings::{Sealed, Secrets, Values},
    supervisor::Error,
};

fn values(pairs: &[(&str, &str)]) -> Values {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(pair).collect()
}

fn hash(bytes: &[u8]) -> ArtifactHash {
    ArtifactHash(*blake3::hash(bytes).as_bytes())
}

fn config(folder: &Folder, function: &[u8], settings: &Settings) -> Config {
    folder.config(&settings.pack(function.into()).expect("an artifact"))
}

fn settings() -> Settings {
    Settings {
        environment: values(&[("A", "1"), ("B", "zwei")]),
        config: values(&[("greeting.text", "hello")]),
        ..Settings::default()
    }
}

/// A document of one secret: its file, and how an artifact names it.
fn secret(folder: &Folder, value: &str) -> (PathBuf, Sealed) {
    let secrets = Secrets {
        salt: ArtifactHash([1; 32]),
        values: values(&[("KEY", value)]),
    };
    let document = secrets.write().expect("a document");
    let (file, size) = (folder.0.join("secrets"), document.len() as u64);
    std::fs::write(&file, &document).expect("written");
    let hash = hash(&document);
    (file, Sealed { hash, size })
}

/// (W2, W20)
#[tokio::test]
async fn a_function_sees_the_environment_of_its_deal_only() {
    let folder = Folder::new("environment");
    let config = config(&folder, ENVIRONMENT, &settings());
    let worker = start(&folder, &config).await.expect("started");
    assert_eq!(worker.get("/").await.body, "A=1\nB=zwei\n");
}

/// (W20)
#[tokio::test]
async fn a_function_reads_its_configuration() {
    let folder = Folder::new("config");
    let config = config(&folder, CONFIG, &settings());
    let worker = start(&folder, &config).await.expect("started");
    assert_eq!(worker.get("/").await.body, "greeting.text=hello\n");
}

/// (W3, W20)
#[tokio::test]
async fn other_settings_are_another_artifact_and_the_same_code() {
    let folder = Folder::new("resettled");
    let code = || {
        std::fs::read_dir(folder.0.join("cache"))
            .expect("a folder")
            .count()
    };
    for value in ["1", "2"] {
        let mut settings = settings();
        settings.environment = values(&[("A", value)]);
        let config = config(&folder, ENVIRONMENT, &settings);
        let mut worker = start(&folder, &config).await.expect("started");
        assert_eq!(worker.get("/").await.body, format!("A={value}\n"));
        assert_eq!(code(), 1, "compiled once");
        worker.control.stop().await.expect("stopping");
        assert!(worker.ended().await);
    }
}

/// (W21)
#[tokio::test]
async fn a_function_sees_the_secrets_that_its_artifact_names() {
    let folder = Folder::new("secrets");
    let (file, sealed) = secret(&folder, "of the deal");
    let mut settings = settings();
    settings.secrets = Some(sealed);
    for (function, seen) in [
        (ENVIRONMENT, "A=1\nB=zwei\nKEY=of the deal\n"),
        (CONFIG, "KEY=of the deal\n"),
    ] {
        let mut config = config(&folder, function, &settings);
        config.secrets = Some(file.clone());
        let mut worker = start(&folder, &config).await.expect("started");
        let body = worker.get("/").await.body;
        assert!(body.contains(seen), "{body}");
        worker.control.stop().await.expect("stopping");
        assert!(worker.ended().await);
    }
}

/// (W5, W21)
#[tokio::test]
async fn a_worker_without_the_right_secrets_does_not_run() {
    let folder = Folder::new("no-secrets");
    let (file, sealed) = secret(&folder, "of the deal");
    let mut settings = settings();
    settings.secrets = Some(sealed);
    let mut config = config(&folder, ENVIRONMENT, &settings);
    let refused = async |config: &Config| match start(&folder, config).await {
        Err(Error::CannotRun { reason, detail }) => (reason, detail),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it runs"),
    };
    assert_eq!(refused(&config).await.0, Reason::ArtifactMissing);
    config.secrets = Some(file);
    secret(&folder, "of another");
    let (reason, detail) = refused(&config).await;
    assert_eq!(reason, Reason::ArtifactMismatch);
    assert!(!detail.contains("of another"), "{detail}");
}

/// (W5, W20)
#[tokio::test]
async fn settings_that_no_plan_makes_are_refused_in_words() {
    let folder = Folder::new("bad-settings");
    let mut artifact = settings().pack(ENVIRONMENT.into()).expect("an artifact");
    let place = artifact
        .windows(3)
        .rposition(|part| part == b"zwe")
        .expect("there");
    artifact[place] = b'"';
    match start(&folder, &folder.config(&artifact)).await {
        Err(Error::CannotRun { reason, detail }) => {
            assert_eq!(reason, Reason::BadComponent);
            assert!(detail.contains("settings"), "{detail}");
        }
        _ => panic!("it runs"),
    }
}
