//! Workers as processes of their own, from outside. W1 to W30 are the promises of `docs/spec/worker.md`.

mod chains;
mod code;
mod deals;
#[path = "../../../../tests/dice.rs"]
mod dice;
mod fuzz;
mod given;
mod inside;
mod outbound;
mod reuse;
mod service;
mod serving;
mod state;
mod supervision;
mod support;
