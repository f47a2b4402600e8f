//! `mp deploy evict`: the owner of a deal, or the account that it named to watch it, ends workers.

use crate::amount::{counted, usdc};
use crate::chain::Chain;
use crate::printer::Printer;
use client::marketplace::units::{DealId, WorkerId};
use client::marketplace::{Call, deal};
use client::sol::IWorker::WorkerGone;
use client::view::deal::Deal;
use serde::Serialize;
use std::collections::BTreeSet;

/// Workers that are gone now.
#[derive(Serialize)]
struct Evicted {
    deal: u64,
    workers: Vec<Gone>,
}

#[derive(Serialize)]
struct Gone {
    worker: u64,
    /// All that it earned.
    #[serde(with = "client::view::decimal")]
    earned: u128,
}

pub(super) async fn run(
    chain: &Chain,
    printer: &Printer,
    id: DealId,
    workers: &[u64],
) -> anyhow::Result<()> {
    let (client, account) = (chain.client()?, chain.account()?);
    let workers: BTreeSet<_> = workers.iter().copied().collect();
    let deal = client.deal(id).await?;
    let call = |worker| {
        let worker = WorkerId(worker);
        Call::Deal(deal::Call::Evict { worker })
    };
    for worker in &workers {
        require(&deal, *worker)?;
        client.check(account.address(), &call(*worker)).await?;
    }
    let mut evicted = Evicted {
        deal: id.0,
        workers: Vec::new(),
    };
    for worker in workers {
        let receipt = client.send(&account, &call(worker)).await?;
        // The same touch may have ended others before.
        let gone = receipt.all::<WorkerGone>();
        let earned = gone
            .filter(|gone| gone.worker == worker)
            .map(|gone| gone.earned);
        let earned = earned.sum();
        printer.note(&format!(
            "worker {worker} is gone; it earned {}",
            usdc(earned)
        ));
        evicted.workers.push(Gone { worker, earned });
    }
    let count = counted(evicted.workers.len(), "worker");
    let text = format!(
        "deal {id}: {count} evicted; others are looked for, from other peers: `mp deploy status {id}`"
    );
    printer.result(&evicted, &text);
    Ok(())
}

fn require(deal: &Deal, worker: u64) -> anyhow::Result<()> {
    let (id, its) = (deal.id, &deal.workers);
    anyhow::ensure!(
        its.iter().any(|each| each.id == worker),
        "deal {id} has no worker {worker}, or has it no longer\nhint: `mp deploy status {id}` lists those it has"
    );
    Ok(())
}
