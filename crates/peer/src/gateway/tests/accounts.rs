//! What a gateway tells about what it did.

use super::{Manner, PATIENCE, Running, send, start, status};
use serde_json::Value;
use tokio::time::timeout;

impl Running {
    /// A page for whoever watches.
    async fn page(&self, path: &str) -> String {
        let line = format!("GET {path} HTTP/1.1");
        send(self.watched_at, &[&line, "host: x"], "").await
    }

    /// A request is counted when its answer has left, which may be after the client has it.
    async fn page_with(&self, line: &str) -> String {
        let mut page = String::new();
        let looking = async {
            while !page.contains(line) {
                page = self.page("/metrics").await;
            }
        };
        let found = timeout(PATIENCE, looking).await;
        assert!(found.is_ok(), "no {line} in {page}");
        page
    }
}

/// (G15)
#[tokio::test]
async fn requests_are_counted_by_deal_and_status() {
    let gateway = start(&[Manner::Gone, Manner::Good], None).await;
    for _ in 0..3 {
        assert_eq!(status(&gateway.get("/7/").await), "200");
    }
    assert_eq!(status(&gateway.get("/8/").await), "404");
    gateway
        .page_with("mp_gateway_requests_total{deal=\"none\",class=\"4xx\"} 1\n")
        .await;
    let page = gateway
        .page_with("mp_gateway_requests_total{deal=\"7\",class=\"2xx\"} 3\n")
        .await;
    for line in [
        "# TYPE mp_gateway_answer_seconds histogram",
        "mp_gateway_answer_seconds_bucket{le=\"+Inf\"} 4",
        "mp_gateway_answer_seconds_count 4",
        "mp_gateway_in_flight{deal=\"7\"} 0",
        "mp_gateway_log_lines_dropped_total 0",
    ] {
        assert!(page.contains(&format!("{line}\n")), "no {line} in {page}");
    }
    assert!(!page.contains("deal=\"8\""), "{page}");
}

/// (G2, G15)
#[tokio::test]
async fn a_worker_that_fails_again_and_again_is_left_out_and_that_is_counted() {
    let gateway = start(&[Manner::Failing, Manner::Failing], None).await;
    // Nine of them: one of the two has failed five in a row.
    for _ in 0..9 {
        assert_eq!(status(&gateway.get("/7/").await), "500");
    }
    let page = gateway.page("/metrics").await;
    assert!(
        page.contains("mp_gateway_left_out_total{why=\"failing\"} 1\n"),
        "{page}"
    );
}

/// (G15)
#[tokio::test]
async fn a_retry_is_counted() {
    let gateway = start(&[Manner::Crashing, Manner::Crashing], None).await;
    assert_eq!(status(&gateway.get("/7/").await), "502");
    gateway
        .page_with("mp_gateway_retries_total{deal=\"7\"} 1\n")
        .await;
}

/// (G15)
#[tokio::test]
async fn health_is_good_while_it_serves() {
    let gateway = start(&[Manner::Good], None).await;
    assert_eq!(status(&gateway.page("/health").await), "200");
    assert_eq!(status(&gateway.page("/other").await), "404");
}

/// (G15)
#[tokio::test]
async fn each_request_is_a_line() {
    let gateway = start(&[Manner::Good], None).await;
    let lines = [
        "POST /7/a?secret HTTP/1.1",
        "host: X:80",
        "content-length: 4",
    ];
    let answer = gateway.send(&lines, "body").await;
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
    gateway.get("/").await;
    gateway.stop.send(()).expect("it runs");
    timeout(PATIENCE, gateway.task)
        .await
        .expect("it ends")
        .expect("well");
    let text = std::fs::read_to_string(gateway.folder.path().join("log")).expect("a file");
    let mut lines = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let line: Value = lines.next().expect("one");
    for (name, value) in [
        ("client", Value::from("127.0.0.1")),
        ("method", "POST".into()),
        ("host", "X".into()),
        ("path", "/7/a".into()),
        ("deal", 7.into()),
        ("worker", 1.into()),
        ("status", 200.into()),
        ("bytes", body.len().into()),
        ("complete", true.into()),
    ] {
        assert_eq!(line[name], value, "{name} in {line}");
    }
    let line: Value = lines.next().expect("another");
    assert_eq!(
        (&line["status"], &line["deal"]),
        (&404.into(), &Value::Null)
    );
}
