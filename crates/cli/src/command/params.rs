//! `mp params`: what the network's parameters are, and what they will be.

use crate::chain::{self, Chain};
use crate::clock::on_the_wall;
use crate::printer::Printer;
use clap::Args;
use client::view::{params::Parameters, time::Time};

#[derive(Debug, Args)]
pub(crate) struct Params {
    /// Show only changes that wait.
    #[arg(long)]
    pending: bool,
}

impl Params {
    pub(crate) fn run(&self, chain: &Chain, printer: &Printer) -> anyhow::Result<()> {
        chain::wait(show(chain, printer, self.pending))
    }
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
    text
}
