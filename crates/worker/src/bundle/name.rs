//! What functions of one artifact are called.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

/// Bytes of a name, as of a label of a host's name.
const MAX_BYTES: usize = 63;

/// What the function is called that clients ask.
const MAIN: &str = "main";

/// The name of a function: a label of a host's name, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(Arc<str>);

/// The text is no name, or the name is taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no name of a function: 1 to {MAX_BYTES} lower-case letters, digits and hyphens, no hyphen at an end, and \
     not {MAIN:?}, which is the function of the plan itself"
)]
pub struct NotAName(pub(super) String);

impl Name {
    /// The one that no other function has.
    #[must_use]
    pub fn main() -> Self {
        Self(MAIN.into())
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NotAName;

    /// The name of another function than the main one.
    fn from_str(text: &str) -> Result<Self, NotAName> {
        let is_inner =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_label = (1..=MAX_BYTES).contains(&text.len())
            && text.bytes().all(is_inner)
            && !text.starts_with('-')
            && !text.ends_with('-');
        if is_label && text != MAIN {
            Ok(Self(text.into()))
        } else {
            Err(NotAName(text.chars().take(MAX_BYTES).collect()))
        }
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
