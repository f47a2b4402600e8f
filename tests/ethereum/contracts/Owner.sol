// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.20;

import {IProvider} from "IProvider.sol";
import {IUSDC} from "IUSDC.sol";
import {Attribute} from "Types.sol";

/// Owns a provider, and can change its mind in the middle of a call.
contract Owner {
    error ChangedMind();

    event Registered(uint64 provider);

    IProvider private immutable marketplace;
    IUSDC private immutable usdc;

    constructor(IProvider marketplace_, IUSDC usdc_) {
        marketplace = marketplace_;
        usdc = usdc_;
    }

    function register(string calldata name) public returns (uint64 provider) {
        provider = marketplace.registerProvider(name, bytes32(0), new Attribute[](0));
        emit Registered(provider);
    }

    /// Registers a provider, pays `to`, and takes all of it back.
    function registerAndRevert(string calldata name, address to, uint256 value) external {
        register(name);
        usdc.transfer(to, value);
        revert ChangedMind();
    }

    /// Goes on after the inner call was taken back.
    function tryRegister(string calldata name, address to, uint256 value) external returns (bool undone) {
        try this.registerAndRevert(name, to, value) {
            undone = false;
        } catch {
            undone = true;
        }
    }

    function describe(uint64 provider, bytes32 metadata) external {
        marketplace.updateProvider(provider, metadata);
    }
}
