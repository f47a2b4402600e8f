//! Workers that do not do well, and what becomes of their requests.

use super::{Limits, Manner, PATIENCE, Running, routes, start, start_with, status};
use marketplace::units::DealId;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Sends a body with these headers.
async fn post(gateway: &Running, headers: &[&str]) -> String {
    let lines = ["POST /7/ HTTP/1.1", "host: x", "content-length: 4"];
    gateway.send(&[&lines, headers].concat(), "body").await
}

/// (G3)
#[tokio::test]
async fn who_is_gone_or_busy_is_passed_over() {
    for bad in [Manner::Gone, Manner::Busy] {
        let gateway = start(&[bad, Manner::Good], None).await;
        for _ in 0..10 {
            let lines = ["POST /7/ HTTP/1.1", "host: x", "content-length: 4"];
            let answer = gateway.send(&lines, "body").await;
            assert_eq!(status(&answer), "200", "{bad:?}: {answer}");
            assert!(answer.ends_with("body"), "{bad:?}: {answer}");
        }
    }
}

/// (G2)
#[tokio::test]
async fn who_is_gone_is_not_asked_again_for_a_while() {
    let gateway = start(&[Manner::Gone, Manner::Good], None).await;
    for _ in 0..40 {
        assert_eq!(status(&gateway.get("/7/").await), "200");
    }
    // Once at the start, and once more for each time it was let back in.
    assert!(gateway.dialled() <= 46, "{} dialled", gateway.dialled());
}

/// (G3)
#[tokio::test]
async fn a_request_that_may_have_begun_is_sent_again_only_if_that_is_safe() {
    let both = [Manner::Crashing, Manner::Crashing];
    let gateway = start(&both, None).await;
    assert_eq!(status(&post(&gateway, &[]).await), "502");
    assert_eq!(gateway.dialled(), 1, "it may have done what it does");
    for (number, safe) in ["GET", "PUT", "DELETE"].iter().enumerate() {
        let gateway = start(&both, None).await;
        let line = format!("{safe} /7/{number} HTTP/1.1");
        assert_eq!(status(&gateway.send(&[&line, "host: x"], "").await), "502");
        assert_eq!(gateway.dialled(), 2, "{safe}");
    }
    let gateway = start(&[Manner::Crashing, Manner::Good], None).await;
    for _ in 0..10 {
        let answer = post(&gateway, &["idempotency-key: 1"]).await;
        assert!(answer.ends_with("body"), "{answer}");
    }
}

/// (G3)
#[tokio::test]
async fn a_body_that_was_not_kept_is_sent_once() {
    let limits = Limits {
        replay_bytes: 3,
        ..Limits::default()
    };
    let both = [Manner::Crashing, Manner::Crashing];
    let gateway = start_with(&both, None, limits).await;
    let answer = post(&gateway, &["idempotency-key: 1"]).await;
    assert_eq!((status(&answer), gateway.dialled()), ("502", 1));
}

/// (G8)
#[tokio::test]
async fn a_connection_to_a_worker_carries_one_request_after_the_other() {
    let gateway = start(&[Manner::Good], None).await;
    for _ in 0..5 {
        assert!(post(&gateway, &[]).await.ends_with("body"));
    }
    assert_eq!(gateway.dialled(), 1);
}

/// (G8)
#[tokio::test]
async fn a_worker_that_is_busy_keeps_its_connection() {
    let gateway = start(&[Manner::Busy], None).await;
    for _ in 0..5 {
        assert_eq!(status(&gateway.get("/7/").await), "503");
    }
    assert_eq!(gateway.dialled(), 1);
}

/// (G8)
#[tokio::test]
async fn a_connection_that_ended_meanwhile_costs_no_request() {
    let gateway = start(&[Manner::Short], None).await;
    for _ in 0..20 {
        assert_eq!(status(&gateway.get("/7/").await), "200");
    }
    assert_eq!(gateway.dialled(), 20);
}

/// (G3, G8)
#[tokio::test]
async fn on_a_kept_connection_that_breaks_off_only_what_is_safe_is_sent_again() {
    let gateway = start(&[Manner::Tired], None).await;
    for round in 1..4 {
        assert!(post(&gateway, &[]).await.ends_with("body"));
        assert_eq!(
            status(&post(&gateway, &[]).await),
            "502",
            "it may have begun"
        );
        assert_eq!(gateway.dialled(), round);
    }
    let gateway = start(&[Manner::Tired], None).await;
    for number in 1..10 {
        let answer = post(&gateway, &["idempotency-key: 1"]).await;
        assert!(answer.ends_with("body"), "{number}: {answer}");
    }
}

/// (G3)
#[tokio::test]
async fn a_body_that_has_gone_with_a_kept_connection_is_not_replaced_by_none() {
    let limits = Limits {
        replay_bytes: 3,
        ..Limits::default()
    };
    let gateway = start_with(&[Manner::Tired], None, limits).await;
    let lines = ["PUT /7/ HTTP/1.1", "host: x", "content-length: 4"];
    assert!(gateway.send(&lines, "body").await.ends_with("body"));
    let answer = gateway.send(&lines, "body").await;
    assert_eq!((status(&answer), gateway.dialled()), ("502", 1));
}

/// (G7)
#[tokio::test]
async fn a_worker_that_is_back_gets_requests_at_once() {
    let gateway = start(&[Manner::Gone], None).await;
    assert_eq!(status(&gateway.get("/7/").await), "503");
    gateway.workers.is_back.store(true, Ordering::SeqCst);
    let dialled = gateway.dialled();
    let looked_for = async {
        // The second time it was known to be there.
        while gateway.dialled() < dialled + 1 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, looked_for)
        .await
        .expect("it is looked for");
    assert_eq!(status(&gateway.get("/7/").await), "200");
}

/// (G7)
#[tokio::test]
async fn a_peer_that_is_silent_gets_no_request() {
    let gateway = start(&[Manner::Silent, Manner::Good], None).await;
    let silent = async {
        // What came of the first is known before the second.
        while gateway.workers.silences.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, silent).await.expect("it is probed");
    for _ in 0..20 {
        let answer = timeout(PATIENCE, gateway.get("/7/")).await;
        assert!(answer.expect("in time").contains("mp-worker: 7/2"));
    }
}

/// (G9)
#[tokio::test]
async fn an_answer_that_does_not_begin_in_time_is_given_up() {
    let limits = Limits {
        answer: Duration::from_millis(50),
        ..Limits::default()
    };
    let gateway = start_with(&[Manner::Mute, Manner::Mute], None, limits).await;
    assert_eq!(status(&gateway.get("/7/").await), "504");
    assert_eq!(gateway.dialled(), 1, "no time is left for another");
}

/// (G4)
#[tokio::test]
async fn when_nobody_can_take_it_the_client_is_told_when_to_come_back() {
    let gateway = start(&[Manner::Gone, Manner::Busy], None).await;
    let answer = gateway.get("/7/").await;
    assert_eq!(status(&answer), "503");
    assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
    assert!(!answer.contains("mp-not-started"), "{answer}");
    gateway
        .routes
        .send_replace(Arc::new(routes([(DealId(7), vec![])])));
    assert_eq!(status(&gateway.get("/7/").await), "503");
}

/// (G4)
#[tokio::test]
async fn a_deal_that_has_enough_under_way_is_told_to_come_back() {
    let limits = Limits {
        requests_per_deal: 1,
        ..Limits::default()
    };
    let gateway = start_with(&[Manner::Endless], None, limits).await;
    let mut first = TcpStream::connect(gateway.address).await.expect("a port");
    let request = b"GET /7/ HTTP/1.1\r\nhost: x\r\n\r\n";
    first.write_all(request).await.expect("sent");
    first.read_u8().await.expect("an answer begins");
    let answer = gateway.get("/7/").await;
    assert_eq!(status(&answer), "503");
    assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
}
