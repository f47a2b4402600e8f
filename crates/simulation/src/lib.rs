#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod audit;
mod fleet;
mod property;
mod prover;
pub mod scenario;
mod tally;
mod toy;
mod workload;
mod world;

pub use fleet::Deaths;
pub use scenario::{Audits, Fault, Link, Proving, Scenario};
pub use tally::Proved;
pub use world::{Report, run};
