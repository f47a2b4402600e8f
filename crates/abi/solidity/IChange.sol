// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.20;

import {Artifact, Providers, Requirement, Rollout, Spread} from "./Types.sol";

/// Change orders: what the owner of a deal may change while it stands. They bind workers to come; only a lower target
/// and a shorter duration end any. More workers, a higher price and less to be met go behind the demands that wait.
interface IChange {
    enum ChangeKind { Artifact, Target, LimitPrice, Requirements, Spread, Duration, Providers, Monitor }

    event DealTermsChanged(uint64 indexed deal, ChangeKind kind);
    /// The deal changes to another artifact, the version-th it has; see DealRecord.
    event DealRolloutChanged(uint64 indexed deal, uint32 version, Rollout rollout, uint64 worker);
    /// A running worker changed to this artifact.
    event WorkerSwitched(uint64 indexed worker, uint64 indexed deal, bytes32 artifact);
    /// to: zero: to nobody any more.
    event DealOffered(uint64 indexed deal, address indexed to);
    event DealOwnerChanged(uint64 indexed deal, address indexed owner);

    /// Running workers change to it one at a time, in the order of their ids; new ones begin with it. The same artifact
    /// again lets a rollout that stopped go on; that of before rolls back.
    function setArtifact(uint64 deal, Artifact calldata artifact) external;
    /// Not fewer than the least workers. Fewer than there are: the dearest go at once, then the youngest. More: the
    /// escrow must hold the floor for them.
    function setTarget(uint64 deal, uint16 targetWorkers) external;
    /// Higher: the escrow must hold the floor at that price.
    function setLimitPrice(uint64 deal, uint128 limitPrice) external;
    function setRequirements(
        uint64 deal,
        Requirement[] calldata requirements,
        string[] calldata effectors,
        uint32 protocolVersion
    ) external;
    function setSpread(uint64 deal, Spread calldata spread) external;
    /// Seconds from the first worker running; zero: while funded. One that is over ends the deal.
    function setDuration(uint64 deal, uint64 duration) external;
    function setProviders(uint64 deal, Providers calldata providers) external;
    /// Zero: nobody.
    function setMonitor(uint64 deal, address monitor) external;

    /// Offers the deal to another account; zero: to nobody any more.
    function offerDeal(uint64 deal, address to) external;
    /// The account that it is offered to becomes its owner.
    function acceptDeal(uint64 deal) external;
}
