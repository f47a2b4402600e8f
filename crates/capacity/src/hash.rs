//! The hash behind everything but a step.
//!
//! `H(domain, parts…)` is BLAKE3 in its mode for deriving keys, under the context "marketplace+ capacity 1 " followed
//! by the domain, of each part after its length as eight little-endian bytes. So no hash of one domain is one of
//! another, and no two lists of parts give the same bytes. All numbers are little-endian, of the width of their type.

use crate::Digest;

/// The words that set one use of the hash apart from the others; the number is the version of all of it.
macro_rules! domains {
    ($($(#[$about:meta])* $name:ident = $text:literal,)*) => { $(
        $(#[$about])*
        pub(crate) const $name: Domain = Domain(concat!("marketplace+ capacity 1 ", $text));
    )* };
}

/// One use of the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Domain(&'static str);

domains! {
    /// What a unit's programs are made from.
    UNIT_SEED = "unit seed",
    /// A statement and a thread.
    CONTEXT = "context",
    /// Where a leaf begins.
    LEAF_INPUT = "leaf input",
    /// The label of a leaf.
    LEAF = "leaf",
    /// The label of two subtrees.
    NODE = "node",
    /// What stands for a unit's window.
    UNIT_ROOT = "unit root",
    /// Two subtrees of a peer's units.
    PEER_NODE = "peer node",
    /// What stands for a peer's window.
    PEER_ROOT = "peer root",
    /// Which leaves are asked for.
    DRAW = "draw",
    /// Whether bytes in a file are whole.
    CHECKSUM = "checksum",
}

fn hasher(domain: Domain, parts: &[&[u8]]) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new_derive_key(domain.0);
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher
}

/// `H(domain, parts…)`.
pub(crate) fn hash(domain: Domain, parts: &[&[u8]]) -> Digest {
    hasher(domain, parts).finalize().into()
}

/// The same, going on for as long as one reads.
pub(crate) fn stream(domain: Domain, parts: &[&[u8]]) -> blake3::OutputReader {
    hasher(domain, parts).finalize_xof()
}

/// The first eight bytes of a checksum: enough to tell a torn write from a whole one.
pub(crate) fn checksum(parts: &[&[u8]]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = hash(CHECKSUM, parts);
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::{LEAF, NODE, hash};

    #[test]
    fn domains_and_the_borders_of_parts_count() {
        assert_ne!(hash(LEAF, &[b"ab"]), hash(NODE, &[b"ab"]));
        assert_ne!(hash(LEAF, &[b"a", b"b"]), hash(LEAF, &[b"ab"]));
        assert_ne!(hash(LEAF, &[b"ab", b""]), hash(LEAF, &[b"ab"]));
    }
}
