// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.20;

import {Attribute} from "./Types.sol";

/// Providers: who rents out compute units.
interface IProvider {
    struct ProviderRecord {
        address owner;
        string name;
        bytes32 metadata;
        Attribute[] attributes;
        uint64 registered;
    }

    event ProviderRegistered(uint64 indexed provider, address indexed owner, string name);
    event ProviderUpdated(uint64 indexed provider, bytes32 metadata);

    /// Makes the caller the owner of a new provider. Name and attributes are matched on and stay.
    function registerProvider(string calldata name, bytes32 metadata, Attribute[] calldata attributes)
        external returns (uint64 provider);
    /// Names another document that describes it.
    function updateProvider(uint64 provider, bytes32 metadata) external;
    /// Pays the owner what its workers earned up to their last reports: looks at up to 256 workers, oldest first, going
    /// on where the last call stopped.
    function withdraw(uint64 provider, uint16 workers) external returns (uint128 paid);

    function getProvider(uint64 provider) external view returns (ProviderRecord memory);
}
