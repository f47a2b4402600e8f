//! A gateway on loopback before workers that are tasks of the test. Both sides speak HTTP by hand.

mod accounts;
mod between;
mod doors;
mod fuzz;
mod leaving;
mod retries;
mod routing;

use super::{Limits, Routes, Served, Settings, record::Log, serve};
use crate::{
    dice::Dice,
    overlay::{Address, BoxStream, Dial, Error, Route},
    pages::Pages,
};
use leaving::Leaving;
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
        held: BTreeMap::new(),
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
    /// Answers the first request on a connection, and is gone when so many bytes of the second have been taken.
    Leaving(usize),
    /// Answers the first request, and is gone when the second comes; then nobody gets through to it.
    Lost,
    /// Is too busy.
    Busy,
    /// Cannot be reached.
    Gone,
    /// Answers with something random.
    Mad,
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
    /// Connections that broke when a request was written to them.
    broken: Arc<AtomicUsize>,
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
            broken: Arc::default(),
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
            Manner::Lost if self.broken.load(Ordering::SeqCst) > 0 => {
                std::future::pending::<()>().await;
            }
            _ => {}
        }
        let (ours, theirs) = duplex(1 << 16);
        tokio::spawn(work(manner, theirs, self.left.clone(), self.go.clone()));
        Ok(match manner {
            Manner::Leaving(takes) => Box::new(Leaving::new(ours, takes, &self.broken)),
            Manner::Lost => Box::new(Leaving::new(ours, 0, &self.broken)),
            _ => Box::new(ours),
        })
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
            Manner::Good
            | Manner::Short
            | Manner::Slow
            | Manner::Tired
            | Manner::Leaving(_)
            | Manner::Lost
            | Manner::Gone => {
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
            Manner::Mad => mad(&request),
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

/// An answer that is wrong in some way, another for each request.
fn mad(request: &str) -> String {
    let seed = request.bytes().fold(1, |seed: u64, byte| {
        seed.wrapping_mul(31).wrapping_add(byte.into())
    });
    let good = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: x\r\nmp-x: 1\r\n\r\nbody";
    let mut answer = good.as_bytes().to_vec();
    Dice::new(seed).mutate(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
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
            orders: None,
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
