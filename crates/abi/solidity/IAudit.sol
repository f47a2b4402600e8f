// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.20;

/// Audits: units of a closed window are drawn, and their peer opens what it computed. The operator key makes the call.
interface IAudit {
    /// All leaves are good; no answer in time, or none that opens the root; a leaf is bad, more are asked for; few of these
    /// are bad; more are.
    enum AuditOutcome { Passed, NoAnswer, AskedAgain, Hardware, Fraud }

    struct AuditRecord {
        uint64 audit;
        uint64 window;
        /// The epoch in which that window began.
        uint64 epoch;
        bytes32 peer;
        uint64 provider;
        uint64 commitment;
        uint16 unit;
        uint8 class;
        address payout;
        bytes32 key;
        bytes32 challenge;
        bytes32 root;
        /// How many units in that root have a lower index, and how many are in it.
        uint16 seat;
        uint16 seats;
        /// What the asked leaves are drawn from.
        bytes32 seed;
        uint16 leaves;
        /// Last second at which it can be answered; the largest number: its leaves are not drawn yet.
        uint64 answerBy;
        /// From when on a block lists the verdict; zero: it is not answered.
        uint64 verdictFrom;
    }

    event AuditDrawn(
        uint64 indexed audit, bytes32 indexed peer, uint64 indexed window, uint16 unit, uint16 leaves, uint64 answerBy
    );
    event AuditAnswered(uint64 indexed audit, uint64 verdictFrom);
    event AuditJudged(uint64 indexed audit, bytes32 indexed peer, uint16 unit, AuditOutcome outcome);

    /// Opens the leaves that are asked for, at most 32 KiB.
    function answerAudit(uint64 audit, bytes calldata answer) external;

    function getAudit(uint64 audit) external view returns (AuditRecord memory);
    /// Audits of a peer that are not over, at most 256.
    function getAudits(bytes32 peer) external view returns (AuditRecord[] memory);
}
