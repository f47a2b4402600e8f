//! The secrets of a deal's function: where they are, and how they come here.

use crate::{
    overlay::{Address, Overlay, Store},
    planner::Failure,
};
use marketplace::{
    demand::Artifact,
    units::{DealId, Hash},
};
use std::path::PathBuf;
use worker::{Settings, settings::Sealed};

/// Documents that are kept for one deal: each version of its function may have one.
const DOCUMENTS: usize = 16;

/// Which secrets an artifact that is here has. Settings that are wrong are for the worker to refuse.
fn named(store: &Store, artifact: Hash) -> Option<Sealed> {
    Settings::read(&store.path(artifact)).ok()?.secrets
}

/// Where the secrets of an artifact that is here are, or will be; None if it has none.
pub(super) fn path(store: &Store, deal: DealId, artifact: Hash) -> Option<PathBuf> {
    let sealed = named(store, artifact)?;
    Some(store.of(deal).path(Hash(sealed.hash.0)))
}

/// Gets the secrets of an artifact that is here, if it has any and they are not here yet.
pub(super) async fn fetch(
    overlay: &Overlay,
    store: &Store,
    deal: DealId,
    artifact: Hash,
    holders: &[Address],
) -> Result<(), Failure> {
    let Some(sealed) = named(store, artifact) else {
        return Ok(());
    };
    let secrets = Artifact::new(Hash(sealed.hash.0), sealed.size);
    if store.of(deal).path(secrets.hash).exists() {
        return Ok(());
    }
    let opened = store.open_for(deal);
    let store = opened.and_then(|store| store.make_room(DOCUMENTS).map(|()| store));
    let store = store.map_err(|error| {
        tracing::warn!(%error, %deal, "secrets cannot be kept");
        Failure::Trouble
    })?;
    for holder in holders {
        match overlay.fetch(deal, &secrets, holder, &store).await {
            Ok(()) => return Ok(()),
            Err(error) => tracing::info!(%error, %deal, "secrets are not from there"),
        }
    }
    Err(Failure::Trouble)
}
