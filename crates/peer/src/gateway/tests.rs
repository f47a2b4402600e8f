//! A gateway on loopback before workers that are tasks of the test. Both sides speak HTTP by hand.

mod accounts;
mod doors;
mod retries;

use super::{Limits, Routes, Served, Settings, record::Log, serve};
use crate::{
    overlay::{Address, BoxStream, Dial, Error, Route},
    pages::Pages,
};
use marketplace::units::{Address as Account, DealId, PeerId, WorkerId};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc, oneshot, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

/// Long enough for a slow machine; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn route(deal: u64, worker: u64) -> Route {
    Route {
        deal: DealId(deal),
        worker: WorkerId(worker),
        address: Address {
            peer: PeerId([worker as u8; 32]),
            endpoints: Vec::new(),
        },
    }
}

/// What the chain says: these deals are served, each is the account's whose bytes are its number.
pub(super) fn routes(deals: impl IntoIterator<Item = (DealId, Vec<Route>)>) -> Routes {
    let served = |(deal, workers): (DealId, Vec<Route>)| {
        let owner = Account([deal.0 as u8; 20]);
        let is_ours = false;
        let served = Served {
            owner,
            is_ours,
            workers,
            placed: Vec::new(),
        };
        (deal, served)
    };
    Routes {
        chain: 1337,
        deals: deals.into_iter().map(served).collect(),
    }
}

/// What a worker does with requests.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    /// Answers with what it was sent.
    Good,
    /// The same, and closes the connection after each.
    Short,
    /// Answers the first request on a connection, and breaks off at the second.
    Tired,
    /// Is too busy.
    Busy,
    /// Cannot be reached.
    Gone,
    /// Takes the request and breaks off.
    Crashing,
    /// Takes the request and says nothing.
    Mute,
    /// Sends a part of the answer and no more, and says when the gateway has left.
    Endless,
    /// Answers with a failure.
    Failing,
    /// Answers with what it was sent when the test says so.
    Slow,
    /// Does not answer probes, and nobody gets through to it.
    Silent,
}

/// Workers by number.
struct Workers {
    manners: BTreeMap<WorkerId, Manner>,
    dialled: AtomicUsize,
    /// Probes that were not answered.
    silences: AtomicUsize,
    left: Option<mpsc::UnboundedSender<()>>,
    /// Whether those that were gone are good now.
    is_back: AtomicBool,
    /// A permit for each answer of a slow one.
    go: Arc<Semaphore>,
}

impl Default for Workers {
    fn default() -> Self {
        Self {
            manners: BTreeMap::new(),
            dialled: AtomicUsize::new(0),
            silences: AtomicUsize::new(0),
            left: None,
            is_back: AtomicBool::new(false),
            go: Arc::new(Semaphore::new(0)),
        }
    }
}

impl Dial for Arc<Workers> {
    async fn dial(&self, route: &Route) -> Result<BoxStream, Error> {
        self.dialled.fetch_add(1, Ordering::SeqCst);
        let manner = self.manners[&route.worker];
        match manner {
            Manner::Gone if !self.is_back.load(Ordering::SeqCst) => return Err(unreachable(route)),
            Manner::Silent => std::future::pending::<()>().await,
            _ => {}
        }
        let (ours, theirs) = duplex(1 << 16);
        tokio::spawn(work(manner, theirs, self.left.clone(), self.go.clone()));
        Ok(Box::new(ours))
    }

    async fn probe(&self, route: &Route) -> Result<(), Error> {
        if self.manners[&route.worker] == Manner::Silent {
            self.silences.fetch_add(1, Ordering::SeqCst);
            return Err(unreachable(route));
        }
        Ok(())
    }
}

fn unreachable(route: &Route) -> Error {
    let reason = "it is gone".into();
    let peer = route.address.peer;
    Error::Unreachable { peer, reason }
}

async fn work(
    manner: Manner,
    mut stream: DuplexStream,
    left: Option<mpsc::UnboundedSender<()>>,
    go: Arc<Semaphore>,
) {
    for number in 0.. {
        let request = read_request(&mut stream).await;
        if request.is_empty() || manner == Manner::Tired && number == 1 {
            break;
        }
        if manner == Manner::Slow {
            go.acquire().await.expect("never closed").forget();
        }
        let answer = match manner {
            Manner::Good | Manner::Short | Manner::Slow | Manner::Tired | Manner::Gone => {
                let length = request.len();
                format!(
                    "HTTP/1.1 200 OK\r\nmp-fake: 1\r\ncontent-length: {length}\r\n\r\n{request}"
                )
            }
            Manner::Busy => {
                "HTTP/1.1 503 Busy\r\nmp-not-started: true\r\ncontent-length: 0\r\n\r\n".into()
            }
            Manner::Failing => "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n".into(),
            Manner::Endless => "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nfirst".into(),
            Manner::Mute => String::new(),
            Manner::Crashing | Manner::Silent => break,
        };
        // The gateway may leave at any time.
        let _ = stream.write_all(answer.as_bytes()).await;
        if manner == Manner::Short {
            break;
        }
    }
    if let Some(left) = left {
        let _ = left.send(());
    }
}

/// The head of a request, and as much of a body as it says.
async fn read_request(stream: &mut DuplexStream) -> String {
    let mut text = String::new();
    while !text.contains("\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else {
            return text;
        };
        text.push(byte.into());
    }
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a length"))];
    if stream.read_exact(&mut body).await.is_ok() {
        text.push_str(&String::from_utf8_lossy(&body));
    }
    text
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

struct Running {
    address: SocketAddr,
    https: Option<SocketAddr>,
    watched_at: SocketAddr,
    folder: TempDir,
    workers: Arc<Workers>,
    routes: watch::Sender<Arc<Routes>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// A gateway with workers 1, 2, … of deal 7.
async fn start(manners: &[Manner], left: Option<mpsc::UnboundedSender<()>>) -> Running {
    start_with(manners, left, Limits::default()).await
}

async fn start_with(
    manners: &[Manner],
    left: Option<mpsc::UnboundedSender<()>>,
    limits: Limits,
) -> Running {
    Running::start(manners, left, limits, None).await
}

impl Running {
    async fn start(
        manners: &[Manner],
        left: Option<mpsc::UnboundedSender<()>>,
        limits: Limits,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let numbers = (1..).map(WorkerId);
        let workers = Arc::new(Workers {
            manners: numbers.zip(manners.iter().copied()).collect(),
            left,
            ..Workers::default()
        });
        let routed = workers
            .manners
            .keys()
            .map(|worker| route(7, worker.0))
            .collect();
        let all = routes([(DealId(7), routed)]);
        let (routes, watched) = watch::channel(Arc::new(all));
        let (http, address) = listener().await;
        let (listener, secure) = listener().await;
        let folder = tempfile::tempdir().expect("a folder");
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        let pages = Pages::open(local).await.expect("a port");
        let watched_at = pages.listens().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let stopped = async { stopped.await.unwrap_or_default() };
        let https = tls.is_some().then_some(secure);
        let settings = Settings {
            http,
            https: tls.map(|tls| (listener, tls)),
            domain: "example.test".to_owned(),
            domains: [("own.test".to_owned(), 7)].into(),
            dns: None,
            limits,
            log: Log::open(Some(&folder.path().join("log"))).expect("a file"),
            pages: Some(pages),
            monitor: None,
        };
        let serving = serve(settings, watched, workers.clone(), stopped);
        let task = tokio::spawn(serving);
        Self {
            address,
            https,
            watched_at,
            folder,
            workers,
            routes,
            stop,
            task,
        }
    }

    /// Sends lines as a request, and returns all that comes back.
    async fn send(&self, lines: &[&str], body: &str) -> String {
        send(self.address, lines, body).await
    }

    async fn get(&self, path: &str) -> String {
        self.send(&[&format!("GET {path} HTTP/1.1"), "host: gateway"], "")
            .await
    }

    fn dialled(&self) -> usize {
        self.workers.dialled.load(Ordering::SeqCst)
    }
}

async fn send(to: SocketAddr, lines: &[&str], body: &str) -> String {
    let mut stream = TcpStream::connect(to).await.expect("a connection");
    let request = format!("{}\r\nconnection: close\r\n\r\n{body}", lines.join("\r\n"));
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    timeout(PATIENCE, reading)
        .await
        .expect("in time")
        .expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or(answer)
}

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
    let owner = Account([7; 20]);
    for named in [format!("7.{owner}.example.test"), "Own.test:80".to_owned()] {
        let host = format!("host: {named}");
        let answer = gateway.send(&["GET /9/a HTTP/1.1", &host], "").await;
        assert!(answer.contains("GET /9/a HTTP/1.1"), "{named}: {answer}");
    }
    let another = Account([8; 20]);
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
