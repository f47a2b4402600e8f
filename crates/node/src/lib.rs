#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod audit;
pub mod block;
pub mod chain;
pub mod consensus;
pub mod engine;
pub mod executor;
pub mod gossip;
#[cfg(feature = "server")]
pub mod index;
pub mod mempool;
#[cfg(feature = "server")]
pub mod network;
#[cfg(feature = "server")]
mod rpc;
#[cfg(feature = "server")]
pub mod server;
pub mod storage;
pub mod validators;
