//! Versions of WASI.

use serde::{Deserialize, Serialize};

/// A version of WASI that functions may be built for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Wasi {
    /// Components that wait by polling.
    #[default]
    #[serde(rename = "0.2")]
    V0_2,
    /// Asynchronous components, too.
    #[serde(rename = "0.3")]
    V0_3,
}

impl Wasi {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::V0_2, Self::V0_3];

    /// As plans write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V0_2 => "0.2",
            Self::V0_3 => "0.3",
        }
    }

    /// The version of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|wasi| wasi.name() == name)
    }

    // As serde calls it.
    #[allow(clippy::trivially_copy_pass_by_ref)]
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
