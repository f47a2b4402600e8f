//! Artifacts of several functions.
//!
//! An artifact is one component, the main function, and behind it up to [`MAX_FUNCTIONS`] - 1 others, each in a custom
//! section of its own called `SECTION`: length of its name (1 byte), name, component; in the order of names. Settings, if
//! there are any, come after them. So one hash and one size cover all, and elsewhere the main function runs as it is.

mod name;

pub use name::{Name, NotAName};

use crate::{section, settings};
use std::collections::BTreeMap;

/// The name of the sections.
pub(crate) const SECTION: &[u8] = b"marketplace.function";

/// Functions of one artifact, the main one among them.
pub const MAX_FUNCTIONS: usize = 16;

/// One component is not longer than this; an artifact has limits of its own.
const MAX_COMPONENT_BYTES: usize = 1 << 30;

/// The functions of an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle<'a> {
    /// The one that clients ask.
    pub main: &'a [u8],
    /// Those that functions ask, by name.
    pub others: BTreeMap<Name, &'a [u8]>,
}

/// Why functions are no bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// More functions than there may be.
    #[error("there are more than {MAX_FUNCTIONS} functions in one artifact")]
    TooMany,
    /// A function's name is no name.
    #[error(transparent)]
    Name(#[from] NotAName),
    /// The order is another, or a name is there twice.
    #[error("the function {0} is there twice, or not in its place")]
    Order(Name),
    /// An artifact in place of a component.
    #[error("the function {0} is an artifact, not what was built")]
    Nested(Name),
    /// A component that no artifact can hold.
    #[error("the function {0} has {1} bytes; at most {MAX_COMPONENT_BYTES} are possible")]
    TooLong(Name, usize),
}

impl<'a> Bundle<'a> {
    /// The bytes of all of them.
    ///
    /// # Errors
    /// They are too many, or one of them is no plain component.
    pub fn pack(&self) -> Result<Vec<u8>, Error> {
        if self.others.len() >= MAX_FUNCTIONS {
            return Err(Error::TooMany);
        }
        plain(&Name::main(), self.main)?;
        let mut artifact = self.main.to_vec();
        for (name, component) in &self.others {
            plain(name, component)?;
            let text = name.as_str().as_bytes();
            let parts = [&[text.len() as u8], text, component];
            section::append(&mut artifact, SECTION, &parts);
        }
        Ok(artifact)
    }

    /// The functions of an artifact without its settings.
    ///
    /// # Errors
    /// It is none that [`Self::pack`] makes.
    pub fn split(artifact: &'a [u8]) -> Result<Self, Error> {
        let mut main = artifact;
        let mut others = BTreeMap::<Name, &[u8]>::new();
        while let Some((before, content)) = section::last(main, SECTION) {
            if others.len() + 1 >= MAX_FUNCTIONS {
                return Err(Error::TooMany);
            }
            let (name, component) = named(content)?;
            plain(&name, component)?;
            if others.keys().next().is_some_and(|later| *later <= name) {
                return Err(Error::Order(name));
            }
            others.insert(name, component);
            main = before;
        }
        plain(&Name::main(), main)?;
        Ok(Self { main, others })
    }
}

/// What a section holds.
fn named(content: &[u8]) -> Result<(Name, &[u8]), NotAName> {
    let nameless = || NotAName(String::new());
    let (length, rest) = content.split_first().ok_or_else(nameless)?;
    let (name, component) = rest
        .split_at_checked(usize::from(*length))
        .ok_or_else(nameless)?;
    let name = String::from_utf8_lossy(name).parse()?;
    Ok((name, component))
}

/// Makes sure that a component has nothing of ours behind it.
fn plain(name: &Name, component: &[u8]) -> Result<(), Error> {
    if component.len() > MAX_COMPONENT_BYTES {
        return Err(Error::TooLong(name.clone(), component.len()));
    }
    let is_ours = |section| component.ends_with(section);
    if [SECTION, settings::SECTION].into_iter().any(is_ours) {
        return Err(Error::Nested(name.clone()));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
