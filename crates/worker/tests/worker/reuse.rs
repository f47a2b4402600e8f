//! Instances that serve several requests, one after the other.

use crate::{
    inside,
    support::{Folder, Running, connect, start},
};
use functions::{FETCH, VISITS};
use hyper::{Request, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use worker::{Config, Settings};

fn settings(reuse: Option<u32>) -> Settings {
    Settings {
        reuse,
        ..Settings::default()
    }
}

fn config(folder: &Folder, reuse: Option<u32>) -> Config {
    let artifact = settings(reuse).pack(VISITS.into());
    let mut config = folder.config(&artifact.expect("an artifact"));
    config.state = Some(folder.0.join("state").join("state.redb"));
    config
}

async fn running(folder: &Folder, reuse: u32) -> Running {
    let config = config(folder, Some(reuse));
    start(folder, &config).await.expect("started")
}

/// What the function counts in each of these requests.
async fn visits(worker: &Running, paths: &[&str]) -> Vec<String> {
    let mut visits = Vec::new();
    for path in paths {
        visits.push(worker.get(path).await.body.trim_end().to_owned());
    }
    visits
}

/// (W6, W28)
#[tokio::test]
async fn an_instance_serves_as_many_requests_as_the_plan_says_and_one_without() {
    for (name, reuse, seen) in [
        ("fresh", None, ["1", "1", "1", "1", "1"]),
        ("once", Some(1), ["1", "1", "1", "1", "1"]),
        ("twice", Some(2), ["1", "2", "1", "2", "1"]),
        ("often", Some(10_000), ["1", "2", "3", "4", "5"]),
    ] {
        let folder = Folder::new(&format!("reuse-{name}"));
        let config = config(&folder, reuse);
        let mut worker = start(&folder, &config).await.expect("started");
        assert_eq!(visits(&worker, &["/"; 5]).await, seen, "{name}");
        let metrics = worker.metrics().await;
        assert_eq!((metrics.requests, metrics.answered), (5, 5));
        assert!(metrics.cpu_us >= 5 && metrics.memory_mib_ms >= 5);
    }
}

/// (W28)
#[tokio::test]
async fn an_instance_serves_one_request_at_a_time() {
    let folder = Folder::new("reuse-busy");
    let mut worker = running(&folder, 100).await;
    assert_eq!(visits(&worker, &["/"]).await, ["1"]);
    let mut stream = connect(&folder.0.join("http.sock")).await;
    let head = b"POST /body HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 1\r\n\r\n";
    stream.write_all(head).await.expect("written");
    worker.begun().await;
    assert_eq!(visits(&worker, &["/"]).await, ["1"], "another instance");
    stream.write_all(b"x").await.expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    // One part for each write.
    assert!(answer.contains("\r\n1\r\n2\r\n"), "{answer}");
    assert_eq!(visits(&worker, &["/"]).await, ["3"], "the latest one");
}

/// (W28)
#[tokio::test]
async fn an_instance_that_did_not_end_well_is_not_used_again() {
    let folder = Folder::new("reuse-trap");
    let worker = running(&folder, 100).await;
    assert_eq!(visits(&worker, &["/", "/"]).await, ["1", "2"]);
    let answer = worker.get("/trap").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(visits(&worker, &["/", "/"]).await, ["1", "2"]);
}

/// (W8, W28)
#[tokio::test]
async fn an_instance_whose_request_took_too_long_is_not_used_again() {
    let folder = Folder::new("reuse-late");
    let mut config = config(&folder, Some(100));
    config.limits.wall_ms = 2_000;
    let worker = start(&folder, &config).await.expect("started");
    assert_eq!(visits(&worker, &["/", "/"]).await, ["1", "2"]);
    let mut stream = connect(&folder.0.join("http.sock")).await;
    let head = b"POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n";
    stream.write_all(head).await.expect("written");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 504");
    assert_eq!(visits(&worker, &["/"]).await, ["1"]);
}

/// (W28)
#[tokio::test]
async fn an_instance_that_holds_what_belonged_to_a_request_is_not_used_again() {
    let folder = Folder::new("reuse-leak");
    let worker = running(&folder, 100).await;
    assert_eq!(visits(&worker, &["/", "/leak", "/"]).await, ["1", "2", "1"]);
    // What it read to the end and closed is no leak, nor is a body that it left alone.
    let post = async |path| worker.send(Request::post(path), &[0; 10_000]).await.body;
    assert_eq!(post("/body").await, "2\n");
    assert_eq!(post("/").await, "3\n");
    assert_eq!(visits(&worker, &["/"]).await, ["4"]);
}

/// (W28)
#[tokio::test]
async fn what_libraries_open_once_may_stay_and_lines_end_with_their_request() {
    let folder = Folder::new("reuse-open");
    let mut worker = running(&folder, 100).await;
    let seen = visits(&worker, &["/print", "/state", "/print", "/state"]).await;
    assert_eq!(seen, ["1", "2", "3", "4"]);
    assert_eq!(worker.log().await, "Stdout: visit\nStdout: visit\n");
}

/// (W28)
#[tokio::test]
async fn an_instance_that_has_half_of_its_memory_is_not_used_again() {
    let folder = Folder::new("reuse-memory");
    let mut config = config(&folder, Some(100));
    config.limits.memory_bytes = 6 << 20;
    let worker = start(&folder, &config).await.expect("started");
    // It begins with 128 KiB, and keeps 1 MiB more each time.
    let seen = visits(&worker, &["/grow"; 5]).await;
    assert_eq!(seen, ["1", "2", "3", "1", "2"]);
}

/// (W28)
#[tokio::test]
async fn each_request_has_limits_of_its_own() {
    let folder = Folder::new("reuse-limits");
    let mut config = config(&folder, Some(100));
    config.limits.state_operations = 1;
    let worker = start(&folder, &config).await.expect("started");
    let seen = visits(&worker, &["/state"; 3]).await;
    assert_eq!(seen, ["1", "2", "3"]);
}

/// (W28)
#[tokio::test]
async fn functions_of_an_artifact_do_not_share_instances() {
    let folder = Folder::new("reuse-neighbours");
    let others = [("a", VISITS), ("b", VISITS)];
    let mut config = inside::config_with(&folder, FETCH, &others, &settings(Some(100)));
    config.state = Some(folder.0.join("state").join("state.redb"));
    let worker = start(&folder, &config).await.expect("started");
    for (name, count) in [("a", 1), ("a", 2), ("b", 1), ("a", 3), ("b", 2)] {
        let answer = worker.get(&format!("/http/{name}.internal/")).await;
        assert_eq!(answer.body, format!("status 200\n{count}\n"), "{name}");
    }
}
