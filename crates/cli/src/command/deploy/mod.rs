//! `mp deploy`: what a developer does.

mod alternatives;
pub(crate) mod apply;
mod change;
mod domain;
mod evict;
mod expected;
mod explain;
mod invoke;
mod logs;
mod plan;
mod remove;
mod schema;
mod status;
mod update;

use crate::amount::{counted, parse_usdc, usdc};
use crate::chain::{self, Chain};
use crate::printer::Printer;
use alloy_primitives::Address;
use apply::Apply;
use clap::{Args, Subcommand};
use client::marketplace::change::{self as order, Change};
use client::marketplace::units::{DealId, Usdc};
use client::marketplace::{Call, deal, units};
use client::sol::IDeal::DealEnded;
use client::{AccountKey, Client};
use domain::Attach;
use invoke::Invoke;
use logs::Logs;
pub(crate) use plan::PlanFile;
use serde::Serialize;
use update::{Rollback, Update};

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
    Plan(PlanFile),
    /// Print the JSON schema of plans, by which editors complete and check them.
    Schema,
    /// Post exactly that plan, pay its funds in, and stay until the function answers. If a deal of yours runs the same
    /// plan, goes on with that one.
    Apply(Apply),
    /// Send a request to a deal's function.
    Invoke(Invoke),
    /// Serve a deal at a domain of yours: prints the DNS records to set, and with --check whether it is served yet.
    Domain(Attach),
    /// Show what a deal's functions log: the latest lines of each worker that runs, from its peer. For the deal's owner.
    Logs(Logs),
    /// Show a deal, or all of yours.
    Status {
        /// The deal.
        deal: Option<u64>,
    },
    /// Let a deal have more workers or fewer. Fewer: the dearest end at once.
    Scale {
        /// The deal.
        deal: u64,
        /// As many as wanted.
        workers: u16,
    },
    /// Make a deal what a plan says: shows what differs, changes exactly that, and stays until all workers run the plan's
    /// function. They change to it one at a time.
    Update(Update),
    /// Let a deal run what it ran before, one worker at a time.
    Rollback(Rollback),
    /// Offer a deal, with all money in it, to another account, which then accepts it.
    Transfer {
        /// The deal.
        deal: u64,
        /// The account; if not given, nobody is to have it any more.
        to: Option<Address>,
    },
    /// Become the owner of a deal that was offered to you.
    Accept {
        /// The deal.
        deal: u64,
    },
    /// Pay more into a deal; anyone may.
    TopUp {
        /// The deal.
        deal: u64,
        /// USDC.
        #[arg(value_parser = parse_usdc)]
        amount: Usdc,
    },
    /// End workers of a deal that do not serve, whatever they report; its owner and its monitor may.
    ///
    /// Each is paid for the time it ran, or for the least time that a worker is paid for. The deal looks for others, and
    /// not on the same peers.
    Evict {
        /// The deal.
        deal: u64,
        /// Its workers.
        #[arg(required = true)]
        workers: Vec<u64>,
    },
    /// End a deal; what is left comes back.
    Stop {
        /// The deal.
        deal: u64,
    },
    /// Remove a deal that is over and whose workers are paid out; its deposit comes back.
    Remove {
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
            Command::Plan(source) => chain::wait(plan::show(chain, printer, source)),
            Command::Schema => schema::show(printer),
            Command::Domain(attach) => chain::wait(domain::run(chain, printer, attach)),
            Command::Apply(apply) => chain::wait(apply::run(chain, printer, apply)),
            Command::Invoke(invoke) => chain::wait(invoke.run(printer)),
            Command::Logs(logs) => chain::wait(logs::run(chain, printer, logs)),
            Command::Status { deal } => chain::wait(status::run(chain, printer, deal.map(DealId))),
            Command::Scale { deal, workers } => {
                chain::wait(scale(chain, printer, DealId(*deal), *workers))
            }
            Command::Update(update) => chain::wait(update::run(chain, printer, update)),
            Command::Rollback(rollback) => chain::wait(update::roll_back(chain, printer, rollback)),
            Command::Transfer { deal, to } => {
                let (deal, to) = (DealId(*deal), to.map(|to| units::Address(to.into_array())));
                let said = match to {
                    Some(to) => {
                        format!("deal {deal} is offered to {to}: it may `mp deploy accept {deal}`")
                    }
                    None => format!("deal {deal} is offered to nobody"),
                };
                chain::wait(change(
                    chain,
                    printer,
                    order::Call::Offer { deal, to },
                    deal,
                    &said,
                ))
            }
            Command::Accept { deal } => {
                let deal = DealId(*deal);
                let said = format!("deal {deal} is yours");
                chain::wait(change(
                    chain,
                    printer,
                    order::Call::Accept { deal },
                    deal,
                    &said,
                ))
            }
            Command::TopUp { deal, amount } => {
                chain::wait(top_up(chain, printer, DealId(*deal), *amount))
            }
            Command::Evict { deal, workers } => {
                chain::wait(evict::run(chain, printer, DealId(*deal), workers))
            }
            Command::Remove { deal } => chain::wait(remove::run(chain, printer, DealId(*deal))),
            Command::Stop { deal } => chain::wait(show_stopped(chain, printer, DealId(*deal))),
            Command::Withdraw { deal, amount } => {
                chain::wait(show_withdrawn(chain, printer, DealId(*deal), *amount))
            }
        }
    }
}

/// That a deal was changed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Changed {
    deal: u64,
}

async fn change(
    chain: &Chain,
    printer: &Printer,
    call: order::Call,
    deal: DealId,
    said: &str,
) -> anyhow::Result<()> {
    let account = chain.account()?;
    chain.client()?.send(&account, &Call::Change(call)).await?;
    printer.result(&Changed { deal: deal.0 }, said);
    Ok(())
}

async fn scale(chain: &Chain, printer: &Printer, deal: DealId, workers: u16) -> anyhow::Result<()> {
    let terms = order::Call::Terms {
        deal,
        change: Change::Target(workers),
    };
    let workers = counted(workers, "worker");
    let said = format!("deal {deal} is to have {workers}: `mp deploy status {deal}` shows them");
    change(chain, printer, terms, deal, &said).await
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
