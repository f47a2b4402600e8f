//! What a worker does with requests, and with functions that misbehave.

use crate::support::{Folder, connect, start};
use functions::{ECHO, HELLO, hostile};
use hyper::{Request, StatusCode};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use worker::config::Listen;

/// (W13, W14)
#[tokio::test]
async fn a_function_answers_and_every_request_is_billed() {
    let folder = Folder::new("hello");
    let mut worker = start(&folder, &folder.config(HELLO))
        .await
        .expect("started");
    let answer = worker.get("/a?b=c").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body, "Hello, world! You asked for /a?b=c.\n");
    assert_eq!(answer.headers["content-type"], "text/plain");
    let length = answer.body.len() as u64;
    for _ in 0..9 {
        assert!(worker.get("/a?b=c").await.is_whole);
    }
    let metrics = worker.metrics().await;
    assert_eq!(
        (metrics.requests, metrics.answered, metrics.shed),
        (10, 10, 0)
    );
    assert_eq!(metrics.egress_bytes, 10 * length);
    assert!(metrics.cpu_us >= 10 && metrics.memory_mib_ms >= 10);
    let health = worker.control.health().await.expect("health");
    assert!(health.accepting && health.in_flight == 0 && health.resident_bytes > 1 << 20);
}

#[tokio::test]
async fn a_worker_can_serve_a_port_of_the_loopback_interface_on_two_units() {
    let folder = Folder::new("tcp");
    let mut config = folder.config(HELLO);
    config.listen = Listen::Tcp(([127, 0, 0, 1], 0).into());
    config.units = vec![vec![0], vec![1_000_000]];
    let worker = start(&folder, &config).await.expect("started");
    for _ in 0..10 {
        assert_eq!(worker.get("/").await.status, StatusCode::OK);
    }
    let units = &worker.control.hello().units;
    let pinned: Vec<bool> = units.iter().map(|unit| unit.pinned).collect();
    assert_eq!(pinned, [true, false], "pinning is reported as it is");
}

/// (W8, W10)
#[tokio::test]
async fn bodies_stream_and_end_at_their_limit() {
    let folder = Folder::new("echo");
    let mut config = folder.config(ECHO);
    config.limits.request_body_bytes = 100_000;
    let mut worker = start(&folder, &config).await.expect("started");
    let body = "0123456789".repeat(10_000);
    let answer = worker.post(body.as_bytes()).await;
    assert!(answer.is_whole && answer.body == body);
    assert_eq!(
        worker.post(&[0; 100_001]).await.status,
        StatusCode::PAYLOAD_TOO_LARGE
    );

    // Not announced: the function has begun to answer when it reads an error, and fails.
    let mut stream = connect(&folder.0.join("http.sock")).await;
    let head = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n20000\r\n";
    stream.write_all(head).await.expect("written");
    stream
        .write_all(&vec![b'x'; 0x20000])
        .await
        .expect("written");
    let mut answer = Vec::new();
    // The worker may reset the connection that it has not read to its end.
    let _ = stream.read_to_end(&mut answer).await;
    assert!(
        !answer.ends_with(b"0\r\n\r\n"),
        "a broken body does not end well"
    );
    let metrics = worker.metrics().await;
    assert_eq!((metrics.answered, metrics.failed), (1, 1));
}

/// (W8)
#[tokio::test]
async fn requests_that_are_no_http_are_refused() {
    let folder = Folder::new("malformed");
    let mut config = folder.config(HELLO);
    config.limits.header_bytes = 4096;
    let worker = start(&folder, &config).await.expect("started");
    let cases = [
        (
            "GET / HTTP/1.1\r\nconnection: close\r\n\r\n".to_owned(),
            "HTTP/1.1 400",
        ),
        ("nonsense\r\n\r\n".to_owned(), "HTTP/1.1 400"),
        (
            format!(
                "GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n",
                "y".repeat(5000)
            ),
            "HTTP/1.1 431",
        ),
    ];
    for (request, status) in cases {
        let mut stream = connect(&folder.0.join("http.sock")).await;
        stream.write_all(request.as_bytes()).await.expect("written");
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        assert!(answer.starts_with(status), "{answer}");
    }
    assert_eq!(worker.get("/").await.status, StatusCode::OK);
}

/// (W8, W10)
#[tokio::test]
async fn a_function_that_never_ends_is_ended_by_either_limit() {
    let folder = Folder::new("spin");
    let mut config = folder.config(hostile::SPIN);
    config.limits.wall_ms = 300;
    let worker = start(&folder, &config).await.expect("started");
    // At the same time, on one thread: they pause for each other.
    let (one, two) = tokio::join!(worker.get("/"), worker.get("/"));
    assert_eq!(
        (one.status, two.status),
        (StatusCode::GATEWAY_TIMEOUT, StatusCode::GATEWAY_TIMEOUT)
    );

    let folder = Folder::new("spin-cpu");
    let mut config = folder.config(hostile::SPIN);
    (config.limits.wall_ms, config.limits.cpu_ms) = (60_000, 100);
    let mut worker = start(&folder, &config).await.expect("started");
    assert_eq!(worker.get("/").await.status, StatusCode::GATEWAY_TIMEOUT);
    let metrics = worker.metrics().await;
    assert_eq!(metrics.timed_out, 1);
    assert!(metrics.cpu_us >= 100_000, "a limit that was hit is billed");
    assert!(worker.log().await.contains("processor time"));

    // Also if nothing ran for a while, and nobody kept time.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(worker.get("/").await.status, StatusCode::GATEWAY_TIMEOUT);
}

/// (W10, W11)
#[tokio::test]
async fn a_function_that_fails_takes_nothing_with_it() {
    for (name, function, why) in [
        ("trap", hostile::TRAP, "unreachable"),
        ("recursion", hostile::RECURSION, "call stack exhausted"),
        (
            "bomb",
            hostile::MEMORY_BOMB,
            "unreachable` instruction executed (before that, memory beyond the limit of 128 MiB was refused)",
        ),
        ("silent", hostile::SILENT, "without an answer"),
        ("error", hostile::ERROR_ANSWER, "the error"),
        ("interim", hostile::INTERIM, "below 200"),
        (
            "headers",
            hostile::HEADERS,
            "total size of fields exceeds limit",
        ),
        ("hoarder", hostile::HOARDER, "table has no free keys"),
    ] {
        let folder = Folder::new(name);
        let mut worker = start(&folder, &folder.config(function))
            .await
            .expect("started");
        for number in 0..2 {
            let answer = worker.get("/").await;
            assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
            let body = format!("the function failed (failure {number})\n");
            assert_eq!(
                answer.body, body,
                "the caller learns a number, not the trap"
            );
        }
        let log = worker.log().await;
        assert!(
            log.contains("Worker: failure 1: ") && log.contains(why),
            "{log}"
        );
        let metrics = worker.metrics().await;
        assert_eq!((metrics.requests, metrics.failed), (2, 2));
    }
}

/// (W10)
#[tokio::test]
async fn an_answer_that_is_cut_off_does_not_look_whole() {
    for (name, function) in [("slow", hostile::SLOW_BODY), ("flood", hostile::FLOOD)] {
        let folder = Folder::new(name);
        let mut config = folder.config(function);
        config.limits.wall_ms = 2_000;
        let mut worker = start(&folder, &config).await.expect("started");
        let answer = worker.get("/").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(!answer.is_whole && !answer.body.is_empty());
        let metrics = worker.metrics().await;
        assert_eq!(metrics.timed_out, 1);
        assert!(metrics.egress_bytes >= answer.body.len() as u64);
    }
}

/// (W9, W12)
#[tokio::test]
async fn a_request_too_many_is_shed_and_a_client_that_leaves_frees_its_place() {
    let folder = Folder::new("shed");
    let mut config = folder.config(hostile::SLOW_BODY);
    (config.limits.wall_ms, config.limits.concurrency) = (600_000, 1);
    let mut worker = start(&folder, &config).await.expect("started");
    let mut first = connect(&folder.0.join("http.sock")).await;
    first
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .expect("written");
    let mut begun = [0; 12];
    first
        .read_exact(&mut begun)
        .await
        .expect("the answer begins");
    assert_eq!(&begun, b"HTTP/1.1 200");

    let answer = worker.get("/").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(answer.headers["mp-not-started"], "true");

    drop(first);
    let metrics = worker.metrics().await;
    assert_eq!(
        (metrics.requests, metrics.abandoned, metrics.shed),
        (1, 1, 1)
    );
}

#[tokio::test]
async fn connections_are_shared_out_among_the_units() {
    let folder = Folder::new("shared");
    let mut config = folder.config(hostile::SLOW_BODY);
    config.units = vec![vec![], vec![]];
    (config.limits.wall_ms, config.limits.concurrency) = (600_000, 1);
    let worker = start(&folder, &config).await.expect("started");
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = connect(&folder.0.join("http.sock")).await;
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            .await
            .expect("written");
        let mut begun = [0; 12];
        stream
            .read_exact(&mut begun)
            .await
            .expect("the answer begins");
        assert_eq!(&begun, b"HTTP/1.1 200", "each unit has one place");
        open.push(stream);
    }
    assert_eq!(
        worker.get("/").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
}

/// (W12)
#[tokio::test]
async fn a_client_that_leaves_before_the_answer_ends_its_function() {
    let folder = Folder::new("leaves");
    let mut config = folder.config(hostile::SPIN);
    (config.limits.wall_ms, config.limits.cpu_ms) = (600_000, 600_000);
    let mut worker = start(&folder, &config).await.expect("started");
    let mut client = connect(&folder.0.join("http.sock")).await;
    client
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .expect("written");
    worker.begun().await;
    drop(client);
    let metrics = worker.metrics().await;
    assert_eq!((metrics.requests, metrics.abandoned), (1, 1));
}

/// (W13)
#[tokio::test]
async fn the_answer_to_head_has_no_body_and_counts_as_answered() {
    let folder = Folder::new("head");
    let mut worker = start(&folder, &folder.config(HELLO))
        .await
        .expect("started");
    let answer = worker.send(Request::head("/"), &[]).await;
    assert!(answer.status == StatusCode::OK && answer.body.is_empty());
    let metrics = worker.metrics().await;
    assert_eq!((metrics.failed, metrics.abandoned), (0, 0));
}

/// (W6)
#[tokio::test]
async fn a_function_finds_nothing_of_earlier_requests() {
    let folder = Folder::new("residue");
    let worker = start(&folder, &folder.config(hostile::RESIDUE))
        .await
        .expect("started");
    for _ in 0..5 {
        assert_eq!(worker.get("/").await.body, "fresh\n");
    }
}

/// (W7)
#[tokio::test]
async fn a_function_reaches_nobody() {
    let folder = Folder::new("outbound");
    let mut worker = start(&folder, &folder.config(hostile::OUTBOUND))
        .await
        .expect("started");
    assert_eq!(worker.get("/").await.body, "denied\n");
    let log = worker.log().await;
    assert!(log.contains("is denied: not in the plan"), "{log}");
}

/// (W2, W7)
#[tokio::test]
async fn a_function_that_imports_files_and_sockets_runs_and_finds_none() {
    let folder = Folder::new("explorer");
    let worker = start(&folder, &folder.config(hostile::EXPLORER))
        .await
        .expect("started");
    assert_eq!(worker.get("/").await.body, "nothing\n");
}

/// (W19)
#[tokio::test]
async fn what_a_function_logs_is_bounded_and_harmless() {
    let folder = Folder::new("chatter");
    let mut config = folder.config(hostile::CHATTER);
    (config.limits.wall_ms, config.limits.log_lines_per_second) = (30_000, 50);
    let mut worker = start(&folder, &config).await.expect("started");
    assert_eq!(worker.get("/").await.body, "done\n");
    let metrics = worker.metrics().await;
    assert_eq!(metrics.log_lines + metrics.log_lines_dropped, 10_001);
    assert!(metrics.log_lines_dropped > 0);
    let log = worker.log().await;
    assert!(log.starts_with("Stderr: \\u{1b}[31mred\n"), "{log}");
    assert!(!log.contains('\u{1b}'));
}
