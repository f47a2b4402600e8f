// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity ^0.8.20;

// Types that several interfaces share. Prices and amounts of USDC are in its millionths; a price is for one compute
// unit and one whole epoch; times are seconds of protocol time, which stands still while the chain does.

/// Type of an attribute's value. Attested: room for one that somebody else vouches for; not supported yet.
enum ValueKind { Text, Integer, Version, Set, Attested }

/// A value: the field that `kind` names counts, the others are empty.
struct Value {
    ValueKind kind;
    string text;
    int64 integer;
    /// Major, minor, patch.
    uint32[3] version;
    string[] members;
}

/// A claim, such as cpu.arch = "x86_64".
struct Attribute {
    string key;
    Value value;
}

/// Whose attribute a requirement looks at.
enum Subject { Offer, Peer, Datacenter, Provider }

/// What must hold for the attribute.
enum Comparison { Is, IsNot, Below, AtMost, Above, AtLeast, In, Has, Exists }

/// A requirement; a missing attribute makes it false. In takes several values, Exists none, the others one (Has a text).
struct Requirement {
    Subject subject;
    string key;
    Comparison comparison;
    Value[] values;
}

/// What is paid for: time of units, or requests (not supported yet).
enum Pricing { Epoch, Request }

/// Who is to blame.
enum Fault { Nobody, Developer, Provider }

/// How far workers must lie apart; zero: no limit.
struct Spread {
    uint16 maxPerProvider;
    uint16 maxPerDatacenter;
    uint16 maxPerCountry;
    uint16 minProviders;
    uint16 minCountries;
}

/// Which providers may serve: those allowed, or all if none are named; and none of those denied. At most 64 of each.
struct Providers {
    uint64[] allow;
    uint64[] deny;
}

/// Who holds the bytes of an artifact.
struct Source {
    /// Overlay key.
    bytes32 key;
    /// host:port.
    string endpoint;
}

/// What an artifact's bytes are: one wasi:http component, or a bundle of several by name (not supported yet).
enum ArtifactKind { Component, Bundle }

struct Artifact {
    /// BLAKE3.
    bytes32 hash;
    /// Bytes.
    uint64 size;
    ArtifactKind kind;
    /// At most 4.
    Source[] sources;
}

/// How far a deal's workers are with its artifact: all run it; one is next to change to it; it stopped at one that cannot
/// run it (and runs on as before), or that went by its provider's fault.
enum Rollout { Done, Rolling, StoppedCannotRun, StoppedGone }
