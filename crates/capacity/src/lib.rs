#![doc = include_str!("../README.md")]

mod control;
pub mod randomx;

pub use control::Control;

/// 32 bytes that stand for something: a hash, a label, a key.
pub type Digest = [u8; 32];
