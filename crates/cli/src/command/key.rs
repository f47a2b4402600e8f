//! `mp key`: files with keys.

use crate::printer::Printer;
use alloy_primitives::{Address, B256};
use clap::{Args, Subcommand};
use client::{AccountKey, PeerKey};
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(crate) struct Key {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a new key in a new file that only you can read.
    New {
        /// The file to make.
        file: PathBuf,
        /// Make the keys of a peer: its identity, and the operator key that reports for it.
        #[arg(long)]
        peer: bool,
    },
    /// Show whose key a file holds. Secrets are never shown.
    Show {
        /// The key file.
        file: PathBuf,
    },
}

/// What may be known of a key.
#[derive(Serialize)]
#[serde(untagged)]
enum Public {
    Account { address: Address },
    Peer { peer: B256, operator: Address },
}

impl Key {
    pub(crate) fn run(&self, printer: &Printer) -> anyhow::Result<()> {
        let public = match &self.command {
            Command::New { file, peer: true } => {
                let key = PeerKey::generate();
                key.save(file)?;
                peer(&key)
            }
            Command::New { file, peer: false } => {
                let key = AccountKey::generate();
                key.save(file)?;
                account(&key)
            }
            Command::Show { file } => show(file)?,
        };
        let text = match &public {
            Public::Account { address } => format!("account {address}"),
            Public::Peer { peer, operator } => format!("peer {peer}\noperator {operator}"),
        };
        printer.result(&public, &text);
        Ok(())
    }
}

fn show(file: &Path) -> anyhow::Result<Public> {
    match AccountKey::load(file) {
        Err(client::key::Error::Content { .. }) => Ok(peer(&PeerKey::load(file)?)),
        key => Ok(account(&key?)),
    }
}

fn account(key: &AccountKey) -> Public {
    let address = key.address();
    Public::Account { address }
}

fn peer(key: &PeerKey) -> Public {
    Public::Peer {
        peer: key.id().0.into(),
        operator: key.operator().address(),
    }
}
