//! Requests that a function sends.

use crate::support::{Folder, PATIENCE, start};
use functions::FETCH;
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};
use worker::{
    Config, Settings,
    config::{Listen, Outbound},
};

/// Places of errors among those of `wasi:http`.
const IP_PROHIBITED: &str = "error 04\n";
pub(crate) const TIMEOUT: &str = "error 08\n";
const LIMIT: &str = "error 11\n";
pub(crate) const DENIED: &str = "error 15\n";

/// What a silent server hears last.
const LEFT: &str = "the client has left";

/// A server on this machine that says the same to everybody, and tells what it heard.
struct Server {
    address: SocketAddr,
    heard: mpsc::UnboundedReceiver<String>,
}

impl Server {
    async fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (tell, heard) = mpsc::unbounded_channel();
        let answer = answer.into();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer.clone(), tell.clone()));
            }
        });
        Self { address, heard }
    }

    async fn heard(&mut self) -> String {
        let heard = timeout(PATIENCE, self.heard.recv()).await;
        heard.expect("a request in time").expect("a server")
    }
}

async fn serve(mut stream: TcpStream, answer: Vec<u8>, tell: mpsc::UnboundedSender<String>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    tell.send(String::from_utf8_lossy(&request).into_owned())
        .expect("a test");
    if answer.is_empty() {
        // Silent until the client leaves; the test may be over by then.
        let _ = stream.read_u8().await;
        let _ = tell.send(LEFT.into());
        return;
    }
    // The client may have had enough.
    let _ = stream.write_all(&answer).await;
}

fn config(folder: &Folder, allowed: &[String], rule: Outbound) -> Config {
    let settings = Settings {
        outbound: allowed
            .iter()
            .map(|text| text.parse().expect("a server"))
            .collect(),
        ..Settings::default()
    };
    let mut config = folder.config(&settings.pack(FETCH.into()).expect("an artifact"));
    config.outbound = rule;
    config
}

pub(crate) const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// (W7, W22)
#[tokio::test]
async fn a_function_asks_a_server_that_its_artifact_names() {
    let folder = Folder::new("asks");
    let mut server = Server::saying(HELLO).await;
    let address = server.address;
    let config = config(&folder, &[format!("http://{address}")], Outbound::Any);
    let mut worker = start(&folder, &config).await.expect("started");
    let answer = worker.get(&format!("/http/{address}/path?query")).await;
    assert_eq!(answer.body, "status 200\nhello");
    let heard = server.heard().await.to_lowercase();
    assert!(heard.starts_with("get /path?query http/1.1\r\n"), "{heard}");
    assert!(heard.contains(&format!("host: {address}\r\n")), "{heard}");
    assert!(heard.contains("cdn-loop: marketplace-plus\r\n"), "{heard}");
    for forged in ["mp-deal", "999"] {
        assert!(!heard.contains(forged), "{forged} in {heard}");
    }
    let metrics = worker.metrics().await;
    assert_eq!((metrics.outbound_requests, metrics.outbound_bytes), (1, 5));
}

/// (W7)
#[tokio::test]
async fn a_function_asks_nobody_else() {
    let folder = Folder::new("nobody-else");
    let (server, other) = tokio::join!(Server::saying(HELLO), Server::saying(HELLO));
    let (port, address) = (server.address.port(), server.address);
    let config = config(&folder, &[format!("http://{address}")], Outbound::Any);
    let mut worker = start(&folder, &config).await.expect("started");
    for denied in [
        format!("/http/{}/", other.address),
        format!("/https/{address}/"),
        format!("/http/localhost:{port}/"),
        format!("/http/user@{address}/"),
        format!("/http/{address}0/"),
        "/http/127.0.0.1/".into(),
    ] {
        assert_eq!(worker.get(&denied).await.body, DENIED, "{denied}");
    }
    let log = worker.log().await;
    let said = format!("Worker: a request to https://{address} is denied: not in the plan");
    assert!(log.contains(&said), "{log}");
}

/// (W7)
#[tokio::test]
async fn this_machine_is_out_of_reach_unless_its_operator_says_otherwise() {
    let mut server = Server::saying(HELLO).await;
    let port = server.address.port();
    let hosts = [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
    ];
    let allowed = hosts.map(|host| format!("http://{host}:{port}"));
    for (rule, name, error, why) in [
        (
            Outbound::Public,
            "public",
            IP_PROHIBITED,
            "destination IP address is prohibited",
        ),
        (
            Outbound::None,
            "none",
            DENIED,
            "this machine lets nobody ask",
        ),
    ] {
        let folder = Folder::new(name);
        let config = config(&folder, &allowed, rule);
        let mut worker = start(&folder, &config).await.expect("started");
        for host in hosts {
            let answer = worker.get(&format!("/http/{host}:{port}/")).await;
            assert_eq!(answer.body, error, "{host}");
        }
        let log = worker.log().await;
        assert!(log.contains(why), "{log}");
    }
    assert!(server.heard.try_recv().is_err(), "nobody came");
}

/// (W22)
#[tokio::test]
async fn a_redirect_is_the_functions_to_follow() {
    let folder = Folder::new("redirect");
    let mut other = Server::saying(HELLO).await;
    let moved = format!(
        "HTTP/1.1 302 Found\r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n",
        other.address
    );
    let server = Server::saying(moved).await;
    let allowed = [server.address, other.address].map(|address| format!("http://{address}"));
    let config = config(&folder, &allowed, Outbound::Any);
    let worker = start(&folder, &config).await.expect("started");
    let answer = worker.get(&format!("/http/{}/", server.address)).await;
    assert_eq!(answer.body, "status 302\n");
    assert!(other.heard.try_recv().is_err(), "nobody came");
}

/// (W22)
#[tokio::test]
async fn an_answer_ends_at_its_limit() {
    let folder = Folder::new("long-answer");
    let body = "x".repeat(20_000);
    let long = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let headers = format!(
        "HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 0\r\n\r\n",
        "x".repeat(100_000)
    );
    let (server, hostile) = tokio::join!(Server::saying(long), Server::saying(headers));
    let allowed = [server.address, hostile.address].map(|address| format!("http://{address}"));
    let mut config = config(&folder, &allowed, Outbound::Any);
    config.limits.outbound_body_bytes = 19_999;
    let worker = start(&folder, &config).await.expect("started");
    let answer = worker.get(&format!("/http/{}/", server.address)).await;
    assert!(answer.body.starts_with("status 200\n"), "{}", answer.body);
    assert!(answer.body.ends_with("\nbroken\n") && answer.body.len() < 20_000);
    let answer = worker.get(&format!("/http/{}/", hostile.address)).await;
    assert!(answer.body.starts_with("error "), "{}", answer.body);
}

/// (W22)
#[tokio::test]
async fn requests_are_counted_for_each_one_served_and_at_once() {
    let folder = Folder::new("many");
    let mut silent = Server::saying("").await;
    let address = silent.address;
    let mut config = config(&folder, &[format!("http://{address}")], Outbound::Any);
    config.limits.outbound_in_flight = 1;
    let path = format!("/http/{address}/");
    let worker = start(&folder, &config).await.expect("started");
    {
        let first = worker.get(&path);
        tokio::pin!(first);
        tokio::select! {
            _ = &mut first => panic!("a silent server answers"),
            _ = silent.heard() => {}
        }
        assert_eq!(worker.get(&path).await.body, LIMIT);
    }
    // The client has left, with it the function, with it what it sent.
    assert_eq!(silent.heard().await, LEFT);
    let third = worker.get(&path);
    tokio::pin!(third);
    tokio::select! {
        answer = &mut third => panic!("{}", answer.body),
        _ = silent.heard() => {}
    }

    let folder = Folder::new("none-at-all");
    let mut config = self::config(&folder, &[format!("http://{address}")], Outbound::Any);
    config.limits.outbound_requests = 0;
    let worker = start(&folder, &config).await.expect("started");
    assert_eq!(worker.get(&path).await.body, LIMIT);
}

/// (W22)
#[tokio::test]
async fn a_server_that_does_not_greet_is_left_in_time() {
    let folder = Folder::new("no-greeting");
    // Speaks no TLS, and waits for the end of headers that never come.
    let server = Server::saying("").await;
    let address = server.address;
    let mut config = config(&folder, &[format!("https://{address}")], Outbound::Any);
    config.limits.outbound_connect_ms = 200;
    let worker = start(&folder, &config).await.expect("started");
    assert_eq!(
        worker.get(&format!("/https/{address}/")).await.body,
        TIMEOUT
    );
}

/// (W22)
#[tokio::test]
async fn requests_that_go_in_a_circle_end() {
    let folder = Folder::new("circle");
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = port.local_addr().expect("an address");
    drop(port);
    let mut config = config(&folder, &[format!("http://{address}")], Outbound::Any);
    config.listen = Listen::Tcp(address);
    let mut worker = start(&folder, &config).await.expect("started");
    let around = |times: usize| format!("/http/{address}").repeat(times) + "/";
    let answer = worker.get(&around(12)).await;
    assert!(
        answer
            .body
            .ends_with("status 508\nthe request goes in a circle\n"),
        "{}",
        answer.body
    );
    assert_eq!(worker.metrics().await.outbound_requests, 8);
}
