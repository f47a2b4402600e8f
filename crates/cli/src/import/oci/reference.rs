//! Names of what lies in a registry: `oci://HOST/NAME:TAG`, `oci://HOST/NAME@sha256:DIGEST`, or with both.

use crate::import::{digest::Digest, web};
use reqwest::Url;
use std::{fmt, str::FromStr};

/// Characters of a name and of a tag at most, as registries have it.
const MAX_NAME: usize = 255;
const MAX_TAG: usize = 128;

const HINT: &str =
    "write oci://HOST/NAME:TAG, like oci://ghcr.io/me/hello:1.0, or oci://HOST/NAME@sha256:DIGEST";

/// What a plan names. With a digest the tag is for readers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    host: String,
    pub(super) name: String,
    pub(super) tag: Option<String>,
    pub(super) digest: Option<Digest>,
}

impl Reference {
    /// The same, for that content and no other.
    pub(crate) fn pinned(&self, digest: Digest) -> Self {
        Self {
            digest: Some(digest),
            ..self.clone()
        }
    }

    /// The registry, as people call it.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Where the registry answers, by TLS.
    pub(super) fn base(&self) -> Option<Url> {
        address(match self.host.as_str() {
            "docker.io" => "registry-1.docker.io",
            host => host,
        })
    }

    /// What a manifest is asked for by.
    pub(super) fn version(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.clone().unwrap_or_default(),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oci://{}/{}", self.host, self.name)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

/// Reads what stands behind `oci://`. An error says what to write.
impl FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (text, digest) = match text.split_once('@') {
            Some((text, digest)) => (text, Some(digest.parse()?)),
            None => (text, None),
        };
        let (host, rest) = text.split_once('/').ok_or(HINT)?;
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) => (name, Some(tag.to_owned())),
            None => (rest, None),
        };
        if !is_host(host) {
            return Err(format!(
                "name the registry first: {HINT}; that of Docker is docker.io"
            ));
        }
        if !is_name(name) {
            return Err(format!(
                "a name has small letters, digits, `.`, `_`, `-` and `/`: {HINT}"
            ));
        }
        if !tag.as_deref().is_none_or(is_tag) {
            return Err(format!(
                "a tag has letters, digits, `.`, `_` and `-`: {HINT}"
            ));
        }
        if tag.is_none() && digest.is_none() {
            return Err(format!("say which one by its tag or digest: {HINT}"));
        }
        Ok(Self {
            host: host.to_owned(),
            name: name.to_owned(),
            tag,
            digest,
        })
    }
}

fn address(host: &str) -> Option<Url> {
    format!("https://{host}/").parse().ok()
}

/// A host name with a dot or a port, so that the first part of a name is not taken for one; or this machine.
fn is_host(host: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
    let named = host.len() <= MAX_NAME && host.chars().all(plain);
    let url = address(host).filter(|url| url.path() == "/");
    named && url.is_some_and(|url| host.contains(['.', ':']) || web::is_here(&url))
}

/// Parts between slashes: small letters and digits, and single separators between them.
fn is_name(name: &str) -> bool {
    let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_part = |part: &str| {
        part.starts_with(ends)
            && part.ends_with(ends)
            && part.chars().all(|c| ends(c) || "._-".contains(c))
            && !part.contains("..")
    };
    name.len() <= MAX_NAME && name.split('/').all(is_part)
}

fn is_tag(tag: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.len() <= MAX_TAG
        && tag.starts_with(is_word)
        && tag.chars().all(|c| is_word(c) || ".-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::Reference;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn read(text: &str) -> Result<Reference, String> {
        text.parse()
    }

    /// (P22)
    #[test]
    fn references_are_read_as_they_are_written() {
        for text in [
            "ghcr.io/me/hello:1.0".to_owned(),
            format!("ghcr.io/me/hello@{DIGEST}"),
            format!("localhost:5000/a/b-c/d.e_f:v1@{DIGEST}"),
            "localhost/hello:latest".to_owned(),
            "[::1]:5000/hello:1".to_owned(),
            "docker.io/library/hello:1".to_owned(),
        ] {
            let reference = read(&text).unwrap();
            assert_eq!(reference.to_string(), format!("oci://{text}"));
            assert!(reference.base().is_some(), "{text}");
        }
        let hub = read("docker.io/me/hello:1").unwrap().base().unwrap();
        assert_eq!(hub.as_str(), "https://registry-1.docker.io/");
        let (tagged, pinned) = (read("a.test/b:1").unwrap(), DIGEST.parse().unwrap());
        assert_eq!(tagged.version(), "1");
        assert_eq!(tagged.pinned(pinned).version(), DIGEST);
    }

    /// (P25)
    #[test]
    fn what_is_no_reference_is_refused_with_what_to_write() {
        for (text, hint) in [
            ("", "write oci://HOST/NAME:TAG"),
            ("ghcr.io", "write oci://HOST/NAME:TAG"),
            ("me/hello:1", "name the registry first"),
            ("/hello:1", "name the registry first"),
            ("user@ghcr.io/hello:1", "a digest is"),
            ("a.test:99999/hello:1", "name the registry first"),
            ("a.test?x/hello:1", "name the registry first"),
            ("a.test/:1", "small letters"),
            ("a.test/Hello:1", "small letters"),
            ("a.test/../hello:1", "small letters"),
            ("a.test/a//b:1", "small letters"),
            ("a.test/hello", "by its tag or digest"),
            ("a.test/hello:", "a tag has"),
            ("a.test/hello:a b", "a tag has"),
            ("a.test/hello:..", "a tag has"),
            ("a.test/hello@sha256:00", "a digest is"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(hint), "{text}: {error}");
        }
        assert!(read(&format!("a.test/{}:1", "a".repeat(256))).is_err());
        assert!(read(&format!("a.test/a:{}", "a".repeat(129))).is_err());
    }
}
