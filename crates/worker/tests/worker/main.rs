//! Workers as processes of their own, from outside. W1 to W19 are the promises of `docs/spec/worker.md`.

mod code;
#[path = "../../../../tests/dice.rs"]
mod dice;
mod fuzz;
mod given;
mod outbound;
mod serving;
mod state;
mod supervision;
mod support;
