// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.20;

import {Attribute} from "./Types.sol";

/// Offers: a provider's willingness to accept, for peers of one datacenter. Its owner makes all calls.
interface IOffer {
    struct OfferTerms {
        /// Seconds.
        uint64 minDuration;
        /// Seconds; zero: any, also without an end.
        uint64 maxDuration;
        /// Zero: any.
        uint32 maxUnitsPerDeal;
        /// Seconds.
        uint64 notice;
        /// Seconds.
        uint64 maxHold;
        /// Zero: until it is closed.
        uint64 validUntil;
        Attribute[] attributes;
    }

    struct OfferRecord {
        uint64 provider;
        uint64 datacenter;
        uint128 price;
        /// Zero: no raise is announced.
        uint64 raiseFromEpoch;
        uint128 raisedPrice;
        OfferTerms terms;
    }

    event OfferPosted(uint64 indexed offer, uint64 indexed provider, uint64 indexed datacenter, uint128 price);
    event OfferPriceSet(uint64 indexed offer, uint128 price, uint64 fromEpoch);
    event OfferPeerAdded(uint64 indexed offer, bytes32 indexed peer);
    event OfferPeerRemoved(uint64 indexed offer, bytes32 indexed peer);
    event OfferClosed(uint64 indexed offer);

    /// Makes an offer for at most 64 peers; more can be added.
    function postOffer(uint64 datacenter, uint128 price, OfferTerms calldata terms, bytes32[] calldata peers)
        external returns (uint64 offer);
    /// Asks another price: more from the next epoch on, less at once. Workers keep theirs.
    function setOfferPrice(uint64 offer, uint128 price) external;
    /// Adds a peer of its datacenter that stands in no offer.
    function addOfferPeer(uint64 offer, bytes32 peer) external;
    /// Takes a peer out; its workers stay.
    function removeOfferPeer(uint64 offer, bytes32 peer) external;
    /// Ends an offer without peers.
    function closeOffer(uint64 offer) external;

    function getOffer(uint64 offer) external view returns (OfferRecord memory);
}
