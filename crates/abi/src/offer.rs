//! Offers: calls, events and records of `IOffer.sol`. In Solidity zero stands for None.

use crate::attribute;
use crate::calldata::{Query, Request};
use crate::refusal::Revert;
use crate::sol::IOffer::{self as i, IOfferCalls as Calls};
use alloy_primitives::LogData;
use alloy_sol_types::{SolCall as _, SolEvent as _};
use marketplace::offer::{Call, Event, OFFERS, Offer, Terms};
use marketplace::refusal::Object;
use marketplace::store::Store;
use marketplace::units::{DatacenterId, OfferId, PeerId, Price, Seconds, Time};
use marketplace::{Cx, Error, Refusal};

pub(crate) fn decode(calls: Calls) -> Result<Request, Revert> {
    let call = match calls {
        Calls::postOffer(c) => Call::Post {
            datacenter: DatacenterId(c.datacenter),
            price: Price(c.price),
            terms: c.terms.try_into()?,
            peers: c.peers.iter().map(|peer| PeerId(peer.0)).collect(),
        },
        Calls::setOfferPrice(c) => Call::SetPrice {
            offer: OfferId(c.offer),
            price: Price(c.price),
        },
        Calls::addOfferPeer(c) => Call::AddPeer {
            offer: OfferId(c.offer),
            peer: PeerId(c.peer.0),
        },
        Calls::removeOfferPeer(c) => Call::RemovePeer {
            offer: OfferId(c.offer),
            peer: PeerId(c.peer.0),
        },
        Calls::closeOffer(c) => Call::Close {
            offer: OfferId(c.offer),
        },
        Calls::getOffer(c) => return Ok(Request::Query(Query::Offer(OfferId(c.offer)))),
    };
    Ok(Request::Call(marketplace::Call::Offer(call)))
}

pub(crate) fn encode(call: &Call) -> Vec<u8> {
    match call.clone() {
        Call::Post {
            datacenter,
            price,
            terms,
            peers,
        } => i::postOfferCall {
            datacenter: datacenter.0,
            price: price.0,
            terms: terms.into(),
            peers: peers.into_iter().map(|peer| peer.0.into()).collect(),
        }
        .abi_encode(),
        Call::SetPrice { offer, price } => {
            let (offer, price) = (offer.0, price.0);
            i::setOfferPriceCall { offer, price }.abi_encode()
        }
        Call::AddPeer { offer, peer } => {
            let (offer, peer) = (offer.0, peer.0.into());
            i::addOfferPeerCall { offer, peer }.abi_encode()
        }
        Call::RemovePeer { offer, peer } => {
            let (offer, peer) = (offer.0, peer.0.into());
            i::removeOfferPeerCall { offer, peer }.abi_encode()
        }
        Call::Close { offer } => i::closeOfferCall { offer: offer.0 }.abi_encode(),
    }
}

pub(crate) fn log(event: &Event) -> LogData {
    match event.clone() {
        Event::Posted {
            offer,
            provider,
            datacenter,
            price,
        } => i::OfferPosted {
            offer: offer.0,
            provider: provider.0,
            datacenter: datacenter.0,
            price: price.0,
        }
        .encode_log_data(),
        Event::PriceSet { offer, price, from } => i::OfferPriceSet {
            offer: offer.0,
            price: price.0,
            fromEpoch: from.0,
        }
        .encode_log_data(),
        Event::PeerAdded { offer, peer } => {
            let (offer, peer) = (offer.0, peer.0.into());
            i::OfferPeerAdded { offer, peer }.encode_log_data()
        }
        Event::PeerRemoved { offer, peer } => {
            let (offer, peer) = (offer.0, peer.0.into());
            i::OfferPeerRemoved { offer, peer }.encode_log_data()
        }
        Event::Closed { offer } => i::OfferClosed { offer: offer.0 }.encode_log_data(),
    }
}

pub(crate) fn answer<S: Store>(cx: &mut Cx<'_, S>, id: OfferId) -> Result<Vec<u8>, Error> {
    let unknown = Refusal::Unknown(Object::Offer(id));
    let record = OFFERS.get(cx.store, &id)?.ok_or(unknown)?;
    Ok(i::getOfferCall::abi_encode_returns(&record.into()))
}

impl From<Offer> for i::OfferRecord {
    fn from(offer: Offer) -> Self {
        let (from, raised) = offer.raise.unwrap_or_default();
        Self {
            provider: offer.provider.0,
            datacenter: offer.datacenter.0,
            price: offer.price.0,
            raiseFromEpoch: from.0,
            raisedPrice: raised.0,
            terms: offer.terms.into(),
        }
    }
}

impl From<Terms> for i::OfferTerms {
    fn from(terms: Terms) -> Self {
        Self {
            minDuration: terms.min_duration.0,
            maxDuration: terms.max_duration.unwrap_or_default().0,
            maxUnitsPerDeal: terms.max_units_per_deal.unwrap_or(0),
            notice: terms.notice.0,
            maxHold: terms.max_hold.0,
            validUntil: terms.valid_until.unwrap_or_default().0,
            attributes: attribute::encode(terms.attributes),
        }
    }
}

impl TryFrom<i::OfferTerms> for Terms {
    type Error = Refusal;

    fn try_from(terms: i::OfferTerms) -> Result<Self, Refusal> {
        let some = |number: u64| (number != 0).then_some(number);
        Ok(Self {
            min_duration: Seconds(terms.minDuration),
            max_duration: some(terms.maxDuration).map(Seconds),
            max_units_per_deal: (terms.maxUnitsPerDeal != 0).then_some(terms.maxUnitsPerDeal),
            notice: Seconds(terms.notice),
            max_hold: Seconds(terms.maxHold),
            valid_until: some(terms.validUntil).map(Time),
            attributes: attribute::decode(terms.attributes)?,
        })
    }
}
