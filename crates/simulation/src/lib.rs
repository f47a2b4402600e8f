#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod property;
pub mod scenario;
mod workload;
mod world;

pub use scenario::{Fault, Link, Scenario};
pub use world::{Report, run};
