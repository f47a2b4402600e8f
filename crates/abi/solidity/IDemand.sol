// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.20;

import {Artifact, Pricing, Providers, Requirement, Spread} from "./Types.sol";

/// Demands: a developer's willingness to pay. A demand is a deal that has no workers yet, under one id.
interface IDemand {

    struct DemandTerms {
        Artifact artifact;
        uint16 unitsPerWorker;
        uint16 minWorkers;
        uint16 targetWorkers;
        uint128 limitPrice;
        Pricing pricing;
        /// Seconds from the first worker running; zero: while funded.
        uint64 duration;
        Requirement[] requirements;
        /// Host capabilities; x asks for the peer's attribute effector.x.
        string[] effectors;
        uint32 protocolVersion;
        Spread spread;
        Providers providers;
        /// Seconds.
        uint64 hold;
        /// An account that may evict workers and nothing else; zero: none.
        address monitor;
    }

    event DemandPosted(uint64 indexed deal, address indexed owner, bytes32 artifact, uint128 escrow);

    /// Posts a demand and takes its escrow from the caller's USDC; no approval is needed.
    function postDemand(DemandTerms calldata terms, uint128 escrow) external payable returns (uint64 deal);

    function getDemand(uint64 deal) external view returns (DemandTerms memory);
}
