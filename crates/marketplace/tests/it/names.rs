//! Accounts and peers that tests know by name.

use ed25519_dalek::{Signer as _, SigningKey};
use marketplace::peer::{self, Registration};
use marketplace::units::{Address, DatacenterId, PeerId, ProviderId};

/// The account of a name.
pub(crate) fn address(name: &str) -> Address {
    let mut bytes = [0; 20];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    Address(bytes)
}

fn key(name: &str) -> SigningKey {
    let mut seed = [0; 32];
    seed[..name.len()].copy_from_slice(name.as_bytes());
    SigningKey::from_bytes(&seed)
}

/// The peer of a name.
pub(crate) fn peer_id(name: &str) -> PeerId {
    PeerId(key(name).verifying_key().to_bytes())
}

/// A peer's signature over its registration.
pub(crate) fn signature(name: &str, chain_id: u64, provider: ProviderId) -> [u8; 64] {
    let message = peer::registration_message(chain_id, provider, peer_id(name));
    key(name).sign(&message).to_bytes()
}

/// A peer of a name, operated by the account of the same name, that says nothing of itself.
pub(crate) fn registration(
    name: &str,
    provider: ProviderId,
    datacenter: DatacenterId,
    units: u16,
) -> Registration {
    Registration {
        datacenter,
        peer: peer_id(name),
        signature: signature(name, 1, provider),
        operator: address(name),
        endpoints: vec!["192.0.2.1:4001".to_owned()],
        oldest_version: 1,
        newest_version: 1,
        attributes: Vec::new(),
        units,
    }
}
