//! Datacenters.

use super::attribute::{self, Attribute};
use marketplace::datacenter as domain;
use marketplace::units::DatacenterId;
use serde::{Deserialize, Serialize};

/// A datacenter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Datacenter {
    /// Its id.
    pub id: u64,
    /// Whose.
    pub provider: u64,
    /// ISO 3166 alpha-2.
    pub country: String,
    /// UN/LOCODE without the country.
    pub city: String,
    /// Name.
    pub name: String,
    /// Certifications.
    pub certifications: Vec<String>,
    /// Further claims.
    pub attributes: Vec<Attribute>,
}

impl From<(DatacenterId, domain::Datacenter)> for Datacenter {
    fn from((id, datacenter): (DatacenterId, domain::Datacenter)) -> Self {
        Self {
            id: id.0,
            provider: datacenter.provider.0,
            country: datacenter.country.to_string(),
            city: datacenter.city,
            name: datacenter.name,
            certifications: datacenter.certifications,
            attributes: attribute::all(datacenter.attributes),
        }
    }
}
