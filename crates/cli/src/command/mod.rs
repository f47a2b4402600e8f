//! Commands by noun, and their arguments.

mod completions;
mod delegate;
pub(crate) mod deploy;
mod init;
mod key;
mod node;
mod params;
mod peer;
pub(crate) mod provider;
#[cfg(test)]
mod reference;
pub(crate) mod testnet;
mod up;

use crate::chain::Chain;
use crate::printer::{Output, Printer};
use clap::{Parser, Subcommand};

/// A marketplace for decentralised serverless compute.
#[derive(Debug, Parser)]
#[command(name = "mp", version, propagate_version = true)]
pub(crate) struct Arguments {
    /// How results are shown.
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) chain: Chain,
    /// Ends with the process of this id, which started it.
    #[arg(long, global = true, hide = true, value_name = "ID")]
    pub(crate) parent: Option<u32>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a whole marketplace on this machine, deploy a function to it and serve it.
    Up(up::Up),
    /// Make the folder of a new function, from a template: its source, what builds it, and a plan.
    Init(init::Init),
    /// Make the folder of a new test network: genesis, and configuration and keys of its validators.
    Testnet(testnet::Testnet),
    /// Run a validator of a network folder until it is told to stop.
    Node(node::Node),
    /// Run a provider's server: runs and reports what the chain assigned to it.
    Peer(peer::Peer),
    /// Bring HTTP requests to the workers of deals.
    Gateway(peer::Gateway),
    /// Serve one deal's function; started by a peer.
    #[command(hide = true)]
    Worker(peer::Worker),
    /// Make and look at key files.
    Key(key::Key),
    /// Show the network's parameters and changes that wait; change them, as governance; price and fund of rewards.
    Params(params::Params),
    /// Rent out compute units.
    Provider(provider::Provider),
    /// Deposit collateral for providers' commitments, and share what they earn.
    Delegate(delegate::Delegate),
    /// Rent compute units for a function.
    Deploy(deploy::Deploy),
    /// Write what a shell needs to complete commands, such as `mp completions bash > ~/.local/share/bash-completion/completions/mp`.
    Completions(completions::Completions),
}

impl Command {
    pub(crate) fn run(&self, chain: &Chain, printer: &Printer) -> anyhow::Result<()> {
        match self {
            Self::Up(up) => up.run(printer),
            Self::Init(init) => init.run(printer),
            Self::Testnet(testnet) => testnet.run(printer),
            Self::Node(node) => node.run(),
            Self::Peer(peer) => peer.run(),
            Self::Gateway(gateway) => gateway.run(),
            Self::Worker(worker) => worker.run(),
            Self::Key(key) => key.run(printer),
            Self::Params(params) => params.run(chain, printer),
            Self::Provider(provider) => provider.run(chain, printer),
            Self::Delegate(delegate) => delegate.run(chain, printer),
            Self::Deploy(deploy) => deploy.run(chain, printer),
            Self::Completions(completions) => completions.run(),
        }
    }
}
