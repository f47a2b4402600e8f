//! Asynchronous functions, of WASI 0.3.

use crate::{
    inside,
    support::{Folder, Running, connect, start},
};
use functions::{FETCH, HELLO, SERVICE, VISITS, hostile::TRESPASSER};
use hyper::{Request, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use worker::{Config, Settings, control::Reason, settings::Wasi, supervisor};

const GREETING: &str = "Hello from 0.3! You asked for ";

fn settings(reuse: Option<u32>) -> Settings {
    Settings {
        reuse,
        wasi: Wasi::V0_3,
        ..Settings::default()
    }
}

fn config(folder: &Folder, function: &[u8]) -> Config {
    let artifact = settings(None).pack(function.into());
    folder.config(&artifact.expect("an artifact"))
}

async fn running(folder: &Folder) -> Running {
    start(folder, &config(folder, SERVICE))
        .await
        .expect("started")
}

/// (W30)
#[tokio::test]
async fn an_asynchronous_function_answers_and_every_request_is_billed() {
    let folder = Folder::new("service");
    let mut worker = running(&folder).await;
    for _ in 0..10 {
        let answer = worker.get("/?a=b").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.is_whole);
        assert_eq!(answer.body, format!("{GREETING}/?a=b.\n"));
    }
    let metrics = worker.metrics().await;
    assert_eq!((metrics.requests, metrics.answered), (10, 10));
    assert_eq!(metrics.egress_bytes, 10 * (GREETING.len() as u64 + 7));
    assert!(metrics.cpu_us >= 10 && metrics.memory_mib_ms >= 10);
    let head = worker.send(Request::head("/"), &[]).await;
    assert_eq!((head.status, head.body.as_str()), (StatusCode::OK, ""));
}

/// (W8, W30)
#[tokio::test]
async fn bodies_stream_through_it_and_end_at_their_limit() {
    let folder = Folder::new("service-body");
    let mut config = config(&folder, SERVICE);
    config.limits.request_body_bytes = 300_000;
    let mut worker = start(&folder, &config).await.expect("started");
    let body = "0123456789".repeat(30_000);
    let answer = worker.send(Request::post("/body"), body.as_bytes()).await;
    assert!(answer.is_whole && answer.body == body);

    // What comes back before the rest is sent: nothing is kept until all is there.
    let mut stream = connect(&folder.0.join("http.sock")).await;
    let head =
        b"POST /body HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n";
    stream.write_all(head).await.expect("written");
    let mut answer = Vec::new();
    while !answer.ends_with(b"first\r\n") {
        assert!(stream.read_buf(&mut answer).await.expect("read") > 0);
    }
    let rest = [b"49400\r\n", vec![b'x'; 0x49400].as_slice()].concat();
    // The worker may reset the connection that it has not read to its end.
    let _ = stream.write_all(&rest).await;
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.ends_with(b"0\r\n\r\n"), "one that is too long");
    assert_eq!(worker.metrics().await.requests, 2);
    assert_eq!(worker.get("/").await.status, StatusCode::OK);
}

/// (W10, W11, W30)
#[tokio::test]
async fn one_that_fails_takes_nothing_with_it() {
    let folder = Folder::new("service-fails");
    let mut config = config(&folder, SERVICE);
    (config.limits.wall_ms, config.limits.cpu_ms) = (2_000, 500);
    config.limits.memory_bytes = 16 << 20;
    let mut worker = start(&folder, &config).await.expect("started");
    for (number, path, status) in [
        (0, "/trap", StatusCode::INTERNAL_SERVER_ERROR),
        (1, "/grow", StatusCode::INTERNAL_SERVER_ERROR),
        (2, "/spin", StatusCode::GATEWAY_TIMEOUT),
    ] {
        let answer = worker.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        let body = format!("the function failed (failure {number})\n");
        assert_eq!(answer.body, body, "the caller learns a number");
    }
    for path in ["/slow", "/many"] {
        let answer = worker.get(path).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (StatusCode::OK, GREETING)
        );
        assert!(!answer.is_whole, "{path}");
    }
    // One that fails so early that nothing may have been sent.
    let mut stream = connect(&folder.0.join("http.sock")).await;
    let head = b"GET /late HTTP/1.1\r\nhost: a\r\n\r\n";
    stream.write_all(head).await.expect("written");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("the end");
    assert!(!answer.ends_with(b"0\r\n\r\n"), "it does not look whole");
    let both = tokio::join!(worker.get("/spin"), worker.get("/"));
    assert_eq!(both.0.status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(both.1.status, StatusCode::OK);
    let metrics = worker.metrics().await;
    assert_eq!((metrics.requests, metrics.answered), (8, 1));
    let log = worker.log().await;
    for why in ["unreachable", "processor time", "it took too long"] {
        assert!(log.contains(why), "{why}: {log}");
    }
}

/// (W12, W30)
#[tokio::test]
async fn a_client_that_leaves_ends_it() {
    let folder = Folder::new("service-leaves");
    let mut worker = running(&folder).await;
    let mut stream = connect(&folder.0.join("http.sock")).await;
    let head = b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n";
    stream.write_all(head).await.expect("written");
    let mut answer = Vec::new();
    while !answer.ends_with(b"for \r\n") {
        assert!(stream.read_buf(&mut answer).await.expect("read") > 0);
    }
    drop(stream);
    assert_eq!(worker.metrics().await.abandoned, 1);
}

/// (W7, W19, W30)
#[tokio::test]
async fn it_is_given_what_others_are_given() {
    let folder = Folder::new("service-given");
    let mut worker = running(&folder).await;
    let answer = worker.get("/log").await;
    assert_eq!(answer.body, format!("{GREETING}/log.\n"));
    assert_eq!(worker.get("/fetch/127.0.0.1").await.body, "refused\n");
    let log = worker.log().await;
    assert!(log.starts_with("Stdout: a line\n"), "{log}");
    assert!(
        log.contains("a request to https://127.0.0.1 is denied: not in the plan"),
        "{log}"
    );
}

/// (W26, W28, W30)
#[tokio::test]
async fn both_kinds_ask_each_other_and_only_others_are_used_again() {
    let folder = Folder::new("service-inside");
    let others = [("new", SERVICE), ("old", VISITS)];
    let mut config = inside::config_with(&folder, FETCH, &others, &settings(Some(100)));
    config.state = Some(folder.0.join("state").join("state.redb"));
    let worker = start(&folder, &config).await.expect("started");
    for count in 1..=3 {
        let answer = worker.get("/http/new.internal/a").await.body;
        assert_eq!(answer, format!("status 200\n{GREETING}/a.\n"));
        let answer = worker.get("/http/old.internal/").await.body;
        assert_eq!(answer, format!("status 200\n{count}\n"));
    }
}

/// (W2, W5, W30)
#[tokio::test]
async fn a_plan_that_does_not_ask_for_it_gets_none_and_learns_why() {
    let folder = Folder::new("service-refused");
    let refused = async |config: &Config| match start(&folder, config).await {
        Err(supervisor::Error::CannotRun { reason, detail }) => (reason, detail),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it runs"),
    };
    let (reason, detail) = refused(&folder.config(SERVICE)).await;
    assert_eq!(reason, Reason::ForbiddenImport);
    assert!(
        detail.contains("add `wasi = \"0.3\"` to the plan"),
        "{detail}"
    );
    let (reason, detail) = refused(&config(&folder, TRESPASSER)).await;
    assert_eq!(reason, Reason::ForbiddenImport);
    assert!(detail.contains("which no worker gives"), "{detail}");

    // Functions of 0.2 run with it, too.
    let worker = start(&folder, &config(&folder, HELLO)).await;
    assert_eq!(
        worker.expect("started").get("/").await.status,
        StatusCode::OK
    );
}
