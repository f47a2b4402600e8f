//! What a provider may do instead of the work it committed to.

/// What is answered to an audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    /// What was computed, bad leaves and all.
    All,
    /// Nothing, if one of the leaves asked for is bad.
    Good,
    /// Nothing at all.
    Nothing,
}

/// What is done while the peer is under a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flagged {
    /// The same.
    Goes,
    /// All of the work: the flag passes.
    Works,
    /// Nothing, for as many windows as a flag lasts; then the same.
    Rests,
}

/// How a peer plays.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strategy {
    pub(super) name: &'static str,
    pub(super) class: u8,
    /// Units of each peer, and how many of them work honestly.
    pub(super) units: u16,
    pub(super) honest: u16,
    /// Epochs of each of its commitments, one after the other without a gap; None: one for the whole time.
    pub(super) duration: Option<u64>,
    /// Leaves that are left out, among a million.
    pub(super) skips_ppm: u64,
    pub(super) answers: Answers,
    pub(super) flagged: Flagged,
    /// Windows of an epoch to which it does not commit.
    pub(super) misses: u64,
}

const HONEST: Strategy = Strategy {
    name: "honest",
    class: 1,
    units: 1,
    honest: 0,
    duration: None,
    skips_ppm: 0,
    answers: Answers::All,
    flagged: Flagged::Goes,
    misses: 0,
};

const fn skips(name: &'static str, skips_ppm: u64) -> Strategy {
    Strategy {
        name,
        skips_ppm,
        ..HONEST
    }
}

const fn hides(name: &'static str, skips_ppm: u64, flagged: Flagged) -> Strategy {
    Strategy {
        answers: Answers::Good,
        flagged,
        ..skips(name, skips_ppm)
    }
}

const ALL: u64 = 1_000_000;

/// Those of whom a commitment lasts as long as the simulation; the first is the measure of the others.
pub(super) const STAYING: [Strategy; 18] = [
    HONEST,
    skips("skips 1 %", 10_000),
    skips("skips 5 %", 50_000),
    skips("skips 20 %", 200_000),
    skips("skips 50 %", 500_000),
    skips("skips all", ALL),
    Strategy {
        answers: Answers::Nothing,
        ..skips("silent", ALL)
    },
    hides("skips 5 %, hides", 50_000, Flagged::Goes),
    hides("skips 20 %, hides", 200_000, Flagged::Goes),
    hides(
        "skips 20 %, hides, works under a flag",
        200_000,
        Flagged::Works,
    ),
    hides(
        "skips 50 %, hides, works under a flag",
        500_000,
        Flagged::Works,
    ),
    hides("skips all, works under a flag", ALL, Flagged::Works),
    hides("skips all, rests under a flag", ALL, Flagged::Rests),
    Strategy {
        class: 2,
        ..skips("twice its class, skips half", 500_000)
    },
    Strategy {
        class: 2,
        misses: 24,
        ..skips("twice its class, misses half", 0)
    },
    Strategy {
        misses: 5,
        ..skips("misses a tenth", 0)
    },
    Strategy {
        misses: 24,
        ..skips("misses half", 0)
    },
    Strategy {
        units: 4,
        honest: 1,
        ..hides("1 of 4 honest, others hide", ALL, Flagged::Goes)
    },
];

/// Those who go on from one short commitment to the next.
pub(super) const HOPPING: [Strategy; 4] = [
    Strategy {
        duration: Some(1),
        ..skips("one epoch each, skips 5 %", 50_000)
    },
    Strategy {
        duration: Some(1),
        ..hides(
            "one epoch each, skips all, works under a flag",
            ALL,
            Flagged::Works,
        )
    },
    Strategy {
        duration: Some(7),
        ..hides(
            "seven epochs each, skips all, works under a flag",
            ALL,
            Flagged::Works,
        )
    },
    Strategy {
        duration: Some(1),
        ..hides("one epoch each, skips all, hides", ALL, Flagged::Goes)
    },
];
