//! Blocks over rows, from the outside.

mod contract;
mod frozen;
mod harness;
mod hostile;
mod market;
mod system;
mod transfers;
mod usdc;
