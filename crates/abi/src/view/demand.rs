//! Terms of demands, and of the deals they became.

use super::attribute::Requirement;
use super::decimal;
use alloy_primitives::{Address, B256};
use marketplace::demand as domain;
use marketplace::units::{Hash, PeerId};
use serde::{Deserialize, Serialize};

/// Who holds the bytes of an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Overlay key.
    pub key: B256,
    /// `host:port`.
    pub endpoint: String,
}

/// What the bytes of an artifact are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ArtifactKind {
    /// One `wasi:http` component.
    Component,
    /// A bundle of several; not supported yet.
    Bundle,
}

/// How far workers must lie apart. Zero: no limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    /// Most workers with one provider.
    pub max_per_provider: u16,
    /// Most workers in one datacenter.
    pub max_per_datacenter: u16,
    /// Most workers in one country.
    pub max_per_country: u16,
    /// Fewest distinct providers.
    pub min_providers: u16,
    /// Fewest distinct countries.
    pub min_countries: u16,
}

/// Which providers may serve.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Providers {
    /// Only these; empty: all.
    pub allow: Vec<u64>,
    /// None of these.
    pub deny: Vec<u64>,
}

/// What workers run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// BLAKE3 hash.
    pub hash: B256,
    /// Size in bytes.
    pub size: u64,
    /// What the bytes are.
    pub kind: ArtifactKind,
    /// Who holds the bytes.
    pub sources: Vec<Source>,
}

/// What a developer wants and what for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Demand {
    /// BLAKE3 hash of what workers run.
    pub artifact: B256,
    /// Its size in bytes.
    pub artifact_size: u64,
    /// What its bytes are.
    pub artifact_kind: ArtifactKind,
    /// Who holds its bytes.
    pub sources: Vec<Source>,
    /// Units of each worker.
    pub units_per_worker: u16,
    /// Nothing is reserved until this many workers can be placed.
    pub min_workers: u16,
    /// As many as wanted.
    pub target_workers: u16,
    /// Highest price per unit and epoch.
    #[serde(with = "decimal")]
    pub limit_price: u128,
    /// `epoch` or `request`.
    pub pricing: String,
    /// Seconds from the first worker running; null: while funded.
    pub duration: Option<u64>,
    /// All must hold.
    pub requirements: Vec<Requirement>,
    /// Host capabilities that functions need.
    pub effectors: Vec<String>,
    /// Version that the peer must speak.
    pub protocol_version: u32,
    /// How far workers must lie apart.
    pub spread: Spread,
    /// Which providers may serve.
    pub providers: Providers,
    /// Seconds that workers are kept after the money is used up.
    pub hold: u64,
    /// An account that may evict workers and nothing else.
    pub monitor: Option<Address>,
}

impl From<domain::ArtifactKind> for ArtifactKind {
    fn from(kind: domain::ArtifactKind) -> Self {
        match kind {
            domain::ArtifactKind::Component => Self::Component,
            domain::ArtifactKind::Bundle => Self::Bundle,
        }
    }
}

impl From<ArtifactKind> for domain::ArtifactKind {
    fn from(kind: ArtifactKind) -> Self {
        match kind {
            ArtifactKind::Component => Self::Component,
            ArtifactKind::Bundle => Self::Bundle,
        }
    }
}

impl From<domain::Artifact> for Artifact {
    fn from(artifact: domain::Artifact) -> Self {
        Self {
            hash: artifact.hash.0.into(),
            size: artifact.size,
            kind: artifact.kind.into(),
            sources: artifact.sources.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Artifact> for domain::Artifact {
    fn from(artifact: Artifact) -> Self {
        let source = |source: Source| domain::Source {
            key: PeerId(source.key.0),
            endpoint: source.endpoint,
        };
        Self {
            hash: Hash(artifact.hash.0),
            size: artifact.size,
            kind: artifact.kind.into(),
            sources: artifact.sources.into_iter().map(source).collect(),
        }
    }
}

impl Demand {
    /// What workers run.
    #[must_use]
    pub fn artifact(&self) -> Artifact {
        Artifact {
            hash: self.artifact,
            size: self.artifact_size,
            kind: self.artifact_kind,
            sources: self.sources.clone(),
        }
    }
}

impl From<domain::Source> for Source {
    fn from(source: domain::Source) -> Self {
        Self {
            key: source.key.0.into(),
            endpoint: source.endpoint,
        }
    }
}

/// What is paid for, in a word.
pub(super) fn pricing(pricing: domain::Pricing) -> &'static str {
    match pricing {
        domain::Pricing::Epoch => "epoch",
        domain::Pricing::Request => "request",
    }
}

impl From<domain::Terms> for Demand {
    fn from(terms: domain::Terms) -> Self {
        Self {
            artifact: terms.artifact.hash.0.into(),
            artifact_size: terms.artifact.size,
            artifact_kind: terms.artifact.kind.into(),
            sources: terms.artifact.sources.into_iter().map(Into::into).collect(),
            units_per_worker: terms.units_per_worker,
            min_workers: terms.min_workers,
            target_workers: terms.target_workers,
            limit_price: terms.limit_price.0,
            pricing: pricing(terms.pricing).into(),
            duration: terms.duration.map(|span| span.0),
            requirements: terms.requirements.into_iter().map(Into::into).collect(),
            effectors: terms.effectors,
            protocol_version: terms.protocol_version,
            spread: Spread {
                max_per_provider: terms.spread.max_per_provider,
                max_per_datacenter: terms.spread.max_per_datacenter,
                max_per_country: terms.spread.max_per_country,
                min_providers: terms.spread.min_providers,
                min_countries: terms.spread.min_countries,
            },
            providers: Providers {
                allow: terms.providers.allow.into_iter().map(|id| id.0).collect(),
                deny: terms.providers.deny.into_iter().map(|id| id.0).collect(),
            },
            hold: terms.hold.0,
            monitor: terms.monitor.map(|monitor| monitor.0.into()),
        }
    }
}
