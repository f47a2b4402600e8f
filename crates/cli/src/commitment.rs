//! What commands of providers and of delegators share: commitments in words, and claims.

use crate::amount::{counted, flt, percent, usdc};
use crate::clock::epoch;
use alloy_primitives::Address;
use client::marketplace::units::CommitmentId;
use client::marketplace::{Call, commitment};
use client::sol::ICommitment::{CollateralPaid, CommitmentClosed, RevenuePaid, RewardPaid};
use client::view::commitment::{Commitment, Status};
use client::view::{decimal, time::Time};
use client::{AccountKey, Client};
use serde::Serialize;
use std::collections::BTreeMap;

/// Where a commitment stands, in words.
pub(crate) fn standing(now: &Time, commitment: &Commitment) -> String {
    let at = |number: Option<u64>| epoch(now, number.unwrap_or_default());
    match commitment.status {
        Status::WaitCollateral => format!("waits for {} of collateral", flt(open(commitment))),
        Status::WaitStart => format!("starts with {}", at(commitment.start)),
        Status::Active => format!("active until {}", at(commitment.end)),
        Status::Ended => format!("ended with {}", at(commitment.end)),
        Status::Failed => format!("failed in {}", at(commitment.failed)),
    }
}

/// A commitment in one line.
pub(crate) fn line(now: &Time, commitment: &Commitment) -> String {
    format!(
        "commitment {} of peer {}: {}",
        commitment.id,
        commitment.peer,
        standing(now, commitment)
    )
}

/// What is to be known before one deposits for it.
pub(crate) fn terms(commitment: &Commitment) -> String {
    format!(
        "  provider {}: {} of class {} for {}; delegators get {}; asks {} or more",
        commitment.provider,
        counted(commitment.units, "CU"),
        commitment.class,
        counted(commitment.duration, "epoch"),
        percent(commitment.share_ppm),
        usdc(commitment.min_ask)
    )
}

/// Collateral that is not deposited yet, in wei.
pub(crate) fn open(commitment: &Commitment) -> u128 {
    let collateral = &commitment.collateral;
    collateral.needed.saturating_sub(collateral.staked)
}

/// What a claim paid.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Claimed {
    pub(crate) commitment: u64,
    pub(crate) paid: Vec<Paid>,
    /// Whether it owes nothing more, and is gone.
    pub(crate) closed: bool,
}

/// What one account got.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Paid {
    pub(crate) to: Address,
    /// Wei.
    #[serde(with = "decimal")]
    rewards: u128,
    /// Millionths of USDC.
    #[serde(with = "decimal")]
    revenue: u128,
    /// Wei.
    #[serde(with = "decimal")]
    collateral: u128,
}

/// Has everything that a commitment owes paid out.
pub(crate) async fn claim(
    client: &Client,
    account: &AccountKey,
    id: CommitmentId,
) -> anyhow::Result<Claimed> {
    let claim = commitment::Call::Claim { commitment: id };
    let receipt = client.send(account, &Call::Commitment(claim)).await?;
    let mut paid: BTreeMap<Address, Paid> = BTreeMap::new();
    let add = |sum: &mut u128, amount: u128| *sum = sum.saturating_add(amount);
    for event in receipt.all::<RewardPaid>() {
        add(&mut paid.entry(event.to).or_default().rewards, event.amount);
    }
    for event in receipt.all::<RevenuePaid>() {
        add(&mut paid.entry(event.to).or_default().revenue, event.amount);
    }
    for event in receipt.all::<CollateralPaid>() {
        let paid = paid.entry(event.to).or_default();
        add(&mut paid.collateral, event.amount);
    }
    let named = |(to, paid)| Paid { to, ..paid };
    Ok(Claimed {
        commitment: id.0,
        paid: paid.into_iter().map(named).collect(),
        closed: receipt.all::<CommitmentClosed>().next().is_some(),
    })
}

impl Claimed {
    /// Rewards to all, in wei.
    pub(crate) fn rewards(&self) -> u128 {
        let paid = self.paid.iter().map(|paid| paid.rewards);
        paid.fold(0, u128::saturating_add)
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for paid in &self.paid {
            let parts = [
                ("rewards", paid.rewards, flt(paid.rewards)),
                ("of what deals paid", paid.revenue, usdc(paid.revenue)),
                ("of collateral", paid.collateral, flt(paid.collateral)),
            ];
            let parts = parts.into_iter().filter(|(_, amount, _)| *amount > 0);
            let parts: Vec<_> = parts
                .map(|(what, _, said)| format!("{said} {what}"))
                .collect();
            text += &format!("  {} got {}\n", paid.to, parts.join(", "));
        }
        let what = match (self.paid.is_empty(), self.closed) {
            (_, true) => "all is paid, it is gone",
            (true, false) => "nothing is due yet",
            (false, false) => "paid",
        };
        format!("commitment {}: {what}\n{text}", self.commitment)
    }
}
