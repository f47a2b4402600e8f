//! Hashes that content is named by.

use alloy_primitives::hex;
use sha2::{Digest as _, Sha256};
use std::{fmt, str::FromStr};

/// The hash of some content: who has it knows when the content is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digest {
    algorithm: Algorithm,
    hash: [u8; 32],
}

/// How a hash is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Sha256,
    Blake3,
}

impl Digest {
    /// One that somebody else has made.
    pub(super) fn new(algorithm: Algorithm, hash: [u8; 32]) -> Self {
        Self { algorithm, hash }
    }

    /// That of these bytes.
    pub(super) fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let hash = match algorithm {
            Algorithm::Sha256 => Sha256::digest(bytes).into(),
            Algorithm::Blake3 => blake3::hash(bytes).into(),
        };
        Self::new(algorithm, hash)
    }

    /// Whether these bytes are what it names.
    pub(super) fn is_of(&self, bytes: &[u8]) -> bool {
        *self == Self::of(self.algorithm, bytes)
    }

    /// A name for a file.
    pub(super) fn file_name(&self) -> String {
        self.to_string().replace(':', "-")
    }
}

/// As registries write it: `sha256:` and 64 digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithm = match self.algorithm {
            Algorithm::Sha256 => "sha256",
            Algorithm::Blake3 => "blake3",
        };
        write!(f, "{algorithm}:{}", hex::encode(self.hash))
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_digit = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        let digits = text.strip_prefix("sha256:");
        let digits = digits.filter(|digits| digits.len() == 64 && digits.chars().all(is_digit));
        let hash = digits.and_then(|digits| hex::decode_to_array(digits).ok());
        let hash = hash.ok_or("a digest is `sha256:` and 64 digits, 0 to 9 and a to f")?;
        Ok(Self::new(Algorithm::Sha256, hash))
    }
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, Digest};

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        let empty = Digest::of(Algorithm::Sha256, b"");
        assert_eq!(empty.to_string(), EMPTY);
        assert_eq!(EMPTY.parse(), Ok(empty));
        assert!(empty.is_of(b"") && !empty.is_of(b"a"));
        for wrong in [
            "",
            "sha256:",
            "sha512:00",
            &EMPTY[7..],
            &EMPTY.to_uppercase(),
            &EMPTY[..70],
        ] {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        }
        let long = format!("{EMPTY}0");
        assert!(long.parse::<Digest>().is_err());
    }
}
