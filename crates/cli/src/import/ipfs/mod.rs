//! IPFS: files by what they hold, from a gateway that the user names.
//!
//! The gateway is asked for blocks as they are (`?format=raw`, the specification of trustless gateways), one after the other, and each
//! must be of its CID: who the gateway is, and what is between, does not matter.

mod reference;
pub(super) mod unixfs;

pub(crate) use reference::Reference;

use super::{
    Refused,
    cache::Cache,
    max_component,
    web::{Web, send},
};
use crate::document::clip;
use cid::Cid;
use reference::{Content, content};
use reqwest::{StatusCode, Url, header::ACCEPT};
use std::{future::Future, time::Duration};
use tokio::time::timeout;
use unixfs::Node;

/// What is asked for.
const BLOCK: &str = "application/vnd.ipld.raw";
/// Bytes of a block at most, as IPFS nodes have it.
const MAX_BLOCK: u64 = 2 << 20;
/// Blocks of a file at most: those of the largest in small parts of 16 KiB, and of what links to them.
const MAX_BLOCKS: usize = 8_192;
/// Blocks that lead to a part of a file at most.
const MAX_DEPTH: usize = 16;
/// How long a block may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a file may take.
const WHOLE: Duration = Duration::from_secs(600);

/// Bytes of all blocks of a file at most: those of the largest file, and as many that lead to it.
fn max_bytes() -> u64 {
    2 * max_component()
}

/// Fetches a file, as far as it is not kept here.
pub(super) async fn fetch(
    web: &Web,
    cache: &Cache,
    gateway: &str,
    reference: &Reference,
) -> Result<Vec<u8>, Refused> {
    let gateway = &base(gateway)?;
    let block = async |cid: &Cid| {
        let digest = match content(cid).map_err(|what| no_file(&what))? {
            Content::Inline(block) => return Ok(block),
            Content::Hashed(digest) => digest,
        };
        if let Some(block) = cache.get(&digest, MAX_BLOCK) {
            return Ok(block);
        }
        let block = ask(web, gateway, cid).await?;
        if !digest.is_of(&block) {
            return Err(another(gateway, cid));
        }
        cache.put(&digest, &block)?;
        Ok(block)
    };
    let mut blocks = Blocks::new(block);
    let file = async {
        let cid = blocks.find(reference).await?;
        blocks.file(cid).await
    };
    within(WHOLE, file).await
}

async fn within(
    limit: Duration,
    file: impl Future<Output = Result<Vec<u8>, Refused>>,
) -> Result<Vec<u8>, Refused> {
    let late = |_| {
        Err(Refused {
            what: format!("its blocks have not come in {} s", limit.as_secs()),
            hint: "try again, what has come is kept; another gateway is named with --ipfs-gateway"
                .into(),
        })
    };
    timeout(limit, file).await.unwrap_or_else(late)
}

/// The address below which a gateway has everything.
fn base(gateway: &str) -> Result<Url, Refused> {
    let url: Option<Url> = format!("{}/", gateway.trim_end_matches('/')).parse().ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
    url.ok_or_else(|| Refused {
        what: clip(&format!("{gateway:?} is no address of a gateway")),
        hint: "write --ipfs-gateway http://HOST:PORT".into(),
    })
}

/// One block, unchecked.
async fn ask(web: &Web, gateway: &Url, cid: &Cid) -> Result<Vec<u8>, Refused> {
    let url = gateway.join(&format!("ipfs/{cid}?format=raw"));
    let url = url.map_err(|error| no_file(&error.to_string()))?;
    let request = web.get(url).header(ACCEPT, BLOCK).timeout(PATIENCE);
    let answer = send(request, MAX_BLOCK).await.map_err(|refused| Refused {
        hint: format!(
            "{}; another gateway is named with --ipfs-gateway",
            refused.hint
        ),
        ..refused
    })?;
    match answer.status {
        StatusCode::OK => Ok(answer.body),
        status => {
            let said = String::from_utf8_lossy(&answer.body);
            let said = said.lines().next().unwrap_or_default();
            let gateway = shown(gateway);
            let what = format!("{gateway} does not give {cid} (HTTP {status}): {said}");
            Err(Refused {
                what: clip(&what),
                hint: "name a gateway that has it, or a node that finds it, with --ipfs-gateway"
                    .into(),
            })
        }
    }
}

/// A gateway in words: without a password that may stand in its address.
fn shown(gateway: &Url) -> String {
    gateway.origin().ascii_serialization()
}

fn another(gateway: &Url, cid: &Cid) -> Refused {
    Refused {
        what: clip(&format!("what {} gives is not {cid}", shown(gateway))),
        hint: "name a trustless gateway with --ipfs-gateway, one that gives blocks as they are"
            .into(),
    }
}

fn no_file(what: &str) -> Refused {
    Refused {
        what: clip(what),
        hint: "name a file as `ipfs add --cid-version=1` has made it".into(),
    }
}

fn too_many() -> Refused {
    no_file(&format!("it has more than {MAX_BLOCKS} blocks"))
}

/// Where blocks come from, each of its CID, and how many and how much may still come.
struct Blocks<F> {
    block: F,
    left: usize,
    bytes_left: u64,
}

impl<F: AsyncFn(&Cid) -> Result<Vec<u8>, Refused>> Blocks<F> {
    fn new(block: F) -> Self {
        Self {
            block,
            left: MAX_BLOCKS,
            bytes_left: max_bytes(),
        }
    }

    async fn node(&mut self, cid: &Cid) -> Result<Node, Refused> {
        let left = self.left.checked_sub(1);
        self.left = left.ok_or_else(too_many)?;
        let block = (self.block)(cid).await?;
        let bytes_left = self.bytes_left.checked_sub(block.len() as u64);
        let too_large = || format!("its blocks are larger than {} bytes in all", max_bytes());
        self.bytes_left = bytes_left.ok_or_else(|| no_file(&too_large()))?;
        unixfs::read(cid, block).map_err(|what| no_file(&format!("{cid}: {what}")))
    }

    /// Goes through folders to a file.
    async fn find(&mut self, reference: &Reference) -> Result<Cid, Refused> {
        let mut cid = reference.cid;
        for name in &reference.path {
            let Node::Folder(names) = self.node(&cid).await? else {
                return Err(no_file(&format!("{cid} is no folder")));
            };
            let found = names.into_iter().find(|(known, _)| known == name);
            let found = found.ok_or_else(|| no_file(&format!("{cid} has no file {name:?}")))?;
            cid = found.1;
        }
        Ok(cid)
    }

    /// All of a file, from its first part to its last.
    async fn file(&mut self, root: Cid) -> Result<Vec<u8>, Refused> {
        let mut bytes = Vec::new();
        let mut size = None;
        let mut ahead = vec![(root, 0)];
        while let Some((cid, depth)) = ahead.pop() {
            let Node::File {
                bytes: held,
                parts,
                size: said,
            } = self.node(&cid).await?
            else {
                return Err(no_file(&format!("{cid} is a folder; name a file in it")));
            };
            let said = *size.get_or_insert(said);
            bytes.extend_from_slice(&held);
            if said.max(bytes.len() as u64) > max_component() {
                return Err(no_file(&format!(
                    "it is larger than {} bytes",
                    max_component()
                )));
            }
            if !parts.is_empty() && depth == MAX_DEPTH {
                return Err(no_file(&format!(
                    "its parts lie deeper than {MAX_DEPTH} blocks"
                )));
            }
            if parts.len() + ahead.len() > self.left {
                return Err(too_many());
            }
            ahead.extend(parts.into_iter().rev().map(|part| (part, depth + 1)));
        }
        match size == Some(bytes.len() as u64) {
            true => Ok(bytes),
            false => Err(no_file("it is not as large as it says")),
        }
    }
}

#[cfg(test)]
mod tests;
