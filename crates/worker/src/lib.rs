#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

pub mod bundle;
pub mod config;
pub mod control;
#[cfg(feature = "host")]
pub mod host;
pub mod identity;
mod section;
pub mod settings;
pub mod supervisor;

pub use bundle::Bundle;
pub use config::Config;
pub use identity::{ArtifactHash, Identity};
pub use settings::Settings;
