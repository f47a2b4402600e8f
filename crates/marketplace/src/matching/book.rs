//! The index of supply that clearing searches, derived from rows and never read by anything that writes them
//! but clearing.
//!
//! What an offer asks is read once, when a block is committed: the next clears at that. Offers that have peers stand by
//! their ask, each with its peers by key: read from the front, that is the order in
//! which candidates are tested. What peers can be asked for stands in `claims`.

use super::bits::Slot;
use super::candidate::Candidate;
use super::claims::{Claims, listed, of_datacenter, of_provider};
use crate::attribute::Subject;
use crate::commitment::{PLEDGES, Pledge};
use crate::datacenter::{Country, DATACENTERS, Datacenter};
use crate::offer::{OFFERS, Offer};
use crate::params::PARAMS;
use crate::peer::{PEERS, Peer, UNITS, Units};
use crate::provider::{PROVIDERS, Provider};
use crate::time::CLOCK;
use crate::units::{DatacenterId, Epoch, OfferId, PeerId, Price, ProviderId, Seconds};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Supply by price: candidates (offer, peer).
#[derive(Clone, Debug, Default)]
pub struct Book {
    epoch: Epoch,
    epoch_length: Seconds,
    providers: BTreeMap<ProviderId, Provider>,
    datacenters: BTreeMap<DatacenterId, Datacenter>,
    offers: BTreeMap<OfferId, Listing>,
    /// Offers of which more or fewer units serve than when their ask was read.
    moved: BTreeSet<OfferId>,
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

/// An offer.
#[derive(Clone, Debug)]
struct Listing {
    offer: Arc<Offer>,
    ask: Price,
    /// Units of its peers: those that serve, and all. At first when its ask was read, then as they are.
    read: (u32, u32),
    counted: (u32, u32),
}

/// A peer.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub(super) id: PeerId,
    /// None: the slot is free.
    pub(super) peer: Option<Peer>,
    /// Units that may be matched.
    pub(super) open: u16,
    serving: u16,
    registered: u16,
    units: Units,
    /// Where it stands with its commitments.
    pub(super) pledge: Option<Pledge>,
    /// Where it is listed.
    listed: Option<Ask>,
}

impl Entry {
    fn recount(&mut self) {
        let open = self.units.matchable(self.pledge.as_ref());
        self.open = u16::try_from(open.len()).unwrap_or(u16::MAX);
        self.registered = self.units.registered();
        self.serving = self.units.serving();
    }
}

/// An offer with the peers it has.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) offer: Arc<Offer>,
    pub(super) country: Country,
    /// By key.
    pub(super) members: Vec<Slot>,
}

/// Whether a row says something of a peer.
fn of_peers(key: &[u8]) -> bool {
    let peer = PEERS.decode_key(key).or_else(|| UNITS.decode_key(key));
    peer.or_else(|| PLEDGES.decode_key(key)).is_some()
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
        let (mut peers, mut closed, mut now) = (Vec::new(), Vec::new(), None);
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
            } else if of_peers(key) {
                peers.push((key, row));
            } else if let Some(()) = PARAMS.decode_key(key) {
                let params = row.and_then(|row| PARAMS.decode_row(row));
                self.epoch_length = params.unwrap_or_default().epoch();
            } else if let Some(()) = CLOCK.decode_key(key) {
                let clock = row.and_then(|row| CLOCK.decode_row(row));
                now = clock.map(|clock| clock.now);
            }
        }
        for (key, row) in peers {
            if let Some(id) = PEERS.decode_key(key) {
                self.set_peer(id, row.and_then(|row| PEERS.decode_row(row)));
            } else if let Some(id) = UNITS.decode_key(key) {
                let units = row.and_then(|row| UNITS.decode_row(row));
                self.set_units(id, &units.unwrap_or_default());
            } else if let Some(id) = PLEDGES.decode_key(key) {
                self.set_pledge(id, row.and_then(|row| PLEDGES.decode_row(row)));
            }
        }
        for id in closed {
            self.forget_offer(id);
        }
        if let Some(now) = now {
            self.enter(now.epoch(self.epoch_length));
        }
        self.read_asks();
    }

    /// Reads what offers ask from now on, where that follows from how many of their units serve.
    fn read_asks(&mut self) {
        for id in std::mem::take(&mut self.moved) {
            if let Some(listing) = self.offers.get_mut(&id) {
                listing.read = listing.counted;
                self.restand(id);
            }
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

    pub(super) fn set_units(&mut self, id: PeerId, units: &Units) {
        let Some(slot) = self.slots.get(&id).copied() else {
            return;
        };
        self.count(slot, false);
        if let Some(entry) = self.entry_mut(slot) {
            entry.units.clone_from(units);
            entry.recount();
        }
        self.count(slot, true);
    }

    pub(super) fn set_pledge(&mut self, id: PeerId, pledge: Option<Pledge>) {
        let Some(slot) = self.slots.get(&id).copied() else {
            return;
        };
        if let Some(entry) = self.entry_mut(slot) {
            entry.pledge = pledge;
            entry.recount();
        }
    }

    /// Counts the units of a peer among those of the offer where it is listed, or no longer.
    fn count(&mut self, slot: Slot, among: bool) {
        let Some(entry) = self.entry(slot) else {
            return;
        };
        let Some((_, id)) = entry.listed else { return };
        let units = (entry.serving.into(), entry.registered.into());
        let Some(listing) = self.offers.get_mut(&id) else {
            return;
        };
        let count = match among {
            true => u32::saturating_add,
            false => u32::saturating_sub,
        };
        let (serving, registered) = listing.counted;
        listing.counted = (count(serving, units.0), count(registered, units.1));
        if listing.counted != listing.read {
            self.moved.insert(id);
        }
    }

    pub(super) fn set_offer(&mut self, id: OfferId, offer: Offer) {
        let old = self.offers.get(&id);
        if old.is_some_and(|old| *old.offer == offer) {
            return;
        }
        if let Some((epoch, _)) = old.and_then(|old| old.offer.raise) {
            self.raises.remove(&(epoch, id));
        }
        if let Some((epoch, _)) = offer.raise
            && epoch > self.epoch
        {
            self.raises.insert((epoch, id));
        }
        let offer = Arc::new(offer);
        let Some(listing) = self.offers.get_mut(&id) else {
            // Before its first block is committed none of its units serve.
            let listing = Listing {
                ask: offer.ask(self.epoch, 0, 0),
                offer,
                read: (0, 0),
                counted: (0, 0),
            };
            self.offers.insert(id, listing);
            return;
        };
        if listing.offer.terms.attributes == offer.terms.attributes {
            listing.offer = offer;
            return self.restand(id);
        }
        let standing = self.standings.get(&(listing.ask, id));
        let members = standing.map_or_else(Vec::new, |standing| standing.members.clone());
        members.iter().for_each(|slot| self.unlist(*slot));
        if let Some(listing) = self.offers.get_mut(&id) {
            listing.offer = offer;
        }
        self.restand(id);
        members.into_iter().for_each(|slot| self.list(slot));
    }

    /// Moves an offer with its peers to where it stands now.
    fn restand(&mut self, id: OfferId) {
        let Some(listing) = self.offers.get_mut(&id) else {
            return;
        };
        let (serving, registered) = listing.read;
        let from = (listing.ask, id);
        listing.ask = listing.offer.ask(self.epoch, serving, registered);
        let to = (listing.ask, id);
        let Some(mut standing) = self.standings.remove(&from) else {
            return;
        };
        standing.offer = Arc::clone(&listing.offer);
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
        let old = self.offers.remove(&id);
        if let Some((epoch, _)) = old.and_then(|old| old.offer.raise) {
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
        self.epoch = epoch;
        while let Some((from, id)) = self.raises.first().copied() {
            if from > epoch {
                break;
            }
            self.raises.remove(&(from, id));
            self.restand(id);
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
        self.count(slot, true);
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
        let Listing { offer, ask, .. } = self.offers.get(&id)?;
        let provider = self.providers.get(&peer.provider)?;
        let place = self.datacenters.get(&peer.datacenter)?;
        claims.add(slot, Subject::Peer, listed(&peer.attributes));
        claims.add(slot, Subject::Offer, listed(&offer.terms.attributes));
        claims.add(slot, Subject::Datacenter, of_datacenter(place));
        claims.add(slot, Subject::Provider, of_provider(provider));
        let ask = (*ask, id);
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
        self.count(slot, false);
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
        if let Some(listing) = self.offers.get(&ask.1) {
            let claims = listed(&listing.offer.terms.attributes);
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

    /// The newest protocol versions that peers speak.
    pub(super) fn versions(&self) -> impl Iterator<Item = u32> {
        let peers = self.entries.iter().filter_map(|entry| entry.peer.as_ref());
        peers.map(|peer| peer.newest_version)
    }

    /// Whether governance admitted a provider.
    pub(super) fn is_admitted(&self, id: ProviderId) -> bool {
        let provider = self.providers.get(&id);
        provider.is_some_and(|provider| provider.admitted)
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
