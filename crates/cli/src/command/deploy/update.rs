//! `mp deploy update` and `rollback`: a deal becomes what a plan says, or runs again what it ran before.

use super::apply::{Give, confide, give, gives, is_over};
use super::change::{call, describe, differences};
use super::plan::{PlanFile, load, say_imports};
use super::status::rollout;
use crate::chain::Chain;
use crate::import::Moved;
use crate::printer::Printer;
use clap::Args;
use client::Client;
use client::marketplace::change::Change;
use client::marketplace::units::DealId;
use client::view::deal::{Deal, Rollout, Status};
use serde::Serialize;
use std::time::Duration;

/// Distance of looks at a rollout.
const LOOK: Duration = Duration::from_millis(100);

/// How a deal is updated.
#[derive(Debug, Args)]
pub(crate) struct Update {
    /// The deal.
    pub(crate) deal: u64,
    #[command(flatten)]
    pub(crate) source: PlanFile,
    /// Show what would change, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) wait: Wait,
    #[command(flatten)]
    pub(crate) give: Give,
}

/// How a deal goes back to what it ran before.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The deal.
    pub(crate) deal: u64,
    #[command(flatten)]
    pub(crate) wait: Wait,
}

/// How long a rollout is watched.
#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// Leave once the changes are made. Another function needs sources in the plan that hold it.
    #[arg(long)]
    pub(crate) detach: bool,
    /// How long to wait until all workers run it.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = humantime::parse_duration)]
    pub(crate) wait: Duration,
}

/// What became of a deal.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Updated {
    deal: u64,
    /// What was changed, in words; or would be.
    changes: Vec<String>,
    changed: bool,
    version: u32,
    rollout: Rollout,
}

impl Updated {
    fn show(self, printer: &Printer) {
        let mut text = match (self.changes.is_empty(), self.changed) {
            (true, _) => format!("deal {} is what the plan says already\n", self.deal),
            (false, true) => format!("deal {}: changed\n", self.deal),
            (false, false) => format!("deal {}: would change\n", self.deal),
        };
        for change in &self.changes {
            text += &format!("  {change}\n");
        }
        text += &format!("version {}: {}", self.version, rollout(&self.rollout));
        printer.result(&self, &text);
    }
}

pub(super) async fn run(chain: &Chain, printer: &Printer, update: &Update) -> anyhow::Result<()> {
    let client = chain.client()?;
    let (account, id) = (chain.account()?, DealId(update.deal));
    let (mut plan, function) = load(&update.source, Some(&account), Moved::Said).await?;
    say_imports(printer, &function);
    let deal = client.deal(id).await?;
    let mut changes = differences(&deal, &plan)?;
    let words: Vec<_> = changes.iter().map(|each| describe(&deal, each)).collect();
    let changes_function = deal.terms.artifact.0 != plan.terms.artifact.hash.0;
    let gives = changes_function && !update.dry_run && gives(update.wait.detach, &plan, &function)?;
    let mut updated = Updated {
        deal: deal.id,
        changes: words,
        changed: false,
        version: deal.artifact_version,
        rollout: deal.rollout.clone(),
    };
    if update.dry_run || changes.is_empty() {
        updated.show(printer);
        return Ok(());
    }
    let given = match gives {
        true => Some(give(&client, &account, &update.give, &function, Some(&deal)).await?),
        false => None,
    };
    confide(given.as_ref(), id, &function)?;
    if let (Some(given), Some(Change::Artifact(artifact))) = (&given, changes.last_mut()) {
        artifact.sources.push(given.holder.clone());
        plan.terms.artifact.sources.push(given.holder.clone());
    }
    for each in &changes {
        client
            .check(account.address(), &call(id, each.clone()))
            .await?;
    }
    for (each, words) in changes.into_iter().zip(&updated.changes) {
        client.send(&account, &call(id, each)).await?;
        printer.note(&format!("deal {id}: {words}"));
    }
    updated.changed = true;
    let giving = async {
        match &given {
            Some(given) => {
                let artifact = plan.terms.artifact.hash;
                given.source.serve(&client, id, artifact).await
            }
            None => std::future::pending().await,
        }
    };
    let now = tokio::select! {
        never = giving => match never {},
        now = settle(&client, printer, id, &update.wait) => now,
    };
    if let Some(given) = given {
        given.source.close().await;
    }
    let now = now?;
    (updated.version, updated.rollout) = (now.artifact_version, now.rollout);
    updated.show(printer);
    Ok(())
}

pub(super) async fn roll_back(
    chain: &Chain,
    printer: &Printer,
    rollback: &Rollback,
) -> anyhow::Result<()> {
    let client = chain.client()?;
    let id = DealId(rollback.deal);
    let deal = client.deal(id).await?;
    let Some(previous) = deal.previous.clone() else {
        anyhow::bail!(
            "deal {id} never ran another function\nhint: `mp deploy update {id} FILE` changes it"
        );
    };
    let change = Change::Artifact(previous.into());
    let changes = vec![describe(&deal, &change)];
    client.send(&chain.account()?, &call(id, change)).await?;
    let now = settle(&client, printer, id, &rollback.wait).await?;
    let updated = Updated {
        deal: deal.id,
        changes,
        changed: true,
        version: now.artifact_version,
        rollout: now.rollout,
    };
    updated.show(printer);
    Ok(())
}

/// The deal when its rollout is over; at once if nobody waits for it.
async fn settle(
    client: &Client,
    printer: &Printer,
    id: DealId,
    wait: &Wait,
) -> anyhow::Result<Deal> {
    if wait.detach {
        return Ok(client.deal(id).await?);
    }
    match tokio::time::timeout(wait.wait, roll(client, printer, id)).await {
        Ok(deal) => deal,
        Err(_) => anyhow::bail!(
            "not all workers of deal {id} run it after {}\nhint: see `mp deploy status {id}`; it goes on by itself, or `mp deploy rollback {id}`",
            humantime::format_duration(wait.wait)
        ),
    }
}

async fn roll(client: &Client, printer: &Printer, id: DealId) -> anyhow::Result<Deal> {
    let mut last = String::new();
    loop {
        let deal = client.deal(id).await?;
        let line = rollout(&deal.rollout);
        if line != last {
            printer.note(&format!(
                "deal {id} version {}: {line}",
                deal.artifact_version
            ));
            last = line;
        }
        anyhow::ensure!(
            !is_over(deal.status),
            "deal {id} is over\nhint: see `mp deploy status {id}`"
        );
        match deal.rollout {
            // Those that never ran are to begin with it.
            Rollout::Done if deal.assigned == 0 => return Ok(deal),
            Rollout::Done => {}
            Rollout::Stopped { .. } => anyhow::bail!(
                "the rollout of deal {id} {last}\nhint: `mp deploy rollback {id}` goes back; the same update again goes on, another function replaces it"
            ),
            Rollout::Rolling { .. } => anyhow::ensure!(
                deal.status != Status::Paused,
                "deal {id} is paused: its money is used up\nhint: `mp deploy top-up {id} AMOUNT`"
            ),
        }
        tokio::time::sleep(LOOK).await;
    }
}
