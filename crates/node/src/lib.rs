#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod block;
pub mod chain;
pub mod consensus;
pub mod engine;
pub mod executor;
pub mod gossip;
pub mod mempool;
pub mod storage;
pub mod validators;
