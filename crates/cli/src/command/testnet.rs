//! `mp testnet`.

use crate::printer::Printer;
use alloy_primitives::Address;
use anyhow::Context as _;
use clap::Args;
use node::network::{self, Allocation, Genesis, Place};
use serde::Serialize;
use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

/// What a funded account begins with: a million FLT and a million USDC.
const FUNDS: Allocation = Allocation {
    flt: 1_000_000_000_000_000_000_000_000,
    usdc: 1_000_000_000_000,
};

/// What one call of the faucet gives, in millionths of USDC.
const FAUCET_USDC: u64 = 10_000_000_000;
/// What each object of the marketplace takes as its deposit: a thousandth of an FLT.
const DEPOSIT_GWEI: u64 = 1_000_000;

#[derive(Debug, Args)]
pub(crate) struct Testnet {
    /// The folder to make.
    pub(super) folder: PathBuf,
    /// How many validators there are.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(super) validators: u16,
    /// Chain id of every transaction.
    #[arg(long, default_value_t = 31_337)]
    pub(super) chain_id: u64,
    /// Port of the first validator's JSON-RPC; the others follow.
    #[arg(long, default_value_t = 8545)]
    pub(super) rpc_port: u16,
    /// Port on which the first validator listens for others; they follow. 0: ports that are free now.
    #[arg(long, default_value_t = 9545)]
    pub(super) p2p_port: u16,
    /// A parameter of the marketplace that differs from the main network's, such as epoch_seconds=20.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    pub(super) parameters: Vec<(String, u64)>,
    /// Accounts that begin with a million FLT and a million USDC; the first may change parameters, admit providers and
    /// state the price of FLT.
    #[arg(long = "fund", value_name = "ADDRESS")]
    pub(super) funded: Vec<Address>,
}

#[derive(Serialize)]
struct Made {
    folder: PathBuf,
    nodes: Vec<PathBuf>,
}

impl Testnet {
    pub(crate) fn run(&self, printer: &Printer) -> anyhow::Result<()> {
        let nodes = self.create(&FUNDS)?;
        let mut text = format!("network folder {}\nstart it with\n", self.folder.display());
        for node in &nodes {
            writeln!(text, "  mp node {}", node.display())?;
        }
        let made = Made {
            folder: self.folder.clone(),
            nodes,
        };
        printer.result(&made, &text);
        Ok(())
    }

    /// Makes the folder; the funded accounts begin with `funds`. Gives the `node.toml` files.
    pub(super) fn create(&self, funds: &Allocation) -> anyhow::Result<Vec<PathBuf>> {
        let (genesis, places) = (self.genesis(funds)?, self.places()?);
        Ok(network::create(
            &self.folder,
            genesis,
            &places,
            &mut rand::rng(),
        )?)
    }

    fn genesis(&self, funds: &Allocation) -> anyhow::Result<Genesis> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.context("the clock stands before 1970")?;
        let usual = [
            ("faucet_usdc", FAUCET_USDC),
            ("deposit_gwei", DEPOSIT_GWEI),
            // Every idle unit may serve: windows need an oracle that keeps stating the price of FLT.
            ("windows_per_epoch", 0),
            ("commitments_required", 0),
        ];
        let usual = usual.map(|(name, value)| (name.to_owned(), value));
        let allocations = self.funded.iter().map(|account| (*account, funds.clone()));
        Ok(Genesis {
            chain_id: self.chain_id,
            time_ms: u64::try_from(now.as_millis())?,
            parameters: usual
                .into_iter()
                .chain(self.parameters.iter().cloned())
                .collect(),
            governance: self.funded.first().copied(),
            oracle: self.funded.first().copied(),
            allocations: allocations.collect(),
            contracts: Default::default(),
            validators: Vec::new(),
            group_key: String::new(),
        })
    }

    fn places(&self) -> anyhow::Result<Vec<Place>> {
        let p2p = match self.p2p_port {
            0 => free_ports(self.validators)?,
            first => first,
        };
        (0..self.validators)
            .map(|index| {
                Ok(Place {
                    p2p: local(p2p, index)?,
                    rpc: local(self.rpc_port, index)?,
                })
            })
            .collect()
    }
}

/// The first of so many ports in a row that nobody listens on now. Below those that outgoing connections are given.
fn free_ports(count: u16) -> anyhow::Result<u16> {
    for _ in 0..100 {
        let first = rand::random_range(20_000..32_000);
        let last = first + count;
        if (first..last).all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()) {
            return Ok(first);
        }
    }
    anyhow::bail!("no {count} free ports in a row\nhint: name the first with --p2p-port")
}

/// The `index`-th port from `first` on the loopback address; port 0 stays 0.
fn local(first: u16, index: u16) -> anyhow::Result<SocketAddr> {
    let port = match first {
        0 => 0,
        first => first
            .checked_add(index)
            .context("ports end at 65535\nhint: choose a lower first port")?,
    };
    Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
}

fn parameter(text: &str) -> Result<(String, u64), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    let value = value
        .parse()
        .map_err(|_| format!("{value:?} is not a whole number"))?;
    Ok((name.to_owned(), value))
}
