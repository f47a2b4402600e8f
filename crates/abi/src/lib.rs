#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod attribute;
pub mod audit;
pub mod calldata;
pub mod change;
pub mod commitment;
pub mod datacenter;
pub mod deal;
pub mod demand;
pub mod deposit;
pub mod governance;
pub mod log;
pub mod offer;
pub mod peer;
pub mod pool;
pub mod provider;
pub mod refusal;
pub mod time;
pub mod usdc;
pub mod view;
pub mod window;
pub mod worker;

use alloy_primitives::{Address, address};
pub use calldata::{Query, Request};

/// Where the marketplace is called.
pub const MARKETPLACE: Address = address!("0x4d61726b6574706c616365000000000000000001");
/// Where USDC is called.
pub const USDC: Address = address!("0x5553444300000000000000000000000000000001");

/// Types that `sol!` makes of the published files in `solidity/`.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod sol {
    include!(concat!(env!("OUT_DIR"), "/sol.rs"));
}
