//! The index of supply that clearing searches, derived from rows and never read by anything that writes them
//! but clearing.

use super::candidate::Candidate;
use crate::datacenter::{DATACENTERS, Datacenter};
use crate::offer::{OFFERS, Offer};
use crate::peer::{PEERS, Peer, UNITS, Units};
use crate::provider::{PROVIDERS, Provider};
use crate::units::{DatacenterId, Epoch, OfferId, PeerId, Price, ProviderId};
use std::collections::{BTreeMap, BTreeSet};

/// Supply by price: candidates (offer, peer) with idle units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    epoch: Epoch,
    providers: BTreeMap<ProviderId, Provider>,
    datacenters: BTreeMap<DatacenterId, Datacenter>,
    offers: BTreeMap<OfferId, Offer>,
    peers: BTreeMap<PeerId, Peer>,
    /// Idle units of each peer that has some.
    idle: BTreeMap<PeerId, u16>,
    /// Peers of each offer, as their rows say.
    members: BTreeMap<OfferId, BTreeSet<PeerId>>,
    /// Offers whose raise is still to come, by its epoch.
    raises: BTreeSet<(Epoch, OfferId)>,
    /// Peers with idle units: cheapest, then older offer, then lower key.
    by_ask: BTreeSet<(Price, OfferId, PeerId)>,
}

impl Book {
    /// The index of these rows. Rows of tables that are no supply are passed over.
    pub fn rebuild<'r>(rows: impl IntoIterator<Item = (&'r [u8], &'r [u8])>) -> Self {
        let mut book = Self::default();
        for (key, row) in rows {
            book.set(key, Some(row));
        }
        book
    }

    /// Follows the diff of a committed block: whole keys, and new rows or None for those that are gone.
    pub fn apply<'r>(&mut self, diff: impl IntoIterator<Item = (&'r [u8], Option<&'r [u8]>)>) {
        for (key, row) in diff {
            self.set(key, row);
        }
    }

    fn set(&mut self, key: &[u8], row: Option<&[u8]>) {
        if let Some(id) = PROVIDERS.decode_key(key) {
            self.set_provider(id, row.and_then(|row| PROVIDERS.decode_row(row)));
        } else if let Some(id) = DATACENTERS.decode_key(key) {
            self.set_datacenter(id, row.and_then(|row| DATACENTERS.decode_row(row)));
        } else if let Some(id) = PEERS.decode_key(key) {
            self.set_peer(id, row.and_then(|row| PEERS.decode_row(row)));
        } else if let Some(id) = UNITS.decode_key(key) {
            let units = row.and_then(|row| UNITS.decode_row(row));
            self.set_idle(id, units.as_ref().map_or(0, Units::idle));
        } else if let Some(id) = OFFERS.decode_key(key) {
            self.set_offer(id, row.and_then(|row| OFFERS.decode_row(row)));
        }
    }

    pub(super) fn set_provider(&mut self, id: ProviderId, provider: Option<Provider>) {
        match provider {
            Some(provider) => self.providers.insert(id, provider),
            None => self.providers.remove(&id),
        };
    }

    pub(super) fn set_datacenter(&mut self, id: DatacenterId, datacenter: Option<Datacenter>) {
        match datacenter {
            Some(datacenter) => self.datacenters.insert(id, datacenter),
            None => self.datacenters.remove(&id),
        };
    }

    pub(super) fn set_peer(&mut self, id: PeerId, peer: Option<Peer>) {
        self.unlist(id);
        if let Some(offer) = self.peers.remove(&id).and_then(|old| old.offer) {
            let members = self.members.entry(offer).or_default();
            members.remove(&id);
            if members.is_empty() {
                self.members.remove(&offer);
            }
        }
        let Some(peer) = peer else { return };
        if let Some(offer) = peer.offer {
            self.members.entry(offer).or_default().insert(id);
        }
        self.peers.insert(id, peer);
        self.list(id);
    }

    pub(super) fn set_idle(&mut self, id: PeerId, idle: u16) {
        self.unlist(id);
        match idle {
            0 => self.idle.remove(&id),
            idle => self.idle.insert(id, idle),
        };
        self.list(id);
    }

    pub(super) fn set_offer(&mut self, id: OfferId, offer: Option<Offer>) {
        if self.offers.get(&id) == offer.as_ref() {
            return;
        }
        let members = self.members.get(&id).cloned().unwrap_or_default();
        for peer in &members {
            self.unlist(*peer);
        }
        if let Some((epoch, _)) = self.offers.remove(&id).and_then(|old| old.raise) {
            self.raises.remove(&(epoch, id));
        }
        let Some(offer) = offer else { return };
        if let Some((epoch, _)) = offer.raise
            && epoch > self.epoch
        {
            self.raises.insert((epoch, id));
        }
        self.offers.insert(id, offer);
        for peer in members {
            self.list(peer);
        }
    }

    /// Enters an epoch: raises that begin with it take effect.
    pub(super) fn enter(&mut self, epoch: Epoch) {
        while let Some((from, id)) = self.raises.first().copied() {
            if from > epoch {
                break;
            }
            self.raises.remove(&(from, id));
            let members = self.members.get(&id).cloned().unwrap_or_default();
            for peer in &members {
                self.unlist(*peer);
            }
            let old = std::mem::replace(&mut self.epoch, epoch);
            for peer in members {
                self.list(peer);
            }
            self.epoch = old;
        }
        self.epoch = epoch;
    }

    fn entry(&self, id: PeerId) -> Option<(Price, OfferId, PeerId)> {
        let offer = self.peers.get(&id)?.offer?;
        Some((self.offers.get(&offer)?.ask(self.epoch), offer, id))
    }

    fn list(&mut self, id: PeerId) {
        if let (true, Some(entry)) = (self.idle.contains_key(&id), self.entry(id)) {
            self.by_ask.insert(entry);
        }
    }

    fn unlist(&mut self, id: PeerId) {
        if let Some(entry) = self.entry(id) {
            self.by_ask.remove(&entry);
        }
    }

    /// Peers with idle units at most so dear, in the order in which clearing tests them.
    pub(super) fn cheapest(&self, limit: Price) -> impl Iterator<Item = Candidate<'_>> {
        let entries = self
            .by_ask
            .iter()
            .take_while(move |(ask, ..)| *ask <= limit);
        entries.filter_map(|(.., peer)| self.candidate(*peer))
    }

    /// Whether some peer with idle units is dearer than that.
    pub(super) fn dearer(&self, limit: Price) -> bool {
        self.by_ask.last().is_some_and(|(ask, ..)| *ask > limit)
    }

    /// A peer in an offer, with all that demands look at.
    pub(super) fn candidate(&self, id: PeerId) -> Option<Candidate<'_>> {
        let peer = self.peers.get(&id)?;
        let offer_id = peer.offer?;
        let offer = self.offers.get(&offer_id)?;
        Some(Candidate {
            id,
            peer,
            idle: self.idle.get(&id).copied().unwrap_or(0),
            offer_id,
            offer,
            ask: offer.ask(self.epoch),
            datacenter: self.datacenters.get(&peer.datacenter)?,
            provider: self.providers.get(&peer.provider)?,
        })
    }
}
