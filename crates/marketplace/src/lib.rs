#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

pub mod attribute;
pub mod audit;
pub mod call;
pub mod change;
pub mod commitment;
pub mod cx;
pub mod datacenter;
pub mod deal;
pub mod demand;
pub mod deposit;
pub mod event;
pub mod flt;
mod genesis;
pub mod governance;
pub mod invariants;
pub mod ledger;
pub mod limits;
pub mod matching;
pub mod offer;
pub mod params;
pub mod peer;
pub mod pool;
pub mod provider;
pub mod record;
pub mod refusal;
pub mod store;
pub mod table;
mod tables;
pub mod time;
pub mod units;
pub mod usdc;
pub mod window;
pub mod worker;

pub use call::{Call, Reply, apply};
pub use cx::{Cx, Origin};
pub use event::Event;
pub use genesis::genesis;
pub use matching::{Book, end_block};
pub use params::Params;
pub use refusal::{Error, Refusal};
pub use store::{OutOfWork, Store};
pub use tables::TABLES;
pub use time::begin_block;
