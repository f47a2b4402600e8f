//! The Solidity face from the outside: what it looks like, and that nothing is lost on the way.

#[path = "../../../../tests/dice.rs"]
mod dice;
mod frozen;
mod fuzz;
mod hostile;
mod samples;
mod words;
