//! Limits of lists, texts and numbers that no parameter changes: rows and arithmetic are built on them.

use crate::units::{Price, Usdc};

/// Bytes of a name, a key or a text value.
pub const MAX_TEXT: usize = 64;
/// Bytes of an endpoint `host:port`.
pub const MAX_ENDPOINT: usize = 128;
/// Endpoints of a peer, and sources of an artifact.
pub const MAX_ENDPOINTS: usize = 4;
/// Attributes of one object.
pub const MAX_ATTRIBUTES: usize = 32;
/// Members of a set value, certifications of a datacenter.
pub const MAX_SET: usize = 16;
/// Bytes of an artifact: 1 GiB.
pub const MAX_ARTIFACT: u64 = 1 << 30;
/// Requirements of a demand.
pub const MAX_REQUIREMENTS: usize = 16;
/// Providers that a demand names to be allowed, or to be denied.
pub const MAX_PROVIDERS: usize = 64;
/// Effectors of a demand.
pub const MAX_EFFECTORS: usize = 16;
/// Units of one peer, so that a worker's list of units is bounded.
pub const MAX_UNITS: u16 = 256;
/// Peers named in one call.
pub const MAX_PEERS_PER_CALL: usize = 64;
/// Peers of one offer; a larger datacenter has several.
pub const MAX_PEERS_PER_OFFER: u16 = 256;
/// Developers that an offer names as the only ones it serves, and as those it does not serve.
pub const MAX_DEVELOPERS: usize = 64;
/// Kinds of pricing that an offer accepts.
pub const MAX_PRICINGS: usize = 2;
/// Peers that a deal keeps away from for a while.
pub const MAX_EXCLUDED: usize = 64;
/// Workers paid out, or named as stopped, in one call.
pub const MAX_WORKERS_PER_CALL: usize = 256;
/// Changes of parameters that wait at one time.
pub const MAX_CHANGES: usize = 16;
/// Rows that one query returns.
pub const MAX_PAGE: usize = 256;
/// Largest price per unit and epoch: 10^12 USDC.
pub const MAX_PRICE: Price = Price(1_000_000_000_000_000_000);
/// Largest supply of USDC: 10^24 USDC. Exact money of all of it, at the longest epoch, fits 128 bits.
pub const MAX_SUPPLY: Usdc = Usdc(1_000_000_000_000_000_000_000_000_000_000);
/// Longest duration of a deal: a hundred years.
pub const MAX_DURATION: u64 = 3_155_760_000;
/// Longest pause between two looks at a demand that found too little.
pub const MAX_PAUSE_BLOCKS: u64 = 256;
/// Windows between the end of one and the last verdict about it.
pub const MAX_OPEN_WINDOWS: u16 = 16;
/// Highest class of a commitment.
pub const MAX_CLASS: u8 = 16;
/// Delegators of one commitment.
pub const MAX_DELEGATORS: usize = 16;
/// Bytes of the answer to an audit.
pub const MAX_ANSWER: usize = 32 * 1_024;
/// Leaves opened in an audit, and in the second one of a unit whose first was bad.
pub const AUDIT_LEAVES: u16 = 2;
/// See [`AUDIT_LEAVES`].
pub const SECOND_AUDIT_LEAVES: u16 = 16;
/// Bad leaves among those of a second audit that are taken for a fault of the hardware; more are fraud.
pub const MAX_HARDWARE_LEAVES: u16 = 2;
/// Verdicts that one block lists: so few that a validator which starts anew has soon found them.
pub const MAX_VERDICTS: usize = 16;
