//! `mp provider commit` and `mp provider cancel`. With a file it may run twice: peers that have a commitment keep it.

use crate::amount::{flt, parse_percent, parse_usdc};
use crate::chain::Chain;
use crate::commitment::line;
use crate::printer::Printer;
use crate::supply::Supply;
use alloy_primitives::{Address, B256};
use clap::Args;
use client::marketplace::commitment::{Call as Commitments, New};
use client::marketplace::units::{self, CommitmentId, PeerId, Price, Usdc};
use client::marketplace::{Call, commitment};
use client::sol::ICommitment::{CollateralTakenBack, CommitmentCreated};
use client::view::commitment::{Commitment, Pledge, Status};
use client::view::decimal;
use client::{AccountKey, Client, PeerKey};
use serde::Serialize;
use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

#[derive(Debug, Args)]
pub(super) struct Commit {
    /// The peer, by its key; or the TOML file of `mp provider register`, for all its peers that have no commitment.
    #[arg(value_name = "PEER|FILE")]
    target: Target,
    #[command(flatten)]
    terms: Terms,
}

/// What is committed to.
#[derive(Debug, Args)]
pub(crate) struct Terms {
    /// How long it lasts.
    #[arg(long, value_name = "EPOCHS")]
    pub(crate) duration: u64,
    /// How many times the basic work each unit does in a window, 1 to 16; collateral and rewards are in proportion.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) class: u8,
    /// Per cent of the rewards, and of what deals pay, that delegators get.
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent, default_value = "0")]
    pub(crate) share: u32,
    /// The lowest price in USDC per CU and epoch at which its units may be matched.
    #[arg(long, value_name = "USDC", value_parser = parse_usdc, default_value = "0")]
    pub(crate) min_ask: Usdc,
    /// The only account that may deposit; without one, anybody.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) delegator: Option<Address>,
    /// Who gets the provider's part of the rewards; without one, your account.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) payout: Option<Address>,
}

/// Whose units.
#[derive(Clone, Debug)]
enum Target {
    Peer(PeerId),
    File(PathBuf),
}

impl FromStr for Target {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.parse::<B256>() {
            Ok(key) => Self::Peer(PeerId(key.0)),
            Err(_) => Self::File(text.into()),
        })
    }
}

/// A commitment of a peer, made now or before.
#[derive(Serialize)]
pub(crate) struct Committed {
    /// Whether it was made now.
    pub(crate) made: bool,
    #[serde(flatten)]
    pub(crate) commitment: Commitment,
}

impl Commit {
    pub(super) async fn run(&self, chain: &Chain, printer: &Printer) -> anyhow::Result<()> {
        let (client, account) = (chain.client()?, chain.account()?);
        require_windows(&client).await?;
        let all = match &self.target {
            Target::Peer(peer) => vec![commit(&client, &account, *peer, &self.terms).await?],
            Target::File(file) => {
                commit_all(&client, &account, &Supply::load(file)?, &self.terms).await?
            }
        };
        let now = client.time().await?;
        let text = |each: &Committed| {
            let mut text = line(&now, &each.commitment);
            if each.commitment.status == Status::WaitCollateral {
                let id = each.commitment.id;
                text += &format!("; deposit it with `mp delegate deposit {id}`");
            }
            text + "\n"
        };
        printer.result(&all, &all.iter().map(text).collect::<String>());
        Ok(())
    }
}

/// Commits the units of every peer that is described, unless it has a commitment.
pub(crate) async fn commit_all(
    client: &Client,
    account: &AccountKey,
    supply: &Supply,
    terms: &Terms,
) -> anyhow::Result<Vec<Committed>> {
    let mut all = Vec::new();
    for described in supply.datacenters.iter().flat_map(|each| &each.peers) {
        let peer = PeerKey::load(&described.key)?.id();
        all.push(match standing(client, peer).await? {
            Some(commitment) => Committed {
                made: false,
                commitment,
            },
            None => commit(client, account, peer, terms).await?,
        });
    }
    Ok(all)
}

async fn commit(
    client: &Client,
    account: &AccountKey,
    peer: PeerId,
    terms: &Terms,
) -> anyhow::Result<Committed> {
    let address = |account: Address| units::Address(account.into_array());
    let new = New {
        peer,
        duration: terms.duration,
        class: terms.class,
        share_ppm: terms.share,
        min_ask: Price(terms.min_ask.0),
        delegator: terms.delegator.map(address),
        payout: address(terms.payout.unwrap_or(account.address())),
    };
    let call = Call::Commitment(Commitments::Create(new));
    let receipt = client.send(account, &call).await?;
    let id = receipt.first::<CommitmentCreated>()?.commitment;
    Ok(Committed {
        made: true,
        commitment: client.commitment(CommitmentId(id)).await?,
    })
}

/// Says at once what would be refused for every peer.
async fn require_windows(client: &Client) -> anyhow::Result<()> {
    anyhow::ensure!(
        client.parameter("windows_per_epoch").await? > 0,
        "this network has no windows, so no unit can prove itself\nhint: its genesis would have to set windows_per_epoch; every idle unit may serve here"
    );
    Ok(())
}

/// The commitment of a peer that waits or is active.
async fn standing(client: &Client, peer: PeerId) -> anyhow::Result<Option<Commitment>> {
    let Some(Pledge { current, .. }) = client.pledge(peer).await? else {
        return Ok(None);
    };
    let commitment = match client.commitment(CommitmentId(current)).await {
        Ok(commitment) => commitment,
        // Paid out, and gone.
        Err(client::Error::Unknown { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let over = matches!(commitment.status, Status::Ended | Status::Failed);
    Ok((!over).then_some(commitment))
}

/// A commitment that is gone, and what went back.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Cancelled {
    commitment: u64,
    /// By whom it was deposited, and how much.
    taken_back: Vec<TakenBack>,
}

#[derive(Serialize)]
struct TakenBack {
    delegator: Address,
    #[serde(with = "decimal")]
    amount: u128,
}

pub(super) async fn cancel(
    chain: &Chain,
    printer: &Printer,
    commitment: CommitmentId,
) -> anyhow::Result<()> {
    let (client, account) = (chain.client()?, chain.account()?);
    let call = Call::Commitment(commitment::Call::Cancel { commitment });
    let receipt = client.send(&account, &call).await?;
    let back = receipt.all::<CollateralTakenBack>().map(|event| TakenBack {
        delegator: event.delegator,
        amount: event.amount,
    });
    let cancelled = Cancelled {
        commitment: commitment.0,
        taken_back: back.collect(),
    };
    let mut text = format!("commitment {commitment} is gone\n");
    for each in &cancelled.taken_back {
        text += &format!("  {} got {} back\n", each.delegator, flt(each.amount));
    }
    printer.result(&cancelled, &text);
    Ok(())
}
