//! Registries: what `wkg oci push`, `wash push` and their like have put there.
//!
//! Two requests of the distribution specification, written out here: the client of the ORAS project (`oci-client`) takes manifests and
//! tokens of any length, follows redirects anywhere, and cannot be told otherwise.

mod credentials;
mod manifest;
mod reference;

pub(crate) use reference::Reference;

use super::{
    Refused,
    cache::Cache,
    digest::{Algorithm, Digest},
    web::{self, Answer, Web, send},
};
use crate::document::clip;
use credentials::{Pass, pass, refused};
pub(super) use manifest::component;
use reqwest::{StatusCode, Url, header::ACCEPT};
use serde::Deserialize;

/// Bytes of a manifest at most, as the specification advises registries.
const MAX_MANIFEST: u64 = 4 << 20;

/// What a reference stands for.
#[derive(Debug)]
pub(super) struct Found {
    /// The digest of its manifest.
    pub(super) digest: Digest,
    /// The component.
    pub(super) bytes: Vec<u8>,
}

/// Fetches what a reference stands for now, as far as it is not kept here. With a digest that is kept, nobody is asked.
pub(super) async fn fetch(
    web: &Web,
    cache: &Cache,
    reference: &Reference,
) -> Result<Found, Refused> {
    let mut registry = Registry {
        web,
        reference,
        base: None,
        pass: None,
    };
    let kept = reference.digest.and_then(|digest| {
        let bytes = cache.get(&digest, MAX_MANIFEST)?;
        Some((digest, bytes))
    });
    let (digest, manifest) = match kept {
        Some(kept) => kept,
        None => registry.manifest().await?,
    };
    let component = component(&manifest)?;
    let bytes = match cache.get(&component.digest, component.size) {
        Some(bytes) => bytes,
        None => registry.component(&component).await?,
    };
    cache.put(&digest, &manifest)?;
    cache.put(&component.digest, &bytes)?;
    Ok(Found { digest, bytes })
}

/// A registry that is asked for one thing.
struct Registry<'a> {
    web: &'a Web,
    reference: &'a Reference,
    /// Where it answers, once it has.
    base: Option<Url>,
    /// What it wants to see, once it has said so.
    pass: Option<Pass>,
}

impl Registry<'_> {
    async fn manifest(&mut self) -> Result<(Digest, Vec<u8>), Refused> {
        let path = format!("manifests/{}", self.reference.version());
        let answer = self.get(&path, manifest::ACCEPTED, MAX_MANIFEST).await?;
        let digest = Digest::of(Algorithm::Sha256, &answer.body);
        let said = answer.headers.get("docker-content-digest");
        let said = said.and_then(|said| said.to_str().ok()?.parse::<Digest>().ok());
        match self.reference.digest.or(said) {
            Some(expected) if expected != digest => Err(another("manifest", expected)),
            _ => Ok((digest, answer.body)),
        }
    }

    async fn component(&mut self, component: &manifest::Component) -> Result<Vec<u8>, Refused> {
        let path = format!("blobs/{}", component.digest);
        let answer = self.get(&path, "*/*", component.size).await?;
        match component.digest.is_of(&answer.body) {
            true => Ok(answer.body),
            false => Err(another("component", component.digest)),
        }
    }

    /// Asks, and once more with what the registry wants to see.
    async fn get(&mut self, path: &str, accept: &str, most: u64) -> Result<Answer, Refused> {
        let base = self.base().await?;
        let mut answer = self.ask(&base, path, accept, most).await?;
        if answer.status == StatusCode::UNAUTHORIZED && self.pass.is_none() {
            self.pass = Some(pass(self.web, &base, self.reference, &answer).await?);
            answer = self.ask(&base, path, accept, most).await?;
        }
        match answer.status {
            StatusCode::OK => Ok(answer),
            status => Err(self.complaint(status, &answer.body)),
        }
    }

    async fn ask(
        &self,
        base: &Url,
        path: &str,
        accept: &str,
        most: u64,
    ) -> Result<Answer, Refused> {
        let path = format!("v2/{}/{path}", self.reference.name);
        let url = base.join(&path).map_err(|error| Refused {
            what: clip(&format!("{base}{path} is no address: {error}")),
            hint: "look at the name".into(),
        })?;
        let request = self.web.get(url).header(ACCEPT, accept);
        let request = match &self.pass {
            Some(pass) => pass.go_along(request),
            None => request,
        };
        send(request, most).await
    }

    /// Where it answers: by TLS; on this machine in plain if it does not speak TLS, as other clients have it.
    async fn base(&mut self) -> Result<Url, Refused> {
        if let Some(base) = &self.base {
            return Ok(base.clone());
        }
        let base = self.reference.base().ok_or_else(|| Refused {
            what: format!("{} is no address", self.reference.host()),
            hint: "look at the name".into(),
        })?;
        let base = match web::is_here(&base) && !self.speaks_tls(&base).await {
            true => plain(&base),
            false => base,
        };
        self.base = Some(base.clone());
        Ok(base)
    }

    async fn speaks_tls(&self, base: &Url) -> bool {
        send(self.web.get(base.clone()), MAX_MANIFEST).await.is_ok()
    }

    fn complaint(&self, status: StatusCode, body: &[u8]) -> Refused {
        let host = self.reference.host();
        let said = said(body);
        match status {
            StatusCode::NOT_FOUND => Refused {
                what: clip(&format!("{host} has no such thing: {said}")),
                hint: format!(
                    "look at name and tag; if it is private, `docker login {host}` first"
                ),
            },
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => refused(host, &said),
            status => Refused {
                what: clip(&format!("{host} answers HTTP {status}: {said}")),
                hint: "try again later, or ask whoever runs it".into(),
            },
        }
    }
}

/// The same without TLS.
fn plain(base: &Url) -> Url {
    let plain = base.as_str().replacen("https://", "http://", 1);
    plain.parse().unwrap_or_else(|_| base.clone())
}

fn another(what: &str, expected: Digest) -> Refused {
    Refused {
        what: format!("the {what} that came is another one than {expected}"),
        hint: "somebody on the way or the registry itself has changed it; do not use it".into(),
    }
}

/// Complaints as the specification has them.
#[derive(Deserialize)]
struct Complaints {
    errors: Vec<Complaint>,
}

#[derive(Deserialize)]
struct Complaint {
    code: String,
    #[serde(default)]
    message: String,
}

/// What a registry says when it does not give something.
fn said(body: &[u8]) -> String {
    let complaints: Option<Complaints> = serde_json::from_slice(body).ok();
    let first = complaints.and_then(|complaints| complaints.errors.into_iter().next());
    first.map_or_else(
        || "it does not say why".into(),
        |first| format!("{} ({})", first.message, first.code),
    )
}

#[cfg(test)]
mod tests;
