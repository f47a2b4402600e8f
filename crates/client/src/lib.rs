#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod chain;
mod error;
pub mod key;
mod market;
pub mod permit;
mod rpc;
mod transaction;

pub use abi::{sol, view};
pub use error::Error;
pub use key::{AccountKey, PeerKey};
pub use marketplace;
pub use rpc::Client;
pub use transaction::Receipt;
