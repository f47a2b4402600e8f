//! The Solidity face from the outside: what it looks like, and that nothing is lost on the way.

mod frozen;
mod hostile;
mod samples;
mod words;
