//! `mp provider notice` and `mp provider leave`.

use crate::chain::Chain;
use crate::clock::on_the_wall;
use crate::printer::Printer;
use alloy_primitives::B256;
use client::marketplace::units::{PeerId, WorkerId};
use client::marketplace::{Call, worker};
use client::sol::IWorker::{WorkerGone, WorkerLeaving};
use client::view::time::Time;
use serde::Serialize;

/// What became of workers.
#[derive(Serialize)]
struct Leaving {
    /// Workers under notice, and when that is over.
    leaving: Vec<(u64, u64)>,
    /// Workers that are gone already, because they did not run yet.
    gone: Vec<u64>,
}

pub(super) async fn notice(
    chain: &Chain,
    printer: &Printer,
    worker: Option<WorkerId>,
    peer: Option<B256>,
) -> anyhow::Result<()> {
    let call = match (worker, peer) {
        (Some(worker), _) => worker::Call::GiveNotice { worker },
        (None, peer) => worker::Call::GiveNoticeOfAll {
            peer: PeerId(peer.unwrap_or_default().0),
        },
    };
    send(chain, printer, call).await
}

pub(super) async fn leave(
    chain: &Chain,
    printer: &Printer,
    worker: WorkerId,
) -> anyhow::Result<()> {
    send(chain, printer, worker::Call::Leave { worker }).await
}

async fn send(chain: &Chain, printer: &Printer, call: worker::Call) -> anyhow::Result<()> {
    let client = chain.client()?;
    let receipt = client.send(&chain.account()?, &Call::Worker(call)).await?;
    let leaving = receipt.all::<WorkerLeaving>();
    let gone = receipt.all::<WorkerGone>();
    let shown = Leaving {
        leaving: leaving.map(|event| (event.worker, event.until)).collect(),
        gone: gone.map(|event| event.worker).collect(),
    };
    printer.result(&shown, &shown.text(&client.time().await?));
    Ok(())
}

impl Leaving {
    fn text(&self, now: &Time) -> String {
        let leaving = self.leaving.iter().map(|(worker, until)| {
            let until = on_the_wall(now, *until);
            format!("worker {worker} leaves by {until}\n")
        });
        let gone = self.gone.iter();
        let gone = gone.map(|worker| format!("worker {worker} is gone\n"));
        let text: String = leaving.chain(gone).collect();
        match text.is_empty() {
            true => "no worker is left to leave\n".to_owned(),
            false => text,
        }
    }
}
