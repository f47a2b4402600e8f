//! `mp deploy plan`.

use crate::amount::usdc;
use crate::chain::Chain;
use crate::clock::{on_the_wall, span};
use crate::plan::{self, Plan};
use crate::printer::Printer;
use alloy_primitives::B256;
use anyhow::Context as _;
use client::marketplace::limits::MAX_ARTIFACT;
use client::marketplace::units::{Exact, Hash, Rate, Seconds};
use client::marketplace::{Call, demand};
use client::view::{demand::Demand, time::Time};
use serde::Serialize;
use std::{
    fmt::Write as _,
    fs::{self, File},
    path::Path,
};

const DAY: u64 = 86_400;
const MONTH: u64 = 30 * DAY;

/// What a plan would do. Costs are the most it can be: all workers at the limit price.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    name: String,
    terms: Demand,
    #[serde(with = "client::view::decimal")]
    funds: u128,
    #[serde(with = "client::view::decimal")]
    cost_per_epoch: u128,
    #[serde(with = "client::view::decimal")]
    cost_per_day: u128,
    #[serde(with = "client::view::decimal")]
    cost_per_month: u128,
    /// Seconds that the funds last.
    lasts: u64,
    /// Protocol time up to which they would last if all workers ran now.
    paid_until: u64,
    /// The same on the wall, in milliseconds of the Unix epoch.
    paid_until_wall_ms: u64,
    /// Whether the chain was asked if it would take it, in the name of an account.
    checked: bool,
}

pub(super) async fn show(chain: &Chain, printer: &Printer, file: &Path) -> anyhow::Result<()> {
    let plan = load(file)?;
    let client = chain.client()?;
    let account = chain.maybe_account()?;
    if let Some(account) = &account {
        client.check(account.address(), &post(&plan)).await?;
    }
    let now = client.time().await?;
    let shown = Shown::new(&plan, &now, account.is_some())?;
    printer.result(&shown, &shown.text(&now));
    Ok(())
}

/// Reads a plan and the function that it names.
pub(super) fn load(file: &Path) -> anyhow::Result<Plan> {
    let text =
        fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let mut plan = plan::read(&text).map_err(|findings| {
        let mut text = format!("{} has {} faults", file.display(), findings.len());
        for finding in findings {
            let _ = write!(text, "\n{finding}"); // A String takes everything.
        }
        anyhow::anyhow!(text)
    })?;
    plan.path = file.parent().unwrap_or(Path::new(".")).join(&plan.path);
    let function = &plan.path;
    let failed = || format!("the function {} cannot be read", function.display());
    let code = File::open(function).with_context(failed)?;
    let size = code.metadata().with_context(failed)?.len();
    anyhow::ensure!(
        (1..=MAX_ARTIFACT).contains(&size),
        "the function {} has {size} bytes\nhint: 1 to {MAX_ARTIFACT} are possible",
        function.display()
    );
    let hash = blake3::Hasher::new()
        .update_reader(code)
        .with_context(failed)?
        .finalize();
    plan.terms.artifact.hash = Hash(*hash.as_bytes());
    plan.terms.artifact.size = size;
    Ok(plan)
}

/// The call that posts it.
pub(super) fn post(plan: &Plan) -> Call {
    let (terms, escrow) = (plan.terms.clone(), plan.funds);
    Call::Demand(demand::Call::Post { terms, escrow })
}

impl Shown {
    fn new(plan: &Plan, now: &Time, checked: bool) -> anyhow::Result<Self> {
        let terms = &plan.terms;
        let epoch = Seconds(now.epoch_seconds);
        let per_worker = terms.limit_price.of_units(terms.units_per_worker);
        let rate = per_worker.and_then(|rate| rate.times(terms.target_workers.into()));
        let rate: Rate =
            rate.context("the cost is beyond all bounds\nhint: lower `limit_price`")?;
        let funds = plan.funds.exact(epoch).and_then(|funds| funds.lasts(rate));
        let lasts = funds
            .map_or(u64::MAX, |lasts| lasts.0)
            .min(terms.duration.map_or(u64::MAX, |duration| duration.0));
        let cost = |span| {
            rate.over(Seconds(span))
                .map_or(u128::MAX, |cost: Exact| cost.floor(epoch).0)
        };
        let paid_until = now.time.saturating_add(lasts);
        Ok(Self {
            name: plan.name.clone(),
            terms: terms.clone().into(),
            funds: plan.funds.0,
            cost_per_epoch: rate.0,
            cost_per_day: cost(DAY),
            cost_per_month: cost(MONTH),
            lasts,
            paid_until,
            paid_until_wall_ms: now.wall_ms_at(paid_until),
            checked,
        })
    }

    fn text(&self, now: &Time) -> String {
        let terms = &self.terms;
        let artifact: B256 = terms.artifact;
        let checked = match self.checked {
            true => "the chain would take it as things stand",
            false => "not checked against the chain: name your account with --key",
        };
        format!(
            "plan {}\n\
             function  {artifact}, {} bytes\n\
             workers   {} to {}, {} CUs each\n\
             cost      at most {} an epoch, {} a day, {} a month\n\
             funds     {}, for at least {}: paid until {} if all workers ran now\n\
             {checked}",
            self.name,
            terms.artifact_size,
            terms.min_workers,
            terms.target_workers,
            terms.units_per_worker,
            usdc(self.cost_per_epoch),
            usdc(self.cost_per_day),
            usdc(self.cost_per_month),
            usdc(self.funds),
            span(self.lasts),
            on_the_wall(now, self.paid_until),
        )
    }
}
