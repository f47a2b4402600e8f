//! Offers: a provider's willingness to accept, for peers of one datacenter.
//!
//! Promises (`docs/spec/supply.md`):
//! - S7: a raise of the price or of its slope takes effect at the next epoch, a cut at once; workers keep their price.
//! - S8: a demand is matched only if the offer's terms allow it.
//! - S9: an expired offer, and a peer taken out of its offer, get no new workers; those they have stay.
//! - S11: the ask rises with the part of the offer's units that serve, and is the same all through a block.
//! - S12: new terms bind new workers only.

use crate::attribute::{Attribute, check_all};
use crate::call::Reply;
use crate::cx::Cx;
use crate::demand::Pricing;
use crate::limits::{
    MAX_DEVELOPERS, MAX_DURATION, MAX_PEERS_PER_CALL, MAX_PEERS_PER_OFFER, MAX_PRICE, MAX_PRICINGS,
};
use crate::matching::queue;
use crate::peer::{self, PEERS, Peer};
use crate::refusal::{Error, Object, Refusal, ensure, long, within};
use crate::store::Store;
use crate::table::Table;
use crate::units::{
    Address, DatacenterId, Epoch, Flt, OfferId, PeerId, Price, ProviderId, Seconds, Time,
};
use crate::{datacenter, deposit, provider, time};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeSet;

/// What an offer asks per unit and epoch, by how many of its units serve.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Curve {
    /// While none serves; above zero.
    pub floor: Price,
    /// What is asked beyond the floor when all serve. Zero: the floor is always asked.
    pub slope: Price,
}

/// What an offer accepts.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How it may be paid for, each once; [`Pricing::Request`] is not supported yet.
    pub pricing: Vec<Pricing>,
    /// The only developers it serves, at most 64; empty: all.
    pub allowed: Vec<Address>,
    /// Developers it does not serve, at most 64.
    pub denied: Vec<Address>,
    /// Shortest duration of a deal; a deal without an end is longer than any.
    pub min_duration: Seconds,
    /// Longest duration of a deal; None: any, also without an end.
    pub max_duration: Option<Seconds>,
    /// Most units in one deal; None: any.
    pub max_units_per_deal: Option<u32>,
    /// Notice that the provider gives before it leaves a deal.
    pub notice: Seconds,
    /// Longest hold of a deal that it accepts.
    pub max_hold: Seconds,
    /// Until when it stands; None: until it is closed.
    pub valid_until: Option<Time>,
    /// Claims about it.
    pub attributes: Vec<Attribute>,
}

/// An offer.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Whose.
    pub provider: ProviderId,
    /// Where its peers stand.
    pub datacenter: DatacenterId,
    /// Curve in force; see [`Offer::ask`].
    pub curve: Curve,
    /// A raise of floor or slope, and the epoch from which it holds.
    pub raise: Option<(Epoch, Curve)>,
    /// What it accepts.
    pub terms: Terms,
    /// How many peers it has.
    pub peers: u16,
    /// Its storage deposit.
    pub deposit: Flt,
}

impl Curve {
    /// The same price however many serve.
    #[must_use]
    pub const fn flat(floor: Price) -> Self {
        let slope = Price::ZERO;
        Self { floor, slope }
    }

    /// What is asked while `serving` of `registered` units serve: `floor + slope × serving / registered`, rounded
    /// down. (S11)
    #[must_use]
    pub fn ask(self, serving: u32, registered: u32) -> Price {
        let serving = serving.min(registered);
        let risen = self.slope.0.saturating_mul(serving.into());
        let risen = risen.checked_div(registered.into()).unwrap_or(0);
        Price(self.floor.0.saturating_add(risen))
    }

    /// The lower floor and the lower slope of both: dearer than neither, however many serve.
    fn least(self, other: Self) -> Self {
        Self {
            floor: self.floor.min(other.floor),
            slope: self.slope.min(other.slope),
        }
    }

    fn check(self) -> Result<(), Error> {
        within("price", self.floor.0, 1, MAX_PRICE.0)?;
        let room = MAX_PRICE.0.saturating_sub(self.floor.0);
        within("slope", self.slope.0, 0, room)
    }
}

impl Offer {
    /// The curve in force in `epoch`.
    #[must_use]
    pub fn curve(&self, epoch: Epoch) -> Curve {
        match self.raise {
            Some((from, curve)) if from <= epoch => curve,
            _ => self.curve,
        }
    }

    /// The price asked in `epoch`, while `serving` of the `registered` units of its peers serve.
    #[must_use]
    pub fn ask(&self, epoch: Epoch, serving: u32, registered: u32) -> Price {
        self.curve(epoch).ask(serving, registered)
    }
}

/// Offers by id.
pub const OFFERS: Table<OfferId, Offer> = Table::new(0x15, "offers");
/// Peers of an offer.
pub const OFFER_PEERS: Table<(OfferId, PeerId), ()> = Table::new(0x16, "offer_peers");
const COUNTER: u8 = 2;

/// Calls about offers, made by the provider's owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Makes an offer.
    Post {
        /// Where its peers stand; names the provider too.
        datacenter: DatacenterId,
        /// What it asks.
        curve: Curve,
        /// What it accepts.
        terms: Terms,
        /// Its peers, at most 64; more can be added.
        peers: Vec<PeerId>,
    },
    /// Asks another price: floor and slope rise from the next epoch on, and fall at once.
    SetPrice {
        /// Which.
        offer: OfferId,
        /// What it asks.
        curve: Curve,
    },
    /// Accepts something else from now on; its workers keep what they were assigned under.
    SetTerms {
        /// Which.
        offer: OfferId,
        /// All that it accepts.
        terms: Terms,
    },
    /// Adds a peer of its datacenter that stands in no offer.
    AddPeer {
        /// Which.
        offer: OfferId,
        /// The peer.
        peer: PeerId,
    },
    /// Takes a peer out; its workers stay.
    RemovePeer {
        /// Which.
        offer: OfferId,
        /// The peer.
        peer: PeerId,
    },
    /// Ends an offer without peers.
    Close {
        /// Which.
        offer: OfferId,
    },
}

/// What happens to offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// There is a new offer.
    Posted {
        /// Its id.
        offer: OfferId,
        /// Whose.
        provider: ProviderId,
        /// Where.
        datacenter: DatacenterId,
        /// What it asks.
        curve: Curve,
    },
    /// It asks another price.
    PriceSet {
        /// Which.
        offer: OfferId,
        /// What it asks.
        curve: Curve,
        /// From this epoch on.
        from: Epoch,
    },
    /// It accepts something else.
    TermsSet {
        /// Which.
        offer: OfferId,
    },
    /// It has one more peer.
    PeerAdded {
        /// Which.
        offer: OfferId,
        /// The peer.
        peer: PeerId,
    },
    /// It has one peer less.
    PeerRemoved {
        /// Which.
        offer: OfferId,
        /// The peer.
        peer: PeerId,
    },
    /// It is gone.
    Closed {
        /// Which.
        offer: OfferId,
    },
}

/// One handler for each call.
pub(crate) fn apply<S: Store>(cx: &mut Cx<'_, S>, call: Call) -> Result<Reply, Error> {
    match call {
        Call::Post {
            datacenter,
            curve,
            terms,
            peers,
        } => {
            return post(cx, datacenter, curve, terms, &peers);
        }
        Call::SetPrice { offer, curve } => set_price(cx, offer, curve),
        Call::SetTerms { offer, terms } => set_terms(cx, offer, terms),
        Call::AddPeer { offer, peer } => add_peer(cx, offer, peer),
        Call::RemovePeer { offer, peer } => remove_peer(cx, offer, peer),
        Call::Close { offer } => close(cx, offer),
    }?;
    Ok(Reply::Done)
}

fn post<S: Store>(
    cx: &mut Cx<'_, S>,
    datacenter: DatacenterId,
    curve: Curve,
    terms: Terms,
    peers: &[PeerId],
) -> Result<Reply, Error> {
    let place = datacenter::get(cx.store, datacenter)?;
    let place = place.ok_or(Refusal::Unknown(Object::Datacenter(datacenter)))?;
    let provider = place.provider;
    provider::owned(cx, provider)?;
    curve.check()?;
    terms.check()?;
    long("peers in one call", peers.len(), 0, MAX_PEERS_PER_CALL)?;
    each_once(peers, "peers: each once")?;
    let mut joining = Vec::new();
    for id in peers {
        joining.push((*id, joinable(cx, *id, datacenter)?));
    }

    let id = OfferId(time::next_id(cx.store, COUNTER)?);
    let mut offer = Offer {
        provider,
        datacenter,
        curve,
        raise: None,
        terms,
        peers: 0,
        deposit: cx.params.deposit(1),
    };
    datacenter::count(cx.store, datacenter, true)?;
    cx.emit(Event::Posted {
        offer: id,
        provider,
        datacenter,
        curve,
    });
    for (peer_id, peer) in joining {
        join(cx, id, &mut offer, peer_id, peer)?;
    }
    OFFERS.put(cx.store, &id, &offer)?;
    Ok(Reply::Offer(id))
}

fn each_once<T: Ord>(list: &[T], what: &'static str) -> Result<(), Error> {
    let distinct: BTreeSet<_> = list.iter().collect();
    ensure(distinct.len() == list.len(), Refusal::Malformed { what })
}

impl Terms {
    /// Any deal that is paid by time and has no hold, until the offer is closed.
    #[must_use]
    pub fn any() -> Self {
        Self {
            pricing: vec![Pricing::Epoch],
            allowed: Vec::new(),
            denied: Vec::new(),
            min_duration: Seconds(0),
            max_duration: None,
            max_units_per_deal: None,
            notice: Seconds(0),
            max_hold: Seconds(0),
            valid_until: None,
            attributes: Vec::new(),
        }
    }

    /// Whether it serves this developer. (S8)
    #[must_use]
    pub fn serves(&self, developer: Address) -> bool {
        let allowed = self.allowed.is_empty() || self.allowed.contains(&developer);
        allowed && !self.denied.contains(&developer)
    }

    fn check(&self) -> Result<(), Error> {
        long("accepted pricing", self.pricing.len(), 1, MAX_PRICINGS)?;
        let what = "request pricing";
        let epoch = self.pricing.iter().all(|each| *each == Pricing::Epoch);
        ensure(epoch, Refusal::NotYet { what })?;
        each_once(&self.pricing, "accepted pricing: each once")?;
        long("allowed developers", self.allowed.len(), 0, MAX_DEVELOPERS)?;
        each_once(&self.allowed, "allowed developers: each once")?;
        long("denied developers", self.denied.len(), 0, MAX_DEVELOPERS)?;
        each_once(&self.denied, "denied developers: each once")?;
        let longest = self.max_duration.map_or(MAX_DURATION, |longest| longest.0);
        within("longest duration", longest.into(), 1, MAX_DURATION.into())?;
        within(
            "shortest duration",
            self.min_duration.0.into(),
            0,
            longest.into(),
        )?;
        let units = self.max_units_per_deal.unwrap_or(1);
        within("units per deal", units.into(), 1, u32::MAX.into())?;
        within("notice", self.notice.0.into(), 0, MAX_DURATION.into())?;
        within(
            "longest hold",
            self.max_hold.0.into(),
            0,
            MAX_DURATION.into(),
        )?;
        check_all(&self.attributes)
    }
}

/// The peer, if the caller may put it into an offer at this datacenter. (S4)
fn joinable<S: Store>(
    cx: &mut Cx<'_, S>,
    id: PeerId,
    datacenter: DatacenterId,
) -> Result<Peer, Error> {
    let peer = peer::owned(cx, id)?;
    ensure(peer.datacenter == datacenter, Refusal::OtherDatacenter(id))?;
    if let Some(offer) = peer.offer {
        return Err(Refusal::PeerInOffer { peer: id, offer }.into());
    }
    Ok(peer)
}

fn join<S: Store>(
    cx: &mut Cx<'_, S>,
    id: OfferId,
    offer: &mut Offer,
    peer_id: PeerId,
    mut peer: Peer,
) -> Result<(), Error> {
    peer.offer = Some(id);
    offer.peers = offer.peers.saturating_add(1);
    PEERS.put(cx.store, &peer_id, &peer)?;
    OFFER_PEERS.put(cx.store, &(id, peer_id), &())?;
    cx.emit(Event::PeerAdded {
        offer: id,
        peer: peer_id,
    });
    queue::supply_changed(cx, peer_id)
}

fn set_price<S: Store>(cx: &mut Cx<'_, S>, id: OfferId, curve: Curve) -> Result<(), Error> {
    let mut offer = owned(cx, id)?;
    curve.check()?;
    let epoch = cx.epoch();
    let asked = offer.curve(epoch);
    offer.curve = asked.least(curve);
    offer.raise = (offer.curve != curve).then_some((epoch.plus(1), curve));
    OFFERS.put(cx.store, &id, &offer)?;
    if offer.raise.is_none() || offer.curve != asked {
        cx.emit(Event::PriceSet {
            offer: id,
            curve: offer.curve,
            from: epoch,
        });
    }
    if let Some((from, curve)) = offer.raise {
        cx.emit(Event::PriceSet {
            offer: id,
            curve,
            from,
        });
    }
    changed(cx, id)
}

fn set_terms<S: Store>(cx: &mut Cx<'_, S>, id: OfferId, terms: Terms) -> Result<(), Error> {
    let mut offer = owned(cx, id)?;
    terms.check()?;
    offer.terms = terms;
    OFFERS.put(cx.store, &id, &offer)?;
    cx.emit(Event::TermsSet { offer: id });
    changed(cx, id)
}

/// Shows all peers of an offer to the demands that sleep.
fn changed<S: Store>(cx: &mut Cx<'_, S>, id: OfferId) -> Result<(), Error> {
    for ((_, peer), ()) in OFFER_PEERS.list(cx.store, &id, None, MAX_PEERS_PER_OFFER.into())? {
        queue::supply_changed(cx, peer)?;
    }
    Ok(())
}

fn add_peer<S: Store>(cx: &mut Cx<'_, S>, id: OfferId, peer_id: PeerId) -> Result<(), Error> {
    let mut offer = owned(cx, id)?;
    let most = MAX_PEERS_PER_OFFER.saturating_sub(1);
    within("peers of an offer", offer.peers.into(), 0, most.into())?;
    let peer = joinable(cx, peer_id, offer.datacenter)?;
    join(cx, id, &mut offer, peer_id, peer)?;
    OFFERS.put(cx.store, &id, &offer)
}

fn remove_peer<S: Store>(cx: &mut Cx<'_, S>, id: OfferId, peer_id: PeerId) -> Result<(), Error> {
    let mut offer = owned(cx, id)?;
    let mut peer = peer::owned(cx, peer_id)?;
    ensure(peer.offer == Some(id), Refusal::PeerNotInOffer(peer_id))?;
    peer.offer = None;
    offer.peers = offer.peers.saturating_sub(1);
    PEERS.put(cx.store, &peer_id, &peer)?;
    OFFERS.put(cx.store, &id, &offer)?;
    OFFER_PEERS.delete(cx.store, &(id, peer_id))?;
    cx.emit(Event::PeerRemoved {
        offer: id,
        peer: peer_id,
    });
    queue::supply_changed(cx, peer_id)
}

fn close<S: Store>(cx: &mut Cx<'_, S>, id: OfferId) -> Result<(), Error> {
    let offer = owned(cx, id)?;
    let state = "with peers";
    ensure(
        offer.peers == 0,
        Refusal::WrongState {
            object: Object::Offer(id),
            state,
        },
    )?;
    OFFERS.delete(cx.store, &id)?;
    datacenter::count(cx.store, offer.datacenter, false)?;
    cx.emit(Event::Closed { offer: id });
    // Only the owner closes it.
    deposit::give_back(cx, cx.caller(), offer.deposit)
}

fn owned<S: Store>(cx: &mut Cx<'_, S>, id: OfferId) -> Result<Offer, Error> {
    let offer = get(cx.store, id)?.ok_or(Refusal::Unknown(Object::Offer(id)))?;
    provider::owned(cx, offer.provider)?;
    Ok(offer)
}

/// The offer with this id.
///
/// # Errors
/// Out of work.
pub fn get<S: Store>(store: &mut S, id: OfferId) -> Result<Option<Offer>, Error> {
    OFFERS.get(store, &id)
}

/// Offers after `after`, by id; at most `limit` and never more than a page.
///
/// # Errors
/// Out of work.
pub fn list<S: Store>(
    store: &mut S,
    after: Option<OfferId>,
    limit: usize,
) -> Result<Vec<(OfferId, Offer)>, Error> {
    OFFERS.page(store, &(), after.as_ref(), limit)
}

/// Peers of an offer after `after`, by key; at most `limit` and never more than a page.
///
/// # Errors
/// Out of work.
pub fn peers<S: Store>(
    store: &mut S,
    offer: OfferId,
    after: Option<PeerId>,
    limit: usize,
) -> Result<Vec<PeerId>, Error> {
    let after = after.map(|peer| (offer, peer));
    let rows = OFFER_PEERS.page(store, &offer, after.as_ref(), limit)?;
    Ok(rows.into_iter().map(|((_, peer), ())| peer).collect())
}
