//! Providers.

use super::attribute::{self, Attribute};
use alloy_primitives::{Address, B256};
use marketplace::provider as domain;
use marketplace::units::ProviderId;
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
