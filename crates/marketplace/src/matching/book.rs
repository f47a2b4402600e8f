//! The index of supply that clearing searches, derived from rows and never read by anything that writes them
//! but clearing.
//!
//! Offers that have peers stand by their ask, each with its peers by key: read from the front, that is the order in
//! which candidates are tested. What peers can be asked for stands in `claims`.

use super::bits::Slot;
use super::candidate::Candidate;
use super::claims::{Claims, listed, of_datacenter, of_provider};
use crate::attribute::Subject;
use crate::datacenter::{Country, DATACENTERS, Datacenter};
use crate::offer::{OFFERS, Offer};
use crate::peer::{PEERS, Peer, UNITS, Units};
use crate::provider::{PROVIDERS, Provider};
use crate::units::{DatacenterId, Epoch, OfferId, PeerId, Price, ProviderId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Supply by price: candidates (offer, peer).
#[derive(Clone, Debug, Default)]
pub struct Book {
    epoch: Epoch,
    providers: BTreeMap<ProviderId, Provider>,
    datacenters: BTreeMap<DatacenterId, Datacenter>,
    offers: BTreeMap<OfferId, Arc<Offer>>,
    /// Offers whose raise is still to come, by its epoch.
    raises: BTreeSet<(Epoch, OfferId)>,
    slots: BTreeMap<PeerId, Slot>,
    entries: Vec<Entry>,
    /// Slots of peers that are gone.
    free: Vec<Slot>,
    /// Offers that have peers: cheapest, then older.
    standings: BTreeMap<Ask, Standing>,
    pub(super) claims: Claims,
}

/// Where an offer stands.
pub(super) type Ask = (Price, OfferId);

/// A peer.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub(super) id: PeerId,
    /// None: the slot is free.
    pub(super) peer: Option<Peer>,
    pub(super) idle: u16,
    /// Where it is listed.
    listed: Option<Ask>,
}

/// An offer with the peers it has.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) offer: Arc<Offer>,
    pub(super) country: Country,
    /// By key.
    pub(super) members: Vec<Slot>,
}

impl Book {
    /// The index of these rows. Rows of tables that are no supply are passed over.
    pub fn rebuild<'r>(rows: impl IntoIterator<Item = (&'r [u8], &'r [u8])>) -> Self {
        let mut book = Self::default();
        book.apply(rows.into_iter().map(|(key, row)| (key, Some(row))));
        book
    }

    /// Follows the diff of a committed block: whole keys, and new rows or None for those that are gone.
    pub fn apply<'r>(&mut self, diff: impl IntoIterator<Item = (&'r [u8], Option<&'r [u8]>)>) {
        // What peers refer to comes before them, and goes after them.
        let (mut peers, mut closed) = (Vec::new(), Vec::new());
        for (key, row) in diff {
            if let Some(id) = PROVIDERS.decode_key(key) {
                self.set_provider(id, row.and_then(|row| PROVIDERS.decode_row(row)));
            } else if let Some(id) = DATACENTERS.decode_key(key) {
                self.set_datacenter(id, row.and_then(|row| DATACENTERS.decode_row(row)));
            } else if let Some(id) = OFFERS.decode_key(key) {
                match row.and_then(|row| OFFERS.decode_row(row)) {
                    Some(offer) => self.set_offer(id, offer),
                    None => closed.push(id),
                }
            } else if PEERS.decode_key(key).is_some() || UNITS.decode_key(key).is_some() {
                peers.push((key, row));
            }
        }
        for (key, row) in peers {
            if let Some(id) = PEERS.decode_key(key) {
                self.set_peer(id, row.and_then(|row| PEERS.decode_row(row)));
            } else if let Some(id) = UNITS.decode_key(key) {
                let units = row.and_then(|row| UNITS.decode_row(row));
                self.set_idle(id, units.as_ref().map_or(0, Units::idle));
            }
        }
        for id in closed {
            self.forget_offer(id);
        }
    }

    pub(super) fn set_provider(&mut self, id: ProviderId, provider: Option<Provider>) {
        let claimed = |provider: &Provider| (provider.name.clone(), provider.attributes.clone());
        let same = self.providers.get(&id).map(claimed) == provider.as_ref().map(claimed);
        let peers = match same {
            true => Vec::new(),
            false => self.unlist_where(|peer| peer.provider == id),
        };
        match provider {
            Some(provider) => self.providers.insert(id, provider),
            None => self.providers.remove(&id),
        };
        peers.into_iter().for_each(|slot| self.list(slot));
    }

    pub(super) fn set_datacenter(&mut self, id: DatacenterId, datacenter: Option<Datacenter>) {
        if self.datacenters.get(&id) == datacenter.as_ref() {
            return;
        }
        let peers = self.unlist_where(|peer| peer.datacenter == id);
        match datacenter {
            Some(datacenter) => self.datacenters.insert(id, datacenter),
            None => self.datacenters.remove(&id),
        };
        peers.into_iter().for_each(|slot| self.list(slot));
    }

    pub(super) fn set_peer(&mut self, id: PeerId, peer: Option<Peer>) {
        let Some(peer) = peer else {
            return self.forget_peer(id);
        };
        let slot = self.slot(id);
        if self.entry(slot).and_then(|entry| entry.peer.as_ref()) == Some(&peer) {
            return;
        }
        self.unlist(slot);
        if let Some(entry) = self.entry_mut(slot) {
            entry.peer = Some(peer);
        }
        self.list(slot);
    }

    pub(super) fn set_idle(&mut self, id: PeerId, idle: u16) {
        if let Some(slot) = self.slots.get(&id) {
            self.set_idle_at(*slot, idle);
        }
    }

    pub(super) fn set_idle_at(&mut self, slot: Slot, idle: u16) {
        if let Some(entry) = self.entry_mut(slot) {
            entry.idle = idle;
        }
    }

    pub(super) fn set_offer(&mut self, id: OfferId, offer: Offer) {
        let old = self.offers.get(&id).cloned();
        if old.as_deref() == Some(&offer) {
            return;
        }
        if let Some((epoch, _)) = old.as_ref().and_then(|old| old.raise) {
            self.raises.remove(&(epoch, id));
        }
        if let Some((epoch, _)) = offer.raise
            && epoch > self.epoch
        {
            self.raises.insert((epoch, id));
        }
        let claims = |offer: &Offer| offer.terms.attributes.clone();
        let same = old.as_deref().map(claims) == Some(claims(&offer));
        let (from, to) = (old.map(|old| (old.ask(self.epoch), id)), Arc::new(offer));
        if same {
            self.offers.insert(id, to.clone());
            self.restand(from, (to.ask(self.epoch), id), &to);
            return;
        }
        let members = from.and_then(|ask| self.standings.get(&ask));
        let members = members.map_or_else(Vec::new, |standing| standing.members.clone());
        members.iter().for_each(|slot| self.unlist(*slot));
        self.offers.insert(id, to);
        members.into_iter().for_each(|slot| self.list(slot));
    }

    /// Moves an offer with its peers to where it stands now.
    fn restand(&mut self, from: Option<Ask>, to: Ask, offer: &Arc<Offer>) {
        let standing = from.and_then(|from| self.standings.remove(&from));
        let Some(mut standing) = standing else { return };
        standing.offer = Arc::clone(offer);
        for slot in &standing.members {
            let entry = usize::try_from(*slot).ok();
            if let Some(entry) = entry.and_then(|slot| self.entries.get_mut(slot)) {
                entry.listed = Some(to);
            }
        }
        self.standings.insert(to, standing);
    }

    /// An offer is closed only when it has no peers.
    fn forget_offer(&mut self, id: OfferId) {
        if let Some((epoch, _)) = self.offers.remove(&id).and_then(|old| old.raise) {
            self.raises.remove(&(epoch, id));
        }
    }

    fn forget_peer(&mut self, id: PeerId) {
        if let Some(slot) = self.slots.remove(&id) {
            self.unlist(slot);
            if let Some(entry) = self.entry_mut(slot) {
                *entry = Entry::default();
            }
            self.free.push(slot);
        }
    }

    /// Enters an epoch: raises that begin with it take effect.
    pub(super) fn enter(&mut self, epoch: Epoch) {
        let before = std::mem::replace(&mut self.epoch, epoch);
        while let Some((from, id)) = self.raises.first().copied() {
            if from > epoch {
                break;
            }
            self.raises.remove(&(from, id));
            if let Some(offer) = self.offers.get(&id).cloned() {
                let (from, to) = ((offer.ask(before), id), (offer.ask(epoch), id));
                self.restand(Some(from), to, &offer);
            }
        }
    }

    fn slot(&mut self, id: PeerId) -> Slot {
        if let Some(slot) = self.slots.get(&id) {
            return *slot;
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry::default());
            Slot::try_from(self.entries.len().saturating_sub(1)).unwrap_or(Slot::MAX)
        });
        if let Some(entry) = self.entry_mut(slot) {
            entry.id = id;
        }
        self.slots.insert(id, slot);
        slot
    }

    pub(super) fn entry(&self, slot: Slot) -> Option<&Entry> {
        self.entries.get(usize::try_from(slot).ok()?)
    }

    fn entry_mut(&mut self, slot: Slot) -> Option<&mut Entry> {
        self.entries.get_mut(usize::try_from(slot).ok()?)
    }

    /// Takes all peers of which that is true out of the lists, and gives them.
    fn unlist_where(&mut self, of: impl Fn(&Peer) -> bool) -> Vec<Slot> {
        let all = self.slots.values().copied();
        let of = |slot: &Slot| {
            let peer = self.entry(*slot).and_then(|entry| entry.peer.as_ref());
            peer.is_some_and(&of)
        };
        let slots: Vec<_> = all.filter(of).collect();
        slots.iter().for_each(|slot| self.unlist(*slot));
        slots
    }

    fn list(&mut self, slot: Slot) {
        let listed_at = self.stand(slot);
        if let Some(entry) = self.entry_mut(slot) {
            entry.listed = listed_at;
        }
    }

    /// Puts a peer among those of its offer. None: it has none.
    fn stand(&mut self, slot: Slot) -> Option<Ask> {
        let Self {
            entries, claims, ..
        } = self;
        let entry_of = |slot: Slot| entries.get(usize::try_from(slot).ok()?);
        let entry = entry_of(slot)?;
        let peer = entry.peer.as_ref()?;
        let id = peer.offer?;
        let offer = self.offers.get(&id)?;
        let provider = self.providers.get(&peer.provider)?;
        let place = self.datacenters.get(&peer.datacenter)?;
        claims.add(slot, Subject::Peer, listed(&peer.attributes));
        claims.add(slot, Subject::Offer, listed(&offer.terms.attributes));
        claims.add(slot, Subject::Datacenter, of_datacenter(place));
        claims.add(slot, Subject::Provider, of_provider(provider));
        let ask = (offer.ask(self.epoch), id);
        let standing = self.standings.entry(ask).or_insert_with(|| Standing {
            offer: Arc::clone(offer),
            country: place.country,
            members: Vec::new(),
        });
        let before = |other: &Slot| entry_of(*other).is_some_and(|other| other.id < entry.id);
        let place = standing.members.partition_point(before);
        standing.members.insert(place, slot);
        Some(ask)
    }

    fn unlist(&mut self, slot: Slot) {
        let Some(entry) = self.entry_mut(slot) else {
            return;
        };
        let Some(ask) = entry.listed.take() else {
            return;
        };
        if let Some(standing) = self.standings.get_mut(&ask) {
            standing.members.retain(|other| *other != slot);
            if standing.members.is_empty() {
                self.standings.remove(&ask);
            }
        }
        let Some(peer) = self.entry(slot).and_then(|entry| entry.peer.clone()) else {
            return;
        };
        self.claims
            .remove(slot, Subject::Peer, listed(&peer.attributes));
        if let Some(offer) = self.offers.get(&ask.1) {
            let claims = listed(&offer.terms.attributes);
            self.claims.remove(slot, Subject::Offer, claims);
        }
        if let Some(place) = self.datacenters.get(&peer.datacenter) {
            let claims = of_datacenter(place);
            self.claims.remove(slot, Subject::Datacenter, claims);
        }
        if let Some(provider) = self.providers.get(&peer.provider) {
            let claims = of_provider(provider);
            self.claims.remove(slot, Subject::Provider, claims);
        }
    }

    /// Offers with peers, in the order in which clearing tests them.
    pub(super) fn standings(&self) -> impl Iterator<Item = (Ask, &Standing)> {
        self.standings
            .iter()
            .map(|(ask, standing)| (*ask, standing))
    }

    /// Where clearing keeps a peer.
    pub(super) fn slot_of(&self, id: PeerId) -> Option<Slot> {
        self.slots.get(&id).copied()
    }

    /// The datacenter a peer stands in.
    pub(super) fn place(&self, id: PeerId) -> Option<(DatacenterId, Country)> {
        let peer = self.entry(self.slot_of(id)?)?.peer.as_ref()?;
        Some((
            peer.datacenter,
            self.datacenters.get(&peer.datacenter)?.country,
        ))
    }

    /// A peer in an offer, with all that demands look at.
    pub(super) fn candidate(&self, id: PeerId) -> Option<Candidate<'_>> {
        let entry = self.entry(self.slot_of(id)?)?;
        let (ask, peer) = (entry.listed?, entry.peer.as_ref()?);
        Some(Candidate {
            entry,
            peer,
            ask: ask.0,
            offer: &self.standings.get(&ask)?.offer,
            datacenter: self.datacenters.get(&peer.datacenter)?,
            provider: self.providers.get(&peer.provider)?,
        })
    }
}
