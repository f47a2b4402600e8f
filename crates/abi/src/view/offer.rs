//! Offers.

use super::attribute::{self, Attribute};
use super::decimal;
use alloy_primitives::B256;
use marketplace::offer as domain;
use marketplace::units::{OfferId, PeerId};
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
    /// Price per unit and epoch.
    #[serde(with = "decimal")]
    pub price: u128,
    /// A raise, and from when it holds.
    pub raise: Option<Raise>,
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
    /// Its peers, at most a page of them.
    pub peers: Vec<B256>,
}

/// A price that is announced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Raise {
    /// From this epoch on.
    pub from_epoch: u64,
    /// Price per unit and epoch.
    #[serde(with = "decimal")]
    pub price: u128,
}

impl From<(OfferId, domain::Offer, Vec<PeerId>)> for Offer {
    fn from((id, offer, peers): (OfferId, domain::Offer, Vec<PeerId>)) -> Self {
        let terms = offer.terms;
        let raise = offer.raise.map(|(from, price)| Raise {
            from_epoch: from.0,
            price: price.0,
        });
        Self {
            id: id.0,
            provider: offer.provider.0,
            datacenter: offer.datacenter.0,
            price: offer.price.0,
            raise,
            min_duration: terms.min_duration.0,
            max_duration: terms.max_duration.map(|span| span.0),
            max_units_per_deal: terms.max_units_per_deal,
            notice: terms.notice.0,
            max_hold: terms.max_hold.0,
            valid_until: terms.valid_until.map(|time| time.0),
            attributes: attribute::all(terms.attributes),
            peers: peers.into_iter().map(|peer| peer.0.into()).collect(),
        }
    }
}
