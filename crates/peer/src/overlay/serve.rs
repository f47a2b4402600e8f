//! What others get from this endpoint.

use super::{
    Answer, BoxStream, Directory, Limits, Serving, Store,
    endpoint::{ARTIFACT, LOGS, LOGS_QUESTION, REQUEST, REQUEST_QUESTION},
    fetch::QUESTION as ARTIFACT_QUESTION,
    stream::Sending,
};
use client::permit::PERMIT_BYTES;
use iroh::{
    Endpoint,
    endpoint::{Connection, Incoming, RecvStream, SendStream, VarInt},
};
use marketplace::units::{DealId, Hash, PeerId, WorkerId};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncWriteExt as _, copy_bidirectional, join},
    net::{TcpStream, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::io::SyncIoBridge;
use worker::{config::Listen, control::Logs, supervisor};

/// Serves until the endpoint is closed.
pub(super) async fn run(
    endpoint: Endpoint,
    limits: Limits,
    store: Store,
    directory: watch::Receiver<Arc<Directory>>,
) {
    let host = Arc::new(Host {
        streams: Arc::new(Semaphore::new(limits.streams)),
        artifacts: Arc::new(Semaphore::new(limits.artifacts)),
        logs: Arc::new(Semaphore::new(limits.logs)),
        keys: Mutex::default(),
        limits,
        store,
        directory,
    });
    let mut connections = JoinSet::new();
    while let Some(incoming) = endpoint.accept().await {
        while connections.try_join_next().is_some() {}
        if connections.len() >= host.limits.connections {
            incoming.refuse();
            continue;
        }
        connections.spawn(host.clone().connected(incoming));
    }
}

struct Host {
    limits: Limits,
    store: Store,
    directory: watch::Receiver<Arc<Directory>>,
    streams: Arc<Semaphore>,
    artifacts: Arc<Semaphore>,
    logs: Arc<Semaphore>,
    /// Connections of each key.
    keys: Mutex<BTreeMap<PeerId, usize>>,
}

impl Host {
    async fn connected(self: Arc<Self>, incoming: Incoming) {
        let Ok(accepting) = incoming.accept() else {
            return;
        };
        let Ok(Ok(connection)) = timeout(self.limits.question, accepting).await else {
            return;
        };
        let key = PeerId(*connection.remote_id().as_bytes());
        let Some(_place) = Place::take(&self, key) else {
            connection.close(VarInt::from_u32(1), b"too many connections of this key");
            return;
        };
        let mut streams = JoinSet::new();
        while let Ok((send, receive)) = connection.accept_bi().await {
            while streams.try_join_next().is_some() {}
            let (host, place) = (self.clone(), place(&self.streams));
            streams.spawn(host.stream(connection.clone(), key, place, send, receive));
        }
    }

    /// One stream, if there is a place for it. Whatever is wrong with it ends it, and nothing else.
    async fn stream(
        self: Arc<Self>,
        connection: Connection,
        key: PeerId,
        place: Option<OwnedSemaphorePermit>,
        mut send: SendStream,
        receive: RecvStream,
    ) {
        let protocol = connection.alpn().to_vec();
        let ended = match &protocol[..] {
            _ if place.is_none() => {
                // What has come of it is not kept.
                drop(receive);
                refuse(&mut send, Answer::Busy).await
            }
            REQUEST => self.request(send, receive).await,
            ARTIFACT => self.artifact(&connection, key, send, receive).await,
            LOGS => self.logs(key, send, receive).await,
            _ => Ok(()),
        };
        if let Err(error) = ended {
            tracing::debug!(%key, %error, "a stream broke off");
        }
    }

    async fn request(&self, mut send: SendStream, mut receive: RecvStream) -> io::Result<()> {
        let question: [u8; REQUEST_QUESTION] = self.question(&mut receive).await?;
        let deal = DealId(number(&question[..8]));
        let worker = WorkerId(number(&question[8..]));
        let stream = match self.serving(deal, worker) {
            Some(serving) => connect(&serving.listen).await,
            None => Err(io::ErrorKind::NotFound.into()),
        };
        let Ok(mut stream) = stream else {
            return refuse(&mut send, Answer::Absent).await;
        };
        send.write_u8(Answer::Yes.byte()).await?;
        let mut asking = join(receive, Sending::new(send));
        tokio::select! {
            copied = copy_bidirectional(&mut asking, &mut stream) => drop(copied?),
            () = self.gone(deal, worker) => {}
        }
        Ok(())
    }

    /// Waits until nobody is to reach the worker any more, and a while longer for what is under way. A stream carries one
    /// request after the other, so it would not end by itself.
    async fn gone(&self, deal: DealId, worker: WorkerId) {
        let mut directory = self.directory.clone();
        let is_gone = |directory: &Arc<Directory>| !directory.workers.contains_key(&(deal, worker));
        if directory.wait_for(is_gone).await.is_err() {
            // The peer stops, and leaves its workers to themselves.
            std::future::pending::<()>().await;
        }
        sleep(self.limits.drain).await;
    }

    async fn artifact(
        &self,
        connection: &Connection,
        key: PeerId,
        mut send: SendStream,
        mut receive: RecvStream,
    ) -> io::Result<()> {
        let question: [u8; ARTIFACT_QUESTION] = self.question(&mut receive).await?;
        let deal = DealId(number(&question[..8]));
        let mut artifact = Hash::default();
        artifact.0.copy_from_slice(&question[8..40]);
        let offset = number(&question[40..]);
        let Some(store) = self.store_for(key, deal, artifact) else {
            return refuse(&mut send, Answer::Forbidden).await;
        };
        let Some(_place) = place(&self.artifacts) else {
            return refuse(&mut send, Answer::Busy).await;
        };
        if !store.path(artifact).exists() {
            return refuse(&mut send, Answer::Absent).await;
        }
        send.write_u8(Answer::Yes.byte()).await?;
        let sending = tokio::task::spawn_blocking(move || {
            let mut to = SyncIoBridge::new(Sending::new(send));
            store.send(artifact, offset, &mut to)?;
            to.shutdown()
        });
        match timeout(self.limits.transfer, sending).await {
            Ok(sent) => sent?,
            Err(_) => {
                // Breaks the stream off, and with it the thread that waits for it.
                connection.close(VarInt::from_u32(2), b"too slow");
                Err(io::ErrorKind::TimedOut.into())
            }
        }
    }

    async fn logs(
        &self,
        key: PeerId,
        mut send: SendStream,
        mut receive: RecvStream,
    ) -> io::Result<()> {
        let question: [u8; LOGS_QUESTION] = self.question(&mut receive).await?;
        let (numbers, permit) = question.split_at(LOGS_QUESTION - PERMIT_BYTES);
        let deal = DealId(number(&numbers[..8]));
        let worker = WorkerId(number(&numbers[8..16]));
        let mut signature = [0; PERMIT_BYTES];
        signature.copy_from_slice(permit);
        if !self.directory.borrow().permits(key, deal, &signature) {
            return refuse(&mut send, Answer::Forbidden).await;
        }
        let Some(_place) = place(&self.logs) else {
            return refuse(&mut send, Answer::Busy).await;
        };
        let Some(serving) = self.serving(deal, worker) else {
            return refuse(&mut send, Answer::Absent).await;
        };
        let Ok(logs) = read_log(&serving, number(&numbers[16..])).await else {
            return refuse(&mut send, Answer::Absent).await;
        };
        let logs = serde_json::to_vec(&logs)?;
        send.write_u8(Answer::Yes.byte()).await?;
        let writing = send.write_all(&logs);
        timeout(self.limits.question, writing).await??;
        send.finish().map_err(io::Error::other)
    }

    fn serving(&self, deal: DealId, worker: WorkerId) -> Option<Serving> {
        let directory = self.directory.borrow();
        directory.workers.get(&(deal, worker)).cloned()
    }

    /// Where what this key asks for is, if it may have it. (O3, O6)
    fn store_for(&self, key: PeerId, deal: DealId, artifact: Hash) -> Option<Store> {
        let directory = self.directory.borrow();
        if directory.admits(key, deal, artifact) {
            return Some(self.store.clone());
        }
        let secrets = self.store.of(deal);
        let is_there = directory.confides(key, deal) && secrets.path(artifact).exists();
        is_there.then_some(secrets)
    }

    async fn question<const BYTES: usize>(
        &self,
        receive: &mut RecvStream,
    ) -> io::Result<[u8; BYTES]> {
        let mut question = [0; BYTES];
        let reading = receive.read_exact(&mut question);
        let read = timeout(self.limits.question, reading).await?;
        read.map_err(io::Error::other)?;
        Ok(question)
    }
}

/// One of the connections that a key may have.
struct Place<'a> {
    host: &'a Host,
    key: PeerId,
}

impl<'a> Place<'a> {
    fn take(host: &'a Host, key: PeerId) -> Option<Self> {
        let mut keys = host.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let count = keys.entry(key).or_default();
        if *count >= host.limits.connections_per_key {
            return None;
        }
        *count += 1;
        Some(Self { host, key })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let keys = self.host.keys.lock();
        let mut keys = keys.unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = keys.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                keys.remove(&self.key);
            }
        }
    }
}

async fn read_log(serving: &Serving, from: u64) -> Result<Logs, supervisor::Error> {
    let mut control = supervisor::adopt(&serving.control, &serving.identity).await?;
    control.logs(from).await
}

/// A connection to a worker of this machine.
pub(crate) async fn connect(listen: &Listen) -> io::Result<BoxStream> {
    Ok(match listen {
        Listen::Unix(path) => Box::new(UnixStream::connect(path).await?),
        Listen::Tcp(address) => Box::new(TcpStream::connect(address).await?),
    })
}

async fn refuse(send: &mut SendStream, answer: Answer) -> io::Result<()> {
    send.write_u8(answer.byte()).await?;
    send.finish().map_err(io::Error::other)
}

fn place(places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    places.clone().try_acquire_owned().ok()
}

/// At most eight bytes, big-endian.
fn number(bytes: &[u8]) -> u64 {
    let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
    bytes.iter().fold(0, add)
}
