//! The chain that a command speaks to, and the account in whose name.

use clap::Args;
use client::{AccountKey, Client, Error};
use std::path::{Path, PathBuf};

/// Objects that a command lists at most.
const MAX_LISTED: usize = 16_384;
/// Objects of one page.
const PAGE: u16 = 256;

/// Which chain, which account.
#[derive(Debug, Args)]
pub(crate) struct Chain {
    /// The node's JSON-RPC address.
    #[arg(
        long,
        global = true,
        env = "MP_RPC",
        default_value = "http://127.0.0.1:8545",
        value_name = "URL"
    )]
    rpc: String,
    /// File with the key of the account that acts.
    #[arg(long, global = true, env = "MP_KEY", value_name = "FILE")]
    key: Option<PathBuf>,
}

impl Chain {
    /// A client of the node; with an account, one that sees what a command which was cut short has sent (K8).
    pub(crate) fn client(&self) -> Result<Client, Error> {
        match &self.key {
            Some(path) => Client::acting_for(&self.rpc, AccountKey::load(path)?.address()),
            None => Client::new(&self.rpc),
        }
    }

    /// The key of the account that acts.
    pub(crate) fn account(&self) -> anyhow::Result<AccountKey> {
        let path: &Path = self.key.as_deref().ok_or_else(|| {
            anyhow::anyhow!("no account\nhint: name its key file with --key or MP_KEY; `mp key new FILE` makes one")
        })?;
        Ok(AccountKey::load(path)?)
    }

    /// The same, if one is named at all.
    pub(crate) fn maybe_account(&self) -> anyhow::Result<Option<AccountKey>> {
        self.key.is_some().then(|| self.account()).transpose()
    }
}

/// Runs what a command asks of the chain.
pub(crate) fn wait<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(work)
}

/// All objects of a list that comes in pages.
pub(crate) async fn all<T, K>(
    page: impl AsyncFn(Option<K>, u16) -> Result<Vec<T>, Error>,
    id: impl Fn(&T) -> K,
) -> Result<Vec<T>, Error> {
    let mut found = Vec::new();
    while found.len() < MAX_LISTED {
        let next = page(found.last().map(&id), PAGE).await?;
        if next.is_empty() {
            break;
        }
        found.extend(next);
    }
    Ok(found)
}
