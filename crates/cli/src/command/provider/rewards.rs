//! `mp provider rewards`.

use super::owned;
use crate::amount::{flt, usdc};
use crate::chain::{Chain, all};
use crate::commitment::{Claimed, claim, line};
use crate::printer::Printer;
use alloy_primitives::Address;
use client::Client;
use client::marketplace::units::{CommitmentId, ProviderId};
use client::view::commitment::{Commitment, Delegation};
use client::view::time::Time;

pub(super) async fn run(chain: &Chain, printer: &Printer, claims: bool) -> anyhow::Result<()> {
    let (client, account) = (chain.client()?, chain.account()?);
    let commitments = commitments(&client, account.address()).await?;
    if !claims {
        let now = client.time().await?;
        let text: String = commitments.iter().map(|each| text(&now, each)).collect();
        printer.result(&commitments, &nonempty(text));
        return Ok(());
    }
    let mut claimed = Vec::new();
    for commitment in commitments.iter().filter(|each| owes(each)) {
        claimed.push(claim(&client, &account, CommitmentId(commitment.id)).await?);
    }
    let text: String = claimed.iter().map(Claimed::text).collect();
    let text = match text.is_empty() {
        true => "nothing is due yet".to_owned(),
        false => text,
    };
    printer.result(&claimed, &text);
    Ok(())
}

/// All commitments of an account's providers that are not paid out.
async fn commitments(client: &Client, owner: Address) -> anyhow::Result<Vec<Commitment>> {
    let mut found = Vec::new();
    for provider in owned(client, owner).await? {
        let provider = Some(ProviderId(provider.id));
        let page = async |after: Option<u64>, limit| {
            let after = after.map(CommitmentId);
            client.commitments(provider, after, limit).await
        };
        found.extend(all(page, |commitment| commitment.id).await?);
    }
    Ok(found)
}

/// Whether a claim would pay anybody.
fn owes(commitment: &Commitment) -> bool {
    let due = |each: &Delegation| each.due_revenue > 0 || each.due_collateral > 0;
    commitment.rewards.claimable > 0 || commitment.delegators.iter().any(due)
}

fn nonempty(text: String) -> String {
    match text.is_empty() {
        true => "no commitment\nmake one with `mp provider commit PEER --duration EPOCHS`".into(),
        false => text,
    }
}

fn text(now: &Time, commitment: &Commitment) -> String {
    let rewards = &commitment.rewards;
    let mut text = line(now, commitment);
    text += &format!(
        "\n  rewards: {} held back, {} vesting, {} vested\n  due: {}, of which {} to {}\n",
        flt(rewards.held_back),
        flt(rewards.vesting),
        flt(rewards.vested),
        flt(rewards.claimable),
        flt(rewards.claimable_by_provider),
        commitment.payout
    );
    for each in &commitment.delegators {
        text += &format!(
            "  delegator {}: {} and {} due\n",
            each.account,
            flt(each.due_rewards.saturating_add(each.due_collateral)),
            usdc(each.due_revenue)
        );
    }
    text
}
