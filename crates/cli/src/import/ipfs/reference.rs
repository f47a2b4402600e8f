//! Names of files by what they hold: `ipfs://CID`, or `ipfs://CID/PATH` in a folder.

use crate::import::digest::{Algorithm, Digest};
use cid::Cid;
use std::{fmt, str::FromStr};

/// Bytes of a CID at most, however it is written.
const MAX_CID: usize = 1_024;
/// Folders that a path goes through at most.
const MAX_FOLDERS: usize = 16;
/// Bytes of a name at most.
const MAX_NAME: usize = 255;

/// Codecs of files: bytes as they are, and nodes that link to others.
pub(super) const RAW: u64 = 0x55;
pub(super) const DAG_PB: u64 = 0x70;
/// Hashes: the content itself where it is short, SHA2-256 and BLAKE3.
const IDENTITY: u64 = 0x00;
const SHA2_256: u64 = 0x12;
const BLAKE3: u64 = 0x1e;

const HINT: &str = "write ipfs://CID, or ipfs://CID/PATH for a file in a folder";

/// What a plan names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(super) cid: Cid,
    pub(super) path: Vec<String>,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ipfs://{}", self.cid)?;
        self.path.iter().try_for_each(|name| write!(f, "/{name}"))
    }
}

/// Reads what stands behind `ipfs://`. An error says what to write.
impl FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (cid, path) = match text.split_once('/') {
            Some((cid, path)) => (cid, path.split('/').map(str::to_owned).collect()),
            None => (text, vec![]),
        };
        let cid = Some(cid).filter(|cid| cid.len() <= MAX_CID);
        let cid = cid.and_then(|cid| Cid::from_str(cid).ok());
        let cid = cid.ok_or_else(|| format!("that is no CID: {HINT}"))?;
        content(&cid).map_err(|what| format!("{what}: {HINT}"))?;
        let is_name = |name: &String| {
            (1..=MAX_NAME).contains(&name.len())
                && !matches!(name.as_str(), "." | "..")
                && !name.contains(|c: char| c.is_control() || matches!(c, '?' | '#' | '\\'))
        };
        if path.len() > MAX_FOLDERS || !path.iter().all(is_name) {
            return Err(format!("that is no path in a folder: {HINT}"));
        }
        Ok(Self { cid, path })
    }
}

/// What a CID says of its block.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// All of it.
    Inline(Vec<u8>),
    /// What it must hash to.
    Hashed(Digest),
}

/// Reads a CID; says what is wrong with one that cannot be a file's.
pub(super) fn content(cid: &Cid) -> Result<Content, String> {
    if !matches!(cid.codec(), RAW | DAG_PB) {
        return Err(format!("{cid} is no file (codec {:#x})", cid.codec()));
    }
    let hash = cid.hash();
    let algorithm = match hash.code() {
        IDENTITY => return Ok(Content::Inline(hash.digest().to_vec())),
        SHA2_256 => Algorithm::Sha256,
        BLAKE3 => Algorithm::Blake3,
        code => {
            return Err(format!(
                "{cid} has a hash that is not known (code {code:#x}); SHA2-256 and BLAKE3 are"
            ));
        }
    };
    let digest = hash.digest().try_into();
    let digest = digest.map_err(|_| format!("{cid} has a hash of another length than 32 bytes"))?;
    Ok(Content::Hashed(Digest::new(algorithm, digest)))
}

#[cfg(test)]
mod tests {
    use super::{Content, Reference, content};
    use crate::import::digest::{Algorithm, Digest};
    use cid::{Cid, multihash::Multihash};

    /// Those of "hello world", as Kubo makes them: with raw leaves, of version 0, and inline.
    const RAW: &str = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";
    const V0: &str = "Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyfD";

    fn read(text: &str) -> Result<Reference, String> {
        text.parse()
    }

    /// (P26)
    #[test]
    fn references_are_read_as_they_are_written() {
        for text in [RAW.to_owned(), V0.to_owned(), format!("{V0}/a b/c.wasm")] {
            assert_eq!(read(&text).unwrap().to_string(), format!("ipfs://{text}"));
        }
        let hello = Digest::of(Algorithm::Sha256, b"hello world");
        let read = read(RAW).unwrap().cid;
        assert_eq!(content(&read), Ok(Content::Hashed(hello)));
    }

    /// (P25, P26)
    #[test]
    fn what_is_no_reference_is_refused_with_what_to_write() {
        let made = |codec, code, digest: &[u8]| {
            Cid::new_v1(codec, Multihash::wrap(code, digest).unwrap()).to_string()
        };
        let long = format!("{RAW}{}", "/a".repeat(17));
        for (text, hint) in [
            ("", "no CID"),
            ("hello.wasm", "no CID"),
            (&RAW[1..], "no CID"),
            (&format!("{RAW}{}", "a".repeat(1_024)), "no CID"),
            (&made(0x71, 0x12, &[0; 32]), "is no file (codec 0x71)"),
            (&made(0x55, 0x11, &[0; 20]), "(code 0x11)"),
            (&made(0x55, 0x12, &[0; 31]), "another length"),
            (&made(0x55, 0x1e, &[0; 16]), "another length"),
            (&format!("{RAW}/"), "no path"),
            (&format!("{RAW}/../a"), "no path"),
            (&format!("{RAW}/a?b"), "no path"),
            (&long, "no path"),
        ] {
            let error = read(text).unwrap_err();
            assert!(
                error.contains(hint) && error.contains("ipfs://CID"),
                "{text}: {error}"
            );
        }
        let blake3 = made(0x55, 0x1e, blake3::hash(b"a").as_bytes());
        let digest = Digest::of(Algorithm::Blake3, b"a");
        assert_eq!(
            content(&read(&blake3).unwrap().cid),
            Ok(Content::Hashed(digest))
        );
        let inline = made(0x55, 0, b"short");
        assert_eq!(
            content(&read(&inline).unwrap().cid),
            Ok(Content::Inline(b"short".to_vec()))
        );
    }
}
