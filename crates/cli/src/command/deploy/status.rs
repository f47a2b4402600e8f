//! `mp deploy status`.

use super::{expected, explain};
use crate::amount::usdc;
use crate::availability::Availability;
use crate::chain::{Chain, all};
use crate::clock::on_the_wall;
use crate::printer::Printer;
use client::marketplace::units::DealId;
use client::view::{
    deal::{Deal, Rollout, Status},
    explain::{Explanation, Question},
    time::Time,
};
use serde::Serialize;

/// A deal, with its times on the wall, in milliseconds of the Unix epoch.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    #[serde(flatten)]
    deal: Deal,
    paid_until_wall_ms: Option<u64>,
    ends_wall_ms: Option<u64>,
    /// What clearing would do, of a deal that wants more workers and is looked at alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    market: Option<Explanation>,
    /// What can be expected of its workers, of a deal that is looked at alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    availability: Option<Availability>,
}

pub(super) async fn run(
    chain: &Chain,
    printer: &Printer,
    deal: Option<DealId>,
) -> anyhow::Result<()> {
    let client = chain.client()?;
    let now = client.time().await?;
    if let Some(id) = deal {
        let deal = client.deal(id).await?;
        let mut text = text(&deal, &now);
        let mut shown = Shown::new(deal, &now);
        let wanted = wanted(&shown.deal);
        if wanted > 0 {
            let market = client.explain(&Question::posted(id)).await?;
            text += &explain::text(&market, wanted, &shown.deal.terms, shown.deal.free);
            shown.market = Some(market);
        }
        if let Some(availability) = expected::of_deal(&client, &shown.deal, &now).await? {
            let min_workers = shown.deal.terms.min_workers;
            text += &format!("  {}", expected::text(availability, min_workers));
            shown.availability = Some(availability);
        }
        printer.result(&shown, &text);
        return Ok(());
    }
    let owner = chain.account()?.address();
    let page =
        async |after: Option<u64>, limit| client.deals_of(owner, after.map(DealId), limit).await;
    let deals = all(page, |deal| deal.id).await?;
    let text: String = deals.iter().map(|deal| text(deal, &now)).collect();
    let shown: Vec<_> = deals
        .into_iter()
        .map(|deal| Shown::new(deal, &now))
        .collect();
    printer.result(&shown, &text);
    Ok(())
}

impl Shown {
    fn new(deal: Deal, now: &Time) -> Self {
        let wall = |time: Option<u64>| time.map(|time| now.wall_ms_at(time));
        Self {
            paid_until_wall_ms: wall(deal.paid_until),
            ends_wall_ms: wall(deal.ends),
            deal,
            market: None,
            availability: None,
        }
    }
}

/// Workers that are still looked for.
fn wanted(deal: &Deal) -> u16 {
    let looks = [
        Status::Matching,
        Status::Starting,
        Status::Active,
        Status::Degraded,
    ];
    if !looks.contains(&deal.status) {
        return 0;
    }
    let staying = deal.running.saturating_add(deal.assigned);
    deal.terms.target_workers.saturating_sub(staying)
}

/// How far a rollout is, in words.
pub(super) fn rollout(rollout: &Rollout) -> String {
    match rollout {
        Rollout::Done => "all that run run it".to_owned(),
        Rollout::Rolling { worker } => format!("worker {worker} is next to change to it"),
        Rollout::Stopped { worker, why } => format!("stopped at worker {worker}, {why}"),
    }
}

fn text(deal: &Deal, now: &Time) -> String {
    let mut text = format!("deal {}: {:?}\n", deal.id, deal.status);
    let terms = &deal.terms;
    let leaving = match deal.draining {
        0 => String::new(),
        draining => format!(", {draining} leaving"),
    };
    text += &format!(
        "  workers   {} running, {} starting{leaving}, of {} to {}\n",
        deal.running, deal.assigned, terms.min_workers, terms.target_workers
    );
    text += &format!(
        "  money     {} an epoch; {} left, {} of it surplus\n",
        usdc(deal.rate),
        usdc(deal.free),
        usdc(deal.surplus)
    );
    text += &format!(
        "  function  {}, version {}: {}\n",
        terms.artifact,
        deal.artifact_version,
        rollout(&deal.rollout)
    );
    if let Some(to) = deal.heir {
        text += &format!("  offered   to {to}\n");
    }
    if let Some(paid_until) = deal.paid_until {
        text += &format!("  paid      until {}\n", on_the_wall(now, paid_until));
    }
    if let Some(ends) = deal.ends {
        text += &format!("  ends      {}\n", on_the_wall(now, ends));
    }
    for worker in &deal.workers {
        let rate = usdc(worker.rate);
        text += &format!(
            "  worker {}: {:?} on peer {} of provider {}, {rate} an epoch",
            worker.id, worker.stage, worker.peer, worker.provider
        );
        if let Some(leaving) = worker.leaving {
            text += &format!(", leaving by {}", on_the_wall(now, leaving));
        }
        if worker.runs != terms.artifact {
            text += &format!(", runs {}", worker.runs);
        }
        text += "\n";
    }
    text
}
