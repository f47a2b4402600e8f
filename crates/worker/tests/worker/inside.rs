//! Functions of one artifact that ask each other.

use crate::support::{Folder, Running, start};
use functions::{COUNTER, ECHO, ENVIRONMENT, FETCH, HELLO, RELAY, hostile};
use worker::{
    Bundle, Config, Settings,
    config::Outbound,
    control::{Reason, Source},
    supervisor::Error,
};

/// Places of errors among those of `wasi:http`.
pub(crate) const LIMIT: &str = "error 11\n";
const DENIED: &str = "error 15\n";

/// A configuration for a bundle of these functions.
pub(crate) fn config(folder: &Folder, main: &[u8], others: &[(&str, &[u8])]) -> Config {
    config_with(folder, main, others, &Settings::default())
}

pub(crate) fn config_with(
    folder: &Folder,
    main: &[u8],
    others: &[(&str, &[u8])],
    settings: &Settings,
) -> Config {
    let others = others.iter();
    let bundle = Bundle {
        main,
        others: others
            .map(|(name, component)| (name.parse().expect("a name"), *component))
            .collect(),
    };
    let packed = bundle.pack().expect("a bundle");
    let mut config = folder.config(&settings.pack(packed).expect("an artifact"));
    // Whom functions ask outside is another matter.
    config.outbound = Outbound::None;
    config
}

pub(crate) async fn running(folder: &Folder, config: &Config) -> Running {
    start(folder, config).await.expect("started")
}

/// (W26, W27)
#[tokio::test]
async fn a_function_asks_another_one_of_its_artifact_by_name() {
    let folder = Folder::new("inside");
    let config = config(&folder, FETCH, &[("words", HELLO)]);
    let mut worker = running(&folder, &config).await;
    let answer = worker.get("/http/words.internal/a?b=c").await;
    let hello = "Hello, world! You asked for /a?b=c.\n";
    assert_eq!(answer.body, format!("status 200\n{hello}"));
    for again in ["WORDS.internal", "words.internal:80"] {
        let answer = worker.get(&format!("/http/{again}/a?b=c")).await;
        assert_eq!(answer.body, format!("status 200\n{hello}"), "{again}");
    }
    let metrics = worker.metrics().await;
    assert_eq!(
        (metrics.requests, metrics.answered),
        (3, 3),
        "one bill each"
    );
    assert_eq!((metrics.outbound_requests, metrics.outbound_bytes), (0, 0));
    assert_eq!(metrics.egress_bytes, 3 * answer.body.len() as u64);
}

/// (W26)
#[tokio::test]
async fn any_function_asks_any_other_and_the_first_one_is_called_main() {
    let folder = Folder::new("any-other");
    let config = config(&folder, FETCH, &[("a", FETCH), ("b", HELLO)]);
    let worker = running(&folder, &config).await;
    let path = "/http/a.internal/http/main.internal/http/b.internal/";
    let hello = "Hello, world! You asked for /.\n";
    let expected = format!("status 200\nstatus 200\nstatus 200\n{hello}");
    assert_eq!(worker.get(path).await.body, expected);
}

/// (W26)
#[tokio::test]
async fn what_is_no_function_of_the_artifact_is_refused_in_words() {
    let folder = Folder::new("stranger");
    let settings = Settings {
        outbound: vec!["http://listed.internal".parse().expect("a server")],
        ..Settings::default()
    };
    let mut config = config_with(&folder, FETCH, &[("words", HELLO)], &settings);
    config.outbound = Outbound::Any;
    let mut worker = running(&folder, &config).await;
    for stranger in [
        "http/other.internal",
        "http/listed.internal",
        "http/a.words.internal",
        "http/.internal",
        "http/internal",
        "http/words.internal:8080",
        "https/words.internal",
        "http/user@words.internal",
    ] {
        assert_eq!(
            worker.get(&format!("/{stranger}/")).await.body,
            DENIED,
            "{stranger}"
        );
    }
    let log = worker.log().await;
    for said in [
        "a request to http://other.internal is denied: the artifact has no function of that name",
        "a request to https://words.internal is denied: functions are asked as http://NAME.internal/",
    ] {
        assert!(log.contains(said), "{log}");
    }

    let folder = Folder::new("alone");
    let worker = running(&folder, &self::config(&folder, FETCH, &[])).await;
    assert_eq!(worker.get("/http/main.internal/").await.body, DENIED);
}

/// (W20, W23, W25)
#[tokio::test]
async fn functions_have_settings_and_state_in_common() {
    let folder = Folder::new("common");
    let settings = Settings {
        environment: [("A".into(), "1".into())].into(),
        ..Settings::default()
    };
    let others = [("environment", ENVIRONMENT), ("counter", COUNTER)];
    let mut config = config_with(&folder, FETCH, &others, &settings);
    config.state = Some(folder.0.join("state").join("state.redb"));
    let worker = running(&folder, &config).await;
    let body = worker.get("/http/environment.internal/").await.body;
    assert_eq!(body, "status 200\nA=1\n");
    for count in 1..4 {
        let body = worker.get("/http/counter.internal/").await.body;
        assert_eq!(body, format!("status 200\n{count}\n"));
    }
}

/// (W27)
#[tokio::test]
async fn log_lines_name_their_function() {
    let folder = Folder::new("inside-logs");
    let mut config = config(&folder, FETCH, &[("chatter", hostile::CHATTER)]);
    config.limits.wall_ms = 30_000;
    let mut worker = running(&folder, &config).await;
    let body = worker.get("/http/chatter.internal/").await.body;
    assert_eq!(body, "status 200\ndone\n");
    assert_eq!(worker.get("/http/other.internal/").await.body, DENIED);
    let logs = worker.control.logs(0).await.expect("logs");
    let line = &logs.lines[0];
    let writer = (line.function.as_deref(), line.source);
    assert_eq!(writer, (Some("chatter"), Source::Stderr));
}

/// (W26)
#[tokio::test]
async fn bodies_stream_both_ways_between_functions() {
    let folder = Folder::new("relay");
    let config = config(&folder, RELAY, &[("next", ECHO)]);
    let worker = running(&folder, &config).await;
    let body = "0123456789".repeat(100_000);
    let answer = worker.post(body.as_bytes()).await;
    assert!(
        answer.is_whole && answer.body == body,
        "{} bytes",
        answer.body.len()
    );
    assert!(worker.post(b"").await.is_whole);
}

/// (W2, W5, W25)
#[tokio::test]
async fn every_function_of_an_artifact_is_judged_before_any_runs() {
    let folder = Folder::new("judged");
    let refused = async |config: &Config| match start(&folder, config).await {
        Err(Error::CannotRun { reason, detail }) => (reason, detail),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it runs"),
    };
    let trespasser = config(&folder, HELLO, &[("words", hostile::TRESPASSER)]);
    let (reason, detail) = refused(&trespasser).await;
    assert_eq!(reason, Reason::ForbiddenImport);
    assert!(
        detail.starts_with("function words: the component imports"),
        "{detail}"
    );
    let nothing = config(&folder, HELLO, &[("words", b"")]);
    assert_eq!(refused(&nothing).await.0, Reason::BadComponent);
    let mut twice = Bundle::pack(&Bundle {
        main: HELLO,
        others: [("words".parse().expect("a name"), HELLO)].into(),
    })
    .expect("a bundle");
    twice.extend_from_within(HELLO.len()..);
    let (reason, detail) = refused(&folder.config(&twice)).await;
    assert_eq!(reason, Reason::BadComponent);
    assert!(detail.contains("words is there twice"), "{detail}");
    let mut large = config(&folder, hostile::MEMORY_BOMB, &[("words", FETCH)]);
    large.limits.memory_bytes = 64 << 10;
    let (reason, detail) = refused(&large).await;
    assert_eq!(reason, Reason::BeyondLimits);
    assert!(detail.starts_with("function words: "), "{detail}");
}
