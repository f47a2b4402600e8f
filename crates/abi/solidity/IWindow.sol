// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.20;

/// Windows: the spans of time in each of which an idle unit proves itself. Peers commit to what their units computed; the
/// operator key makes the call.
interface IWindow {
    struct WindowRecord {
        /// Its number; the first of genesis is 0.
        uint64 window;
        /// Its first block.
        uint64 begun;
        uint64 begins;
        uint64 ends;
        /// Last second at which a peer may commit to it.
        uint64 commitBy;
        /// When it counts.
        uint64 verdictAt;
        /// Whether it can be committed to: it has its challenge, and is not the first of an epoch.
        bool owed;
        /// What its units compute on; zero: not known yet, or it is void.
        bytes32 challenge;
        /// The cache key of its key period; zero: not known yet.
        bytes32 key;
        /// Units that peers committed to have computed it.
        uint64 entries;
    }

    event WindowOpened(uint64 indexed window, bytes32 challenge);
    event CacheKeyDrawn(uint64 indexed period, bytes32 key);
    event WindowCommitted(bytes32 indexed peer, uint64 indexed window, uint64 indexed commitment, uint16 units);

    /// The root over the roots of the units named, ascending; once for each window, from its challenge on until commitBy.
    function commitWindow(bytes32 peer, uint64 window, bytes32 root, uint16[] calldata units) external;

    function getWindow(uint64 window) external view returns (WindowRecord memory);
    function getNewestWindow() external view returns (WindowRecord memory);
}
