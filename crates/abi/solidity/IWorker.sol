// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.20;

import {Fault} from "./Types.sol";

/// Workers: units of one peer serving one deal. The peer's operator key makes the calls; the provider's owner may give
/// notice, too, and leave.
interface IWorker {
    enum GoneReason {
        CannotRun, NeverStarted, Failed, Silent, Evicted, Unwanted, Stopped, Completed, Unfunded, BadArtifact,
        Declined, Left, NoticeKept, CommitmentEnded, CommitmentFailed, Fraud
    }
    enum Obstacle { Unavailable, Invalid, Unsupported }
    enum WorkerStage { Assigned, Running, Draining, Gone }

    struct WorkerRecord {
        uint64 deal;
        bytes32 peer;
        uint64 provider;
        uint64 offer;
        uint16[] units;
        uint128 rate;
        uint64 assigned;
        /// Seconds of notice before its provider leaves.
        uint64 notice;
        WorkerStage stage;
        /// What it runs, or is to run first.
        bytes32 artifact;
        /// Draining: when its notice is over; else zero.
        uint64 leaving;
        uint128 paid;
    }

    event WorkerAssigned(
        uint64 indexed worker, uint64 indexed deal, bytes32 indexed peer,
        uint64 provider, uint16[] units, uint128 rate, uint64 deadline
    );
    event WorkerRunning(uint64 indexed worker, uint64 indexed deal);
    event WorkerCannotRun(uint64 indexed worker, Obstacle obstacle);
    event WorkerLeaving(uint64 indexed worker, uint64 indexed deal, uint64 until);
    event WorkerGone(
        uint64 indexed worker, uint64 indexed deal, GoneReason reason, Fault fault, uint64 at, uint128 earned
    );
    /// What the provider's owner got, and what the treasury got.
    event WorkerPaid(uint64 indexed worker, uint64 indexed provider, uint128 amount, uint128 fee);

    /// The worker runs this artifact from now on: the first, or in its turn of a rollout that of now.
    function reportRunning(uint64 worker, bytes32 artifact) external;
    /// The worker cannot run this artifact. In its turn of a rollout it runs on as before, and the rollout stops.
    function reportCannotRun(uint64 worker, bytes32 artifact, Obstacle obstacle) external;
    /// All workers of the peer run, but for those named; renews the peer's lease.
    function report(bytes32 peer, uint64[] calldata stopped) external;

    /// Leaves when the notice is over or a replacement runs, and at once if it does not run yet; cannot be withdrawn.
    function giveNotice(uint64 worker) external;
    /// The same for all workers of a peer that are not under notice yet.
    function giveNoticeOfPeer(bytes32 peer) external;
    /// Ends a worker at once, by the provider's fault; only the provider's owner may.
    function leave(uint64 worker) external;

    function getWorker(uint64 worker) external view returns (WorkerRecord memory);
}
