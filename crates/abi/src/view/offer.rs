//! Offers.

use super::attribute::{self, Attribute};
use super::decimal;
use super::demand::pricing;
use alloy_primitives::{Address, B256};
use marketplace::offer as domain;
use marketplace::units::{self, OfferId, PeerId};
use serde::{Deserialize, Serialize};

/// An offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    /// Its id.
    pub id: u64,
    /// Whose.
    pub provider: u64,
    /// Where its peers stand.
    pub datacenter: u64,
    /// Price per unit and epoch while none of its units serves.
    #[serde(with = "decimal")]
    pub price: u128,
    /// What is asked beyond it when all serve.
    #[serde(with = "decimal")]
    pub slope: u128,
    /// A raise, and from when it holds.
    pub raise: Option<Raise>,
    /// What it accepts.
    #[serde(flatten)]
    pub terms: Terms,
    /// Its peers, at most a page of them.
    pub peers: Vec<B256>,
}

/// What an offer accepts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    /// How it may be paid for: `epoch`.
    pub pricing: Vec<String>,
    /// The only developers it serves; none: all.
    pub allowed: Vec<Address>,
    /// Developers it does not serve.
    pub denied: Vec<Address>,
    /// Shortest duration of a deal, in seconds.
    pub min_duration: u64,
    /// Longest duration of a deal, in seconds; null: any, also without an end.
    pub max_duration: Option<u64>,
    /// Most units in one deal; null: any.
    pub max_units_per_deal: Option<u32>,
    /// Notice that the provider gives, in seconds.
    pub notice: u64,
    /// Longest hold it accepts, in seconds.
    pub max_hold: u64,
    /// Until when it stands; null: until it is closed.
    pub valid_until: Option<u64>,
    /// Claims about it.
    pub attributes: Vec<Attribute>,
}

/// A price that is announced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Raise {
    /// From this epoch on.
    pub from_epoch: u64,
    /// Price per unit and epoch while none of its units serves.
    #[serde(with = "decimal")]
    pub price: u128,
    /// What is asked beyond it when all serve.
    #[serde(with = "decimal")]
    pub slope: u128,
}

impl From<domain::Terms> for Terms {
    fn from(terms: domain::Terms) -> Self {
        let address = |developer: units::Address| developer.0.into();
        let pricing = terms.pricing.into_iter().map(pricing);
        Self {
            pricing: pricing.map(Into::into).collect(),
            allowed: terms.allowed.into_iter().map(address).collect(),
            denied: terms.denied.into_iter().map(address).collect(),
            min_duration: terms.min_duration.0,
            max_duration: terms.max_duration.map(|span| span.0),
            max_units_per_deal: terms.max_units_per_deal,
            notice: terms.notice.0,
            max_hold: terms.max_hold.0,
            valid_until: terms.valid_until.map(|time| time.0),
            attributes: attribute::all(terms.attributes),
        }
    }
}

impl From<(OfferId, domain::Offer, Vec<PeerId>)> for Offer {
    fn from((id, offer, peers): (OfferId, domain::Offer, Vec<PeerId>)) -> Self {
        let raise = offer.raise.map(|(from, curve)| Raise {
            from_epoch: from.0,
            price: curve.floor.0,
            slope: curve.slope.0,
        });
        Self {
            id: id.0,
            provider: offer.provider.0,
            datacenter: offer.datacenter.0,
            price: offer.curve.floor.0,
            slope: offer.curve.slope.0,
            raise,
            terms: offer.terms.into(),
            peers: peers.into_iter().map(|peer| peer.0.into()).collect(),
        }
    }
}
