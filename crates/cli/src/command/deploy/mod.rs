//! `mp deploy`: what a developer does.

pub(crate) mod apply;
mod explain;
mod invoke;
mod plan;
mod status;

use crate::amount::{parse_usdc, usdc};
use crate::chain::{self, Chain};
use crate::printer::Printer;
use apply::Apply;
use clap::{Args, Subcommand};
use client::marketplace::units::{DealId, Usdc};
use client::marketplace::{Call, deal};
use client::sol::IDeal::DealEnded;
use client::{AccountKey, Client};
use invoke::Invoke;
use serde::Serialize;
use std::path::PathBuf;

/// Where `mp up` has its gateway.
const GATEWAY: &str = "http://127.0.0.1:8080";

#[derive(Debug, Args)]
pub(crate) struct Deploy {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a deployment plan, show what it costs and what the market would do with it. Nothing is paid.
    Plan {
        /// The plan.
        file: PathBuf,
    },
    /// Post exactly that plan, pay its funds in, and stay until the function answers. If a deal of yours runs the same
    /// plan, goes on with that one.
    Apply(Apply),
    /// Send a request to a deal's function.
    Invoke(Invoke),
    /// Show a deal, or all of yours.
    Status {
        /// The deal.
        deal: Option<u64>,
    },
    /// Pay more into a deal; anyone may.
    TopUp {
        /// The deal.
        deal: u64,
        /// USDC.
        #[arg(value_parser = parse_usdc)]
        amount: Usdc,
    },
    /// End a deal; what is left comes back.
    Stop {
        /// The deal.
        deal: u64,
    },
    /// Take back what a deal holds above its floor.
    Withdraw {
        /// The deal.
        deal: u64,
        /// USDC; if not given, the surplus but for what a minute costs, since it runs down meanwhile.
        #[arg(value_parser = parse_usdc)]
        amount: Option<Usdc>,
    },
}

/// Money that went into a deal or came out of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Moved {
    deal: u64,
    #[serde(with = "client::view::decimal")]
    amount: u128,
}

impl Deploy {
    pub(crate) fn run(&self, chain: &Chain, printer: &Printer) -> anyhow::Result<()> {
        match &self.command {
            Command::Plan { file } => chain::wait(plan::show(chain, printer, file)),
            Command::Apply(apply) => chain::wait(apply::run(chain, printer, apply)),
            Command::Invoke(invoke) => chain::wait(invoke.run(printer)),
            Command::Status { deal } => chain::wait(status::run(chain, printer, deal.map(DealId))),
            Command::TopUp { deal, amount } => {
                chain::wait(top_up(chain, printer, DealId(*deal), *amount))
            }
            Command::Stop { deal } => chain::wait(show_stopped(chain, printer, DealId(*deal))),
            Command::Withdraw { deal, amount } => {
                chain::wait(show_withdrawn(chain, printer, DealId(*deal), *amount))
            }
        }
    }
}

async fn top_up(
    chain: &Chain,
    printer: &Printer,
    deal: DealId,
    amount: Usdc,
) -> anyhow::Result<()> {
    let call = deal::Call::TopUp { deal, amount };
    chain
        .client()?
        .send(&chain.account()?, &Call::Deal(call))
        .await?;
    moved(printer, deal, amount, "paid into");
    Ok(())
}

async fn show_stopped(chain: &Chain, printer: &Printer, deal: DealId) -> anyhow::Result<()> {
    let refund = stop(&chain.client()?, &chain.account()?, deal).await?;
    moved(printer, deal, refund, "came back from");
    Ok(())
}

/// Ends a deal; gives what came back.
pub(crate) async fn stop(
    client: &Client,
    account: &AccountKey,
    deal: DealId,
) -> anyhow::Result<Usdc> {
    let call = deal::Call::Stop { deal };
    let receipt = client.send(account, &Call::Deal(call)).await?;
    Ok(Usdc(receipt.first::<DealEnded>()?.refund))
}

async fn show_withdrawn(
    chain: &Chain,
    printer: &Printer,
    deal: DealId,
    amount: Option<Usdc>,
) -> anyhow::Result<()> {
    let amount = withdraw(&chain.client()?, &chain.account()?, deal, amount).await?;
    moved(printer, deal, amount, "came back from");
    Ok(())
}

/// Takes back a part of a deal's surplus, or all of it; gives how much.
pub(crate) async fn withdraw(
    client: &Client,
    account: &AccountKey,
    deal: DealId,
    amount: Option<Usdc>,
) -> anyhow::Result<Usdc> {
    let amount = match amount {
        Some(amount) => amount,
        None => surplus(client, deal).await?,
    };
    anyhow::ensure!(
        amount > Usdc::ZERO,
        "deal {deal} has no surplus\nhint: `mp deploy stop` ends it and pays out all that is left"
    );
    let call = deal::Call::WithdrawSurplus { deal, amount };
    client.send(account, &Call::Deal(call)).await?;
    Ok(amount)
}

/// What can be taken back by a transaction that is executed within a minute.
async fn surplus(client: &Client, deal: DealId) -> anyhow::Result<Usdc> {
    let (deal, now) = (client.deal(deal).await?, client.time().await?);
    let epoch = u128::from(now.epoch_seconds.max(1));
    let minute = deal.rate.saturating_mul(60).div_ceil(epoch);
    Ok(Usdc(deal.surplus.saturating_sub(minute)))
}

fn moved(printer: &Printer, deal: DealId, amount: Usdc, how: &str) {
    let text = format!("{} {how} deal {deal}", usdc(amount.0));
    let (deal, amount) = (deal.0, amount.0);
    printer.result(&Moved { deal, amount }, &text);
}
