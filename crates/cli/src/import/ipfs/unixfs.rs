//! Files and folders as IPFS has them (UnixFS): nodes that hold a part, or link to others. Bytes in, nodes out.

use super::reference::{DAG_PB, content};
use cid::Cid;
use prost::Message;

/// A block, read.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::import) enum Node {
    /// What it holds of a file itself, and behind that what it links to.
    File {
        bytes: Vec<u8>,
        parts: Vec<Cid>,
        /// Bytes of the file from here on.
        size: u64,
    },
    /// Names in it.
    Folder(Vec<(String, Cid)>),
}

/// A node of the codec dag-pb.
#[derive(Clone, PartialEq, Message)]
struct PbNode {
    #[prost(bytes = "vec", optional, tag = "1")]
    data: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "2")]
    links: Vec<PbLink>,
}

#[derive(Clone, PartialEq, Message)]
struct PbLink {
    #[prost(bytes = "vec", tag = "1")]
    cid: Vec<u8>,
    #[prost(string, tag = "2")]
    name: String,
}

/// What a node says of itself.
#[derive(Clone, PartialEq, Message)]
struct Data {
    #[prost(enumeration = "Kind", optional, tag = "1")]
    kind: Option<i32>,
    #[prost(bytes = "vec", optional, tag = "2")]
    data: Option<Vec<u8>>,
    #[prost(uint64, optional, tag = "3")]
    size: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum Kind {
    Raw = 0,
    Folder = 1,
    File = 2,
    Metadata = 3,
    Link = 4,
    /// A folder so large that its names lie in several nodes.
    Shards = 5,
}

/// Reads a block of which the CID has been checked. An error says what is wrong with it.
pub(in crate::import) fn read(cid: &Cid, block: Vec<u8>) -> Result<Node, String> {
    if cid.codec() != DAG_PB {
        return Ok(Node::File {
            size: block.len() as u64,
            bytes: block,
            parts: vec![],
        });
    }
    let node = PbNode::decode(&block[..]).map_err(|error| format!("it cannot be read: {error}"))?;
    let data = Data::decode(node.data.as_deref().unwrap_or_default());
    let data = data.map_err(|error| format!("it is no file: {error}"))?;
    let kind = data.kind.ok_or("it is no file: it says no type")?;
    match Kind::try_from(kind) {
        Ok(Kind::File | Kind::Raw) => file(&node.links, data),
        Ok(Kind::Folder) => {
            let links = node.links.into_iter();
            let names = links.map(|link| Ok((link.name.clone(), linked(&link)?)));
            Ok(Node::Folder(names.collect::<Result<_, String>>()?))
        }
        Ok(Kind::Shards) => {
            Err("it is a folder of too many files; name the file by its own CID".into())
        }
        Ok(Kind::Link) => Err("it is a symbolic link; name what it leads to".into()),
        Ok(Kind::Metadata) | Err(_) => Err(format!("it is no file (type {kind})")),
    }
}

fn file(links: &[PbLink], data: Data) -> Result<Node, String> {
    let parts = links.iter().map(linked);
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    let bytes = data.data.unwrap_or_default();
    // Without other parts a file need not say how large it is.
    let size = match (data.size, parts.is_empty()) {
        (Some(size), _) => size,
        (None, true) => bytes.len() as u64,
        (None, false) => return Err("it does not say how large it is".into()),
    };
    Ok(Node::File { bytes, parts, size })
}

fn linked(link: &PbLink) -> Result<Cid, String> {
    let cid = Cid::try_from(&link.cid[..]).map_err(|_| "it links to something that is no CID")?;
    content(&cid).map_err(|what| format!("it links to something else: {what}"))?;
    Ok(cid)
}

#[cfg(test)]
pub(in crate::import) mod made {
    //! Blocks as tools make them, and as nobody should.

    use super::{Data, Kind, Message as _, PbLink, PbNode};
    use crate::import::ipfs::reference::{DAG_PB, RAW};
    use cid::{Cid, multihash::Multihash};

    /// A block and its CID.
    pub(in crate::import) type Block = (Cid, Vec<u8>);

    pub(in crate::import) fn raw(bytes: &[u8]) -> Block {
        (named(RAW, bytes), bytes.to_vec())
    }

    /// A file that holds some bytes itself, and says how large it is.
    pub(in crate::import) fn file(bytes: &[u8], parts: &[Cid], size: u64) -> Block {
        let data = (!bytes.is_empty()).then(|| bytes.to_vec());
        let links: Vec<_> = parts.iter().map(|cid| ("", *cid)).collect();
        node(Kind::File as i32, data, Some(size), &links)
    }

    pub(in crate::import) fn folder(names: &[(&str, Cid)]) -> Block {
        node(Kind::Folder as i32, None, None, names)
    }

    pub(in crate::import) fn node(
        kind: i32,
        data: Option<Vec<u8>>,
        size: Option<u64>,
        links: &[(&str, Cid)],
    ) -> Block {
        let kind = Some(kind);
        let data = Data { kind, data, size };
        let links = links.iter().map(|(name, cid)| PbLink {
            cid: cid.to_bytes(),
            name: (*name).to_owned(),
        });
        let node = PbNode {
            data: Some(data.encode_to_vec()),
            links: links.collect(),
        };
        let block = node.encode_to_vec();
        (named(DAG_PB, &block), block)
    }

    pub(in crate::import) fn named(codec: u64, block: &[u8]) -> Cid {
        use sha2::{Digest as _, Sha256};
        let hash = Multihash::wrap(0x12, &Sha256::digest(block)).unwrap();
        Cid::new_v1(codec, hash)
    }
}

#[cfg(test)]
mod tests {
    use super::{Node, made, read};
    use crate::import::ipfs::reference::DAG_PB;

    /// (P26)
    #[test]
    fn files_and_folders_are_read() {
        let (cid, block) = made::raw(b"abc");
        let expected = Node::File {
            bytes: b"abc".to_vec(),
            parts: vec![],
            size: 3,
        };
        assert_eq!(read(&cid, block), Ok(expected));
        let (whole, block) = made::file(b"", &[cid, cid], 6);
        let expected = Node::File {
            bytes: vec![],
            parts: vec![cid, cid],
            size: 6,
        };
        assert_eq!(read(&whole, block), Ok(expected));
        let (folder, block) = made::folder(&[("a.wasm", whole)]);
        assert_eq!(
            read(&folder, block),
            Ok(Node::Folder(vec![("a.wasm".into(), whole)]))
        );
        let (old, block) = made::node(0, Some(b"abc".to_vec()), None, &[]);
        let expected = Node::File {
            bytes: b"abc".to_vec(),
            parts: vec![],
            size: 3,
        };
        assert_eq!(read(&old, block), Ok(expected));
    }

    /// (P25, P26)
    #[test]
    fn what_is_no_file_is_refused_for_its_reason() {
        let of = |(cid, block): made::Block| read(&cid, block).unwrap_err();
        let (part, _) = made::raw(b"abc");
        assert!(of(made::node(2, None, None, &[("", part)])).contains("how large"));
        assert!(of(made::node(3, None, None, &[])).contains("type 3"));
        assert!(of(made::node(4, Some(b"a".to_vec()), None, &[])).contains("symbolic link"));
        assert!(of(made::node(5, None, None, &[])).contains("too many files"));
        assert!(of(made::node(-1, None, None, &[])).contains("type -1"));
        let other = made::named(0x71, b"");
        assert!(of(made::folder(&[("a", other)])).contains("codec 0x71"));
        for block in [
            &b""[..],
            b"\x0a",
            b"\x0a\xff\xff\xff\xff\x0f",
            b"\x12\x02\x0a\x00",
            b"\x0a\x01\xff",
        ] {
            let cid = made::named(DAG_PB, block);
            assert!(read(&cid, block.to_vec()).is_err(), "{block:?}");
        }
    }
}
