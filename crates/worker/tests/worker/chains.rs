//! Functions of one artifact that fail, never end, or ask each other without end.

use crate::{
    inside::{LIMIT, config, running},
    support::{Folder, connect},
};
use functions::{FETCH, HELLO, hostile};
use hyper::StatusCode;
use tokio::io::AsyncWriteExt as _;

/// (W27)
#[tokio::test]
async fn a_function_that_fails_leaves_the_one_that_asked_alive() {
    let folder = Folder::new("failing");
    let others = [
        ("trap", hostile::TRAP),
        ("silent", hostile::SILENT),
        ("bomb", hostile::MEMORY_BOMB),
        ("recursion", hostile::RECURSION),
    ];
    let config = config(&folder, FETCH, &others);
    let mut worker = running(&folder, &config).await;
    for (number, (name, _)) in others.iter().enumerate() {
        let answer = worker.get(&format!("/http/{name}.internal/")).await;
        let expected = format!("status 500\nthe function failed (failure {number})\n");
        assert!(answer.is_whole);
        assert_eq!(answer.body, expected, "{name}");
    }
    let metrics = worker.metrics().await;
    assert_eq!((metrics.answered, metrics.failed), (4, 0));
    let logs = worker.control.logs(0).await.expect("logs");
    let mut writers: Vec<Option<&str>> = logs
        .lines
        .iter()
        .map(|line| line.function.as_deref())
        .collect();
    writers.dedup(); // Lines of one trace.
    let named: Vec<Option<&str>> = others.iter().map(|(name, _)| Some(*name)).collect();
    assert_eq!(writers, named, "each failure says whose it is");
}

/// (W22, W27)
#[tokio::test]
async fn a_circle_of_functions_ends_also_where_only_one_request_may_run() {
    let folder = Folder::new("inside-circle");
    let mut config = config(&folder, FETCH, &[("b", FETCH)]);
    config.limits.concurrency = 1;
    let mut worker = running(&folder, &config).await;
    let path = "/http/b.internal/http/main.internal".repeat(6) + "/";
    for _ in 0..3 {
        let body = worker.get(&path).await.body;
        let end = "status 508\nthe request goes in a circle\n";
        assert_eq!(body, "status 200\n".repeat(7) + end);
    }
    assert_eq!(worker.metrics().await.answered, 3);

    let folder = Folder::new("short-circle");
    config = crate::inside::config(&folder, FETCH, &[("b", FETCH)]);
    config.limits.calls_in_flight = 2;
    let worker = running(&folder, &config).await;
    let body = worker.get(&path).await.body;
    assert_eq!(body, format!("status 200\nstatus 200\n{LIMIT}"));
}

/// (W27)
#[tokio::test]
async fn functions_that_ask_ever_more_are_one_request_with_one_limit() {
    let folder = Folder::new("swarm");
    let mut config = config(&folder, hostile::SWARM, &[("swarm", hostile::SWARM)]);
    config.limits.log_lines_per_second = 10_000;
    (config.limits.calls, config.limits.wall_ms) = (20, 60_000);
    let mut worker = running(&folder, &config).await;
    let answer = worker.get("/").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::OK, "done\n")
    );
    assert_eq!(worker.metrics().await.requests, 1);
    let log = worker.log().await;
    let begun = log.lines().filter(|line| line.contains("begun")).count();
    assert!((9..=21).contains(&begun), "{begun} functions began\n{log}");
    assert!(log.contains("denied: there were too many"), "{log}");
}

/// (W8, W10, W27)
#[tokio::test]
async fn a_chain_of_functions_has_no_more_time_than_one() {
    let folder = Folder::new("chain");
    let others = [("spin", hostile::SPIN), ("slow", hostile::SLOW_BODY)];
    let mut config = config(&folder, FETCH, &others);
    (config.limits.cpu_ms, config.limits.wall_ms) = (300, 60_000);
    let mut worker = running(&folder, &config).await;
    let answer = worker.get("/http/main.internal/http/spin.internal/").await;
    assert!(!answer.is_whole, "{}", answer.body);
    let metrics = worker.metrics().await;
    assert_eq!((metrics.requests, metrics.timed_out), (1, 1));
    assert!(
        (300_000..600_000).contains(&metrics.cpu_us),
        "{} us",
        metrics.cpu_us
    );
    worker.control.stop().await.expect("stopping");
    assert!(worker.ended().await);

    config.limits.wall_ms = 500;
    let mut worker = running(&folder, &config).await;
    let answer = worker.get("/http/main.internal/http/slow.internal/").await;
    assert!(!answer.is_whole, "{}", answer.body);
    assert!(answer.body.ends_with("first\n"), "{}", answer.body);
    assert_eq!(worker.metrics().await.timed_out, 1);
}

/// (W8, W27)
#[tokio::test]
async fn a_chain_of_functions_has_no_more_memory_than_one() {
    let folder = Folder::new("chain-memory");
    let mut config = config(&folder, FETCH, &[("b", FETCH), ("words", HELLO)]);
    // Each of these functions has 128 KiB.
    config.limits.memory_bytes = 320 << 10;
    let mut worker = running(&folder, &config).await;
    let body = worker.get("/http/words.internal/").await.body;
    assert!(body.starts_with("status 200\nHello"), "{body}");
    let body = worker
        .get("/http/b.internal/http/words.internal/")
        .await
        .body;
    assert!(body.starts_with("status 200\nstatus 500\n"), "{body}");
    let log = worker.log().await;
    assert!(log.contains("memory"), "{log}");
}

/// (W12, W27)
#[tokio::test]
async fn a_function_ends_with_the_one_that_asked() {
    let folder = Folder::new("left");
    let others = [("spin", hostile::SPIN), ("words", HELLO)];
    let mut config = config(&folder, FETCH, &others);
    (config.limits.wall_ms, config.limits.cpu_ms) = (600_000, 600_000);
    // Room for one request and one call: what went on would be in the way.
    (config.limits.concurrency, config.limits.calls_in_flight) = (1, 1);
    let mut worker = running(&folder, &config).await;
    let mut client = connect(&folder.0.join("http.sock")).await;
    let request = b"GET /http/spin.internal/ HTTP/1.1\r\nhost: a\r\n\r\n";
    client.write_all(request).await.expect("written");
    worker.begun().await;
    drop(client);
    assert_eq!(worker.metrics().await.abandoned, 1);
    let body = worker.get("/http/words.internal/").await.body;
    assert!(body.starts_with("status 200\nHello"), "{body}");
}
