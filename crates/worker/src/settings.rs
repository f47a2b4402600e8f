//! What a developer sets for a function, beside its code.
//!
//! Settings travel inside the artifact, as its last section: whoever has the artifact by its hash has exactly these
//! settings, so they change and go back with the function, one worker at a time. The artifact stays an ordinary
//! component; other hosts ignore the section, which is called `SECTION` and holds the settings as JSON.
//!
//! Secrets are not in it. The artifact names the hash of a document of [`Secrets`], which only the deal's peers get.

mod origin;
mod wasi;

pub use origin::{NotAnOrigin, Origin, ZONE, inside};
pub use wasi::Wasi;

use crate::{ArtifactHash, section};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
};

/// The name of the section.
pub(crate) const SECTION: &[u8] = b"marketplace.settings";

/// Settings, and the document of secrets, are not longer than this as JSON.
pub const MAX_BYTES: usize = 64 << 10;

/// Bytes at the end of an artifact in which the section is, if there is one.
const END_BYTES: usize = MAX_BYTES + section::frame_bytes(SECTION);

/// Names in one list.
const MAX_NAMES: usize = 64;

/// Bytes of a name.
const MAX_NAME_BYTES: usize = 128;

/// Bytes of a value.
const MAX_VALUE_BYTES: usize = 8 << 10;

/// Requests that one instance may serve.
const MAX_REUSE: u32 = 10_000;

/// Values by name.
pub type Values = BTreeMap<String, String>;

/// What a function is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Its environment variables.
    #[serde(skip_serializing_if = "Values::is_empty")]
    pub environment: Values,
    /// What `wasi:config/store` tells it.
    #[serde(skip_serializing_if = "Values::is_empty")]
    pub config: Values,
    /// Whom it may ask over HTTP: nobody, if nobody is named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outbound: Vec<Origin>,
    /// Requests that one instance serves, one after the other; without it, one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reuse: Option<u32>,
    /// The newest version of WASI that they may be built for.
    #[serde(skip_serializing_if = "Wasi::is_default")]
    pub wasi: Wasi,
    /// Its secrets, which only the deal's peers get.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Sealed>,
}

/// Which document of secrets belongs to the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// BLAKE3 of the document.
    pub hash: ArtifactHash,
    /// Its size in bytes.
    pub size: u64,
}

/// A document of secrets. The function sees each as an environment variable, and from `wasi:config/store`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// Keeps who knows the hash from trying values until one fits.
    pub salt: ArtifactHash,
    /// The secrets by name.
    pub values: Values,
}

/// Why settings or secrets cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("the artifact cannot be read")]
    Read(#[from] io::Error),
    /// The section or document is not what it should be.
    #[error("they are not JSON of the known form: {0}")]
    Parse(#[from] serde_json::Error),
    /// They are longer than [`MAX_BYTES`].
    #[error("they have {0} bytes; at most {MAX_BYTES} are possible")]
    TooLong(usize),
    /// More names than there may be.
    #[error("there are {0} names in one list; at most {MAX_NAMES} are possible")]
    TooMany(usize),
    /// Something that is no name.
    #[error(
        "{0:?} is no name: 1 to {MAX_NAME_BYTES} bytes, of an environment variable only letters, digits and _"
    )]
    Name(String),
    /// A value that is too long, or has a byte 0 in it.
    #[error(
        "the value of {0} is longer than {MAX_VALUE_BYTES} bytes, or contains a character with the code 0"
    )]
    Value(String),
    /// The name is there twice.
    #[error("{0} is both a secret and set in the open")]
    Twice(String),
    /// An instance cannot serve so many requests.
    #[error("{0} is no number of requests for one instance: 1 to {MAX_REUSE} are possible")]
    Reuse(u32),
    /// The component has settings of its own.
    #[error("the function already carries settings: it is an artifact, not what was built")]
    Packed,
}

impl Settings {
    /// The artifact: the functions, and these settings behind them. Without settings, it is the functions.
    ///
    /// # Errors
    /// The settings are beyond their limits, or there are some already.
    pub fn pack(&self, mut functions: Vec<u8>) -> Result<Vec<u8>, Error> {
        self.check()?;
        if functions.ends_with(SECTION) {
            return Err(Error::Packed);
        }
        if *self == Self::default() {
            return Ok(functions);
        }
        let json = serde_json::to_vec(self)?;
        if json.len() > MAX_BYTES {
            return Err(Error::TooLong(json.len()));
        }
        section::append(&mut functions, SECTION, &[&json]);
        Ok(functions)
    }

    /// Functions and settings of an artifact.
    ///
    /// # Errors
    /// There is a section with our name, and no settings in it.
    pub fn split(artifact: &[u8]) -> Result<(&[u8], Self), Error> {
        match section::last(artifact, SECTION) {
            Some((functions, json)) => Ok((functions, Self::parse(json)?)),
            None => Ok((artifact, Self::default())),
        }
    }

    /// The settings of the artifact in a file, of which only the end is read.
    ///
    /// # Errors
    /// The file cannot be read, or has no settings where they should be.
    pub fn read(artifact: &Path) -> Result<Self, Error> {
        let mut file = File::open(artifact)?;
        let size = file.metadata()?.len();
        let most = END_BYTES as u64;
        file.seek(SeekFrom::Start(size.saturating_sub(most)))?;
        let mut end = Vec::new();
        file.take(most).read_to_end(&mut end)?;
        Ok(Self::split(&end)?.1)
    }

    fn parse(json: &[u8]) -> Result<Self, Error> {
        let settings: Self = parse(json)?;
        settings.check()?;
        Ok(settings)
    }

    /// Checks every limit.
    ///
    /// # Errors
    /// The first that is broken.
    pub fn check(&self) -> Result<(), Error> {
        values(&self.environment, is_variable)?;
        values(&self.config, is_key)?;
        if self.outbound.len() > MAX_NAMES {
            return Err(Error::TooMany(self.outbound.len()));
        }
        if let Some(reuse) = self.reuse
            && !(1..=MAX_REUSE).contains(&reuse)
        {
            return Err(Error::Reuse(reuse));
        }
        match &self.secrets {
            Some(sealed) if sealed.size > MAX_BYTES as u64 => Err(Error::TooLong(
                usize::try_from(sealed.size).unwrap_or(usize::MAX),
            )),
            _ => Ok(()),
        }
    }

    /// With these secrets, as the function sees it all.
    ///
    /// # Errors
    /// A secret has the name of something that is not secret.
    pub fn with(mut self, secrets: Secrets) -> Result<Self, Error> {
        for (name, value) in secrets.values {
            let is_new = self
                .environment
                .insert(name.clone(), value.clone())
                .is_none()
                && self.config.insert(name.clone(), value).is_none();
            if !is_new {
                return Err(Error::Twice(name));
            }
        }
        Ok(self)
    }
}

impl Secrets {
    /// The document.
    ///
    /// # Errors
    /// They are beyond their limits.
    pub fn write(&self) -> Result<Vec<u8>, Error> {
        values(&self.values, is_variable)?;
        let json = serde_json::to_vec(self)?;
        match json.len() {
            0..=MAX_BYTES => Ok(json),
            length => Err(Error::TooLong(length)),
        }
    }

    /// Reads a document.
    ///
    /// # Errors
    /// It is none, or beyond its limits.
    pub fn parse(document: &[u8]) -> Result<Self, Error> {
        let secrets: Self = parse(document)?;
        values(&secrets.values, is_variable)?;
        Ok(secrets)
    }
}

/// Does not show the values.
impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, Error> {
    match json.len() {
        0..=MAX_BYTES => Ok(serde_json::from_slice(json)?),
        length => Err(Error::TooLong(length)),
    }
}

fn values(values: &Values, is_name: fn(char) -> bool) -> Result<(), Error> {
    if values.len() > MAX_NAMES {
        return Err(Error::TooMany(values.len()));
    }
    for (name, value) in values {
        if !(1..=MAX_NAME_BYTES).contains(&name.len()) || !name.chars().all(is_name) {
            return Err(Error::Name(name.chars().take(MAX_NAME_BYTES).collect()));
        }
        if value.len() > MAX_VALUE_BYTES || value.contains('\0') {
            return Err(Error::Value(name.clone()));
        }
    }
    Ok(())
}

fn is_variable(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

fn is_key(character: char) -> bool {
    !character.is_control()
}

#[cfg(test)]
mod tests;
