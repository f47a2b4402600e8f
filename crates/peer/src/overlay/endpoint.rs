//! The endpoint of one key: dials others, and is served by [`super::serve`].

use super::{
    Address, Answer, BoxStream, Dial, Error, Limits, Route, Store, fetch::Liars, serve, stream,
};
use crate::overlay::Directory;
use client::permit::PERMIT_BYTES;
use iroh::{
    Endpoint, EndpointAddr, EndpointId, RelayMode, SecretKey, TransportAddr,
    endpoint::{ConnectOptions, Connection, RecvStream, SendStream, VarInt, presets},
};
use marketplace::units::{DealId, PeerId, WorkerId};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, join},
    sync::{Mutex as Slot, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;
use worker::control::{Logs, MAX_REPLY_BYTES};

/// The protocol of request streams.
pub(super) const REQUEST: &[u8] = b"marketplace+/request/1";
/// The protocol of artifact streams.
pub(super) const ARTIFACT: &[u8] = b"marketplace+/artifact/2";
/// The protocol of logs streams.
pub(super) const LOGS: &[u8] = b"marketplace+/logs/1";

/// Bytes of a question about a worker.
pub(super) const REQUEST_QUESTION: usize = 16;
/// Bytes of a question about a log.
pub(super) const LOGS_QUESTION: usize = 24 + PERMIT_BYTES;

/// Addresses tried for one peer.
const MAX_ADDRESSES: usize = 8;
/// From so many peers on, connections that ended are forgotten before another is made.
const MANY_PEERS: usize = 256;

/// A connection that is there, or is being made by who holds the lock.
type Dialled = Arc<Slot<Option<Connection>>>;

/// One endpoint of the overlay. Clones are the same endpoint; it ends with the last one.
#[derive(Clone, Debug)]
pub struct Overlay {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    endpoint: Endpoint,
    pub(super) limits: Limits,
    pub(super) liars: Liars,
    dialled: Mutex<BTreeMap<(PeerId, &'static [u8]), Dialled>>,
    /// Ends with the endpoint.
    _serving: AbortOnDropHandle<()>,
}

impl Overlay {
    /// Opens the endpoint of the key with this `seed` at `listen` (port 0: a free one), and serves what
    /// is in `directory` and `store` from then on. Nobody is asked about addresses or routes: a peer is
    /// reached where the chain says, or not at all. (O1)
    ///
    /// # Errors
    /// The port is taken, for instance.
    pub async fn open(
        seed: [u8; 32],
        listen: SocketAddr,
        limits: Limits,
        store: Store,
        directory: watch::Receiver<Arc<Directory>>,
    ) -> Result<Self, Error> {
        let bind = |error: String| Error::Bind(error);
        let endpoint = Endpoint::builder(presets::Minimal)
            .relay_mode(RelayMode::Disabled)
            .secret_key(SecretKey::from_bytes(&seed))
            .alpns(vec![REQUEST.to_vec(), ARTIFACT.to_vec(), LOGS.to_vec()])
            .transport_config(stream::for_askers(&limits))
            .clear_ip_transports()
            .bind_addr(listen)
            .map_err(|error| bind(error.to_string()))?
            .bind()
            .await
            .map_err(|error| bind(error.to_string()))?;
        let serving = serve::run(endpoint.clone(), limits.clone(), store, directory);
        let shared = Shared {
            endpoint,
            limits,
            liars: Liars::default(),
            dialled: Mutex::default(),
            _serving: AbortOnDropHandle::new(tokio::spawn(serving)),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// The key.
    #[must_use]
    pub fn id(&self) -> PeerId {
        PeerId(*self.shared.endpoint.id().as_bytes())
    }

    /// Where it listens.
    #[must_use]
    pub fn listens(&self) -> Vec<SocketAddr> {
        self.shared.endpoint.bound_sockets()
    }

    /// Lets what is under way end.
    pub async fn close(&self) {
        self.shared.endpoint.close().await;
    }

    /// Lines of a worker's log from number `from` on, with the permission of the deal's owner. What they say is the
    /// peer's word, and may be anything.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn logs(
        &self,
        route: &Route,
        from: u64,
        permit: &[u8; PERMIT_BYTES],
    ) -> Result<Logs, Error> {
        let mut question = question(route.deal, route.worker).to_vec();
        question.extend(from.to_be_bytes());
        question.extend(permit);
        let (_, _send, mut receive) = self.ask(&route.address, LOGS, &question).await?;
        let peer = route.address.peer;
        let reading = receive.read_to_end(MAX_REPLY_BYTES);
        let Ok(read) = timeout(self.shared.limits.question, reading).await else {
            return Err(unreachable(peer, "the log does not come in time"));
        };
        let read = read.map_err(|error| unreachable(peer, text(error)))?;
        serde_json::from_slice(&read).map_err(|error| unreachable(peer, text(error)))
    }

    /// Opens a stream, asks, and waits for a yes.
    pub(super) async fn ask(
        &self,
        to: &Address,
        protocol: &'static [u8],
        question: &[u8],
    ) -> Result<(Connection, SendStream, RecvStream), Error> {
        let connection = self.connection(to, protocol).await?;
        let Ok(opened) = timeout(self.shared.limits.answer, connection.open_bi()).await else {
            // All its streams are in use. Those who use them are not to be disturbed.
            let (peer, answer) = (to.peer, Answer::Busy);
            return Err(Error::Refused { peer, answer });
        };
        let exchange = async {
            let (mut send, mut receive) = opened.map_err(text)?;
            send.write_all(question).await.map_err(text)?;
            let byte = receive.read_u8().await.map_err(text)?;
            Ok((send, receive, byte))
        };
        let answer = patiently(self.shared.limits.answer, exchange).await;
        let answer = answer.unwrap_or_else(|| Err("it does not answer in time".to_owned()));
        let (send, receive, byte) = match answer {
            Ok(answer) => answer,
            Err(reason) => {
                give_up(&connection);
                return Err(unreachable(to.peer, reason));
            }
        };
        let peer = to.peer;
        match Answer::read(byte) {
            Some(Answer::Yes) => Ok((connection, send, receive)),
            Some(answer) => Err(Error::Refused { peer, answer }),
            None => Err(unreachable(peer, "it answers in another language")),
        }
    }

    /// The connection to a peer: one for each protocol, made when it is first needed.
    async fn connection(&self, to: &Address, protocol: &'static [u8]) -> Result<Connection, Error> {
        let slot = self.slot(to.peer, protocol);
        // Together, so that many who wait for one that is gone do not wait for each other's attempts.
        let connecting = async {
            let mut slot = slot.lock().await;
            if let Some(known) = slot.as_ref().filter(|known| known.close_reason().is_none()) {
                return Ok(known.clone());
            }
            let address = resolve(to).await?;
            let transport = stream::for_asking(protocol, &self.shared.limits);
            let options = ConnectOptions::new().with_transport_config(transport);
            let endpoint = &self.shared.endpoint;
            let connecting = endpoint.connect_with_opts(address, protocol, options);
            let connecting = connecting.await.map_err(text)?;
            Ok(slot.insert(connecting.await.map_err(text)?).clone())
        };
        timeout(self.shared.limits.connect, connecting)
            .await
            .unwrap_or_else(|_| Err("it cannot be reached in time".to_owned()))
            .map_err(|reason| unreachable(to.peer, reason))
    }

    fn slot(&self, peer: PeerId, protocol: &'static [u8]) -> Dialled {
        let dialled = self.shared.dialled.lock();
        let mut dialled = dialled.unwrap_or_else(PoisonError::into_inner);
        if dialled.len() >= MANY_PEERS {
            let is_needed = |known: &mut Dialled| match known.try_lock() {
                Ok(slot) => slot.as_ref().is_some_and(|c| c.close_reason().is_none()),
                Err(_) => true,
            };
            dialled.retain(|_, known| is_needed(known));
        }
        dialled.entry((peer, protocol)).or_default().clone()
    }
}

impl Dial for Overlay {
    async fn dial(&self, route: &Route) -> Result<BoxStream, Error> {
        let question = question(route.deal, route.worker);
        let (_, send, receive) = self.ask(&route.address, REQUEST, &question).await?;
        Ok(Box::new(join(receive, send)))
    }

    async fn probe(&self, route: &Route) -> Result<(), Error> {
        let nobodys = question(DealId(0), WorkerId(0));
        match self.ask(&route.address, REQUEST, &nobodys).await {
            Ok(_) | Err(Error::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// What `work` gives within `time`. The last part of it is counted by itself: when this process has stood still, what came
/// meanwhile is still read, and nobody is blamed for it.
async fn patiently<T>(time: Duration, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let last = time / 7;
    if let Ok(done) = timeout(time - last, work.as_mut()).await {
        return Some(done);
    }
    timeout(last, work).await.ok()
}

/// Closes the connection to a peer that does not answer, so that the next attempt makes a new one. Waits for nobody: who finds a
/// peer silent is to say so at once.
pub(super) fn give_up(silent: &Connection) {
    silent.close(VarInt::from_u32(0), b"no answer");
}

pub(super) fn question(deal: DealId, worker: WorkerId) -> [u8; REQUEST_QUESTION] {
    let mut question = [0; REQUEST_QUESTION];
    question[..8].copy_from_slice(&deal.0.to_be_bytes());
    question[8..].copy_from_slice(&worker.0.to_be_bytes());
    question
}

/// Looks names up, all at once; what is no address is passed over.
async fn resolve(to: &Address) -> Result<EndpointAddr, String> {
    let id = EndpointId::from_bytes(&to.peer.0).map_err(|_| "it has no valid key".to_owned())?;
    let mut lookups = JoinSet::new();
    for endpoint in to.endpoints.iter().take(MAX_ADDRESSES).cloned() {
        lookups.spawn(async move {
            let found = tokio::net::lookup_host(endpoint).await;
            found.map(Vec::from_iter).unwrap_or_default()
        });
    }
    let mut addresses = Vec::new();
    while let Some(found) = lookups.join_next().await {
        addresses.extend(found.unwrap_or_default());
    }
    if addresses.is_empty() {
        return Err("the chain knows no address of it".to_owned());
    }
    let addresses = addresses.into_iter().take(MAX_ADDRESSES);
    Ok(EndpointAddr::from_parts(
        id,
        addresses.map(TransportAddr::Ip),
    ))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

pub(super) fn unreachable(peer: PeerId, reason: impl Into<String>) -> Error {
    let reason = reason.into();
    Error::Unreachable { peer, reason }
}
