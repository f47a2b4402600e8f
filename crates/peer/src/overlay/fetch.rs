//! Gets artifacts from others, each a piece further than the last got.

use super::{
    Address, Error, Overlay, ReceiveError, Store,
    endpoint::{ARTIFACT, give_up, unreachable},
    half::{END, Half, PROOF, judge},
};
use iroh::endpoint::{Connection, RecvStream};
use marketplace::{
    demand::Artifact,
    units::{DealId, Hash, PeerId},
};
use std::{
    collections::VecDeque,
    io,
    sync::{Mutex, PoisonError},
};
use tokio::{task::spawn_blocking, time::timeout};
use tokio_util::io::SyncIoBridge;

/// Bytes of a question about an artifact.
pub(super) const QUESTION: usize = 48;
/// So many liars are remembered, the latest.
const LIARS: usize = 1024;

/// Who gave wrong bytes of which artifact.
#[derive(Debug, Default)]
pub(super) struct Liars(Mutex<VecDeque<(Hash, PeerId)>>);

impl Liars {
    fn know(&self, artifact: Hash, peer: PeerId) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(&(artifact, peer))
    }

    fn note(&self, artifact: Hash, peer: PeerId) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= LIARS {
            known.pop_front();
        }
        known.push_back((artifact, peer));
    }
}

impl Overlay {
    /// Gets an artifact of a deal from one peer into `store`, or the rest of it if an earlier transfer broke off. Who gave
    /// wrong bytes of it before is not asked. (O4, O8)
    ///
    /// # Errors
    /// See [`Error`]; [`super::ReceiveError::Size`] in it is final, after the others somebody else may do.
    pub async fn fetch(
        &self,
        deal: DealId,
        artifact: &Artifact,
        from: &Address,
        store: &Store,
    ) -> Result<(), Error> {
        let (hash, peer) = (artifact.hash, from.peer);
        if self.shared.liars.know(hash, peer) {
            return Err(Error::Liar { peer });
        }
        let half = begin(store, artifact).await?;
        let question = question(deal, hash, half.offset());
        let (connection, _send, receive) = self.ask(from, ARTIFACT, &question).await?;
        let mut received = self.receive(&connection, peer, store, half, receive).await;
        if let Err(Error::Receive {
            source: ReceiveError::Size,
            ..
        }) = received
        {
            received = self.prove_size(deal, artifact, from).await;
        }
        if let Err(Error::Receive {
            source: ReceiveError::Wrong(_),
            ..
        }) = &received
        {
            self.shared.liars.note(hash, peer);
        }
        received
    }

    /// A source says that an artifact has another size than the deal says: it is believed if it proves it.
    async fn prove_size(
        &self,
        deal: DealId,
        artifact: &Artifact,
        from: &Address,
    ) -> Result<(), Error> {
        let (peer, question) = (from.peer, question(deal, artifact.hash, END));
        let (_, _send, mut receive) = self.ask(from, ARTIFACT, &question).await?;
        let reading = receive.read_to_end(PROOF);
        let Ok(read) = timeout(self.shared.limits.question, reading).await else {
            return Err(unreachable(peer, "the end does not come in time"));
        };
        let proof = read.map_err(|error| unreachable(peer, error.to_string()))?;
        let source = judge(artifact, &proof);
        Err(Error::Receive { peer, source })
    }

    async fn receive(
        &self,
        connection: &Connection,
        peer: PeerId,
        store: &Store,
        half: Half,
        from: RecvStream,
    ) -> Result<(), Error> {
        let (store, reader) = (store.clone(), SyncIoBridge::new(from));
        let mut receiving = spawn_blocking(move || store.receive(half, reader));
        let Ok(received) = timeout(self.shared.limits.transfer, &mut receiving).await else {
            // Breaks the stream off, and with it the thread that waits for it. The next one can go on when that has ended.
            give_up(connection);
            let _ = receiving.await;
            return Err(unreachable(peer, "the artifact does not come in time"));
        };
        let received = received.map_err(|error| Error::Store(error.into()))?;
        received.map_err(|source| Error::Receive { peer, source })
    }
}

/// What is here of an artifact already.
async fn begin(store: &Store, artifact: &Artifact) -> Result<Half, Error> {
    let (store, artifact) = (store.clone(), artifact.clone());
    let beginning = spawn_blocking(move || store.begin(&artifact));
    let begun = beginning.await.map_err(io::Error::from);
    begun.flatten().map_err(Error::Store)
}

pub(super) fn question(deal: DealId, artifact: Hash, offset: u64) -> [u8; QUESTION] {
    let mut question = [0; QUESTION];
    question[..8].copy_from_slice(&deal.0.to_be_bytes());
    question[8..40].copy_from_slice(&artifact.0);
    question[40..].copy_from_slice(&offset.to_be_bytes());
    question
}
