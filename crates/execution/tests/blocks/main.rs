//! Blocks over rows, from the outside.

mod contract;
#[path = "../../../../tests/dice.rs"]
mod dice;
mod frozen;
mod fuzz;
mod harness;
mod market;
mod system;
mod transfers;
mod usdc;
