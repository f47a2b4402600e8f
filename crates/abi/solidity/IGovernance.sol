// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.20;

/// Parameters of the marketplace, changed by the network's governance account after a delay.
interface IGovernance {
    event ParameterProposed(uint64 indexed change, string parameter, uint64 value, uint64 at);
    event ParameterCancelled(uint64 indexed change);
    event ParameterChanged(uint64 indexed change, string parameter, uint64 value);

    /// A parameter is to have another value once the delay is over; governance may. At most 16 changes wait.
    function proposeParameter(string calldata parameter, uint64 value) external returns (uint64 change);
    /// A change that waits will not be made; governance may.
    function cancelParameter(uint64 change) external;

    /// The value of a parameter in force.
    function getParameter(string calldata parameter) external view returns (uint64 value);
}
