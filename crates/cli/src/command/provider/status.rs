//! `mp provider status`.

use super::offer::price;
use super::owned;
use crate::amount::{counted, usdc};
use crate::chain::{Chain, all};
use crate::clock::on_the_wall;
use crate::printer::Printer;
use client::Client;
use client::marketplace::units::{DatacenterId, OfferId, PeerId, ProviderId};
use client::view::{
    datacenter::Datacenter,
    offer::Offer,
    peer::Peer,
    provider::{Provider, Record},
    time::Time,
    worker::Worker,
};
use serde::Serialize;

#[derive(Serialize)]
struct Status {
    provider: Provider,
    record: Record,
    datacenters: Vec<Datacenter>,
    offers: Vec<Offer>,
    peers: Vec<Peer>,
    /// Workers that are not gone, of all peers.
    workers: Vec<Worker>,
}

pub(super) async fn run(chain: &Chain, printer: &Printer) -> anyhow::Result<()> {
    let (client, account) = (chain.client()?, chain.account()?);
    let now = client.time().await?;
    let mut all = Vec::new();
    for provider in owned(&client, account.address()).await? {
        all.push(status(&client, provider).await?);
    }
    let text: String = all.iter().map(|status| status.text(&now)).collect();
    printer.result(&all, &text);
    Ok(())
}

async fn status(client: &Client, provider: Provider) -> anyhow::Result<Status> {
    let id = ProviderId(provider.id);
    let datacenters = async |after: Option<u64>, limit| {
        client.datacenters(id, after.map(DatacenterId), limit).await
    };
    let offers =
        async |after: Option<u64>, limit| client.offers(id, after.map(OfferId), limit).await;
    let peers = async |after, limit| client.peers(id, after, limit).await;
    let peers = all(peers, |peer| PeerId(peer.id.0)).await?;
    let mut workers = Vec::new();
    for peer in &peers {
        workers.extend(client.workers_of(PeerId(peer.id.0)).await?);
    }
    Ok(Status {
        record: client.record(id).await?,
        provider,
        datacenters: all(datacenters, |datacenter| datacenter.id).await?,
        offers: all(offers, |offer| offer.id).await?,
        peers,
        workers,
    })
}

fn record(record: &Record) -> String {
    let Record {
        assigned,
        served,
        never_started,
        failed,
        silent,
        declined,
        left,
        notices_kept,
        payers,
    } = record;
    let assigned = counted(assigned, "CU-second");
    let (payers, notices) = (counted(payers, "owner"), counted(notices_kept, "notice"));
    format!(
        "  record: {served} of {assigned} served, paid by {payers} of deals; {notices} kept\n  \
         faults: {never_started} never started, {failed} failed, {silent} silent, {declined} declined, {left} left\n"
    )
}

impl Status {
    fn text(&self, now: &Time) -> String {
        let mut text = format!("provider {} {}\n", self.provider.id, self.provider.name);
        text += &record(&self.record);
        for each in &self.datacenters {
            text += &format!(
                "  datacenter {} {} ({} {})\n",
                each.id, each.name, each.country, each.city
            );
        }
        for offer in &self.offers {
            let price = price(offer.price, offer.slope);
            text += &format!(
                "  offer {} in datacenter {}: {price}",
                offer.id, offer.datacenter
            );
            if let Some(until) = offer.terms.valid_until {
                text += &format!(", until {}", on_the_wall(now, until));
            }
            text += "\n";
        }
        for peer in &self.peers {
            let report = match peer.reported {
                0 => "never reported".into(),
                reported => format!("reported {}", on_the_wall(now, reported)),
            };
            text += &format!(
                "  peer {}: {} of {} idle, {report}\n",
                peer.id,
                peer.idle,
                counted(peer.units, "CU")
            );
        }
        for worker in &self.workers {
            let unpaid = usdc(worker.unpaid);
            text += &format!(
                "  worker {} of deal {}: {:?}, {unpaid} to withdraw",
                worker.id, worker.deal, worker.stage
            );
            if let Some(leaving) = worker.leaving {
                text += &format!(", leaving by {}", on_the_wall(now, leaving));
            }
            text += "\n";
        }
        text
    }
}
