//! Blocks over rows, from the outside.

mod contract;
mod harness;
mod market;
mod system;
mod transfers;
mod usdc;
