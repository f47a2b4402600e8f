//! What more workers or a wider spread would cost, and what could be expected of them. (P15 of `docs/spec/plan.md`)

use super::{expected, plan};
use crate::amount::usdc;
use crate::availability::{Availability, Network, shown};
use alloy_primitives::Address;
use client::marketplace::demand::Terms;
use client::marketplace::limits::MAX_SUPPLY;
use client::marketplace::units::Rate;
use client::view::{
    demand::Demand,
    explain::{Explanation, Question},
    time::Time,
};
use client::{Client, Error};
use serde::Serialize;
use std::collections::BTreeSet;

/// The plan as it is, or with another value of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", content = "value", rename_all = "camelCase")]
enum Variant {
    Plan,
    TargetWorkers(u16),
    MaxPerDatacenter(u16),
    MaxPerProvider(u16),
    MaxPerCountry(u16),
}

/// What the market could place now.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Alternative {
    #[serde(flatten)]
    variant: Variant,
    workers: usize,
    #[serde(with = "client::view::decimal")]
    cost_per_epoch: u128,
    #[serde(with = "client::view::decimal")]
    cost_per_day: u128,
    pub(super) availability: Availability,
}

impl Variant {
    /// One more worker and two; each worker in a place of its own.
    fn of(terms: &Terms) -> [Self; 5] {
        let target = terms.target_workers;
        [
            Self::TargetWorkers(target.saturating_add(1)),
            Self::TargetWorkers(target.saturating_add(2)),
            Self::MaxPerDatacenter(1),
            Self::MaxPerProvider(1),
            Self::MaxPerCountry(1),
        ]
    }

    fn applied(self, terms: &Terms) -> Terms {
        let mut terms = terms.clone();
        match self {
            Self::Plan => {}
            Self::TargetWorkers(target) => terms.target_workers = target,
            Self::MaxPerDatacenter(most) => terms.spread.max_per_datacenter = most,
            Self::MaxPerProvider(most) => terms.spread.max_per_provider = most,
            Self::MaxPerCountry(most) => terms.spread.max_per_country = most,
        }
        terms
    }

    /// In the plan's own fields.
    fn words(self) -> String {
        match self {
            Self::Plan => "this plan".to_owned(),
            Self::TargetWorkers(target) => format!("target_workers: {target}"),
            Self::MaxPerDatacenter(most) => format!("spread.max_per_datacenter: {most}"),
            Self::MaxPerProvider(most) => format!("spread.max_per_provider: {most}"),
            Self::MaxPerCountry(most) => format!("spread.max_per_country: {most}"),
        }
    }
}

/// The plan first, then each variant that the market could place in full, if it is paid for; none if it would not place
/// the plan. One that comes to the same workers as another is left out.
pub(super) async fn ask(
    client: &Client,
    owner: Address,
    terms: &Terms,
    explanation: &Explanation,
    now: &Time,
) -> Result<Vec<Alternative>, Error> {
    if explanation.placed.is_empty() {
        return Ok(Vec::new());
    }
    let network = expected::network(client, now).await?;
    let row = |variant, found: &Explanation| {
        Alternative::new(variant, found, &network, terms.min_workers, now)
    };
    let mut rows = vec![row(Variant::Plan, explanation)];
    let mut seen = BTreeSet::from([peers(explanation)]);
    for variant in Variant::of(terms) {
        let terms = variant.applied(terms);
        let wanted = usize::from(terms.target_workers);
        let found = match client
            .explain(&Question::draft(owner, terms, MAX_SUPPLY))
            .await
        {
            Ok(found) => found,
            // Beyond what the chain allows.
            Err(Error::Refused { .. }) => continue,
            Err(error) => return Err(error),
        };
        if found.placed.len() == wanted && seen.insert(peers(&found)) {
            rows.push(row(variant, &found));
        }
    }
    Ok(rows)
}

/// Who would serve.
fn peers(explanation: &Explanation) -> BTreeSet<[u8; 32]> {
    explanation
        .placed
        .iter()
        .map(|worker| worker.peer.0)
        .collect()
}

impl Alternative {
    fn new(
        variant: Variant,
        found: &Explanation,
        network: &Network,
        min_workers: u16,
        now: &Time,
    ) -> Self {
        Self {
            variant,
            workers: found.placed.len(),
            cost_per_epoch: found.rate,
            cost_per_day: plan::per_day(Rate(found.rate), now),
            availability: network.expects(expected::places(&found.placed), min_workers),
        }
    }
}

/// A table of them; nothing if there is nothing but the plan.
pub(super) fn text(rows: &[Alternative], terms: &Demand) -> String {
    if rows.len() < 2 {
        return String::new();
    }
    let min = terms.min_workers;
    let heads = [
        "",
        "workers",
        "a day",
        "one serves",
        &format!("{min} serve"),
    ];
    let mut lines = vec![heads.map(str::to_owned)];
    lines.extend(rows.iter().map(|row| {
        [
            row.variant.words(),
            row.workers.to_string(),
            usdc(row.cost_per_day),
            shown(row.availability.one_serves_ppb),
            shown(row.availability.min_serve_ppb),
        ]
    }));
    // One of them is what the last column would say again.
    let columns = if min > 1 { 5 } else { 4 };
    let width = |column: usize| {
        lines
            .iter()
            .map(|line| line[column].len())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let line = |line: &[String; 5]| {
        let cells = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        format!("  {}", cells.collect::<Vec<_>>().join("  "))
            .trim_end()
            .to_owned()
            + "\n"
    };
    "compare\n".to_owned() + &lines.iter().map(line).collect::<String>()
}
