//! Requests of a function to other deals of its owner. The test is the peer at the other end of the socket.

use crate::{
    outbound::{DENIED, HELLO, TIMEOUT},
    support::{Folder, PATIENCE, Running, start},
};
use functions::FETCH;
use std::path::{Path, PathBuf};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::UnixStream,
    time::timeout,
};
use worker::{
    Config, Settings,
    config::{Listen, Outbound},
};

const OTHER: &str = "7.0xabababababababababababababababababababab.internal";

/// A worker that may ask these servers and deals, on a machine that lets nobody ask servers.
fn config(folder: &Folder, allowed: &[&str]) -> Config {
    let settings = Settings {
        outbound: allowed
            .iter()
            .map(|text| text.parse().expect("a server"))
            .collect(),
        ..Settings::default()
    };
    let mut config = folder.config(&settings.pack(FETCH.into()).expect("an artifact"));
    config.outbound = Outbound::None;
    config.deals = Some(socket(folder));
    config
}

fn socket(folder: &Folder) -> PathBuf {
    folder.0.join("deals.sock")
}

async fn running(folder: &Folder) -> Running {
    let config = config(folder, &[&format!("http://{OTHER}")]);
    start(folder, &config).await.expect("started")
}

async fn connect(folder: &Folder) -> UnixStream {
    let connected = UnixStream::connect(socket(folder)).await;
    connected.expect("the worker waits for its peer")
}

/// Waits at the worker for a request, answers it, and says what was asked.
async fn answer(mut stream: UnixStream, answer: &str) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.expect("a request"));
    }
    stream.write_all(answer.as_bytes()).await.expect("answered");
    String::from_utf8_lossy(&request).to_lowercase()
}

/// (W29)
#[tokio::test]
async fn a_function_asks_another_deal_through_its_peer() {
    let folder = Folder::new("deals");
    let mut worker = running(&folder).await;
    let stream = connect(&folder).await;
    let path = format!("/http/{OTHER}/path?query");
    let (came, heard) = tokio::join!(worker.get(&path), answer(stream, HELLO));
    assert_eq!(came.body, "status 200\nhello");
    assert!(heard.starts_with("get /path?query http/1.1\r\n"), "{heard}");
    assert!(heard.contains(&format!("host: {OTHER}\r\n")), "{heard}");
    assert!(heard.contains("cdn-loop: marketplace-plus\r\n"), "{heard}");
    for forged in ["mp-", "999"] {
        assert!(!heard.contains(forged), "{forged} in {heard}");
    }
    let metrics = worker.metrics().await;
    assert_eq!((metrics.outbound_requests, metrics.outbound_bytes), (1, 5));
}

/// (W29)
#[tokio::test]
async fn what_the_peer_refuses_is_an_error_and_its_reason_is_in_the_log() {
    let folder = Folder::new("deals-refused");
    let mut worker = running(&folder).await;
    let stream = connect(&folder).await;
    let refusal = "HTTP/1.1 403 Forbidden\r\nmp-refused: it is another account's\r\ncontent-length: 0\r\n\r\n";
    let path = format!("/http/{OTHER}/");
    let (came, _) = tokio::join!(worker.get(&path), answer(stream, refusal));
    assert_eq!(came.body, DENIED);
    let log = worker.log().await;
    let line = format!("a request to http://{OTHER}:80 is denied: it is another account's");
    assert!(log.contains(&line), "{log}");
}

/// (W29)
#[tokio::test]
async fn a_deal_that_the_artifact_does_not_name_is_never_asked() {
    let folder = Folder::new("deals-unnamed");
    let servers = ["https", "http"].map(|scheme| format!("{scheme}://{OTHER}:8080"));
    let mut config = config(&folder, &[&servers[0], &servers[1]]);
    let mut worker = start(&folder, &config).await.expect("started");
    for denied in [
        format!("/http/{OTHER}/"),
        format!("/http/{OTHER}:8080/"),
        format!("/https/{OTHER}:8080/"),
    ] {
        assert_eq!(worker.get(&denied).await.body, DENIED, "{denied}");
    }
    let log = worker.log().await;
    for said in [
        format!("a request to http://{OTHER} is denied: not in the plan"),
        format!(
            "a request to http://{OTHER}:8080 is denied: deals are asked as http://DEAL.OWNER.internal/"
        ),
    ] {
        assert!(log.contains(&said), "{log}");
    }

    let folder = Folder::new("deals-no-way");
    config = self::config(&folder, &[&format!("http://{OTHER}")]);
    config.deals = None;
    let mut worker = start(&folder, &config).await.expect("started");
    let answer = worker.get(&format!("/http/{OTHER}/")).await;
    assert_eq!(answer.body, DENIED);
    let log = worker.log().await;
    assert!(
        log.contains("no peer brings requests to other deals"),
        "{log}"
    );
}

/// (W29)
#[tokio::test]
async fn what_a_peer_left_that_is_no_more_is_passed_over() {
    let folder = Folder::new("deals-left");
    let worker = running(&folder).await;
    for _ in 0..5 {
        drop(connect(&folder).await);
    }
    let stream = connect(&folder).await;
    let path = format!("/http/{OTHER}/");
    let (came, _) = tokio::join!(worker.get(&path), answer(stream, HELLO));
    assert_eq!(came.body, "status 200\nhello");
}

/// (W22, W29)
#[tokio::test]
async fn a_peer_that_does_not_come_is_waited_for_in_time() {
    let folder = Folder::new("deals-nobody");
    let mut config = config(&folder, &[&format!("http://{OTHER}")]);
    config.limits.outbound_connect_ms = 200;
    let worker = start(&folder, &config).await.expect("started");
    let path = format!("/http/{OTHER}/");
    assert_eq!(worker.get(&path).await.body, TIMEOUT);
}

/// (W22, W29)
#[tokio::test]
async fn an_answer_of_a_deal_ends_at_its_limit() {
    let path = format!("/http/{OTHER}/");
    let folder = Folder::new("deals-long");
    let mut config = config(&folder, &[&format!("http://{OTHER}")]);
    config.limits.outbound_body_bytes = 4;
    let worker = start(&folder, &config).await.expect("started");
    let stream = connect(&folder).await;
    let (came, _) = tokio::join!(worker.get(&path), answer(stream, HELLO));
    assert_eq!(came.body, "status 200\n\nbroken\n");
}

/// Brings requests back to the worker that they come from, as if it were the other deal.
async fn around(waits_at: &Path, serves: &Path) {
    let mut there = UnixStream::connect(waits_at).await.expect("a connection");
    let mut back = UnixStream::connect(serves).await.expect("a connection");
    // The worker closes when it is done.
    let _ = copy_bidirectional(&mut there, &mut back).await;
}

/// (W22, W29)
#[tokio::test]
async fn requests_that_go_in_a_circle_of_deals_end() {
    let folder = Folder::new("deals-circle");
    let mut worker = running(&folder).await;
    let Listen::Unix(serves) = worker.listen.clone() else {
        panic!("it serves elsewhere");
    };
    let mut ways = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let (waits_at, serves) = (socket(&folder), serves.clone());
        ways.spawn(async move { around(&waits_at, &serves).await });
    }
    let path = format!("/http/{OTHER}").repeat(12) + "/";
    let answer = timeout(PATIENCE, worker.get(&path)).await.expect("in time");
    let end = "status 508\nthe request goes in a circle\n";
    assert!(answer.body.ends_with(end), "{}", answer.body);
    assert_eq!(worker.metrics().await.outbound_requests, 8);
}
