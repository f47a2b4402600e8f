//! `mp delegate`: what a delegator does.

use crate::amount::{flt, parse_flt, usdc};
use crate::chain::{self, Chain, all};
use crate::commitment::{Claimed, claim, line, open, terms};
use crate::printer::Printer;
use alloy_primitives::Address;
use clap::{Args, Subcommand};
use client::marketplace::Call;
use client::marketplace::commitment::Call as Commitments;
use client::marketplace::units::{CommitmentId, Flt};
use client::sol::ICommitment::CollateralTakenBack;
use client::view::commitment::{Commitment, Delegation, Status};
use client::view::{decimal, time::Time};
use client::{AccountKey, Client};
use serde::Serialize;

#[derive(Debug, Args)]
pub(crate) struct Delegate {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show commitments that wait for collateral that you may deposit.
    List,
    /// Deposit FLT as collateral. What its units miss costs part of it; what they earn is shared with you.
    Deposit {
        /// The commitment.
        commitment: u64,
        /// FLT, at least a 16th of the whole; without it, all that is open.
        #[arg(long, value_name = "FLT", value_parser = parse_flt)]
        amount: Option<Flt>,
    },
    /// Take all you deposited back, while the collateral is not complete.
    TakeBack {
        /// The commitment.
        commitment: u64,
    },
    /// Have all that a commitment owes paid out, to you and to everybody: rewards, your part of what deals paid, and the
    /// collateral once that is over.
    Claim {
        /// The commitment; without one, all for which you deposited and that owe you something.
        commitment: Option<u64>,
    },
    /// Show your deposits, what you were paid, and what is due to you.
    Status,
}

/// A deposit that stands.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Deposited {
    commitment: u64,
    #[serde(with = "decimal")]
    amount: u128,
    /// What is still missing of the collateral.
    #[serde(with = "decimal")]
    open: u128,
}

/// A deposit that went back.
#[derive(Serialize)]
struct TakenBack {
    commitment: u64,
    #[serde(with = "decimal")]
    amount: u128,
}

impl Delegate {
    pub(crate) fn run(&self, chain: &Chain, printer: &Printer) -> anyhow::Result<()> {
        match &self.command {
            Command::List => chain::wait(list(chain, printer)),
            Command::Deposit { commitment, amount } => {
                let commitment = CommitmentId(*commitment);
                chain::wait(show_deposited(chain, printer, commitment, *amount))
            }
            Command::TakeBack { commitment } => {
                chain::wait(take_back(chain, printer, CommitmentId(*commitment)))
            }
            Command::Claim { commitment } => {
                let commitment = commitment.map(CommitmentId);
                chain::wait(show_claimed(chain, printer, commitment))
            }
            Command::Status => chain::wait(status(chain, printer)),
        }
    }
}

async fn list(chain: &Chain, printer: &Printer) -> anyhow::Result<()> {
    let (client, account) = (chain.client()?, chain.maybe_account()?);
    let page = async |after: Option<u64>, limit| {
        let after = after.map(CommitmentId);
        client.commitments(None, after, limit).await
    };
    let mut found = all(page, |commitment| commitment.id).await?;
    let me = account.map(|account| account.address());
    found.retain(|each| {
        let mine = me.is_none() || each.delegator.is_none() || each.delegator == me;
        mine && each.status == Status::WaitCollateral
    });
    let now = client.time().await?;
    let text = |each: &Commitment| format!("{}\n{}\n", line(&now, each), terms(each));
    let text: String = found.iter().map(text).collect();
    let text = match text.is_empty() {
        true => "no commitment waits for collateral".into(),
        false => text,
    };
    printer.result(&found, &text);
    Ok(())
}

async fn show_deposited(
    chain: &Chain,
    printer: &Printer,
    commitment: CommitmentId,
    amount: Option<Flt>,
) -> anyhow::Result<()> {
    let (client, account) = (chain.client()?, chain.account()?);
    let (amount, after) = deposit(&client, &account, commitment, amount).await?;
    let deposited = Deposited {
        commitment: commitment.0,
        amount: amount.0,
        open: open(&after),
    };
    let now = client.time().await?;
    let text = format!("{} deposited; {}", flt(amount.0), line(&now, &after));
    printer.result(&deposited, &text);
    Ok(())
}

/// Deposits so much, or all that is open; gives how much that was, and how the commitment stands with it.
pub(crate) async fn deposit(
    client: &Client,
    account: &AccountKey,
    commitment: CommitmentId,
    amount: Option<Flt>,
) -> anyhow::Result<(Flt, Commitment)> {
    let amount = match amount {
        Some(amount) => amount,
        None => Flt(open(&client.commitment(commitment).await?)),
    };
    let call = Call::Commitment(Commitments::Deposit { commitment });
    client.pay(account, &call, amount).await?;
    Ok((amount, client.commitment(commitment).await?))
}

async fn take_back(
    chain: &Chain,
    printer: &Printer,
    commitment: CommitmentId,
) -> anyhow::Result<()> {
    let (client, account) = (chain.client()?, chain.account()?);
    let call = Call::Commitment(Commitments::TakeBack { commitment });
    let receipt = client.send(&account, &call).await?;
    let amount = receipt.first::<CollateralTakenBack>()?.amount;
    let taken = TakenBack {
        commitment: commitment.0,
        amount,
    };
    printer.result(&taken, &format!("{} came back", flt(amount)));
    Ok(())
}

async fn show_claimed(
    chain: &Chain,
    printer: &Printer,
    commitment: Option<CommitmentId>,
) -> anyhow::Result<()> {
    let (client, account) = (chain.client()?, chain.account()?);
    let ids = match commitment {
        Some(id) => vec![id],
        None => {
            let mine = delegated(chain, account.address()).await?;
            let due = mine.iter().filter(|(_, mine)| is_due(mine));
            due.map(|(commitment, _)| CommitmentId(commitment.id))
                .collect()
        }
    };
    let mut claimed = Vec::new();
    for id in ids {
        claimed.push(claim(&client, &account, id).await?);
    }
    let text: String = claimed.iter().map(Claimed::text).collect();
    let text = match text.is_empty() {
        true => "nothing is due yet".to_owned(),
        false => text,
    };
    printer.result(&claimed, &text);
    Ok(())
}

fn is_due(delegation: &Delegation) -> bool {
    let Delegation {
        due_rewards,
        due_revenue,
        due_collateral,
        ..
    } = *delegation;
    [due_rewards, due_revenue, due_collateral] != [0; 3]
}

/// The commitments that an account deposited for, each with its part.
async fn delegated(
    chain: &Chain,
    account: Address,
) -> anyhow::Result<Vec<(Commitment, Delegation)>> {
    let client = chain.client()?;
    let page = async |after: Option<u64>, limit| {
        let after = after.map(CommitmentId);
        client.commitments_of(account, after, limit).await
    };
    let found = all(page, |commitment| commitment.id).await?;
    let mine = |commitment: Commitment| {
        let mut delegators = commitment.delegators.iter();
        let mine = delegators.find(|each| each.account == account).copied();
        mine.map(|mine| (commitment, mine))
    };
    Ok(found.into_iter().filter_map(mine).collect())
}

async fn status(chain: &Chain, printer: &Printer) -> anyhow::Result<()> {
    let mine = delegated(chain, chain.account()?.address()).await?;
    let now = chain.client()?.time().await?;
    let text: String = mine
        .iter()
        .map(|(all, mine)| text(&now, all, mine))
        .collect();
    let text = match text.is_empty() {
        true => "you deposited nothing; `mp delegate list` shows who waits for collateral".into(),
        false => text,
    };
    let commitments: Vec<&Commitment> = mine.iter().map(|(commitment, _)| commitment).collect();
    printer.result(&commitments, &text);
    Ok(())
}

fn text(now: &Time, commitment: &Commitment, mine: &Delegation) -> String {
    format!(
        "{}\n  deposited: {}; paid so far: {} and {}\n  due: {} of rewards, {}, {} of collateral\n",
        line(now, commitment),
        flt(mine.stake),
        flt(mine.rewards),
        usdc(mine.revenue),
        flt(mine.due_rewards),
        usdc(mine.due_revenue),
        flt(mine.due_collateral)
    )
}
