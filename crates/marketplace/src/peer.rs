//! Peers: servers in a datacenter, and their compute units.
//!
//! A unit is one core (two threads) with 4 GiB of RAM. Its whereabouts is one field of one row:
//! ```text
//! (added) -> Idle -> Serving(worker) -> Idle -> (removed)
//! ```
//! Promises (`docs/spec/supply.md`):
//! - S3: a peer is registered once, under the ed25519 key of its endpoint, with that key's signature.
//! - S4: a peer stands in one datacenter and in at most one offer.
//! - S5: a unit serves at most one worker; `idle` counts the units that serve none.
//! - S6: a unit that serves, and a peer that has units or stands in an offer, cannot be removed.

use crate::attribute::Attribute;
use crate::call::Reply;
use crate::cx::Cx;
use crate::refusal::{Error, Refusal};
use crate::store::Store;
use crate::table::Table;
use crate::units::{Address, DatacenterId, OfferId, PeerId, ProviderId, Time, WorkerId};
use borsh::{BorshDeserialize, BorshSerialize};

/// A peer.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Whose.
    pub provider: ProviderId,
    /// Where it stands.
    pub datacenter: DatacenterId,
    /// The key that reports for it; it never withdraws.
    pub operator: Address,
    /// Where its overlay endpoint listens: `host:port`, at most 4.
    pub endpoints: Vec<String>,
    /// Oldest protocol version it speaks.
    pub oldest_version: u32,
    /// Newest protocol version it speaks.
    pub newest_version: u32,
    /// Claims about it, such as `cpu.arch`, `net.mbps`, `effector.*`.
    pub attributes: Vec<Attribute>,
    /// The offer it stands in.
    pub offer: Option<OfferId>,
    /// How many units it has; they have the indices below.
    pub units: u16,
    /// How many of them serve no worker.
    pub idle: u16,
}

/// What a new peer says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The datacenter, which names the provider too.
    pub datacenter: DatacenterId,
    /// Its key.
    pub peer: PeerId,
    /// The key's ed25519 signature over [`registration_message`].
    pub signature: [u8; 64],
    /// The key that reports for it.
    pub operator: Address,
    /// Where its overlay endpoint listens.
    pub endpoints: Vec<String>,
    /// Oldest protocol version it speaks.
    pub oldest_version: u32,
    /// Newest protocol version it speaks.
    pub newest_version: u32,
    /// Claims about it.
    pub attributes: Vec<Attribute>,
    /// How many units it has.
    pub units: u16,
}

/// Where a unit is.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// It serves nobody.
    Idle,
    /// It serves this worker.
    Serving(WorkerId),
}

/// A peer's sign of life.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// When it last reported.
    pub reported: Time,
    /// Until when its workers are kept without another report.
    pub until: Time,
}

/// Peers by key.
pub const PEERS: Table<PeerId, Peer> = Table::new(0x12, "peers");
/// Units by peer and index.
pub const UNITS: Table<(PeerId, u16), Whereabouts> = Table::new(0x13, "units");
/// Leases by peer.
pub const LEASES: Table<PeerId, Lease> = Table::new(0x14, "leases");

/// Calls about peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// The provider's owner registers a peer with its units.
    Register(Registration),
    /// The provider's owner or the operator key says where it listens.
    SetEndpoints {
        /// Which.
        peer: PeerId,
        /// `host:port`, at most 4.
        endpoints: Vec<String>,
    },
    /// The provider's owner states its attributes anew; workers already assigned stay.
    SetAttributes {
        /// Which.
        peer: PeerId,
        /// All of them.
        attributes: Vec<Attribute>,
    },
    /// The provider's owner adds units.
    AddUnits {
        /// Which.
        peer: PeerId,
        /// How many.
        count: u16,
    },
    /// The provider's owner removes the last units, which must be idle.
    RemoveUnits {
        /// Which.
        peer: PeerId,
        /// How many.
        count: u16,
    },
    /// The provider's owner removes a peer without units that stands in no offer.
    Remove {
        /// Which.
        peer: PeerId,
    },
}

/// What happens to peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// There is a new peer.
    Registered {
        /// Its key.
        peer: PeerId,
        /// Whose.
        provider: ProviderId,
        /// Where it stands.
        datacenter: DatacenterId,
        /// The key that reports for it.
        operator: Address,
    },
    /// It listens elsewhere.
    EndpointsSet {
        /// Which.
        peer: PeerId,
        /// `host:port`.
        endpoints: Vec<String>,
    },
    /// Its attributes were stated anew.
    AttributesSet {
        /// Which.
        peer: PeerId,
    },
    /// It has more or fewer units.
    UnitsChanged {
        /// Which.
        peer: PeerId,
        /// How many now.
        units: u16,
    },
    /// It reported: its workers are kept until the lease ends.
    Reported {
        /// Which.
        peer: PeerId,
        /// End of the lease.
        until: Time,
    },
    /// It is gone.
    Removed {
        /// Which.
        peer: PeerId,
    },
}

/// What a peer's key signs to be registered.
#[must_use]
pub fn registration_message(chain_id: u64, provider: ProviderId, peer: PeerId) -> Vec<u8> {
    let mut message = b"marketplace+ peer registration 1\0".to_vec();
    message.extend_from_slice(&chain_id.to_be_bytes());
    message.extend_from_slice(&provider.0.to_be_bytes());
    message.extend_from_slice(&peer.0);
    message
}

/// One handler for each call.
pub(crate) fn apply<S: Store>(_cx: &mut Cx<'_, S>, _call: Call) -> Result<Reply, Error> {
    Err(Refusal::NotYet { what: "peer" }.into())
}
