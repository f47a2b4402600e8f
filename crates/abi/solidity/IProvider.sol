// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.20;

import {Attribute} from "./Types.sol";

/// Providers: who rents out compute units.
interface IProvider {
    struct ProviderRecord {
        address owner;
        /// The account that may become its owner; zero: nobody.
        address heir;
        /// Whether governance admitted it; counts only where providers are listed.
        bool admitted;
        string name;
        bytes32 metadata;
        Attribute[] attributes;
        uint64 registered;
    }

    event ProviderRegistered(uint64 indexed provider, address indexed owner, string name);
    event ProviderOffered(uint64 indexed provider, address indexed to);
    event ProviderTransferred(uint64 indexed provider, address indexed from, address indexed to);
    event ProviderAdmitted(uint64 indexed provider, bool admitted);
    event ProviderRemoved(uint64 indexed provider);
    event ProviderUpdated(uint64 indexed provider, bytes32 metadata);

    /// Makes the caller the owner of a new provider. Name and attributes are matched on and stay.
    function registerProvider(string calldata name, bytes32 metadata, Attribute[] calldata attributes)
        external payable returns (uint64 provider);
    /// Names another document that describes it.
    function updateProvider(uint64 provider, bytes32 metadata) external;
    /// The owner names the account that may become the owner; zero takes that back.
    function transferProvider(uint64 provider, address to) external;
    /// Makes that account the owner; it calls.
    function acceptProvider(uint64 provider) external;
    /// Puts it on the list of providers, or takes it off; governance may. Workers it has stay.
    function admitProvider(uint64 provider, bool admitted) external;
    /// Removes one without datacenters whose workers are all paid out; its owner may.
    function removeProvider(uint64 provider) external;
    /// Pays the owner what its workers earned up to their last reports: looks at up to 256 workers, oldest first, going
    /// on where the last call stopped.
    function withdraw(uint64 provider, uint16 workers) external returns (uint128 paid);

    function getProvider(uint64 provider) external view returns (ProviderRecord memory);
}
