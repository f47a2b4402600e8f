//! Blocks over rows, from the outside.

mod audits;
#[path = "../../../marketplace/tests/it/calls.rs"]
mod calls;
mod capacity;
mod contract;
mod costs;
#[path = "../../../../tests/dice.rs"]
mod dice;
mod frozen;
mod fuzz;
mod harness;
mod market;
#[path = "../../../marketplace/tests/it/names.rs"]
mod names;
mod proofs;
mod system;
mod transfers;
#[path = "../../../marketplace/tests/it/typical.rs"]
mod typical;
mod usdc;
