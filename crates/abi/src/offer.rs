//! Offers: calls, events and records of `IOffer.sol`. In Solidity zero stands for None.

use crate::attribute;
use crate::calldata::{Query, Request};
use crate::refusal::Revert;
use crate::sol::IOffer::{self as i, IOfferCalls as Calls};
use alloy_primitives::{Address as SolAddress, LogData};
use alloy_sol_types::{SolCall as _, SolEvent as _};
use marketplace::demand::Pricing;
use marketplace::offer::{Call, Curve, Event, OFFERS, Offer, Terms};
use marketplace::refusal::Object;
use marketplace::store::Store;
use marketplace::units::{Address, DatacenterId, Epoch, OfferId, PeerId, Price, Seconds, Time};
use marketplace::{Cx, Error, Refusal};

pub(crate) fn decode(calls: Calls) -> Result<Request, Revert> {
    let call = match calls {
        Calls::postOffer(c) => Call::Post {
            datacenter: DatacenterId(c.datacenter),
            curve: c.curve.into(),
            terms: c.terms.try_into()?,
            peers: c.peers.iter().map(|peer| PeerId(peer.0)).collect(),
        },
        Calls::setOfferPrice(c) => Call::SetPrice {
            offer: OfferId(c.offer),
            curve: c.curve.into(),
        },
        Calls::setOfferTerms(c) => Call::SetTerms {
            offer: OfferId(c.offer),
            terms: c.terms.try_into()?,
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
            curve,
            terms,
            peers,
        } => i::postOfferCall {
            datacenter: datacenter.0,
            curve: curve.into(),
            terms: terms.into(),
            peers: peers.into_iter().map(|peer| peer.0.into()).collect(),
        }
        .abi_encode(),
        Call::SetPrice { offer, curve } => {
            let (offer, curve) = (offer.0, curve.into());
            i::setOfferPriceCall { offer, curve }.abi_encode()
        }
        Call::SetTerms { offer, terms } => {
            let (offer, terms) = (offer.0, terms.into());
            i::setOfferTermsCall { offer, terms }.abi_encode()
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
            curve,
        } => i::OfferPosted {
            offer: offer.0,
            provider: provider.0,
            datacenter: datacenter.0,
            curve: curve.into(),
        }
        .encode_log_data(),
        Event::PriceSet { offer, curve, from } => i::OfferPriceSet {
            offer: offer.0,
            curve: curve.into(),
            fromEpoch: from.0,
        }
        .encode_log_data(),
        Event::TermsSet { offer } => i::OfferTermsSet { offer: offer.0 }.encode_log_data(),
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
        let none = (Epoch(0), Curve::flat(Price::ZERO));
        let (from, raised) = offer.raise.unwrap_or(none);
        Self {
            provider: offer.provider.0,
            datacenter: offer.datacenter.0,
            curve: offer.curve.into(),
            raiseFromEpoch: from.0,
            raised: raised.into(),
            terms: offer.terms.into(),
        }
    }
}

impl From<Curve> for i::Curve {
    fn from(curve: Curve) -> Self {
        Self {
            floor: curve.floor.0,
            slope: curve.slope.0,
        }
    }
}

impl From<i::Curve> for Curve {
    fn from(curve: i::Curve) -> Self {
        Self {
            floor: Price(curve.floor),
            slope: Price(curve.slope),
        }
    }
}

impl From<Terms> for i::OfferTerms {
    fn from(terms: Terms) -> Self {
        let address = |developer: Address| developer.0.into();
        Self {
            pricing: terms.pricing.into_iter().map(Into::into).collect(),
            allowed: terms.allowed.into_iter().map(address).collect(),
            denied: terms.denied.into_iter().map(address).collect(),
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
        let address = |developer: SolAddress| Address(developer.into_array());
        let pricing: Result<Vec<Pricing>, Refusal> =
            terms.pricing.into_iter().map(TryInto::try_into).collect();
        Ok(Self {
            pricing: pricing?,
            allowed: terms.allowed.into_iter().map(address).collect(),
            denied: terms.denied.into_iter().map(address).collect(),
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
