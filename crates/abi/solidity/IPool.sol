// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.20;

/// Rewards: the pool of each epoch, the fund that pays it, and the price of FLT. Amounts of FLT are in wei.
interface IPool {
    struct PoolRecord {
        /// What rewards are paid from.
        uint128 fund;
        /// The pool of the epoch that was closed last; zero before the first.
        uint128 pool;
        /// Price of one FLT, in millionths of a dollar; zero: never stated.
        uint64 fltPriceMicro;
        /// What a unit of class 1 is to earn in an epoch, in millionths of a dollar.
        uint64 rewardUsdMicro;
        /// When the oracle said so.
        uint64 statedAt;
        /// Whether that is not stale.
        bool fresh;
    }

    event RewardFunded(address indexed from, uint128 amount);
    event FltPriceSet(uint64 fltPriceMicro, uint64 rewardUsdMicro);
    /// The pool an epoch would have shared, what it shares, the windows passed × class, and units that owed × class.
    event PoolClosed(uint64 indexed epoch, uint128 pool, uint128 paid, uint64 weight, uint64 owing);

    /// What is sent is for rewards; anybody may.
    function fundRewards() external payable;
    /// States the price of FLT and what a unit is to earn; the network's oracle may.
    function setFltPrice(uint64 fltPriceMicro, uint64 rewardUsdMicro) external;

    function getPool() external view returns (PoolRecord memory);
}
