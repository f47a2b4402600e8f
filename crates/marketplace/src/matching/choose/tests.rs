//! Choosing against exhaustive search, on small random markets.

use super::{Choice, Site};
use crate::datacenter::Country;
use crate::demand::Spread;
use crate::units::{DatacenterId, OfferId, Price, ProviderId};
use std::collections::BTreeMap;

/// Xorshift: small, seeded, the same everywhere.
fn dice(state: &mut u64, sides: u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state % sides
}

fn site(state: &mut u64) -> Site {
    let provider = dice(state, 3);
    let datacenter = provider * 10 + dice(state, 3);
    // Price and cap are the offer's, so they follow from its id.
    let offer = datacenter * 10 + dice(state, 2);
    Site {
        provider: ProviderId(provider),
        datacenter: DatacenterId(datacenter),
        country: Country([b'A', b'A' + u8::try_from(datacenter % 3).expect("small")]),
        offer: OfferId(offer),
        offer_cap: if offer.is_multiple_of(4) { 1 } else { u32::MAX },
        ask: Price(u128::from(offer * 7 % 5 + 1)),
    }
}

fn spread(state: &mut u64) -> Spread {
    let mut small = |sides| u16::try_from(dice(state, sides)).expect("small");
    Spread {
        max_per_provider: small(4),
        max_per_datacenter: small(3),
        max_per_country: small(4),
        min_providers: small(4),
        min_countries: small(3),
    }
}

/// Whether these workers together are what the demand allows. Written anew, from the field's meanings.
fn allowed(spread: Spread, existing: &[Site], new: &[Site]) -> bool {
    let all = || existing.iter().chain(new);
    let most = |key: fn(&Site) -> u64, sites: &mut dyn Iterator<Item = &Site>| {
        let mut counts: BTreeMap<u64, u16> = BTreeMap::new();
        sites.for_each(|site| *counts.entry(key(site)).or_default() += 1);
        (counts.values().copied().max().unwrap_or(0), counts.len())
    };
    let (providers, distinct_providers) = most(|site| site.provider.0, &mut all());
    let (datacenters, _) = most(|site| site.datacenter.0, &mut all());
    let (countries, distinct_countries) = most(|site| site.country.0[1].into(), &mut all());
    let capped = |site: &Site| {
        let same = all().filter(|other| other.offer == site.offer).count();
        same <= usize::try_from(site.offer_cap).unwrap_or(usize::MAX)
    };
    let within = |number: u16, limit: u16| limit == 0 || number <= limit;
    within(providers, spread.max_per_provider)
        && within(datacenters, spread.max_per_datacenter)
        && within(countries, spread.max_per_country)
        && distinct_providers >= spread.min_providers.into()
        && distinct_countries >= spread.min_countries.into()
        && new.iter().all(capped)
}

fn cost(sites: &[Site]) -> u128 {
    sites.iter().map(|site| site.ask.0).sum()
}

/// The largest allowed number of candidates within the budget and the least they cost, by trying all sets.
fn best(choice: &Choice<'_>, least: usize, most: usize, budget: u128) -> Option<(usize, u128)> {
    let mut best: Option<(usize, u128)> = None;
    for mask in 1u32..1 << choice.candidates.len() {
        let chosen = choice.candidates.iter().enumerate();
        let chosen = chosen.filter(|(place, _)| mask >> place & 1 == 1);
        let new: Vec<Site> = chosen.map(|(_, site)| *site).collect();
        if new.len() < least || new.len() > most || !allowed(choice.spread, choice.existing, &new) {
            continue;
        }
        let cost = cost(&new);
        if cost > budget {
            continue;
        }
        let better = best
            .is_none_or(|(count, price)| new.len() > count || new.len() == count && cost < price);
        if better {
            best = Some((new.len(), cost));
        }
    }
    best
}

#[test]
fn choosing_finds_as_many_for_as_little_as_exhaustive_search() {
    let mut state = 0x2026_1122;
    let (mut found, mut none) = (0, 0);
    for round in 0..10_000 {
        let spread = spread(&mut state);
        let mut candidates: Vec<_> = (0..=dice(&mut state, 9))
            .map(|_| site(&mut state))
            .collect();
        candidates.sort_by_key(|site| (site.ask, site.offer));
        let existing: Vec<_> = (0..dice(&mut state, 3)).map(|_| site(&mut state)).collect();
        if !allowed(
            Spread {
                min_providers: 0,
                min_countries: 0,
                ..spread
            },
            &existing,
            &[],
        ) {
            continue;
        }
        let mut size = |sides| usize::try_from(dice(&mut state, sides) + 1).expect("small");
        let (most, least) = (size(5), size(3));
        let choice = Choice {
            spread,
            existing: &existing,
            candidates: &candidates,
        };
        let budget = u128::from(dice(&mut state, 25));
        let sites = |places: &[usize]| {
            places
                .iter()
                .map(|place| candidates[*place])
                .collect::<Vec<_>>()
        };
        let affordable = |places: &[usize]| cost(&sites(places)) <= budget;
        let chosen = choice
            .choose(least, most, affordable, &mut 0)
            .map(|places| {
                let sites = sites(&places);
                assert!(
                    allowed(spread, &existing, &sites),
                    "round {round}: not allowed"
                );
                (sites.len(), cost(&sites))
            });
        assert_eq!(
            chosen,
            best(&choice, least, most, budget),
            "round {round}: {choice:#?}"
        );
        *(if chosen.is_some() {
            &mut found
        } else {
            &mut none
        }) += 1;
    }
    assert!(
        found > 2_000 && none > 1_000,
        "{found} found, {none} infeasible"
    );
}
