#![doc = include_str!("../README.md")]

mod answer;
mod audit;
mod control;
mod hash;
mod peer;
pub mod randomx;
mod statement;
mod tree;
mod verifier;
pub mod work;

pub use answer::{Answer, MAX_ANSWER_BYTES, MAX_LEAVES, MAX_PATH, MAX_PEER_PATH, NotAnAnswer};
pub use audit::{Audit, Malformed, Verdict, draw};
pub use control::Control;
pub use peer::{BadUnits, MAX_UNITS, PeerTree, Seat};
pub use statement::{
    BadShape, MAX_CLASS, MAX_LEAVES_PER_CLASS, MAX_STEPS, Shape, Statement, THREADS, Unit,
};
pub use verifier::{Caches, Error, Held, MAX_CACHES, Verifier};

/// 32 bytes that stand for something: a hash, a label, a key.
pub type Digest = [u8; 32];
