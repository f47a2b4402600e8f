//! `mp peer`, `mp gateway`, `mp worker`: processes of a provider's server.

use anyhow::Context as _;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct Peer {
    /// Its `peer.toml`.
    config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Gateway {
    /// Its `gateway.toml`.
    config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Worker {
    /// Its configuration, as its peer wrote it.
    config: PathBuf,
}

impl Peer {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let config = peer::daemon::read_config(&self.config)?;
        Ok(runtime()?.block_on(peer::daemon::run(config))?)
    }
}

impl Gateway {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let config = peer::daemon::read_config(&self.config)?;
        Ok(runtime()?.block_on(peer::gateway::run(config))?)
    }
}

impl Worker {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        Ok(worker::host::run(&worker::Config::read(&self.config)?)?)
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.context("no threads can be started")
}
