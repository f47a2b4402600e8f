//! How peers reach each other: by key, wherever they are, with nobody in between.
//!
//! Two kinds of streams run over a connection. Each begins with a question of fixed length and an
//! answer of one byte, [`Answer`]:
//!
//! | stream | question | after [`Answer::Yes`] |
//! |---|---|---|
//! | request | deal, worker (8 bytes each, big-endian) | an HTTP/1.1 connection to that worker |
//! | logs | deal, worker, first line (8 bytes each, big-endian), the owner's permission (65 bytes) | [`worker::control::Logs`] as JSON |
//! | artifact | deal (8 bytes, big-endian), BLAKE3 hash (32 bytes), offset (8 bytes, big-endian) | the bytes from there on, as a BLAKE3 slice that is checked as it comes |
//!
//! Who asks for worker 0 of deal 0, which nobody has, wants to know whether the peer is there.
//! Anybody may ask for a worker, within [`Limits`]; for an artifact only who takes part in the deal. The secrets of a
//! deal's functions go the same way as artifacts, to the deal's peers only, and nobody has them by their hash alone. What
//! functions log is for the deal's owner ([`client::permit`]).
//! Only `endpoint`, `fetch`, `serve` and `stream` know which library carries all this.

mod artifact;
mod endpoint;
mod fetch;
mod half;
mod serve;
mod stream;
#[cfg(test)]
mod tests;

pub use artifact::{ReceiveError, Store};
pub use endpoint::Overlay;
pub(crate) use serve::connect;

use crate::observer::Subnet;
use client::permit::{PERMIT_BYTES, permitted_by};
use marketplace::units::{DealId, Hash, PeerId, WorkerId};
use std::{collections::BTreeMap, fmt, io, path::PathBuf, time::Duration};
use tokio::io::{AsyncRead, AsyncWrite};
use worker::{Identity, config::Listen};

/// Bytes in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection to a worker.
pub type BoxStream = Box<dyn Stream>;

/// Who, and where: at most a few `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The key.
    pub peer: PeerId,
    /// Where it listens.
    pub endpoints: Vec<String>,
}

/// A worker, and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// Whom it serves.
    pub deal: DealId,
    /// Which worker.
    pub worker: WorkerId,
    /// Its peer.
    pub address: Address,
}

/// Reaches workers.
pub trait Dial: Send + Sync + 'static {
    /// A connection to the worker. None of the worker's function has run when this fails.
    fn dial(&self, route: &Route) -> impl Future<Output = Result<BoxStream, Error>> + Send;

    /// Whether the peer is there, so that its worker can be reached.
    fn probe(&self, route: &Route) -> impl Future<Output = Result<(), Error>> + Send;
}

/// A worker that serves.
#[derive(Clone, Debug, PartialEq)]
pub struct Serving {
    /// Where it serves HTTP.
    pub listen: Listen,
    /// Its control socket.
    pub control: PathBuf,
    /// Who answers there.
    pub identity: Identity,
}

/// What a peer has for others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Directory {
    /// Workers that serve.
    pub workers: BTreeMap<(DealId, WorkerId), Serving>,
    /// The deals it takes part in.
    pub subnets: BTreeMap<DealId, Subnet>,
}

impl Directory {
    /// Whether this key may have this artifact: as a peer of the deal, or as a source. (O3)
    #[must_use]
    pub fn admits(&self, key: PeerId, deal: DealId, artifact: Hash) -> bool {
        self.subnets.get(&deal).is_some_and(|subnet| {
            let is_member = subnet.members.iter().any(|member| member.peer == key);
            let is_its = subnet.artifacts.contains(&artifact);
            is_its && (is_member || subnet.sources.contains(&key))
        })
    }

    /// Whether a permission to read what a deal's functions log is its owner's, for this key. (O7)
    #[must_use]
    pub fn permits(&self, key: PeerId, deal: DealId, permit: &[u8; PERMIT_BYTES]) -> bool {
        let owner = self.subnets.get(&deal).map(|subnet| subnet.owner);
        owner.is_some() && permitted_by(deal, key, permit) == owner
    }

    /// Whether this key may have the secrets of a deal: as one of its peers. (O6)
    #[must_use]
    pub fn confides(&self, key: PeerId, deal: DealId) -> bool {
        let members = self.subnets.get(&deal).map(|subnet| &subnet.members);
        members.is_some_and(|members| members.iter().any(|member| member.peer == key))
    }
}

/// What others may take of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Connections at once from one key.
    pub connections_per_key: usize,
    /// Streams at once on one connection.
    pub streams_per_connection: u32,
    /// Streams at once that others opened, over all connections.
    pub streams: usize,
    /// Bytes of one stream that wait here until somebody reads them.
    pub stream_bytes: u32,
    /// The same of a stream that an artifact comes over: what a distant source needs to be fast.
    pub transfer_bytes: u32,
    /// Bytes that leave over one connection and that the other side has not acknowledged.
    pub unacknowledged_bytes: u64,
    /// Artifacts sent at once.
    pub artifacts: usize,
    /// Logs read at once: fewer than a worker has conversations.
    pub logs: usize,
    /// Time for a question to come.
    pub question: Duration,
    /// Time for an artifact to be sent or to come.
    pub transfer: Duration,
    /// Time to reach a peer: enough for a handshake whose first packet was lost.
    pub connect: Duration,
    /// Time for its answer. A peer that died is noticed by this.
    pub answer: Duration,
    /// Time for requests under way at a worker that is reached no more.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_key: 8,
            streams_per_connection: 1024,
            streams: 4096,
            stream_bytes: 256 << 10,
            transfer_bytes: 2 << 20,
            unacknowledged_bytes: 2 << 20,
            artifacts: 16,
            logs: 4,
            question: Duration::from_secs(5),
            transfer: Duration::from_secs(120),
            connect: Duration::from_millis(1500),
            answer: Duration::from_millis(700),
            drain: Duration::from_secs(30),
        }
    }
}

/// The first byte that comes back on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What was asked for follows.
    Yes,
    /// There is no such worker or artifact here.
    Absent,
    /// This key may not have it.
    Forbidden,
    /// Too much is going on; later perhaps.
    Busy,
}

impl Answer {
    const ALL: [Self; 4] = [Self::Yes, Self::Absent, Self::Forbidden, Self::Busy];

    fn byte(self) -> u8 {
        self as u8
    }

    fn read(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|answer| answer.byte() == byte)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yes => "yes",
            Self::Absent => "it is not there",
            Self::Forbidden => "it is for others: peers of the deal, or its owner",
            Self::Busy => "too much is going on there",
        })
    }
}

/// Why a peer was not reached, or did not give what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The endpoint cannot be opened.
    #[error("cannot open the overlay endpoint: {0}")]
    Bind(String),
    /// The peer is not there, or does not answer in time; another attempt may help.
    #[error("peer {peer} does not answer: {reason}")]
    Unreachable {
        /// Who.
        peer: PeerId,
        /// What is known.
        reason: String,
    },
    /// The peer says no.
    #[error("peer {peer} refuses: {answer}")]
    Refused {
        /// Who.
        peer: PeerId,
        /// In its words.
        answer: Answer,
    },
    /// What came is not the artifact.
    #[error("peer {peer} does not give the artifact")]
    Receive {
        /// Who.
        peer: PeerId,
        /// What is wrong.
        #[source]
        source: ReceiveError,
    },
    /// It is not asked.
    #[error("peer {peer} gave wrong bytes of this artifact before, and is not asked again")]
    Liar {
        /// Who.
        peer: PeerId,
    },
    /// This machine's.
    #[error("cannot keep artifacts")]
    Store(#[source] io::Error),
}
