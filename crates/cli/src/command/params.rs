//! `mp params`: what the network's parameters are, what they will be, and how governance changes them; and what rewards
//! are paid from.

mod pool;

use crate::amount::{parse_dollars, parse_flt};
use crate::chain::{self, Chain};
use crate::clock::on_the_wall;
use crate::printer::Printer;
use alloy_primitives::Address;
use clap::{Args, Subcommand};
use client::marketplace::units::{ChangeId, Flt};
use client::marketplace::{Call, governance};
use client::sol::IGovernance::ParameterProposed;
use client::view::{params::Parameters, time::Time};
use serde::Serialize;

#[derive(Debug, Args)]
pub(crate) struct Params {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Args)]
struct List {
    /// Show only changes that wait.
    #[arg(long)]
    pending: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the parameters, and the changes that wait: what `mp params` alone does.
    List(List),
    /// Let a parameter have another value once the network's delay is over; only its governance account may.
    Propose {
        /// The parameter.
        name: String,
        /// Its value to be, a whole number of its unit.
        value: u64,
    },
    /// Take back a change that waits; only the governance account may.
    Cancel {
        /// The change.
        change: u64,
    },
    /// Show what rewards are paid from: the fund, the pool of the last epoch, and the price of FLT.
    Pool,
    /// State the price of FLT, and what a unit is to earn; only the network's oracle may.
    Price {
        /// Dollars for one FLT.
        #[arg(long, value_name = "USD", value_parser = parse_dollars)]
        flt: u64,
        /// Dollars that a CU of class 1 is to earn in an epoch.
        #[arg(long, value_name = "USD", value_parser = parse_dollars)]
        reward: u64,
    },
    /// Give FLT to the fund that rewards are paid from. It does not come back.
    Fund {
        /// How much.
        #[arg(value_name = "FLT", value_parser = parse_flt)]
        amount: Flt,
    },
}

/// A change that waits now.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Proposed {
    change: u64,
    parameter: String,
    value: u64,
    /// When it acts, in seconds of protocol time.
    at: u64,
    /// The same on the wall, in milliseconds of the Unix epoch.
    at_wall_ms: u64,
}

/// A change that will not be made.
#[derive(Serialize)]
struct Cancelled {
    change: u64,
}

impl Params {
    pub(crate) fn run(&self, chain: &Chain, printer: &Printer) -> anyhow::Result<()> {
        let List { pending } = self.list;
        let lists = matches!(self.command, None | Some(Command::List(_)));
        anyhow::ensure!(
            !pending || lists,
            "--pending is about what is shown\nhint: leave it out"
        );
        match &self.command {
            None => chain::wait(show(chain, printer, pending)),
            Some(Command::List(list)) => chain::wait(show(chain, printer, pending || list.pending)),
            Some(Command::Propose { name, value }) => {
                chain::wait(propose(chain, printer, name, *value))
            }
            Some(Command::Cancel { change }) => chain::wait(cancel(chain, printer, *change)),
            Some(Command::Pool) => chain::wait(pool::show(chain, printer)),
            Some(Command::Price { flt, reward }) => {
                chain::wait(pool::price(chain, printer, *flt, *reward))
            }
            Some(Command::Fund { amount }) => chain::wait(pool::fund(chain, printer, *amount)),
        }
    }
}

async fn propose(chain: &Chain, printer: &Printer, name: &str, value: u64) -> anyhow::Result<()> {
    let (client, account) = (chain.client()?, chain.account()?);
    let all = client.params().await?;
    require_governance(&all, account.address())?;
    let acts = acts(&all, name)?;
    let parameter = name.to_owned();
    let call = governance::Call::Propose { parameter, value };
    let receipt = client.send(&account, &Call::Governance(call)).await?;
    let ParameterProposed {
        change,
        parameter,
        value,
        at,
    } = receipt.first()?;
    let now = client.time().await?;
    let mut text = format!(
        "change {change}: {parameter} = {value} {}",
        on_the_wall(&now, at)
    );
    if acts == "at creation" {
        text += ", for deals posted from then on";
    }
    text += &format!("\nuntil then, `mp params cancel {change}` takes it back");
    let proposed = Proposed {
        change,
        parameter,
        value,
        at,
        at_wall_ms: now.wall_ms_at(at),
    };
    printer.result(&proposed, &text);
    Ok(())
}

async fn cancel(chain: &Chain, printer: &Printer, change: u64) -> anyhow::Result<()> {
    let (client, account) = (chain.client()?, chain.account()?);
    let all = client.params().await?;
    require_governance(&all, account.address())?;
    anyhow::ensure!(
        all.pending.iter().any(|each| each.change == change),
        "no change {change} waits\nhint: `mp params list --pending` shows those that do; what was made already, another change undoes"
    );
    let call = governance::Call::Cancel {
        change: ChangeId(change),
    };
    client.send(&account, &Call::Governance(call)).await?;
    printer.result(
        &Cancelled { change },
        &format!("change {change} will not be made"),
    );
    Ok(())
}

/// Refuses whoever may not change parameters, in words.
fn require_governance(all: &Parameters, account: Address) -> anyhow::Result<()> {
    let Some(governance) = all.governance else {
        anyhow::bail!(
            "nobody may change the parameters of this network\nhint: its genesis would have to name an account that may"
        );
    };
    anyhow::ensure!(
        governance == account,
        "{account} may not change parameters, {governance} may\nhint: name its key file with --key or MP_KEY"
    );
    Ok(())
}

/// When a change of this parameter acts.
fn acts<'a>(all: &'a Parameters, name: &str) -> anyhow::Result<&'a str> {
    let mut parameters = all.parameters.iter();
    let Some(known) = parameters.find(|each| each.name == name) else {
        anyhow::bail!("there is no parameter {name:?}\nhint: `mp params` lists them");
    };
    anyhow::ensure!(
        known.acts != "never",
        "{name} was fixed in genesis\nhint: only another network can have another; `mp params` says of each when a change acts"
    );
    Ok(&known.acts)
}

async fn show(chain: &Chain, printer: &Printer, pending: bool) -> anyhow::Result<()> {
    let client = chain.client()?;
    let (now, mut all) = (client.time().await?, client.params().await?);
    if pending {
        all.parameters.clear();
    }
    printer.result(&all, &text(&all, &now));
    Ok(())
}

fn text(all: &Parameters, now: &Time) -> String {
    let mut text = String::new();
    for each in &all.parameters {
        text += &format!("{} = {} {}\n", each.name, each.value, each.unit);
        let (min, max) = (each.min, each.max);
        text += &format!(
            "    {} {min} to {max}; a change acts: {}\n",
            each.meaning, each.acts
        );
    }
    for each in &all.pending {
        let at = on_the_wall(now, each.at);
        text += &format!(
            "change {}: {} = {} {at}\n",
            each.change, each.parameter, each.value
        );
    }
    match all.governance {
        Some(governance) => text += &format!("{governance} may change them"),
        None => text += "nobody may change them",
    }
    if let Some(oracle) = all.oracle {
        text += &format!("\n{oracle} may state the price of FLT");
    }
    text
}
