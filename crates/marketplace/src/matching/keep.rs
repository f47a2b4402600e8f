//! Which workers a deal keeps that is to have fewer.

use super::choose::{Choice, Site};
use crate::cx::Cx;
use crate::datacenter::DATACENTERS;
use crate::deal::DealNow;
use crate::demand::Spread;
use crate::peer::PEERS;
use crate::refusal::{Error, fault};
use crate::store::Store;
use crate::units::{Price, WorkerId};
use std::collections::BTreeSet;

/// The workers that stay of a deal that is to have `target` of those it has: the cheapest, of equal ones the oldest,
/// with as many distinct providers and countries as its minima ask for, or as there are if those are fewer. More than
/// `target`, if no so few hold the minima. All workers are loaded.
pub(crate) fn keep<S: Store>(
    cx: &mut Cx<'_, S>,
    now: &DealNow,
    target: u16,
) -> Result<Vec<WorkerId>, Error> {
    let mut ranked = Vec::new();
    for id in now.staying() {
        let (worker, _) = now.loaded(id)?;
        let datacenter = PEERS.must(cx.store, &worker.peer)?.datacenter;
        let site = Site {
            provider: worker.provider,
            datacenter,
            country: DATACENTERS.must(cx.store, &datacenter)?.country,
            offer: worker.offer,
            offer_cap: u32::MAX,
            // All have as many units.
            ask: Price(worker.rate.0),
        };
        ranked.push((site.ask, id, site));
    }
    ranked.sort_unstable_by_key(|(ask, id, _)| (*ask, *id));
    let sites: Vec<_> = ranked.iter().map(|(_, _, site)| *site).collect();
    let choice = Choice {
        spread: minima(now.terms.spread, &sites),
        existing: &[],
        candidates: &sites,
    };
    let mut work = 0;
    let kept = (target.into()..=sites.len())
        .find_map(|count| choice.choose(count, count, |_| true, &mut work));
    cx.store.step(work)?;
    let kept = kept.ok_or_else(|| fault("all workers do not hold what they hold"))?;
    let kept = kept.iter().filter_map(|place| ranked.get(*place));
    Ok(kept.map(|(_, id, _)| *id).collect())
}

/// The distinct minima, as far as they hold.
fn minima(spread: Spread, sites: &[Site]) -> Spread {
    let count = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
    let providers: BTreeSet<_> = sites.iter().map(|site| site.provider).collect();
    let countries: BTreeSet<_> = sites.iter().map(|site| site.country).collect();
    Spread {
        min_providers: spread.min_providers.min(count(providers.len())),
        min_countries: spread.min_countries.min(count(countries.len())),
        ..Spread::default()
    }
}
