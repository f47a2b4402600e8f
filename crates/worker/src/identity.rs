//! Who a worker is: the deal and the assignment it serves, and the exact bytes it runs.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What makes two worker processes the same worker. A supervisor adopts a process only if all of
/// it is what the chain says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The deal it serves.
    pub deal: u64,
    /// The worker of that deal.
    pub worker: u64,
    /// What it runs.
    pub artifact: ArtifactHash,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.deal, self.worker)
    }
}

/// BLAKE3 of an artifact's bytes; 64 lower-case hexadecimal digits as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArtifactHash(pub [u8; 32]);

/// The text is not 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an artifact hash is 64 lower-case hexadecimal digits")]
pub struct NotAHash;

impl fmt::Display for ArtifactHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for ArtifactHash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(NotAHash);
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(hash))
    }
}

fn digit(character: u8) -> Result<u8, NotAHash> {
    match character {
        b'0'..=b'9' => Ok(character - b'0'),
        b'a'..=b'f' => Ok(character - b'a' + 10),
        _ => Err(NotAHash),
    }
}

impl TryFrom<String> for ArtifactHash {
    type Error = NotAHash;

    fn try_from(text: String) -> Result<Self, NotAHash> {
        text.parse()
    }
}

impl From<ArtifactHash> for String {
    fn from(hash: ArtifactHash) -> Self {
        hash.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::{ArtifactHash, NotAHash};

    #[test]
    fn a_hash_has_one_spelling() {
        let text = "00ff".repeat(16);
        let hash: ArtifactHash = text.parse().expect("a hash");
        assert_eq!(hash.to_string(), text);
        for wrong in ["", "00", &text.to_uppercase(), &"é".repeat(32)] {
            assert_eq!(wrong.parse::<ArtifactHash>(), Err(NotAHash));
        }
    }
}
