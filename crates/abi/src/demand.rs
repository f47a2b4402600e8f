//! Demands: calls, events and records of `IDemand.sol`. In Solidity zero stands for None.

use crate::calldata::{Query, Request};
use crate::refusal::Revert;
use crate::sol::IDemand::{self as i, IDemandCalls as Calls};
use crate::sol::{
    Artifact as SolArtifact, ArtifactKind as SolKind, Pricing as SolPricing,
    Providers as SolProviders, Source as SolSource, Spread as SolSpread,
};
use alloy_primitives::{Address as SolAddress, LogData};
use alloy_sol_types::{SolCall as _, SolEvent as _};
use marketplace::attribute::Predicate;
use marketplace::demand::{
    Artifact, ArtifactKind, Call, DEMANDS, Event, Pricing, Providers, Source, Spread, Terms,
};
use marketplace::refusal::Object;
use marketplace::store::Store;
use marketplace::units::{Address, DealId, Hash, PeerId, Price, ProviderId, Seconds, Usdc};
use marketplace::{Cx, Error, Refusal};

pub(crate) fn decode(calls: Calls) -> Result<Request, Revert> {
    let call = match calls {
        Calls::postDemand(c) => Call::Post {
            terms: c.terms.try_into()?,
            escrow: Usdc(c.escrow),
        },
        Calls::getDemand(c) => return Ok(Request::Query(Query::Demand(DealId(c.deal)))),
    };
    Ok(Request::Call(marketplace::Call::Demand(call)))
}

pub(crate) fn encode(call: &Call) -> Vec<u8> {
    match call.clone() {
        Call::Post { terms, escrow } => i::postDemandCall {
            terms: terms.into(),
            escrow: escrow.0,
        }
        .abi_encode(),
    }
}

pub(crate) fn log(event: &Event) -> LogData {
    match event.clone() {
        Event::Posted {
            deal,
            owner,
            artifact,
            escrow,
        } => i::DemandPosted {
            deal: deal.0,
            owner: owner.0.into(),
            artifact: artifact.0.into(),
            escrow: escrow.0,
        }
        .encode_log_data(),
    }
}

pub(crate) fn answer<S: Store>(cx: &mut Cx<'_, S>, id: DealId) -> Result<Vec<u8>, Error> {
    let unknown = Refusal::Unknown(Object::Deal(id));
    let terms = DEMANDS.get(cx.store, &id)?.ok_or(unknown)?;
    Ok(i::getDemandCall::abi_encode_returns(&terms.into()))
}

impl From<Artifact> for SolArtifact {
    fn from(artifact: Artifact) -> Self {
        let source = |source: Source| SolSource {
            key: source.key.0.into(),
            endpoint: source.endpoint,
        };
        Self {
            hash: artifact.hash.0.into(),
            size: artifact.size,
            kind: match artifact.kind {
                ArtifactKind::Component => SolKind::Component,
                ArtifactKind::Bundle => SolKind::Bundle,
            },
            sources: artifact.sources.into_iter().map(source).collect(),
        }
    }
}

impl TryFrom<SolArtifact> for Artifact {
    type Error = Refusal;

    fn try_from(artifact: SolArtifact) -> Result<Self, Refusal> {
        let source = |source: SolSource| Source {
            key: PeerId(source.key.0),
            endpoint: source.endpoint,
        };
        let what = "artifact kind: a component or a bundle";
        Ok(Self {
            hash: Hash(artifact.hash.0),
            size: artifact.size,
            kind: match artifact.kind {
                SolKind::Component => ArtifactKind::Component,
                SolKind::Bundle => ArtifactKind::Bundle,
                SolKind::__Invalid => return Err(Refusal::Malformed { what }),
            },
            sources: artifact.sources.into_iter().map(source).collect(),
        })
    }
}

impl From<Spread> for SolSpread {
    fn from(spread: Spread) -> Self {
        Self {
            maxPerProvider: spread.max_per_provider,
            maxPerDatacenter: spread.max_per_datacenter,
            maxPerCountry: spread.max_per_country,
            minProviders: spread.min_providers,
            minCountries: spread.min_countries,
        }
    }
}

impl From<SolSpread> for Spread {
    fn from(spread: SolSpread) -> Self {
        Self {
            max_per_provider: spread.maxPerProvider,
            max_per_datacenter: spread.maxPerDatacenter,
            max_per_country: spread.maxPerCountry,
            min_providers: spread.minProviders,
            min_countries: spread.minCountries,
        }
    }
}

impl From<Pricing> for SolPricing {
    fn from(pricing: Pricing) -> Self {
        match pricing {
            Pricing::Epoch => Self::Epoch,
            Pricing::Request => Self::Request,
        }
    }
}

impl TryFrom<SolPricing> for Pricing {
    type Error = Refusal;

    fn try_from(pricing: SolPricing) -> Result<Self, Refusal> {
        let what = "pricing: by epoch or by request";
        match pricing {
            SolPricing::Epoch => Ok(Self::Epoch),
            SolPricing::Request => Ok(Self::Request),
            SolPricing::__Invalid => Err(Refusal::Malformed { what }),
        }
    }
}

impl From<Providers> for SolProviders {
    fn from(providers: Providers) -> Self {
        let ids = |list: Vec<ProviderId>| list.into_iter().map(|id| id.0).collect();
        Self {
            allow: ids(providers.allow),
            deny: ids(providers.deny),
        }
    }
}

impl From<SolProviders> for Providers {
    fn from(providers: SolProviders) -> Self {
        let ids = |list: Vec<u64>| list.into_iter().map(ProviderId).collect();
        Self {
            allow: ids(providers.allow),
            deny: ids(providers.deny),
        }
    }
}

/// The account at an address; zero: none.
pub(crate) fn account(address: SolAddress) -> Option<Address> {
    (address != SolAddress::ZERO).then_some(Address(address.into_array()))
}

/// The address of an account, or zero.
pub(crate) fn account_to(account: Option<Address>) -> SolAddress {
    account.unwrap_or_default().0.into()
}

impl From<Terms> for i::DemandTerms {
    fn from(terms: Terms) -> Self {
        Self {
            artifact: terms.artifact.into(),
            unitsPerWorker: terms.units_per_worker,
            minWorkers: terms.min_workers,
            targetWorkers: terms.target_workers,
            limitPrice: terms.limit_price.0,
            pricing: terms.pricing.into(),
            duration: terms.duration.unwrap_or_default().0,
            requirements: terms.requirements.into_iter().map(Into::into).collect(),
            effectors: terms.effectors,
            protocolVersion: terms.protocol_version,
            spread: terms.spread.into(),
            providers: terms.providers.into(),
            hold: terms.hold.0,
            monitor: account_to(terms.monitor),
        }
    }
}

impl TryFrom<i::DemandTerms> for Terms {
    type Error = Refusal;

    fn try_from(terms: i::DemandTerms) -> Result<Self, Refusal> {
        let requirements: Result<Vec<Predicate>, Refusal> = terms
            .requirements
            .into_iter()
            .map(TryInto::try_into)
            .collect();
        Ok(Self {
            artifact: terms.artifact.try_into()?,
            units_per_worker: terms.unitsPerWorker,
            min_workers: terms.minWorkers,
            target_workers: terms.targetWorkers,
            limit_price: Price(terms.limitPrice),
            pricing: terms.pricing.try_into()?,
            duration: (terms.duration != 0).then_some(Seconds(terms.duration)),
            requirements: requirements?,
            effectors: terms.effectors,
            protocol_version: terms.protocolVersion,
            spread: terms.spread.into(),
            providers: terms.providers.into(),
            hold: Seconds(terms.hold),
            monitor: account(terms.monitor),
        })
    }
}
