//! A developer's machine as the source of an artifact: gives it to the peers of the deal.
//!
//! A demand names its sources before there is a deal, so a source is opened first, then the demand is
//! posted with [`Source::key`] and an endpoint, then [`Source::serve`] serves the deal it became.

use crate::{
    daemon::{artifacts, members},
    observer::{Member, Subnet},
    overlay::{Directory, Error, Limits, Overlay, Store},
};
use client::Client;
use marketplace::units::{Address, DealId, Hash, PeerId};
use std::{convert::Infallible, io, net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::{sync::watch, time::sleep};

/// How often the chain is asked who the deal's peers are.
const POLL: Duration = Duration::from_millis(500);

/// An endpoint that holds artifacts.
#[derive(Debug)]
pub struct Source {
    overlay: Overlay,
    store: Store,
    directory: watch::Sender<Arc<Directory>>,
}

impl Source {
    /// Opens an endpoint of the key with this seed. Artifacts are kept in `folder`.
    ///
    /// # Errors
    /// The folder cannot be used, or the port is taken.
    pub async fn open(seed: [u8; 32], listen: SocketAddr, folder: &Path) -> Result<Self, Error> {
        let store = Store::open(folder).map_err(Error::Store)?;
        let (directory, served) = watch::channel(Arc::default());
        let limits = Limits::default();
        let overlay = Overlay::open(seed, listen, limits, store.clone(), served).await?;
        Ok(Self {
            overlay,
            store,
            directory,
        })
    }

    /// The key that a demand names.
    #[must_use]
    pub fn key(&self) -> PeerId {
        self.overlay.id()
    }

    /// Where it listens.
    #[must_use]
    pub fn listens(&self) -> Vec<SocketAddr> {
        self.overlay.listens()
    }

    /// Has an artifact from now on; says its hash and size.
    ///
    /// # Errors
    /// It cannot be kept.
    pub fn add(&self, artifact: &[u8]) -> io::Result<(Hash, u64)> {
        self.store.insert(artifact)
    }

    /// Has the secrets of a deal's function from now on, for the deal's peers.
    ///
    /// # Errors
    /// They cannot be kept.
    pub fn confide(&self, deal: DealId, secrets: &[u8]) -> io::Result<()> {
        self.store.open_for(deal)?.insert(secrets).map(drop)
    }

    /// Lets what is under way end.
    pub async fn close(self) {
        self.overlay.close().await;
    }

    /// Gives the artifact to whoever the chain says is a peer or another source of the deal. Ends when it is dropped.
    pub async fn serve(&self, client: &Client, deal: DealId, artifact: Hash) -> Infallible {
        loop {
            match takers(client, deal).await {
                Ok((members, sources)) => {
                    let subnet = Subnet {
                        deal,
                        // A source has no workers to read from.
                        owner: Address::default(),
                        artifacts: vec![artifact],
                        members,
                        sources,
                    };
                    self.directory.send_modify(|directory| {
                        Arc::make_mut(directory).subnets.insert(deal, subnet);
                    });
                }
                Err(error) => tracing::warn!(%error, "the deal's peers are not known"),
            }
            sleep(POLL).await;
        }
    }
}

/// The peers of a deal, and those who hold its function for them.
async fn takers(
    client: &Client,
    deal: DealId,
) -> Result<(Vec<Member>, Vec<PeerId>), client::Error> {
    let terms = client.deal(deal).await?;
    let sources = artifacts(&terms).flat_map(|artifact| artifact.sources);
    let sources = sources.map(|source| source.key).collect();
    Ok((members(client, deal).await?, sources))
}
