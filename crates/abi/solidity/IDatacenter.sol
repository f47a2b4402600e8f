// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.20;

import {Attribute} from "./Types.sol";

/// Datacenters: where peers stand. What is said here is a claim of the provider.
interface IDatacenter {
    struct DatacenterRecord {
        uint64 provider;
        /// ISO 3166 alpha-2.
        bytes2 country;
        /// UN/LOCODE without the country.
        string city;
        string name;
        string[] certifications;
        Attribute[] attributes;
    }

    event DatacenterRegistered(uint64 indexed datacenter, uint64 indexed provider, bytes2 country, string city);
    event DatacenterRemoved(uint64 indexed datacenter);

    /// Registers a datacenter; the provider's owner may.
    function registerDatacenter(DatacenterRecord calldata datacenter) external payable returns (uint64 id);
    /// Removes one without peers and offers; the provider's owner may.
    function removeDatacenter(uint64 datacenter) external;

    function getDatacenter(uint64 datacenter) external view returns (DatacenterRecord memory);
}
