// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.20;

/// A kind of object with an id.
enum ObjectKind { Provider, Datacenter, Peer, Offer, Deal, Worker, Change, Commitment, Audit }

/// Who may make a call.
enum Role {
    ProviderOwner, Operator, ProviderOrOperator, DealOwner, DealOwnerOrMonitor, Heir, Governance, Delegator, Oracle
}

/// Why a call is refused. Ids of peers are their keys, all other ids are numbers.
interface IErrors {
    error Unknown(ObjectKind kind, bytes32 id);
    error NotAllowed(address caller, Role needs);
    error NotYet(string what);
    error OutOfBounds(string what, uint128 given, uint128 min, uint128 max);
    error Malformed(string what);
    error NotPayable(uint128 value);
    error DepositTooSmall(uint128 needed, uint128 given);
    error BalanceTooLow(uint128 needed, uint128 available);
    error AllowanceTooLow(uint128 needed, uint128 available);
    error SupplyTooLarge();
    error AuthorizationUsed();
    error EscrowTooSmall(uint128 needed, uint128 given);
    error SurplusTooSmall(uint128 asked, uint128 surplus);
    error BadPeerSignature();
    error PeerTaken(bytes32 peer);
    error PeerInOffer(bytes32 peer, uint64 offer);
    error PeerNotInOffer(bytes32 peer);
    error OtherDatacenter(bytes32 peer);
    error NotEmpty(ObjectKind kind, bytes32 id);
    error PeerNotEmpty(bytes32 peer);
    error UnitsServing(uint16 asked, uint16 idle);
    error WrongState(ObjectKind kind, bytes32 id, string state);
    error AlreadyLeaving(uint64 worker, uint64 until);
    error NotOfThisPeer(uint64 worker);
    error WrongArtifact();
    error PeerCommitted(bytes32 peer);
    error NotCommitted(bytes32 peer);
    error NoUnits(bytes32 peer);
    error StalePrice();
    error TooManyDelegators();
    error NothingSent();
    error WrongWindow(uint64 window);
    error CommittedAlready(bytes32 peer, uint64 window);

    /// The calldata is no call of this contract.
    error UnknownCall();
    /// A static call may only read.
    error ReadOnly();
    /// Only a plain call reaches a system contract, no delegatecall and no callcode.
    error NotDelegated();
    /// Nobody could ever spend from this address.
    error InvalidReceiver(address receiver);
    /// The signature is not the owner's.
    error InvalidSignature();
    /// The signature is not valid before or after these seconds of the Unix epoch.
    error SignatureNotValidNow(uint256 notBefore, uint256 notAfter);
    /// Only the payee may use this authorization.
    error NotThePayee(address payee);
    /// A promise of the chain itself is broken; please report it.
    error InternalFault(string what);
}
