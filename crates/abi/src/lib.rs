#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod view;

/// Types that `sol!` makes of the published files in `solidity/`.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod sol {
    alloy_sol_types::sol!(
        #![sol(all_derives)]
        concat!(env!("OUT_DIR"), "/interfaces.sol")
    );
}
