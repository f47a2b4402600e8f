//! Blocks over rows, from the outside.

mod harness;
mod transfers;
mod usdc;
