#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

pub mod config;
pub mod control;
#[cfg(feature = "host")]
pub mod host;
pub mod identity;
pub mod settings;
pub mod supervisor;

pub use config::Config;
pub use identity::{ArtifactHash, Identity};
pub use settings::Settings;
