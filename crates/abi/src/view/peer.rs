//! Peers.

use super::attribute::{self, Attribute};
use alloy_primitives::{Address, B256};
use marketplace::peer as domain;
use marketplace::units::PeerId;
use serde::{Deserialize, Serialize};

/// A peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Peer {
    /// Its id: the ed25519 key of its overlay endpoint.
    pub id: B256,
    /// Whose.
    pub provider: u64,
    /// Where it stands.
    pub datacenter: u64,
    /// The key that reports for it.
    pub operator: Address,
    /// Where its overlay endpoint listens: `host:port`.
    pub endpoints: Vec<String>,
    /// Oldest protocol version it speaks.
    pub oldest_version: u32,
    /// Newest protocol version it speaks.
    pub newest_version: u32,
    /// Claims about it.
    pub attributes: Vec<Attribute>,
    /// The offer it stands in.
    pub offer: Option<u64>,
    /// How many units it has.
    pub units: u16,
    /// How many of them serve no worker.
    pub idle: u16,
    /// When it last reported; zero: never.
    pub reported: u64,
    /// Until when its workers are kept without another report.
    pub lease_until: u64,
}

impl From<(PeerId, domain::Peer, domain::Units, domain::Lease)> for Peer {
    fn from(
        (id, peer, units, lease): (PeerId, domain::Peer, domain::Units, domain::Lease),
    ) -> Self {
        Self {
            id: id.0.into(),
            provider: peer.provider.0,
            datacenter: peer.datacenter.0,
            operator: peer.operator.0.into(),
            endpoints: peer.endpoints,
            oldest_version: peer.oldest_version,
            newest_version: peer.newest_version,
            attributes: attribute::all(peer.attributes),
            offer: peer.offer.map(|offer| offer.0),
            units: units.registered(),
            idle: units.registered().saturating_sub(units.serving()),
            reported: lease.reported.0,
            lease_until: lease.until.0,
        }
    }
}
