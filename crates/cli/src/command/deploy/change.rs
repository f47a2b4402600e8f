//! Change orders: what of a deal is to be as a plan says it, in words and as calls.

use crate::amount::usdc;
use crate::plan::Plan;
use client::marketplace::change::{self, Change, Kind};
use client::marketplace::units::DealId;
use client::marketplace::{Call, demand};
use client::view::{deal::Deal, demand::Demand};
use std::fmt::Display;

/// The call that changes a deal.
pub(super) fn call(deal: DealId, change: Change) -> Call {
    Call::Change(change::Call::Terms { deal, change })
}

/// The changes that make a deal what a plan says, the artifact last. A source that the plan does not name is this machine: that
/// it is elsewhere by now changes nothing.
///
/// # Errors
/// In words, if the plan differs in what cannot be changed.
pub(super) fn differences(deal: &Deal, plan: &Plan) -> anyhow::Result<Vec<Change>> {
    let (old, new) = (&deal.terms, Demand::from(plan.terms.clone()));
    refuse_fixed(old, &new)?;
    let demand::Terms {
        artifact,
        requirements,
        effectors,
        protocol_version,
        spread,
        providers,
        limit_price,
        duration,
        monitor,
        target_workers,
        ..
    } = plan.terms.clone();
    let required = |demand: &Demand| {
        let requirements = demand.requirements.clone();
        (
            requirements,
            demand.effectors.clone(),
            demand.protocol_version,
        )
    };
    let moved = !new
        .sources
        .iter()
        .all(|source| old.sources.contains(source));
    let all = [
        (
            required(old) != required(&new),
            Change::Requirements {
                requirements,
                effectors,
                protocol_version,
            },
        ),
        (old.spread != new.spread, Change::Spread(spread)),
        (old.providers != new.providers, Change::Providers(providers)),
        (
            old.limit_price != new.limit_price,
            Change::LimitPrice(limit_price),
        ),
        (old.duration != new.duration, Change::Duration(duration)),
        (old.monitor != new.monitor, Change::Monitor(monitor)),
        (
            old.target_workers != new.target_workers,
            Change::Target(target_workers),
        ),
        (
            old.artifact != new.artifact || old.artifact_size != new.artifact_size || moved,
            Change::Artifact(artifact),
        ),
    ];
    let differing = all.into_iter().filter(|(differs, _)| *differs);
    Ok(differing.map(|(_, change)| change).collect())
}

fn refuse_fixed(old: &Demand, new: &Demand) -> anyhow::Result<()> {
    for (field, old, new) in [
        (
            "cus_per_worker",
            u64::from(old.units_per_worker),
            u64::from(new.units_per_worker),
        ),
        (
            "min_workers",
            old.min_workers.into(),
            new.min_workers.into(),
        ),
        ("hold (seconds)", old.hold, new.hold),
    ] {
        anyhow::ensure!(
            old == new,
            "`{field}` of a deal cannot be changed: it is {old}, the plan says {new}\nhint: apply the plan as another deal (--another), and stop this one when that runs"
        );
    }
    Ok(())
}

/// A change in words: the field of a plan, what it was and what it is to be.
pub(super) fn describe(deal: &Deal, change: &Change) -> String {
    let old = &deal.terms;
    let from_to =
        |field: &str, old: &dyn Display, new: &dyn Display| format!("{field}: {old} -> {new}");
    let seconds = |duration: Option<u64>| {
        duration.map_or_else(
            || "while funded".to_owned(),
            |seconds| format!("{seconds} s"),
        )
    };
    match change {
        Change::Artifact(new) if new.hash.0 == old.artifact.0 => {
            format!("function: its sources ({} of them)", new.sources.len())
        }
        Change::Artifact(new) => from_to("function", &old.artifact, &new.hash),
        Change::Target(new) => from_to("target_workers", &old.target_workers, new),
        Change::LimitPrice(new) => from_to("limit_price", &usdc(old.limit_price), &usdc(new.0)),
        Change::Duration(new) => {
            let new = new.map(|duration| duration.0);
            from_to("duration", &seconds(old.duration), &seconds(new))
        }
        Change::Monitor(_) => "monitor: another account".to_owned(),
        other => format!("{}: as in the plan", field(other.kind())),
    }
}

fn field(kind: Kind) -> &'static str {
    match kind {
        Kind::Artifact => "function",
        Kind::Target => "target_workers",
        Kind::LimitPrice => "limit_price",
        Kind::Requirements => "requirements",
        Kind::Spread => "spread",
        Kind::Duration => "duration",
        Kind::Providers => "providers",
        Kind::Monitor => "monitor",
    }
}
