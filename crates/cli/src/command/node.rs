//! `mp node`.

use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct Node {
    /// The validator's `node.toml`, as `mp testnet` made it.
    config: PathBuf,
}

impl Node {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        Ok(node::server::run(&self.config)?)
    }
}
