//! What can be expected of a deal's workers, by the records of their providers. (P14 of `docs/spec/plan.md`)

use crate::availability::{Availability, Network, Place, shown};
use crate::chain::all;
use client::marketplace::units::{DatacenterId, DealId, ProviderId};
use client::view::{deal::Deal, explain::Placement, time::Time, worker::Worker};
use client::{Client, Error};
use std::collections::{BTreeMap, btree_map::Entry};

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
    let mut countries = BTreeMap::new();
    let mut datacenters = BTreeMap::new();
    for member in client.subnet(DealId(deal.id)).await? {
        let datacenter = member.datacenter;
        datacenters.insert(member.worker, datacenter);
        if let Entry::Vacant(unknown) = countries.entry(datacenter) {
            let found = client.datacenter(DatacenterId(datacenter)).await?;
            unknown.insert(found.country);
        }
    }
    // One that was placed or went since is none of those that were asked about.
    let place = |worker: &Worker| {
        let datacenter = *datacenters.get(&worker.id)?;
        Some(Place {
            provider: worker.provider,
            datacenter,
            country: countries.get(&datacenter)?.clone(),
        })
    };
    let places = deal.workers.iter().filter_map(place);
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
