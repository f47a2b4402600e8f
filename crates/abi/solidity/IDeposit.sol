// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.20;

/// Storage deposits, in wei of FLT. Calls that make providers, datacenters, peers, units, offers, demands or commitments
/// are payable and take one for each; what is too much goes back with the call, the deposit on removal.
interface IDeposit {
    event DepositTaken(address indexed from, uint128 amount);
    event DepositReturned(address indexed to, uint128 amount);

    /// The deposit of one object.
    function depositPerObject() external view returns (uint128 amount);
}
