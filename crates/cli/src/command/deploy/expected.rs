//! What can be expected of a deal's workers, by the records of their providers. (P14 of `docs/spec/plan.md`)

use crate::availability::{Availability, Network, Place, shown};
use crate::chain::all;
use client::marketplace::units::{DatacenterId, DealId, ProviderId};
use client::view::{deal::Deal, explain::Placement, time::Time};
use client::{Client, Error};
use std::collections::BTreeMap;

/// What the chain saw of all providers.
pub(super) async fn network(client: &Client, now: &Time) -> Result<Network, Error> {
    let page = async |after: Option<u64>, limit| client.records(after.map(ProviderId), limit).await;
    let records = all(page, |record| record.provider).await?;
    Ok(Network::new(&records, now.epoch_seconds))
}

/// Where clearing would place workers.
pub(super) fn places(placed: &[Placement]) -> impl Iterator<Item = Place> {
    placed.iter().map(|worker| Place {
        provider: worker.provider,
        datacenter: worker.datacenter,
        country: worker.country.clone(),
    })
}

/// What can be expected of the workers that a deal has; None: it has none.
pub(super) async fn of_deal(
    client: &Client,
    deal: &Deal,
    now: &Time,
) -> Result<Option<Availability>, Error> {
    if deal.workers.is_empty() {
        return Ok(None);
    }
    let members = client.subnet(DealId(deal.id)).await?;
    let stands = |worker| {
        let member = members.iter().find(|member| member.worker == worker);
        member.map(|member| member.datacenter)
    };
    let mut datacenters = BTreeMap::new();
    for member in &members {
        if !datacenters.contains_key(&member.datacenter) {
            let id = member.datacenter;
            datacenters.insert(id, client.datacenter(DatacenterId(id)).await?);
        }
    }
    let place = |provider, datacenter| Place {
        provider,
        datacenter,
        country: datacenters[&datacenter].country.clone(),
    };
    // One that is placed or gone since is none of those that were asked about.
    let workers = deal.workers.iter();
    let places = workers.filter_map(|worker| Some(place(worker.provider, stands(worker.id)?)));
    let network = network(client, now).await?;
    Ok(Some(network.expects(places, deal.terms.min_workers)))
}

/// The same in words.
pub(super) fn text(availability: Availability, min_workers: u16) -> String {
    let one = shown(availability.one_serves_ppb);
    let mut text = format!("expected  a worker serves {one} of the time");
    if min_workers > 1 {
        let min = shown(availability.min_serve_ppb);
        text += &format!(", {min_workers} of them {min}");
    }
    text + "\n"
}
