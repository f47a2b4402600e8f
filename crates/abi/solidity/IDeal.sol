// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.20;

import {Fault, Rollout} from "./Types.sol";

/// Deals: what was agreed, who serves, and the money.
interface IDeal {
    enum DealStatus { Matching, Starting, Active, Degraded, Paused, Ended }
    enum EndReason { Cancelled, Stopped, Completed, Unfunded, BadArtifact }

    struct DealRecord {
        address owner;
        DealStatus status;
        uint64 posted;
        /// Workers that have not run yet.
        uint16 assigned;
        /// Workers that run and are not under notice.
        uint16 running;
        /// Workers under notice; they run, too.
        uint16 draining;
        /// Of all that run, for a whole epoch.
        uint128 rate;
        /// Escrow that is nobody's yet.
        uint128 free;
        /// What its owner may take back.
        uint128 surplus;
        /// How many artifacts it had.
        uint32 artifactVersion;
        Rollout rollout;
        /// The worker that is next to change, or at which it stopped.
        uint64 rolloutWorker;
        /// When the escrow is used up; the largest number: nothing runs.
        uint64 paidUntil;
    }

    event DealStatusChanged(uint64 indexed deal, DealStatus status, uint64 at);
    event DealToppedUp(uint64 indexed deal, address indexed by, uint128 amount);
    event DealSurplusWithdrawn(uint64 indexed deal, uint128 amount);
    /// The escrow lasts for no more than so many epochs: 10, then 2, each once as often as it comes to that.
    event DealFundsLow(uint64 indexed deal, uint64 epochs, uint64 paidUntil);
    event DealEnded(uint64 indexed deal, EndReason reason, Fault fault, uint128 refund);
    event DealRemoved(uint64 indexed deal);

    /// Adds to the escrow; anyone may, and it becomes the owner's.
    function topUp(uint64 deal, uint128 amount) external;
    /// Takes back what lies above the floor; the owner may.
    function withdrawSurplus(uint64 deal, uint128 amount) external;
    /// Ends a worker; the owner or the monitor may.
    function evict(uint64 worker) external;
    /// Ends the deal and refunds what has not accrued; the owner may.
    function stopDeal(uint64 deal) external;
    /// Removes an ended deal whose workers are all paid out; the owner may. Long after its end anybody may, for its deposit,
    /// which pays its workers first.
    function removeDeal(uint64 deal) external;

    function getDeal(uint64 deal) external view returns (DealRecord memory);
}
