//! Certificates by ACME (RFC 8555): what the configuration says about it, and, with the feature `acme`, how they come. (G20, G21)
//!
//! `names` says for which names, and when the next one is ordered; `orders` does it, one after the other; `server` speaks to
//! the ACME server, `https` carries that; `store` keeps account and certificates. The server finds at our plain port
//! what `Challenges` shows, and so knows that the name is ours.

#[cfg(feature = "acme")]
mod https;
#[cfg(feature = "acme")]
mod names;
#[cfg(feature = "acme")]
mod orders;
#[cfg(feature = "acme")]
mod server;
#[cfg(feature = "acme")]
mod store;
#[cfg(feature = "acme")]
mod validity;
#[cfg(not(feature = "acme"))]
mod without;

#[cfg(feature = "acme")]
pub(super) use orders::Orders;
#[cfg(not(feature = "acme"))]
pub(super) use without::Orders;

use super::domain::NoDomain;
use hyper::{Method, http::request};
use serde::{Deserialize, Serialize};
use std::{
    io,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Names that clients asked for and nobody has looked at yet; more are forgotten, and asked for again.
pub(super) const ASKED: usize = 32;
/// Where a server looks.
const PLACE: &str = "/.well-known/acme-challenge/";

/// How certificates are got from an ACME server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acme {
    /// Whether the operator agrees to the server's terms of service.
    #[serde(default)]
    pub agree_to_terms: bool,
    /// Addresses of mail to which the server writes if something is the matter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contact: Vec<String>,
    /// The server's directory.
    #[serde(default = "directory")]
    pub directory: String,
    /// Who signs the server's own certificate, a file of PEM: whom browsers trust, if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<PathBuf>,
    /// At most so many names below the gateway's domain, and as many domains of deals, besides those that are configured.
    #[serde(default = "names")]
    pub names: usize,
}

fn directory() -> String {
    "https://acme-v02.api.letsencrypt.org/directory".into()
}

fn names() -> usize {
    100
}

/// Why certificates cannot be ordered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The feature is off.
    #[error(
        "this mp gets no certificates by ACME\nhint: build it with the feature `acme`, or put certificates into files: [[certificates]]"
    )]
    NotBuilt,
    /// Nobody would see them.
    #[error(
        "[acme] gets certificates that nobody is shown\nhint: say where TLS is taken: https = \"0.0.0.0:443\""
    )]
    NoHttps,
    /// Without that no server gives any.
    #[error(
        "[acme] does not agree to the terms of service of {0}\nhint: read them, and say agree_to_terms = true"
    )]
    Terms(String),
    /// It cannot be asked.
    #[error(
        "the directory {0:?} of [acme] is no address\nhint: it begins with https:// and names a host"
    )]
    Directory(String),
    /// Nobody certifies that.
    #[error("there are no certificates for {name:?}: {reason}\nhint: see `domain` and [domains]")]
    Name {
        /// Which name.
        name: String,
        /// What is wrong with it.
        reason: NoDomain,
    },
    /// What is kept cannot be used.
    #[error("cannot use {path}")]
    Store {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Acme {
    /// The names that the configuration lists, if all is as it must be.
    ///
    /// # Errors
    /// What is wrong.
    #[cfg(any(test, feature = "acme"))]
    fn check<'n>(
        &self,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<std::collections::BTreeSet<String>, Error> {
        if !self.agree_to_terms {
            return Err(Error::Terms(self.directory.clone()));
        }
        let uri: Option<hyper::Uri> = self.directory.parse().ok();
        let is_address =
            |uri: &hyper::Uri| uri.scheme_str() == Some("https") && uri.host().is_some();
        if !uri.as_ref().is_some_and(is_address) {
            return Err(Error::Directory(self.directory.clone()));
        }
        let name = |name: &str| match name.parse::<super::Domain>() {
            Ok(domain) => Ok(domain.to_string()),
            Err(reason) => Err(Error::Name {
                name: name.to_owned(),
                reason,
            }),
        };
        names.map(name).collect()
    }
}

/// What a server finds that looks whether a name is ours: one answer at a time, since one certificate is ordered at a time.
#[derive(Debug, Default)]
pub(super) struct Challenges(Mutex<Option<Challenge>>);

#[derive(Debug)]
struct Challenge {
    token: String,
    answer: String,
}

impl Challenges {
    fn shown(&self) -> MutexGuard<'_, Option<Challenge>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is shown to who asks this.
    pub(super) fn find(&self, head: &request::Parts) -> Option<String> {
        let token = head.uri.path().strip_prefix(PLACE)?;
        let shown = self.shown();
        let shown = shown.as_ref().filter(|shown| shown.token == token)?;
        (head.method == Method::GET).then(|| shown.answer.clone())
    }

    #[cfg(any(test, feature = "acme"))]
    fn show(&self, token: &str, answer: &str) {
        *self.shown() = Some(Challenge {
            token: token.to_owned(),
            answer: answer.to_owned(),
        });
    }

    #[cfg(feature = "acme")]
    fn hide(&self) {
        *self.shown() = None;
    }
}

#[cfg(test)]
mod tests;
