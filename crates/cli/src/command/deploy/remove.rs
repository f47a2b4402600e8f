//! `mp deploy remove`: a deal that is over leaves the chain, and its deposit comes back.

use super::apply::is_over;
use crate::amount::flt;
use crate::chain::Chain;
use crate::printer::Printer;
use client::marketplace::units::DealId;
use client::marketplace::{Call, deal};
use client::sol::{IDeal::DealRemoved, IDeposit::DepositReturned};
use client::view::deal::Deal;
use client::{Error, Receipt};
use serde::Serialize;

/// A deal that is gone.
#[derive(Serialize)]
struct Removed {
    deal: u64,
    /// What came back, in wei.
    #[serde(with = "client::view::decimal")]
    deposit: u128,
}

pub(super) async fn run(chain: &Chain, printer: &Printer, id: DealId) -> anyhow::Result<()> {
    let (client, account) = (chain.client()?, chain.account()?);
    let deal = client.deal(id).await?;
    anyhow::ensure!(
        is_over(deal.status),
        "deal {id} is not over, it is {}\nhint: `mp deploy stop {id}` ends it",
        format!("{:?}", deal.status).to_lowercase()
    );
    let call = Call::Deal(deal::Call::Remove { deal: id });
    let mut receipt = client
        .send(&account, &call)
        .await
        .map_err(|error| explained(error, &deal))?;
    // Long after its end, a call pays so many workers before, and the next one goes on.
    while !is_removed(&receipt) {
        receipt = client.send(&account, &call).await?;
    }
    let returned = receipt
        .all::<DepositReturned>()
        .map(|deposit| deposit.amount);
    let (deal, deposit) = (id.0, returned.sum());
    let text = format!(
        "deal {id} is removed; its deposit of {} came back",
        flt(deposit)
    );
    printer.result(&Removed { deal, deposit }, &text);
    Ok(())
}

fn is_removed(receipt: &Receipt) -> bool {
    receipt.all::<DealRemoved>().next().is_some()
}

/// A refusal, with what to do if it is about workers that are not paid out.
fn explained(error: Error, deal: &Deal) -> anyhow::Error {
    match error {
        Error::Refused { what, .. } if deal.unpaid > 0 => anyhow::anyhow!(
            "refused: {what}\nhint: what its workers earned comes first: each provider takes it with `mp provider withdraw`"
        ),
        error => error.into(),
    }
}
