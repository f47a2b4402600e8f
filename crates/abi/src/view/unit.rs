//! Units of a peer.

use marketplace::commitment::Pledge;
use marketplace::peer::{self as domain, Units};
use serde::{Deserialize, Serialize};

/// Where a unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum Whereabouts {
    /// It serves nobody and proves nothing.
    Idle,
    /// It serves nobody and proves itself, in each window.
    Proving,
    /// It served, and owes windows again from this one on.
    Cooling {
        /// Which.
        window: u64,
    },
    /// It serves a worker.
    Serving {
        /// Which.
        worker: u64,
    },
    /// A fraud expelled it until its peer's commitment is over.
    Exited,
}

/// A unit, as of the newest block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unit {
    /// Its index.
    pub unit: u16,
    /// Where it is.
    #[serde(flatten)]
    pub whereabouts: Whereabouts,
    /// Whether a worker may get it now, beside what its offer and the network ask for.
    pub matchable: bool,
}

impl From<domain::Whereabouts> for Whereabouts {
    fn from(whereabouts: domain::Whereabouts) -> Self {
        match whereabouts {
            domain::Whereabouts::Idle => Self::Idle,
            domain::Whereabouts::Proving => Self::Proving,
            domain::Whereabouts::Cooling(window) => Self::Cooling { window },
            domain::Whereabouts::Serving(worker) => Self::Serving { worker: worker.0 },
            domain::Whereabouts::Exited => Self::Exited,
        }
    }
}

/// The units of a peer, by index, in this window. One that was given back proves again when its time has come.
#[must_use]
pub fn all(units: &Units, pledge: Option<&Pledge>, window: Option<u64>) -> Vec<Unit> {
    let proves = |whereabouts: domain::Whereabouts| match whereabouts {
        domain::Whereabouts::Cooling(from) if window >= Some(from) => domain::Whereabouts::Proving,
        other => other,
    };
    let matchable = units.matchable(pledge);
    let indexed = units.0.iter().zip(0_u16..);
    let view = |(whereabouts, unit): (&domain::Whereabouts, u16)| Unit {
        unit,
        whereabouts: proves(*whereabouts).into(),
        matchable: matchable.contains(&unit),
    };
    indexed.map(view).collect()
}
