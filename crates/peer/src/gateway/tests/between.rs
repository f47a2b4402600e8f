//! Workers that ask other deals of their owner.

use super::{Manner, PATIENCE, Workers, route, routes, status};
use crate::gateway::between::{Asker, LINES, Shared, keep};
use marketplace::units::{Address as Account, DealId, WorkerId};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    sync::mpsc,
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

const ASKER: WorkerId = WorkerId(3);
const OWNER: Account = Account([7; 20]);
const ANOTHER: Account = Account([8; 20]);

/// A worker of deal 9 at its socket, and the peer at the other end. Deal 7 is of the same owner, deal 8 of another.
struct Asking {
    listener: UnixListener,
    shared: Arc<Shared<Arc<Workers>>>,
    _folder: TempDir,
    _keeping: AbortOnDropHandle<()>,
}

impl Asking {
    fn start(manner: Manner, left: Option<mpsc::UnboundedSender<()>>) -> Self {
        let workers = Arc::new(Workers {
            manners: [(WorkerId(1), manner), (WorkerId(2), Manner::Good)].into(),
            left,
            ..Workers::default()
        });
        let shared = Arc::new(Shared::new(workers));
        let deals = [
            (DealId(7), vec![route(7, 1)]),
            (DealId(8), vec![route(8, 2)]),
        ];
        shared.gateway.route(&routes(deals));
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("deals.sock");
        let named = [(7, OWNER), (8, ANOTHER), (8, OWNER), (6, OWNER)];
        let asker = Asker {
            owner: OWNER,
            names: named.map(|(deal, owner)| (DealId(deal), owner)).into(),
            socket: socket.clone(),
        };
        shared.askers().insert(ASKER, asker);
        let listener = UnixListener::bind(&socket).expect("a socket");
        let keeping = tokio::spawn(keep(shared.clone(), ASKER, socket));
        Self {
            listener,
            shared,
            _folder: folder,
            _keeping: AbortOnDropHandle::new(keeping),
        }
    }

    async fn connection(&self) -> UnixStream {
        let accepted = timeout(PATIENCE, self.listener.accept()).await;
        accepted.expect("in time").expect("a connection").0
    }

    /// Sends a request for this host, with these lines, and returns all that comes back.
    async fn ask(&self, host: &str, lines: &str) -> String {
        let mut stream = self.connection().await;
        let request = format!("GET /a?b HTTP/1.1\r\nhost: {host}\r\n{lines}\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        let reading = stream.read_to_string(&mut answer);
        let read = timeout(PATIENCE, reading).await.expect("in time");
        read.expect("an answer");
        answer
    }
}

fn host(deal: u64, owner: Account) -> String {
    format!("{deal}.{owner}.internal")
}

/// (G19)
#[tokio::test]
async fn a_worker_asks_a_deal_of_its_owner() {
    let asking = Asking::start(Manner::Good, None);
    let lines = "mp-fake: 1\r\nx-forwarded-for: 1.2.3.4\r\ncdn-loop: marketplace-plus\r\n";
    for host in [host(7, OWNER), host(7, OWNER).to_uppercase()] {
        let answer = asking.ask(&host, lines).await;
        assert_eq!(status(&answer), "200", "{answer}");
        assert!(answer.contains("mp-worker: 7/1\r\n"), "{answer}");
        assert!(answer.contains("GET /a?b HTTP/1.1"), "{answer}");
        assert!(answer.contains("cdn-loop: marketplace-plus"), "{answer}");
        for gone in ["mp-fake", "1.2.3.4", "x-forwarded-for"] {
            assert!(!answer.contains(gone), "{gone} in {answer}");
        }
    }
}

/// (G19)
#[tokio::test]
async fn a_worker_asks_no_deal_that_is_not_its_owners_or_that_its_artifact_does_not_name() {
    let asking = Asking::start(Manner::Good, None);
    let refused = async |host: &str, why: &str| {
        let answer = asking.ask(host, "").await;
        assert_eq!(status(&answer), "403", "{answer}");
        let line = format!("mp-refused: {why}\r\n");
        assert!(answer.contains(&line), "{host}: {answer}");
    };
    refused(
        &host(8, ANOTHER),
        "the deal that is named is another account's",
    )
    .await;
    let none = "the account has no such deal that is served";
    refused(&host(8, OWNER), none).await;
    refused(&host(6, OWNER), none).await;
    refused(&host(9, OWNER), "not in the plan").await;
    refused(&host(7, ANOTHER), "not in the plan").await;
    for odd in [
        "7.internal",
        "internal",
        "7.example.test",
        "07.0x07.internal",
        "",
    ] {
        refused(odd, "the host is no deal").await;
    }
    // The chain says that its deal has another owner now.
    let belongs_to = |owner| {
        let mut askers = asking.shared.askers();
        askers.get_mut(&ASKER).expect("it is there").owner = owner;
    };
    belongs_to(ANOTHER);
    refused(
        &host(7, OWNER),
        "the deal that is named is another account's",
    )
    .await;
    asking.shared.askers().clear();
    refused(&host(7, OWNER), "the worker is gone").await;
}

/// (G19)
#[tokio::test]
async fn a_connection_carries_one_request_and_another_takes_its_place() {
    let asking = Asking::start(Manner::Good, None);
    for _ in 0..3 * LINES {
        let answer = asking.ask(&host(7, OWNER), "").await;
        assert_eq!(status(&answer), "200", "{answer}");
    }
    // One that carries none does so, too.
    for _ in 0..2 * LINES {
        drop(asking.connection().await);
    }
}

/// (G6, G19)
#[tokio::test]
async fn a_worker_that_leaves_ends_its_request_at_the_other_deal() {
    let (left, mut leaves) = mpsc::unbounded_channel();
    let asking = Asking::start(Manner::Endless, Some(left));
    let mut stream = asking.connection().await;
    let request = format!("GET / HTTP/1.1\r\nhost: {}\r\n\r\n", host(7, OWNER));
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut first = [0; 1];
    stream.read_exact(&mut first).await.expect("it begins");
    drop(stream);
    let ended = timeout(PATIENCE, leaves.recv()).await;
    ended.expect("in time").expect("it ends there");
}
