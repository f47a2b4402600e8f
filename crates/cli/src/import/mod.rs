//! Functions that lie elsewhere: what a plan's references stand for, fetched, checked and kept.
//!
//! `oci` speaks to registries and `ipfs` to gateways, over `web`. Nothing is taken whose `digest` is another one than it must be. `cache` keeps what came, so
//! that `plan`, `apply` and `update` fetch it once. Promises P22 to P26: `docs/spec/plan.md`.

mod cache;
mod digest;
#[cfg(test)]
mod fuzz;
mod ipfs;
mod oci;
#[cfg(test)]
mod server;
mod web;

use cache::{Cache, usual_folder};
use clap::Args;
use digest::{Algorithm, Digest};
use serde::Serialize;
use std::{
    fmt, fs,
    path::{Path, PathBuf},
    str::FromStr,
};
use web::Web;
use worker::config::Limits;

/// Bytes that a component may have: no worker takes an artifact of more.
pub(crate) fn max_component() -> u64 {
    Limits::default().artifact_bytes
}

/// Where a component is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// A file, from where the plan lies.
    File(PathBuf),
    /// In a registry.
    Oci(oci::Reference),
    /// By what it holds.
    Ipfs(ipfs::Reference),
}

/// A file's path, or a reference by its scheme. An error says what to write.
impl FromStr for Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            None => Ok(Self::File(text.into())),
            Some(("oci", rest)) => rest.parse().map(Self::Oci),
            Some(("ipfs", rest)) => rest.parse().map(Self::Ipfs),
            Some(_) => Err(
                "write a file's path, oci://HOST/NAME:TAG for what a registry has, or ipfs://CID"
                    .into(),
            ),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Oci(reference) => reference.fmt(f),
            Self::Ipfs(reference) => reference.fmt(f),
        }
    }
}

/// Where a node of IPFS on this machine has its gateway.
const IPFS_GATEWAY: &str = "http://127.0.0.1:8080";

/// How functions are fetched that a plan names by a reference.
#[derive(Clone, Debug, Args)]
pub(crate) struct Fetch {
    /// The gateway that functions by `ipfs://` are asked from. It gives blocks as they are, and each is checked: any does that has them.
    #[arg(long, value_name = "URL", env = "IPFS_GATEWAY", default_value = IPFS_GATEWAY)]
    pub(crate) ipfs_gateway: String,
    /// Where functions are kept that were fetched from elsewhere; by default below the user's folder of caches.
    #[arg(long, value_name = "FOLDER", env = "MP_CACHE")]
    pub(crate) cache: Option<PathBuf>,
}

impl Default for Fetch {
    fn default() -> Self {
        Self {
            ipfs_gateway: IPFS_GATEWAY.into(),
            cache: None,
        }
    }
}

/// What becomes of a tag that stands for something else than when the plan was last looked at here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    /// It is said, and what it stands for now is taken.
    Said,
    /// Nothing is taken: what would be paid for is not what was looked at.
    Refused,
}

/// What a reference came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Import {
    /// The reference, for these bytes and no others.
    pub(crate) reference: String,
    /// The same for what its tag stood for when the plan was last looked at, if that was something else.
    pub(crate) moved_from: Option<String>,
    #[serde(skip)]
    tag: Option<Tag>,
}

/// What a tag stands for, and a name of it that is this plan's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tag {
    name: Digest,
    digest: Digest,
}

/// Why nothing is taken, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) what: String,
    pub(crate) hint: String,
}

/// Fetches what the references of one plan stand for.
#[derive(Debug)]
pub(crate) struct Imports {
    web: Web,
    cache: Cache,
    gateway: String,
    plan: PathBuf,
    moved: Moved,
}

impl Imports {
    /// Those of the plan in this file.
    pub(crate) fn open(fetch: &Fetch, plan: &Path, moved: Moved) -> Result<Self, Refused> {
        let folder = match &fetch.cache {
            Some(folder) => folder.clone(),
            None => usual_folder()?,
        };
        Ok(Self {
            web: Web::new()?,
            cache: Cache::open(&folder)?,
            gateway: fetch.ipfs_gateway.clone(),
            // One that is not there any more has no tags to remember either.
            plan: fs::canonicalize(plan).unwrap_or_else(|_| plan.to_owned()),
            moved,
        })
    }

    /// A component, and which one it is.
    pub(crate) async fn oci(
        &self,
        reference: &oci::Reference,
    ) -> Result<(Vec<u8>, Import), Refused> {
        let found = oci::fetch(&self.web, &self.cache, reference).await?;
        let pinned = reference.pinned(found.digest);
        let mut import = Import {
            reference: pinned.to_string(),
            moved_from: None,
            tag: None,
        };
        if pinned == *reference {
            return Ok((found.bytes, import));
        }
        let (name, digest) = (self.name(reference), found.digest);
        import.tag = Some(Tag { name, digest });
        let before = self.cache.tag(&name).filter(|before| *before != digest);
        let before = before.map(|before| reference.pinned(before).to_string());
        match (before, self.moved) {
            (Some(before), Moved::Refused) => Err(Refused {
                what: format!(
                    "{reference} is another one than when this plan was looked at: {digest}"
                ),
                hint: format!(
                    "see what it would be now with `mp deploy plan`, or name the one of before: {before}"
                ),
            }),
            (before, _) => {
                import.moved_from = before;
                Ok((found.bytes, import))
            }
        }
    }

    /// A component, and which one it is: what its reference says.
    pub(crate) async fn ipfs(
        &self,
        reference: &ipfs::Reference,
    ) -> Result<(Vec<u8>, Import), Refused> {
        let bytes = ipfs::fetch(&self.web, &self.cache, &self.gateway, reference).await?;
        let import = Import {
            reference: reference.to_string(),
            moved_from: None,
            tag: None,
        };
        Ok((bytes, import))
    }

    /// Remembers what the tags of a plan stand for that was looked at.
    pub(crate) fn looked_at<'a>(
        &self,
        imports: impl Iterator<Item = &'a Import>,
    ) -> Result<(), Refused> {
        for Tag { name, digest } in imports.filter_map(|import| import.tag) {
            self.cache.note_tag(&name, &digest)?;
        }
        self.cache.trim()
    }

    /// What a tag of this plan is remembered by.
    fn name(&self, reference: &oci::Reference) -> Digest {
        let name = format!("{}\0{reference}", self.plan.display());
        Digest::of(Algorithm::Sha256, name.as_bytes())
    }
}

/// In words, for people.
pub(crate) fn describe(name: &str, import: &Import) -> String {
    let Import {
        reference,
        moved_from,
        ..
    } = import;
    match moved_from {
        None => format!("{name} is {reference}"),
        Some(before) => {
            format!("{name} is {reference}, and was {before} when it was last looked at")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Location;

    /// (P25)
    #[test]
    fn a_location_is_a_file_unless_it_has_a_scheme() {
        for file in [
            "hello.wasm",
            "../a/b.wasm",
            "C:/hello.wasm",
            "oci:hello",
            "//hello",
        ] {
            assert!(matches!(file.parse(), Ok(Location::File(_))), "{file}");
        }
        let oci = "oci://ghcr.io/me/hello:1";
        assert_eq!(oci.parse::<Location>().unwrap().to_string(), oci);
        for wrong in [
            "https://a.test/hello.wasm",
            "docker://a.test/hello:1",
            "OCI://a.test/b:1",
            "://",
            "file:///hello.wasm",
        ] {
            let error = wrong.parse::<Location>().unwrap_err();
            assert!(error.contains("oci://HOST/NAME:TAG"), "{wrong}: {error}");
        }
    }
}
