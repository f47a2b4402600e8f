// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.20;

/// Capacity commitments: a provider's word, with collateral in FLT, that all idle units of a peer prove themselves.
/// Amounts of FLT are in wei, epochs are numbers, the first of which is 1.
interface ICommitment {
    /// Collateral is not complete; it waits for its first epoch; its units prove; its time is over; units missed too much.
    enum CommitmentStatus { WaitCollateral, WaitStart, Active, Ended, Failed }
    /// Units missed an epoch; an audit was not answered; few leaves of a second audit were bad, or more; a worker did not
    /// start in time or left without notice.
    enum Offence { Missed, NoAnswer, Hardware, Fraud, Worker }

    struct NewCommitment {
        bytes32 peer;
        /// Epochs.
        uint64 duration;
        /// How many times the basic work its units do in a window: 1 to 16.
        uint8 class;
        /// The delegators' part of rewards and of what deals pay, in millionths.
        uint32 sharePpm;
        /// The lowest price at which its units may be matched.
        uint128 minAsk;
        /// The only account that may deposit; zero: anybody.
        address delegator;
        /// Who gets the provider's part of rewards.
        address payout;
    }

    struct CommitmentRecord {
        uint64 provider;
        bytes32 peer;
        uint16 units;
        uint8 class;
        uint64 duration;
        uint32 sharePpm;
        uint128 minAsk;
        address delegator;
        address payout;
        /// Collateral of each unit.
        uint128 perUnit;
        /// Collateral deposited so far.
        uint128 staked;
        /// The epoch in which it was created.
        uint64 created;
        CommitmentStatus status;
        /// Its first epoch, while it waits for it or is active; else zero.
        uint64 start;
        /// The epoch with whose beginning it is or was over, or with whose close it failed; else zero.
        uint64 end;
        /// Missed epochs of all its units.
        uint64 missed;
        /// For so many windows to which it commits all its units are audited.
        uint64 flag;
        /// Audits of its units that are not over.
        uint32 audits;
        /// Workers whose pay is shared with its delegators.
        uint32 workers;
        /// Whether its collateral went back.
        bool released;
    }

    struct DelegationRecord {
        address delegator;
        uint128 stake;
        /// Rewards it was paid.
        uint128 rewards;
        /// What it was paid of what deals paid, in millionths of USDC.
        uint128 revenue;
    }

    /// Where a peer stands with its commitments. Ids are zero where there is none.
    struct PledgeRecord {
        uint64 current;
        uint64 previous;
        uint64 successor;
        /// Whether the current one is active.
        bool active;
        /// When the current one started, and until when the units are committed; the largest number: it has not started.
        uint64 since;
        uint64 ends;
        /// When it failed; zero: it did not.
        uint64 failed;
        uint128 minAsk;
        /// The most units that passed one and the same window.
        uint16 proven;
        /// Units that must pass a window before they are matched again.
        uint16[] unready;
    }

    event CommitmentCreated(
        uint64 indexed commitment, bytes32 indexed peer, uint64 indexed provider, uint128 collateral
    );
    event CollateralDeposited(uint64 indexed commitment, address indexed delegator, uint128 amount);
    event CollateralTakenBack(uint64 indexed commitment, address indexed delegator, uint128 amount);
    /// start and end: see CommitmentRecord.
    event CommitmentStatusChanged(uint64 indexed commitment, CommitmentStatus status, uint64 start, uint64 end);
    /// Windows that its good units passed, and units that missed the epoch.
    event CommitmentEpochClosed(uint64 indexed commitment, uint64 indexed epoch, uint64 passed, uint16 missed);
    event CommitmentSlashed(uint64 indexed commitment, Offence offence, uint128 amount);
    /// Rewards of an epoch are its own from now on and vest; lost: what went to the treasury, of units that lost theirs.
    event RewardCredited(uint64 indexed commitment, uint64 indexed epoch, uint128 amount, uint128 lost);
    event RewardPaid(uint64 indexed commitment, address indexed to, uint128 amount);
    /// The delegators' part of what a worker was paid, in millionths of USDC.
    event RevenueShared(uint64 indexed commitment, uint64 indexed worker, uint128 amount);
    event RevenuePaid(uint64 indexed commitment, address indexed to, uint128 amount);
    event CollateralPaid(uint64 indexed commitment, address indexed to, uint128 amount);
    event CommitmentClosed(uint64 indexed commitment);

    /// Commits all units of a peer, or, while a commitment is active, makes its successor; the provider's owner may.
    function createCommitment(NewCommitment calldata commitment) external payable returns (uint64 id);
    /// Deposits what is sent as collateral: a 16th of the whole or more, or all that is open; surplus is refused.
    function depositCollateral(uint64 commitment) external payable;
    /// Takes all one deposited back, while the collateral is not complete.
    function takeBackCollateral(uint64 commitment) external;
    /// Closes a commitment whose collateral is not complete, all deposits back; the provider's owner may, and after a
    /// while anybody.
    function cancelCommitment(uint64 commitment) external;
    /// Pays everybody what is due: vested rewards, delegators' part of what deals paid, and after its end the collateral;
    /// anybody may.
    function claimCommitment(uint64 commitment) external;

    function getCommitment(uint64 commitment) external view returns (CommitmentRecord memory);
    function getDelegations(uint64 commitment) external view returns (DelegationRecord[] memory);
    function getPledge(bytes32 peer) external view returns (PledgeRecord memory);
}
