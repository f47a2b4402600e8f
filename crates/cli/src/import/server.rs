//! A server that lies, for tests: it answers each request as it is told to, byte for byte.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

/// What is answered to a request for a path: the answer's head and body, and then this over and over until nobody listens.
pub(super) struct Lie {
    pub(super) answer: String,
    pub(super) forever: Option<&'static str>,
}

impl From<String> for Lie {
    fn from(answer: String) -> Self {
        let forever = None;
        Self { answer, forever }
    }
}

/// Serves until the tests are over.
pub(super) fn serve(lie: impl Fn(&str) -> Lie + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            answer(stream, &lie);
        }
    });
    address
}

/// An answer with that body.
pub(super) fn ok(body: &str) -> Lie {
    answer_with("200 OK", "", body)
}

/// An answer with a status and more lines of its head, each ended.
pub(super) fn answer_with(status: &str, head: &str, body: &str) -> Lie {
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{head}\r\n{body}"
    );
    text.into()
}

/// The first byte of somebody who speaks TLS.
const GREETING: u8 = 22;

fn answer(mut stream: TcpStream, lie: &impl Fn(&str) -> Lie) {
    let mut first = [0];
    if !matches!(stream.peek(&mut first), Ok(1)) || first == [GREETING] {
        return;
    }
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let Some(Ok(first)) = lines.next() else {
        return;
    };
    let Some(path) = first.split(' ').nth(1) else {
        return;
    };
    lines
        .take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty()))
        .for_each(drop);
    let Lie { answer, forever } = lie(path);
    let mut sent = stream.write_all(answer.as_bytes());
    while let (Ok(()), Some(more)) = (&sent, forever) {
        sent = stream.write_all(more.as_bytes());
    }
}
