//! Which deal a request goes to, and what its worker and its client see.

use super::{Manner, PATIENCE, route, routes, start, status};
use marketplace::units::{Address, DealId};
use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
    time::timeout,
};

/// (G1)
#[tokio::test]
async fn a_path_names_the_deal_and_the_worker_sees_the_rest() {
    let gateway = start(&[Manner::Good], None).await;
    for (path, seen) in [
        ("/7/a/b?c=d", "GET /a/b?c=d HTTP/1.1"),
        ("/7", "GET / HTTP/1.1"),
        ("/7?x", "GET /?x HTTP/1.1"),
    ] {
        let answer = gateway.get(path).await;
        assert!(answer.contains(seen), "{path}: {answer}");
        assert!(answer.contains("mp-worker: 7/1\r\n"), "{answer}");
    }
    for path in ["/", "/8/", "/07/", "/+7/", "/x", "/18446744073709551616/"] {
        assert_eq!(status(&gateway.get(path).await), "404", "{path}");
    }
}

/// (G1)
#[tokio::test]
async fn a_host_names_the_deal_and_the_path_stays() {
    let gateway = start(&[Manner::Good], None).await;
    let lines = ["GET /9/a HTTP/1.1", "host: 7.Example.test:8080"];
    let answer = gateway.send(&lines, "").await;
    assert!(answer.contains("GET /9/a HTTP/1.1"), "{answer}");
    let owner = Address([7; 20]);
    for named in [format!("7.{owner}.example.test"), "Own.test:80".to_owned()] {
        let host = format!("host: {named}");
        let answer = gateway.send(&["GET /9/a HTTP/1.1", &host], "").await;
        assert!(answer.contains("GET /9/a HTTP/1.1"), "{named}: {answer}");
    }
    let another = Address([8; 20]);
    for nobodys in [
        "7.another.test".to_owned(),
        "another.test".to_owned(),
        format!("7.{another}.example.test"),
        format!("8.{another}.example.test"),
    ] {
        let host = format!("host: {nobodys}");
        let answer = gateway.send(&["GET /a HTTP/1.1", &host], "").await;
        assert_eq!(status(&answer), "404", "{nobodys}");
    }
}

/// (G5)
#[tokio::test]
async fn headers_that_are_not_the_clients_or_the_workers_to_set_are_dropped() {
    let gateway = start(&[Manner::Good], None).await;
    let lines = [
        "POST /7/ HTTP/1.1",
        "host: gateway",
        "mp-worker: 1/1",
        "x-forwarded-for: 1.2.3.4",
        "x-forwarded-host: evil",
        "te: trailers",
        "x-kept: yes",
        "content-length: 4",
    ];
    let answer = gateway.send(&lines, "body").await;
    let (head, seen) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(!head.contains("mp-fake"), "{head}");
    assert!(
        seen.ends_with("body") && seen.contains("x-kept: yes"),
        "{seen}"
    );
    assert!(seen.contains("x-forwarded-for: 127.0.0.1"), "{seen}");
    for gone in ["mp-", "1.2.3.4", "evil", "te:", "connection:"] {
        assert!(!seen.contains(gone), "{gone} in {seen}");
    }
}

#[tokio::test]
async fn new_routes_take_effect() {
    let gateway = start(&[Manner::Good, Manner::Good], None).await;
    let only = Arc::new(routes([(DealId(7), vec![route(7, 2)])]));
    gateway.routes.send_replace(only);
    let both = async { while !gateway.get("/7/").await.contains("mp-worker: 7/2") {} };
    timeout(PATIENCE, both).await.expect("the other worker");
    for _ in 0..10 {
        assert!(gateway.get("/7/").await.contains("mp-worker: 7/2"));
    }
}

/// (G6)
#[tokio::test]
async fn an_answer_streams_and_a_client_that_leaves_ends_it() {
    let (left, mut leaving) = mpsc::unbounded_channel();
    let gateway = start(&[Manner::Endless], Some(left)).await;
    let mut stream = TcpStream::connect(gateway.address)
        .await
        .expect("a connection");
    let request = b"GET /7/ HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request).await.expect("sent");
    let mut text = String::new();
    while !text.ends_with("first") {
        let byte = timeout(PATIENCE, stream.read_u8()).await.expect("in time");
        text.push(byte.expect("a byte").into());
    }
    drop(stream);
    let left = timeout(PATIENCE, leaving.recv()).await.expect("in time");
    assert!(left.is_some());
}

#[tokio::test]
async fn a_gateway_that_stops_takes_nothing_new() {
    let gateway = start(&[Manner::Good], None).await;
    assert_eq!(status(&gateway.get("/7/").await), "200");
    gateway.stop.send(()).expect("it runs");
    timeout(PATIENCE, gateway.task)
        .await
        .expect("it ends")
        .expect("well");
    assert!(TcpStream::connect(gateway.address).await.is_err());
}
