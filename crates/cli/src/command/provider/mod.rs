//! `mp provider`: what a provider does.

mod offer;
mod register;
mod status;

use crate::amount::{parse_usdc, usdc};
use crate::chain::{self, Chain};
use crate::printer::Printer;
use alloy_primitives::Address;
use clap::{Args, Subcommand};
use client::marketplace::units::{DatacenterId, ProviderId, Usdc};
use client::marketplace::{Call, provider};
use client::sol::IWorker::WorkerPaid;
use client::{Client, view};
use serde::Serialize;
use std::path::PathBuf;

/// Workers that one call looks at: the most there may be.
const WORKERS: u16 = 256;

#[derive(Debug, Args)]
pub(crate) struct Provider {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Register a provider with its datacenters and peers, and fund the operator keys. May run again after the file
    /// has grown, or after it was interrupted: what is registered stays.
    Register {
        /// The TOML file that describes it all.
        file: PathBuf,
    },
    /// Offer all peers of a datacenter at a price; or change the price, and add peers that are new.
    Offer {
        /// The datacenter.
        #[arg(long, value_name = "ID")]
        datacenter: u64,
        /// USDC per CU and epoch.
        #[arg(long, value_name = "USDC", value_parser = parse_usdc)]
        price: Usdc,
    },
    /// Take what your providers have earned up to their peers' last reports.
    Withdraw,
    /// Show your providers, their datacenters, offers and peers.
    Status,
}

#[derive(Serialize)]
struct Withdrawn {
    provider: u64,
    #[serde(with = "view::decimal")]
    paid: u128,
    workers: usize,
}

impl Provider {
    pub(crate) fn run(&self, chain: &Chain, printer: &Printer) -> anyhow::Result<()> {
        match &self.command {
            Command::Register { file } => chain::wait(register::run(chain, printer, file)),
            Command::Offer { datacenter, price } => {
                let datacenter = DatacenterId(*datacenter);
                chain::wait(offer::run(chain, printer, datacenter, *price))
            }
            Command::Withdraw => chain::wait(withdraw(chain, printer)),
            Command::Status => chain::wait(status::run(chain, printer)),
        }
    }
}

/// The providers of an account, at least one.
async fn owned(client: &Client, owner: Address) -> anyhow::Result<Vec<view::provider::Provider>> {
    let providers = client.providers_of(owner).await?;
    anyhow::ensure!(
        !providers.is_empty(),
        "{owner} owns no provider\nhint: `mp provider register FILE` makes one"
    );
    Ok(providers)
}

async fn withdraw(chain: &Chain, printer: &Printer) -> anyhow::Result<()> {
    let (client, account) = (chain.client()?, chain.account()?);
    let mut all = Vec::new();
    let mut text = String::new();
    for provider in owned(&client, account.address()).await? {
        let call = provider::Call::Withdraw {
            provider: ProviderId(provider.id),
            workers: WORKERS,
        };
        let receipt = client.send(&account, &Call::Provider(call)).await?;
        let payments: Vec<u128> = receipt
            .all::<WorkerPaid>()
            .map(|event| event.amount)
            .collect();
        let paid = payments.iter().copied().fold(0, u128::saturating_add);
        let workers = payments.len();
        text += &format!(
            "provider {}: {}; workers paid: {workers}\n",
            provider.id,
            usdc(paid)
        );
        all.push(Withdrawn {
            provider: provider.id,
            paid,
            workers,
        });
    }
    printer.result(&all, &text);
    Ok(())
}
