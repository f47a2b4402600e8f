//! What clients and workers may send.

use super::{Limits, Manner, PATIENCE, start, start_with, status};
use crate::dice::{Dice, Fuzz};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// What a client of either protocol begins with.
const BEGINNINGS: [&[u8]; 4] = [
    b"GET /7/a?b HTTP/1.1\r\nhost: 7.example.test:80\r\ncookie: a\r\n\r\n",
    b"POST /7/ HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    b"PUT http://7.0x0707070707070707070707070707070707070707.example.test/ HTTP/1.1\r\ncontent-length: 4\r\n\r\nbody",
    // Settings, then headers: GET, /, http, authority `x`.
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x06\x01\x05\0\0\0\x01\x82\x84\x86\x41\x01x",
];

/// Some requests, more or less.
fn said(dice: &mut Dice) -> Vec<u8> {
    let mut said = Vec::new();
    for _ in 0..=dice.below(3) {
        let mut one = dice.of(&BEGINNINGS).to_vec();
        if !dice.one_in(3) {
            dice.mutate(&mut one);
        }
        said.extend(one);
    }
    said
}

/// (G12)
#[tokio::test]
async fn whatever_a_client_sends_others_are_served() {
    let limits = Limits {
        request: Duration::from_millis(500),
        idle: Duration::from_millis(500),
        ..Limits::default()
    };
    let gateway = start_with(&[Manner::Good], None, limits).await;
    let mut fuzz = Fuzz::begin();
    while let Some(dice) = fuzz.round() {
        let mut stream = TcpStream::connect(gateway.address).await.expect("a port");
        // It may be closed under our hands.
        let _ = stream.write_all(&said(dice)).await;
        if dice.one_in(20) {
            let mut answer = Vec::new();
            let ended = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
            assert!(ended.is_ok(), "it is not let go of");
        }
        drop(stream);
        assert_eq!(status(&gateway.get("/7/").await), "200");
    }
}

/// (G5)
#[tokio::test]
async fn whatever_a_worker_answers_a_client_is_told_something() {
    let limits = Limits {
        answer: Duration::from_millis(200),
        ..Limits::default()
    };
    let gateway = start_with(&[Manner::Mad], None, limits).await;
    let mut fuzz = Fuzz::begin();
    while let Some(dice) = fuzz.round() {
        let path = format!("/7/{}", dice.roll());
        // An answer whose length is a lie does not end; who asked has left by then.
        let asking = timeout(Duration::from_secs(1), gateway.get(&path));
        if let Ok(answer) = asking.await {
            assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
            let (head, _) = answer.split_once("\r\n\r\n").expect("a head");
            assert!(!head.contains("mp-x"), "{answer}");
        }
    }
    let good = start(&[Manner::Good], None).await;
    assert_eq!(status(&good.get("/7/").await), "200");
}
