#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod audit;
mod property;
pub mod scenario;
mod workload;
mod world;

pub use scenario::{Audits, Fault, Link, Scenario};
pub use world::{Report, run};
