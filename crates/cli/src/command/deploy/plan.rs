//! `mp deploy plan`.

use super::{
    alternatives::{self, Alternative},
    expected, explain,
};
use crate::amount::{counted, usdc};
use crate::availability::Availability;
use crate::chain::Chain;
use crate::clock::{on_the_wall, span};
use crate::document::Finding;
use crate::import::{Fetch, Import, Moved, describe};
use crate::plan::{self, Components, Function, Plan};
use crate::printer::Printer;
use alloy_primitives::{Address, B256};
use anyhow::Context as _;
use clap::Args;
use client::marketplace::units::{Exact, Rate, Seconds};
use client::marketplace::{Call, demand};
use client::view::{
    demand::Demand,
    explain::{Explanation, Question},
    time::Time,
};
use client::{AccountKey, Client, Error};
use peer::gateway::deal_name;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};
use worker::{Settings, settings::Origin};

const DAY: u64 = 86_400;
const MONTH: u64 = 30 * DAY;

/// The plan that a command is about.
#[derive(Debug, Args)]
pub(crate) struct PlanFile {
    /// The plan.
    pub(crate) file: PathBuf,
    /// Do not compile the function here first, as workers will. One that they cannot compile is found out when it is paid for.
    #[arg(long)]
    pub(crate) skip_compile: bool,
    #[command(flatten)]
    pub(crate) fetch: Fetch,
}

/// What a plan would do. Costs are the most it can be: all workers at the limit price.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    name: String,
    /// Functions that were fetched from elsewhere, by their names.
    imports: BTreeMap<String, Import>,
    /// What the function is given.
    settings: Settings,
    terms: Demand,
    #[serde(with = "client::view::decimal")]
    funds: u128,
    #[serde(with = "client::view::decimal")]
    cost_per_epoch: u128,
    /// Not there if the node cannot be reached.
    #[serde(flatten)]
    most: Option<Cost>,
    /// Whether the chain was asked if it would take it, in the name of an account.
    checked: bool,
    /// What clearing would do now; null if the node cannot be reached.
    market: Option<Market>,
    /// Why the node was not asked.
    unreachable: Option<String>,
}

/// What so much per epoch comes to.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Cost {
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
}

/// What clearing would do, and what that costs if it would place workers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Market {
    #[serde(flatten)]
    explanation: Explanation,
    #[serde(flatten)]
    cost: Option<Cost>,
    /// What can be expected of the workers that it would place; null: it would place none.
    availability: Option<Availability>,
    /// The plan, and what else the market could place now.
    alternatives: Vec<Alternative>,
}

/// What a node says of a plan.
struct Answer {
    now: Time,
    checked: bool,
    explanation: Explanation,
    alternatives: Vec<Alternative>,
}

pub(super) async fn show(
    chain: &Chain,
    printer: &Printer,
    source: &PlanFile,
) -> anyhow::Result<()> {
    let account = chain.maybe_account()?;
    let (plan, function) = load(source, account.as_ref(), Moved::Said).await?;
    if account.is_none() && !plan.secrets.is_empty() {
        printer.note("note: when it is applied, the function has another hash: with secrets it follows from the account\nhint: name your account with --key");
    }
    let account = account.map(|account| account.address());
    let shown = Shown::new(&plan, function)?;
    let (shown, now) = match ask(&chain.client()?, account, &plan).await {
        Ok(answer) => {
            let now = answer.now;
            (shown.answered(&plan, answer)?, Some(now))
        }
        // The rest of it is worth knowing all the same.
        Err(error @ Error::Unreachable { .. }) => {
            let unreachable = Some(error.to_string());
            let shown = Shown {
                unreachable,
                ..shown
            };
            (shown, None)
        }
        Err(error) => return Err(error.into()),
    };
    printer.result(&shown, &shown.text(now.as_ref()));
    Ok(())
}

async fn ask(client: &Client, account: Option<Address>, plan: &Plan) -> Result<Answer, Error> {
    if let Some(account) = account {
        client.check(account, &post(plan)).await?;
    }
    // Without an account as one that no offer names.
    let owner = account.unwrap_or_default();
    let question = Question::draft(owner, plan.terms.clone(), plan.funds);
    let now = client.time().await?;
    let explanation = client.explain(&question).await?;
    Ok(Answer {
        alternatives: alternatives::ask(client, owner, &plan.terms, &explanation, &now).await?,
        now,
        checked: account.is_some(),
        explanation,
    })
}

/// Reads a plan, and reads and fetches what it names.
pub(super) async fn load(
    source: &PlanFile,
    account: Option<&AccountKey>,
    moved: Moved,
) -> anyhow::Result<(Plan, Function)> {
    let file = &source.file;
    let text =
        fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let mut plan = plan::read(&text).map_err(|findings| faults(file, &findings))?;
    if let Some(account) = account {
        own_deals(&plan, account.address())?;
    }
    let components = Components::get(&plan, file, &source.fetch, moved).await;
    let components = components.map_err(|findings| faults(file, &findings))?;
    let folder = file.parent().unwrap_or(Path::new("."));
    let function = Function::build(&mut plan, components, folder, account)?;
    if !source.skip_compile {
        function.check_compiles()?;
    }
    Ok((plan, function))
}

/// Everything that is wrong with a plan, as an error.
fn faults(file: &Path, findings: &[Finding]) -> anyhow::Error {
    let count = counted(findings.len(), "fault");
    let mut text = format!("{} has {count}", file.display());
    for finding in findings {
        let _ = write!(text, "\n{finding}"); // A String takes everything.
    }
    anyhow::anyhow!(text)
}

/// Says which functions were fetched.
pub(super) fn say_imports(printer: &Printer, function: &Function) {
    for (name, import) in &function.imports {
        printer.note(&describe(name, import));
    }
}

/// Makes sure that the plan asks no deal of somebody else: its requests would be refused.
fn own_deals(plan: &Plan, account: Address) -> anyhow::Result<()> {
    let is_anothers = |server: &&Origin| {
        let named = server.deal().and_then(deal_name);
        named.is_some_and(|(_, owner)| owner.0 != account.0.0)
    };
    match plan.settings.outbound.iter().find(is_anothers) {
        None => Ok(()),
        Some(server) => anyhow::bail!(
            "`outbound` names another account's deal: {server}\nhint: a function asks deals of its own deal's owner, {account}"
        ),
    }
}

/// The call that posts it.
pub(super) fn post(plan: &Plan) -> Call {
    let (terms, escrow) = (plan.terms.clone(), plan.funds);
    Call::Demand(demand::Call::Post { terms, escrow })
}

impl Cost {
    /// What `rate` comes to with the plan's funds.
    fn new(rate: Rate, plan: &Plan, now: &Time) -> Self {
        let epoch = Seconds(now.epoch_seconds);
        let funds = plan.funds.exact(epoch).and_then(|funds| funds.lasts(rate));
        let duration = plan.terms.duration;
        let lasts = funds
            .map_or(u64::MAX, |lasts| lasts.0)
            .min(duration.map_or(u64::MAX, |duration| duration.0));
        let paid_until = now.time.saturating_add(lasts);
        Self {
            cost_per_day: per_day(rate, now),
            cost_per_month: over(rate, MONTH, now),
            lasts,
            paid_until,
            paid_until_wall_ms: now.wall_ms_at(paid_until),
        }
    }
}

impl Shown {
    /// What is known without a node.
    fn new(plan: &Plan, function: Function) -> anyhow::Result<Self> {
        Ok(Self {
            name: plan.name.clone(),
            imports: function.imports,
            settings: plan.settings.clone(),
            terms: plan.terms.clone().into(),
            funds: plan.funds.0,
            cost_per_epoch: most(plan)?.0,
            most: None,
            checked: false,
            market: None,
            unreachable: None,
        })
    }

    fn answered(self, plan: &Plan, answer: Answer) -> anyhow::Result<Self> {
        let explanation = answer.explanation;
        let rate = Rate(explanation.rate);
        let placed = !explanation.placed.is_empty();
        Ok(Self {
            most: Some(Cost::new(most(plan)?, plan, &answer.now)),
            checked: answer.checked,
            market: Some(Market {
                cost: placed.then(|| Cost::new(rate, plan, &answer.now)),
                availability: answer.alternatives.first().map(|plan| plan.availability),
                alternatives: answer.alternatives,
                explanation,
            }),
            ..self
        })
    }

    fn text(&self, now: Option<&Time>) -> String {
        let terms = &self.terms;
        let artifact: B256 = terms.artifact;
        let imports = self.imports.iter();
        let imports = imports.map(|(name, import)| format!("  {}\n", describe(name, import)));
        let mut text = format!(
            "plan {}\n\
             function  {artifact}, {}\n\
             {}\
             workers   {} to {}, {} each\n\
             cost      at most {} an epoch",
            self.name,
            counted(terms.artifact_size, "byte"),
            imports.collect::<String>(),
            terms.min_workers,
            terms.target_workers,
            counted(terms.units_per_worker, "CU"),
            usdc(self.cost_per_epoch),
        );
        if let (Some(most), Some(now)) = (&self.most, now) {
            text += &format!(
                ", {}\nfunds     {}, for at least {} if all workers ran now",
                most.by_time(),
                usdc(self.funds),
                most.lasting(now)
            );
        }
        text += match (&self.unreachable, self.checked) {
            (Some(_), _) => "\nmarket    not asked",
            (None, true) => "\nthe chain would take it as things stand",
            (None, false) => "\nnot checked against the chain: name your account with --key",
        };
        if let Some(why) = &self.unreachable {
            text += &format!(": {why}");
        }
        if let (Some(market), Some(now)) = (&self.market, now) {
            text += "\n";
            let wanted = terms.target_workers;
            text += &explain::text(&market.explanation, wanted, terms, self.funds);
            if let Some(cost) = &market.cost {
                let (by_time, lasting) = (cost.by_time(), cost.lasting(now));
                text += &format!("  {by_time}; the funds last {lasting}\n");
            }
            if let Some(availability) = &market.availability {
                text += &expected::text(*availability, terms.min_workers);
            }
            text += &alternatives::text(&market.alternatives, terms);
        }
        text
    }
}

impl Cost {
    fn by_time(&self) -> String {
        let (day, month) = (usdc(self.cost_per_day), usdc(self.cost_per_month));
        format!("{day} a day, {month} a month")
    }

    fn lasting(&self, now: &Time) -> String {
        let until = on_the_wall(now, self.paid_until);
        format!("{}: paid until {until}", span(self.lasts))
    }
}

/// What so much per epoch comes to in a day.
pub(super) fn per_day(rate: Rate, now: &Time) -> u128 {
    over(rate, DAY, now)
}

fn over(rate: Rate, span: u64, now: &Time) -> u128 {
    let cost = rate.over(Seconds(span));
    cost.map_or(u128::MAX, |cost: Exact| {
        cost.floor(Seconds(now.epoch_seconds)).0
    })
}

/// The most that a plan can cost: all workers at the limit price.
fn most(plan: &Plan) -> anyhow::Result<Rate> {
    let terms = &plan.terms;
    let per_worker = terms.limit_price.of_units(terms.units_per_worker);
    let rate = per_worker.and_then(|rate| rate.times(terms.target_workers.into()));
    rate.context("the cost is beyond all bounds\nhint: lower `limit_price`")
}
