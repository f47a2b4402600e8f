#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(feature = "daemon")]
pub mod daemon;
#[cfg(test)]
#[path = "../../../tests/dice.rs"]
mod dice;
mod file;
#[cfg(feature = "daemon")]
pub mod gateway;
pub mod observer;
#[cfg(feature = "daemon")]
pub mod overlay;
#[cfg(feature = "daemon")]
mod pages;
pub mod planner;
pub mod prover;
#[cfg(feature = "daemon")]
pub mod source;
#[cfg(feature = "daemon")]
pub mod units;
