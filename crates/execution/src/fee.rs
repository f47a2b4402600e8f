//! What gas costs: EIP-1559 with the base fee burned and the tip paid to the proposer's fee account.

use alloy_eips::eip1559::{BaseFeeParams, calc_next_block_base_fee};

/// Gas that one block may use.
pub const BLOCK_GAS_LIMIT: u64 = 30_000_000;
/// Gas of one transaction (EIP-7825).
pub const TRANSACTION_GAS_LIMIT: u64 = 1 << 24;
/// The base fee never falls below this, so that spam is never free; genesis starts with it. Wei per gas.
pub const MIN_BASE_FEE: u64 = 1_000_000_000;

/// The base fee after a block that used `gas_used`: unchanged at half of [`BLOCK_GAS_LIMIT`], at most an
/// eighth up or down from it.
pub fn next_base_fee(base_fee: u64, gas_used: u64) -> u64 {
    let params = BaseFeeParams::ethereum();
    calc_next_block_base_fee(gas_used, BLOCK_GAS_LIMIT, base_fee, params).max(MIN_BASE_FEE)
}

#[cfg(test)]
mod tests {
    use super::{BLOCK_GAS_LIMIT, MIN_BASE_FEE, next_base_fee};

    #[test]
    fn the_base_fee_moves_by_an_eighth_and_stops_at_its_minimum() {
        let fee = 8 * MIN_BASE_FEE;
        assert_eq!(next_base_fee(fee, BLOCK_GAS_LIMIT), 9 * MIN_BASE_FEE);
        assert_eq!(next_base_fee(fee, BLOCK_GAS_LIMIT / 2), fee);
        assert_eq!(next_base_fee(fee, 0), 7 * MIN_BASE_FEE);
        assert_eq!(next_base_fee(MIN_BASE_FEE, 0), MIN_BASE_FEE);
    }
}
