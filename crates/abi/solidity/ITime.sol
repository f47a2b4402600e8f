// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.20;

/// Protocol time.
interface ITime {
    /// Seconds of protocol time, the epoch they lie in (the first is 1), and the seconds of an epoch.
    function protocolTime() external view returns (uint64 time, uint64 epoch, uint64 epochSeconds);
}
