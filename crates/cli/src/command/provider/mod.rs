//! `mp provider`: what a provider does.

mod capacity;
pub(crate) mod commit;
mod leave;
pub(crate) mod offer;
pub(crate) mod register;
mod rewards;
mod status;

use crate::amount::{parse_usdc, usdc};
use crate::chain::{self, Chain};
use crate::printer::Printer;
use alloy_primitives::{Address, B256};
use clap::{Args, Subcommand};
use client::marketplace::offer::Curve;
use client::marketplace::units::{
    self, CommitmentId, DatacenterId, Price, ProviderId, Usdc, WorkerId,
};
use client::marketplace::{Call, provider};
use client::sol::IWorker::WorkerPaid;
use client::{AccountKey, Client, view};
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
    /// Register a provider with its datacenters, peers and offers, and fund the operator keys. May run again after the
    /// file has changed, or after it was interrupted: what is registered stays, offers become what the file says.
    Register {
        /// The TOML file that describes it all.
        file: PathBuf,
    },
    /// Offer all peers of a datacenter at a price; or change the price, and add peers that are new.
    Offer {
        /// The datacenter.
        #[arg(long, value_name = "ID")]
        datacenter: u64,
        /// USDC per CU and epoch, while none of them serves.
        #[arg(long, value_name = "USDC", value_parser = parse_usdc)]
        price: Usdc,
        /// USDC beyond it while all of them serve; in proportion while some do.
        #[arg(long, value_name = "USDC", value_parser = parse_usdc, default_value = "0")]
        slope: Usdc,
    },
    /// Offer a provider to another account, which then accepts it; or take that back.
    Transfer {
        /// The provider.
        #[arg(long, value_name = "ID")]
        provider: u64,
        /// The account; without one, nobody any more.
        #[arg(long, value_name = "ADDRESS")]
        to: Option<Address>,
    },
    /// Become the owner of a provider that was offered to your account. What it earned and nobody withdrew is yours.
    Accept {
        /// The provider.
        #[arg(long, value_name = "ID")]
        provider: u64,
    },
    /// Take what your providers have earned up to their peers' last reports.
    Withdraw,
    /// Give notice: workers serve and earn until their replacements run or the notice is over. It cannot be withdrawn.
    /// To get no new workers, take the peer out of its offer.
    Notice {
        /// Of one worker.
        #[arg(
            long,
            value_name = "ID",
            conflicts_with = "peer",
            required_unless_present = "peer"
        )]
        worker: Option<u64>,
        /// Of all workers of a peer.
        #[arg(long, value_name = "KEY")]
        peer: Option<B256>,
    },
    /// End a worker at once. That is your fault in the public record; `notice` is not.
    Leave {
        /// The worker.
        worker: u64,
    },
    /// Commit all units of a peer to prove themselves while they are idle: it takes collateral, which you or others deposit
    /// (`mp delegate deposit`), and earns rewards. While a peer's commitment is active, this makes its successor.
    Commit(commit::Commit),
    /// Close a commitment whose collateral is not complete; all deposits go back. After a while anybody may.
    Cancel {
        /// The commitment.
        commitment: u64,
    },
    /// Show what your commitments earned: held back, vesting, and due.
    Rewards {
        /// Have what is due paid out, to your payout accounts and to all delegators.
        #[arg(long)]
        claim: bool,
    },
    /// Show where the units of your peers are, what they proved in this epoch, and how their commitments stand.
    Capacity,
    /// Show your providers, their datacenters, offers and peers.
    Status,
}

/// What a provider was paid.
#[derive(Serialize)]
pub(crate) struct Withdrawn {
    pub(crate) provider: u64,
    #[serde(with = "view::decimal")]
    pub(crate) paid: u128,
    pub(crate) workers: usize,
}

impl Provider {
    pub(crate) fn run(&self, chain: &Chain, printer: &Printer) -> anyhow::Result<()> {
        match &self.command {
            Command::Register { file } => chain::wait(register::run(chain, printer, file)),
            Command::Offer {
                datacenter,
                price,
                slope,
            } => {
                let datacenter = DatacenterId(*datacenter);
                let (floor, slope) = (Price(price.0), Price(slope.0));
                let curve = Curve { floor, slope };
                chain::wait(offer::run(chain, printer, datacenter, curve))
            }
            Command::Transfer { provider, to } => {
                let provider = ProviderId(*provider);
                let to = to.map(|to| units::Address(to.into_array()));
                let call = provider::Call::Transfer { provider, to };
                chain::wait(hand_over(chain, printer, provider, call))
            }
            Command::Accept { provider } => {
                let provider = ProviderId(*provider);
                let call = provider::Call::Accept { provider };
                chain::wait(hand_over(chain, printer, provider, call))
            }
            Command::Withdraw => chain::wait(show_withdrawn(chain, printer)),
            Command::Notice { worker, peer } => {
                let worker = worker.map(WorkerId);
                chain::wait(leave::notice(chain, printer, worker, *peer))
            }
            Command::Leave { worker } => {
                chain::wait(leave::leave(chain, printer, WorkerId(*worker)))
            }
            Command::Commit(commit) => chain::wait(commit.run(chain, printer)),
            Command::Cancel { commitment } => {
                chain::wait(commit::cancel(chain, printer, CommitmentId(*commitment)))
            }
            Command::Rewards { claim } => chain::wait(rewards::run(chain, printer, *claim)),
            Command::Capacity => chain::wait(capacity::run(chain, printer)),
            Command::Status => chain::wait(status::run(chain, printer)),
        }
    }
}

/// A step of the way from one owner to another; shows where it led.
async fn hand_over(
    chain: &Chain,
    printer: &Printer,
    id: ProviderId,
    call: provider::Call,
) -> anyhow::Result<()> {
    let (client, account) = (chain.client()?, chain.account()?);
    client.send(&account, &Call::Provider(call)).await?;
    let provider = client.provider(id).await?;
    let mut text = format!("provider {id} belongs to {}", provider.owner);
    if let Some(heir) = provider.heir {
        text += &format!("; {heir} may accept it: `mp provider accept --provider {id}`");
    }
    printer.result(&provider, &text);
    Ok(())
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

async fn show_withdrawn(chain: &Chain, printer: &Printer) -> anyhow::Result<()> {
    let all = withdraw(&chain.client()?, &chain.account()?).await?;
    let line = |withdrawn: &Withdrawn| {
        let (provider, paid) = (withdrawn.provider, usdc(withdrawn.paid));
        format!(
            "provider {provider}: {paid}; workers paid: {}\n",
            withdrawn.workers
        )
    };
    let text: String = all.iter().map(line).collect();
    printer.result(&all, &text);
    Ok(())
}

/// Pays out what the account's providers have earned.
pub(crate) async fn withdraw(
    client: &Client,
    account: &AccountKey,
) -> anyhow::Result<Vec<Withdrawn>> {
    let mut all = Vec::new();
    for provider in owned(client, account.address()).await? {
        let call = provider::Call::Withdraw {
            provider: ProviderId(provider.id),
            workers: WORKERS,
        };
        let receipt = client.send(account, &Call::Provider(call)).await?;
        let payments: Vec<u128> = receipt
            .all::<WorkerPaid>()
            .map(|event| event.amount)
            .collect();
        all.push(Withdrawn {
            provider: provider.id,
            paid: payments.iter().copied().fold(0, u128::saturating_add),
            workers: payments.len(),
        });
    }
    Ok(all)
}
