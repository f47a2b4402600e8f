// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.20;

import {Attribute} from "./Types.sol";

/// Peers: servers in a datacenter, each under the ed25519 key of its overlay endpoint, and their compute units.
interface IPeer {
    struct PeerRegistration {
        uint64 datacenter;
        bytes32 peer;
        /// The peer key's ed25519 signature over "marketplace+ peer registration 1\0", chain id, provider and peer.
        bytes signature;
        /// The key that reports for the peer; it never withdraws.
        address operator;
        /// host:port, at most 4.
        string[] endpoints;
        uint32 oldestVersion;
        uint32 newestVersion;
        Attribute[] attributes;
        uint16 units;
    }

    struct PeerRecord {
        uint64 provider;
        uint64 datacenter;
        address operator;
        string[] endpoints;
        uint32 oldestVersion;
        uint32 newestVersion;
        Attribute[] attributes;
        /// Zero: it stands in no offer.
        uint64 offer;
        uint16 units;
        uint16 idle;
    }

    event PeerRegistered(
        bytes32 indexed peer, uint64 indexed provider, uint64 indexed datacenter, address operator
    );
    event PeerEndpointsSet(bytes32 indexed peer, string[] endpoints);
    event PeerOperatorSet(bytes32 indexed peer, address operator);
    event PeerAttributesSet(bytes32 indexed peer);
    event PeerUnitsChanged(bytes32 indexed peer, uint16 units);
    event PeerReported(bytes32 indexed peer, uint64 until);
    event PeerRemoved(bytes32 indexed peer);

    /// Registers a peer with its units; the provider's owner may.
    function registerPeer(PeerRegistration calldata registration) external payable;
    /// Says where it listens; the provider's owner or the operator may.
    function setPeerEndpoints(bytes32 peer, string[] calldata endpoints) external;
    /// Names another key that reports for it, from now on and for the workers it has; the provider's owner may.
    function setPeerOperator(bytes32 peer, address operator) external;
    /// States its attributes anew; the provider's owner may. Workers already assigned stay.
    function setPeerAttributes(bytes32 peer, Attribute[] calldata attributes) external;
    /// Adds units; the provider's owner may.
    function addUnits(bytes32 peer, uint16 count) external payable;
    /// Removes the last units, which must be idle; the provider's owner may.
    function removeUnits(bytes32 peer, uint16 count) external;
    /// Removes a peer without units that stands in no offer; the provider's owner may.
    function removePeer(bytes32 peer) external;

    function getPeer(bytes32 peer) external view returns (PeerRecord memory);
}
