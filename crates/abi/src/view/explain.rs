//! What clearing would do with a demand, and what to change if it would do nothing.

use super::attribute::{self, Value};
use super::decimal;
use crate::calldata;
use alloy_primitives::{Address, B256, Bytes};
use marketplace::demand::{Call, Terms};
use marketplace::matching::{self, explain as domain};
use marketplace::units::{DealId, Usdc};
use serde::{Deserialize, Serialize};

/// What is to be explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "write { \"deal\": id }, or { \"owner\": address, \"call\": calldata of postDemand }"
)]
pub enum Question {
    /// A demand that is posted.
    Posted {
        /// Its id.
        deal: u64,
    },
    /// One that is not.
    Draft {
        /// Who would post it.
        owner: Address,
        /// Calldata of posting it.
        call: Bytes,
    },
}

impl Question {
    /// About a demand that is posted.
    pub fn posted(deal: DealId) -> Self {
        Self::Posted { deal: deal.0 }
    }

    /// About a demand that `owner` would post.
    pub fn draft(owner: Address, terms: Terms, escrow: Usdc) -> Self {
        let call = Call::Post { terms, escrow };
        let call = calldata::encode(&marketplace::Call::Demand(call)).into();
        Self::Draft { owner, call }
    }
}

/// What clearing would do now, if nothing else happened before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Workers it would place.
    pub placed: Vec<Placement>,
    /// What they cost together per epoch.
    #[serde(with = "decimal")]
    pub rate: u128,
    /// Candidates (peers in offers) that would get no worker, by reason.
    pub reasons: Vec<Count>,
    /// If it would place none where it could: changes each of which alone lets it, the nearest first.
    pub changes: Vec<Change>,
}

/// A worker that a demand would get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// Where it would run.
    pub peer: B256,
    /// Who would earn.
    pub provider: u64,
    /// The offer it would come from.
    pub offer: u64,
    /// Where the peer stands.
    pub datacenter: u64,
    /// In which country that is: ISO 3166 alpha-2.
    pub country: String,
    /// What the offer asks per unit and epoch.
    #[serde(with = "decimal")]
    pub ask: u128,
}

/// So many candidates for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Why they would get no worker.
    pub reason: Reason,
    /// How many they are.
    pub candidates: u32,
}

/// Why a candidate would get no worker: the first that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    /// Its ask is above the limit.
    Price,
    /// Governance did not admit its provider, where providers are listed.
    NotAdmitted,
    /// Its offer has expired.
    Expired,
    /// The offer does not take deals of this duration.
    Duration,
    /// The offer does not take a hold this long.
    Hold,
    /// The offer does not serve this developer.
    Developer,
    /// The demand does not take this provider.
    Provider,
    /// It serves this deal already.
    ServesAlready,
    /// A worker of this deal left it not long ago.
    Excluded,
    /// An effector is not offered.
    Effector,
    /// A requirement does not hold.
    Requirement,
    /// A requirement is about an attribute that is not there.
    Undefined,
    /// It does not speak the protocol version.
    Version,
    /// Its peer has no active commitment, or one that ends before the worker may.
    Uncommitted,
    /// Its ask is below the lowest that its peer's commitment allows.
    BelowLowest,
    /// Fewer of its units may be matched than a worker needs.
    Units,
    /// It fits, and spread, the offer's units per deal, the fewest workers or the escrow keep it out.
    NotChosen,
}

/// One change that lets a demand be matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What to change, and to which value.
    #[serde(flatten)]
    pub what: What,
    /// The least escrow with that.
    #[serde(with = "decimal")]
    pub escrow: u128,
    /// How far it is from what was asked for, in millionths of that; a million: something is given up.
    #[serde(rename = "distancePpm")]
    pub distance_ppm: u64,
}

/// A field of a demand, and what it would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", content = "value", rename_all = "camelCase")]
pub enum What {
    /// A higher limit price.
    LimitPrice(#[serde(with = "decimal")] u128),
    /// More escrow.
    Escrow(#[serde(with = "decimal")] u128),
    /// Units of each worker.
    UnitsPerWorker(u16),
    /// Fewer workers that are needed at least.
    MinWorkers(u16),
    /// A requirement.
    Requirement {
        /// Its place in the list, from 0.
        place: usize,
        /// What must hold instead; null: without it.
        test: Option<Test>,
    },
    /// Without the effector at this place in the list, from 0.
    Effector(usize),
    /// Another protocol version.
    ProtocolVersion(u32),
    /// Another duration, in seconds.
    Duration(u64),
    /// A shorter hold, in seconds.
    Hold(u64),
    /// More workers with one provider.
    MaxPerProvider(u16),
    /// More workers in one datacenter.
    MaxPerDatacenter(u16),
    /// More workers in one country.
    MaxPerCountry(u16),
    /// Fewer distinct providers.
    MinProviders(u16),
    /// Fewer distinct countries.
    MinCountries(u16),
}

/// What must hold for an attribute, as requirements have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Test {
    /// `=`, `!=`, `<`, `<=`, `>`, `>=`, `in`, `has` or `exists`.
    pub test: String,
    /// What it is compared with.
    pub values: Vec<Value>,
}

impl From<matching::Reason> for Reason {
    fn from(reason: matching::Reason) -> Self {
        use matching::Reason as R;
        match reason {
            R::Price => Self::Price,
            R::NotAdmitted => Self::NotAdmitted,
            R::Expired => Self::Expired,
            R::Duration => Self::Duration,
            R::Hold => Self::Hold,
            R::Developer => Self::Developer,
            R::Provider => Self::Provider,
            R::ServesAlready => Self::ServesAlready,
            R::Excluded => Self::Excluded,
            R::Effector => Self::Effector,
            R::Requirement => Self::Requirement,
            R::Undefined => Self::Undefined,
            R::Version => Self::Version,
            R::Uncommitted => Self::Uncommitted,
            R::BelowLowest => Self::BelowLowest,
            R::Units => Self::Units,
            R::NotChosen => Self::NotChosen,
        }
    }
}

impl From<domain::What> for What {
    fn from(what: domain::What) -> Self {
        use domain::What as W;
        match what {
            W::LimitPrice(price) => Self::LimitPrice(price.0),
            W::Escrow(escrow) => Self::Escrow(escrow.0),
            W::UnitsPerWorker(units) => Self::UnitsPerWorker(units),
            W::MinWorkers(min) => Self::MinWorkers(min),
            W::Requirement(place, test) => Self::Requirement {
                place,
                test: test.map(|test| {
                    let (test, values) = attribute::test(test);
                    Test { test, values }
                }),
            },
            W::Effector(place) => Self::Effector(place),
            W::ProtocolVersion(version) => Self::ProtocolVersion(version),
            W::Duration(span) => Self::Duration(span.0),
            W::Hold(span) => Self::Hold(span.0),
            W::MaxPerProvider(cap) => Self::MaxPerProvider(cap),
            W::MaxPerDatacenter(cap) => Self::MaxPerDatacenter(cap),
            W::MaxPerCountry(cap) => Self::MaxPerCountry(cap),
            W::MinProviders(min) => Self::MinProviders(min),
            W::MinCountries(min) => Self::MinCountries(min),
        }
    }
}

impl From<domain::Placement> for Placement {
    fn from(placed: domain::Placement) -> Self {
        Self {
            peer: placed.peer.0.into(),
            provider: placed.provider.0,
            offer: placed.offer.0,
            datacenter: placed.datacenter.0,
            country: placed.country.to_string(),
            ask: placed.ask.0,
        }
    }
}

impl From<domain::Explanation> for Explanation {
    fn from(explanation: domain::Explanation) -> Self {
        let count = |(reason, candidates): (matching::Reason, u32)| Count {
            reason: reason.into(),
            candidates,
        };
        let change = |change: domain::Change| Change {
            what: change.what.into(),
            escrow: change.escrow.0,
            distance_ppm: change.distance_ppm,
        };
        Self {
            placed: explanation.placed.into_iter().map(Into::into).collect(),
            rate: explanation.rate.0,
            reasons: explanation.reasons.into_iter().map(count).collect(),
            changes: explanation.changes.into_iter().map(change).collect(),
        }
    }
}
