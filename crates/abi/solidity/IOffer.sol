// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.20;

import {Attribute, Pricing} from "./Types.sol";

/// Offers: a provider's willingness to accept, for peers of one datacenter. Its owner makes all calls.
interface IOffer {
    /// What is asked per unit and epoch: the floor, and up to the slope beyond it, in proportion to the offer's units
    /// that serve.
    struct Curve {
        uint128 floor;
        /// Zero: the floor is always asked.
        uint128 slope;
    }

    struct OfferTerms {
        /// How it may be paid for, each once.
        Pricing[] pricing;
        /// The only developers it serves, at most 64; none: all.
        address[] allowed;
        /// Developers it does not serve, at most 64.
        address[] denied;
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
        Curve curve;
        /// Zero: no raise is announced.
        uint64 raiseFromEpoch;
        Curve raised;
        OfferTerms terms;
    }

    event OfferPosted(uint64 indexed offer, uint64 indexed provider, uint64 indexed datacenter, Curve curve);
    event OfferPriceSet(uint64 indexed offer, Curve curve, uint64 fromEpoch);
    event OfferTermsSet(uint64 indexed offer);
    event OfferPeerAdded(uint64 indexed offer, bytes32 indexed peer);
    event OfferPeerRemoved(uint64 indexed offer, bytes32 indexed peer);
    event OfferClosed(uint64 indexed offer);

    /// Makes an offer for at most 64 peers; more can be added.
    function postOffer(uint64 datacenter, Curve calldata curve, OfferTerms calldata terms, bytes32[] calldata peers)
        external payable returns (uint64 offer);
    /// Asks another price: floor and slope rise from the next epoch on, and fall at once. Workers keep theirs.
    function setOfferPrice(uint64 offer, Curve calldata curve) external;
    /// Accepts something else from now on. Workers keep what they were assigned under.
    function setOfferTerms(uint64 offer, OfferTerms calldata terms) external;
    /// Adds a peer of its datacenter that stands in no offer.
    function addOfferPeer(uint64 offer, bytes32 peer) external;
    /// Takes a peer out; its workers stay.
    function removeOfferPeer(uint64 offer, bytes32 peer) external;
    /// Ends an offer without peers.
    function closeOffer(uint64 offer) external;

    function getOffer(uint64 offer) external view returns (OfferRecord memory);
}
