#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod admission;
pub mod audit;
pub mod block;
pub mod call;
pub mod chain;
mod evm;
mod fault;
pub mod fee;
mod gas;
pub mod genesis;
mod journal;
pub mod receipt;
pub mod state;
mod system;

pub use admission::{Checked, Refusal};
pub use block::{Block, Included, Outcome, Transaction, execute};
pub use chain::Head;
pub use fault::Fault;
pub use genesis::Genesis;
pub use marketplace::Book;
pub use receipt::Receipt;
pub use state::{Diff, Rows};
pub use system::MARKER;
