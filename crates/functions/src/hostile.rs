//! Functions that misbehave, for tests of whoever runs functions of strangers.

use crate::component;

/// Never ends and never waits.
pub const SPIN: &[u8] = component!("spin");

/// Fails at once.
pub const TRAP: &[u8] = component!("trap");

/// Calls itself until the stack is used up, which is a trap.
pub const RECURSION: &[u8] = component!("recursion");

/// Takes and touches memory until it is refused, then traps.
pub const MEMORY_BOMB: &[u8] = component!("memory_bomb");

/// Ends without an answer.
pub const SILENT: &[u8] = component!("silent");

/// Answers with an error in place of a response.
pub const ERROR_ANSWER: &[u8] = component!("error_answer");

/// Answers with status 100, which is no answer.
pub const INTERIM: &[u8] = component!("interim");

/// Answers 200 and then sends without end.
pub const FLOOD: &[u8] = component!("flood");

/// Answers 200 with `first`, then waits for an hour before it ends the body.
pub const SLOW_BODY: &[u8] = component!("slow_body");

/// Logs ten thousand lines with an escape sequence in each and one of 64 KiB, then answers `done`.
pub const CHATTER: &[u8] = component!("chatter");

/// Answers `fresh`, or `stale` if it finds what an earlier request left in its memory.
pub const RESIDUE: &[u8] = component!("residue");

/// Sends a request to port 80 of the machine it runs on; answers `denied`, or `sent..`.
pub const OUTBOUND: &[u8] = component!("outbound");

/// Looks for folders, sockets and names; answers `nothing`, or `something` if it gets any.
pub const EXPLORER: &[u8] = component!("explorer");

/// Imports what no worker gives.
pub const TRESPASSER: &[u8] = component!("trespasser");

/// Asks the function `swarm` of its artifact, itself, four times at once, and logs `begun` each time; answers `done`.
pub const SWARM: &[u8] = component!("swarm");
/// Adds headers to a set of headers until that is refused, which is a trap.
pub const HEADERS: &[u8] = component!("headers");

/// Takes host resources until one is refused, which is a trap.
pub const HOARDER: &[u8] = component!("hoarder");

/// Keeps a compiler busy for longer, or with more memory, than it is given.
pub const COMPILE_BOMB: &[u8] = component!("compile_bomb");
