//! Providers.

use super::attribute::{self, Attribute};
use super::decimal;
use alloy_primitives::{Address, B256};
use marketplace::units::ProviderId;
use marketplace::{provider as domain, record};
use serde::{Deserialize, Serialize};

/// A provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provider {
    /// Its id.
    pub id: u64,
    /// The account that owns it.
    pub owner: Address,
    /// The account that may become its owner.
    pub heir: Option<Address>,
    /// Whether governance admitted it; counts only where providers are listed.
    pub admitted: bool,
    /// Name.
    pub name: String,
    /// Hash of a document that describes it; zero for none.
    pub metadata: B256,
    /// Claims about it.
    pub attributes: Vec<Attribute>,
    /// When it was registered.
    pub registered: u64,
}

impl From<(ProviderId, domain::Provider)> for Provider {
    fn from((id, provider): (ProviderId, domain::Provider)) -> Self {
        Self {
            id: id.0,
            owner: provider.owner.0.into(),
            heir: provider.heir.map(|heir| heir.0.into()),
            admitted: provider.admitted,
            name: provider.name,
            metadata: provider.metadata.0.into(),
            attributes: attribute::all(provider.attributes),
            registered: provider.registered.0,
        }
    }
}

/// What the chain saw of a provider's workers, each as of when it was last paid out, or gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Unit-seconds that workers were placed with it, without pauses of their deals.
    #[serde(with = "decimal")]
    pub assigned: u128,
    /// Unit-seconds of those that were served and reported, and so are paid.
    #[serde(with = "decimal")]
    pub served: u128,
    /// Workers that did not run in time.
    pub never_started: u64,
    /// Workers that ran, until their peer said that they do no more.
    pub failed: u64,
    /// Workers whose peer did not report in time.
    pub silent: u64,
    /// Workers given up before they ran.
    pub declined: u64,
    /// Workers ended before their notice was over.
    pub left: u64,
    /// Workers that served until their notice was over, or until a replacement ran.
    pub notices_kept: u64,
    /// How many different owners of deals paid it.
    pub payers: u64,
}

impl From<record::Record> for Record {
    fn from(record: record::Record) -> Self {
        Self {
            assigned: record.assigned,
            served: record.served,
            never_started: record.never_started,
            failed: record.failed,
            silent: record.silent,
            declined: record.declined,
            left: record.left,
            notices_kept: record.notices_kept,
            payers: record.payers,
        }
    }
}

/// The record of one of all providers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordOf {
    /// Whose.
    pub provider: u64,
    /// What the chain saw.
    #[serde(flatten)]
    pub record: Record,
}

impl From<(ProviderId, record::Record)> for RecordOf {
    fn from((provider, record): (ProviderId, record::Record)) -> Self {
        Self {
            provider: provider.0,
            record: record.into(),
        }
    }
}
