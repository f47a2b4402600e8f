//! The estimate against all states one by one, and what must hold of it. (P14)

use super::{CAUSES, Causes, Failing, Network, Place, Site, failing, shown};
use crate::document::dice::Dice;
use client::view::provider::{Record, RecordOf};
use std::collections::BTreeSet;

/// What floating point may lose.
const DUST: f64 = 1e-12;

/// So often that mistakes show.
const OFTEN: Causes = Causes {
    provider: 0.1,
    datacenter: 0.2,
    country: 0.3,
};

fn site(provider: u64, datacenter: u64, country: usize, share: f64) -> Site {
    let place = Place {
        provider,
        datacenter,
        country: country.to_string(),
    };
    Site { place, share }
}

fn any(dice: &mut Dice, workers: usize) -> Vec<Site> {
    let share = |dice: &mut Dice| dice.below(1001) as f64 / 1000.0;
    // Datacenter d is provider d / 2's; some country has it.
    let countries: Vec<_> = (0..4).map(|_| dice.below(3)).collect();
    let worker = |dice: &mut Dice| {
        let datacenter = dice.below(4);
        let share = share(dice);
        site(
            datacenter as u64 / 2,
            datacenter as u64,
            countries[datacenter],
            share,
        )
    };
    (0..workers).map(|_| worker(dice)).collect()
}

/// Every state of every group and worker, one by one.
fn exhaustive(sites: &[Site], min: usize, causes: &Causes) -> Failing {
    let distinct = |of: fn(&Place) -> String| -> Vec<String> {
        let found: BTreeSet<_> = sites.iter().map(|site| of(&site.place)).collect();
        found.into_iter().collect()
    };
    let countries = distinct(|place| format!("country {}", place.country));
    let providers = distinct(|place| format!("provider {}", place.provider));
    let datacenters = distinct(|place| format!("datacenter {}", place.datacenter));
    let mut parts: Vec<(&String, f64)> = Vec::new();
    parts.extend(countries.iter().map(|name| (name, 1.0 - causes.country)));
    parts.extend(providers.iter().map(|name| (name, 1.0 - causes.provider)));
    parts.extend(
        datacenters
            .iter()
            .map(|name| (name, 1.0 - causes.datacenter)),
    );
    let part = |name: String| {
        let part = parts.iter().position(|(part, _)| **part == name);
        1_u32 << part.expect("a part")
    };
    let above = |Site { place, .. }: &Site| {
        part(format!("country {}", place.country))
            | part(format!("provider {}", place.provider))
            | part(format!("datacenter {}", place.datacenter))
    };
    // What must be up for each worker to serve: those, and itself.
    let groups = parts.len();
    let needs: Vec<_> = (sites.iter().enumerate())
        .map(|(number, site)| above(site) | 1 << (groups + number))
        .collect();
    let up = (1.0 - causes.country) * (1.0 - causes.provider) * (1.0 - causes.datacenter);
    let workers = sites.iter().map(|site| (site.share / up).min(1.0));
    let chances: Vec<f64> = parts.iter().map(|(_, up)| *up).chain(workers).collect();
    let mut failing = Failing::default();
    for state in 0..1_u32 << chances.len() {
        let chance = |(part, up): (usize, &f64)| match state >> part & 1 {
            1 => *up,
            _ => 1.0 - up,
        };
        let chance: f64 = chances.iter().enumerate().map(chance).product();
        let serving = needs
            .iter()
            .filter(|needs| state & **needs == **needs)
            .count();
        let lost = (0..countries.len())
            .filter(|part| state >> part & 1 == 0)
            .count();
        failing.none += if serving == 0 { chance } else { 0.0 };
        failing.fewer += if serving < min { chance } else { 0.0 };
        failing.rest += if lost > 2 { chance } else { 0.0 };
    }
    failing
}

#[test]
fn it_is_what_all_states_together_say() {
    let mut dice = Dice::new(1);
    for _ in 0..60 {
        let workers = 1 + dice.below(4);
        let sites = any(&mut dice, workers);
        let min = 1 + dice.below(workers);
        let found = failing(&sites, min as u16, &OFTEN);
        let right = exhaustive(&sites, min, &OFTEN);
        assert!(
            (found.rest - right.rest).abs() < DUST,
            "{sites:?}: {found:?}, {right:?}"
        );
        // Too low by no more than what was not looked into; not at all in one country or two.
        for over in [found.none - right.none, found.fewer - right.fewer] {
            let most = right.rest + DUST;
            assert!((-DUST..=most).contains(&over), "{sites:?}, {min}: {over}");
        }
    }
}

#[test]
fn more_workers_never_lower_it() {
    let mut dice = Dice::new(2);
    for _ in 0..2_000 {
        let workers = 1 + dice.below(12);
        let sites = any(&mut dice, workers + 1);
        let min = 1 + dice.below(workers) as u16;
        for causes in [OFTEN, CAUSES] {
            let (fewer, more) = (
                failing(&sites[..workers], min, &causes),
                failing(&sites, min, &causes),
            );
            let unknown = more.rest - fewer.rest + DUST;
            assert!(more.none <= fewer.none + unknown, "{sites:?}");
            assert!(more.fewer <= fewer.fewer + unknown, "{sites:?}, {min}");
        }
    }
}

/// If all have the same share: that of another provider may be lower.
#[test]
fn a_wider_spread_never_lowers_that_one_of_them_serves() {
    let mut dice = Dice::new(3);
    for _ in 0..2_000 {
        let share = dice.below(1001) as f64 / 1000.0;
        let workers = 1 + dice.below(8);
        let mut sites = any(&mut dice, workers);
        sites.iter_mut().for_each(|site| site.share = share);
        let mut wider = sites.clone();
        let moved = dice.below(workers);
        let place = &mut wider[moved].place;
        place.datacenter = 100;
        if dice.one_in(2) {
            place.provider = 100;
        }
        if dice.one_in(2) {
            place.country = "another".into();
        }
        for causes in [OFTEN, CAUSES] {
            let (near, wide) = (failing(&sites, 1, &causes), failing(&wider, 1, &causes));
            let unknown = wide.rest - near.rest + DUST;
            assert!(
                wide.none <= near.none + unknown,
                "{sites:?}: worker {moved}"
            );
        }
    }
}

#[test]
fn that_all_of_them_serve_is_likelier_in_one_place() {
    let near = [site(1, 1, 1, 0.5), site(1, 1, 1, 0.5)];
    let wide = [site(1, 1, 1, 0.5), site(2, 2, 2, 0.5)];
    let (near, wide) = (failing(&near, 2, &OFTEN), failing(&wide, 2, &OFTEN));
    assert!(
        near.fewer < wide.fewer && near.none > wide.none,
        "{near:?}, {wide:?}"
    );
}

#[test]
fn a_worker_alone_serves_its_share_or_what_common_causes_leave() {
    let failing = |share| failing(&[site(1, 1, 1, share)], 1, &OFTEN).none;
    assert!((failing(0.25) - 0.75).abs() < DUST);
    assert!((failing(1.0) - (1.0 - 0.9 * 0.8 * 0.7)).abs() < DUST);
}

fn record(provider: u64, assigned: u128, served: u128) -> RecordOf {
    let record = Record {
        assigned,
        served,
        never_started: 0,
        failed: 0,
        silent: 0,
        declined: 0,
        left: 0,
        notices_kept: 0,
        payers: 0,
    };
    RecordOf { provider, record }
}

#[test]
fn a_long_record_speaks_for_itself_and_a_short_one_hardly() {
    let nobody = Network::new(&[], 60);
    assert!((nobody.share(1) - 0.99).abs() < DUST);
    // In unit-seconds, of epochs of a minute: 1980 epochs with half of them served, and 20 all served.
    let records = [record(1, 1_980 * 60, 990 * 60), record(2, 20 * 60, 20 * 60)];
    let network = Network::new(&records, 60);
    let usual = (1_010.0 + 20.0 * 0.99) / 2_020.0;
    assert!((network.usual - usual).abs() < DUST);
    assert!((network.share(1) - (990.0 + 20.0 * usual) / 2_000.0).abs() < DUST);
    assert!((network.share(2) - (20.0 + 20.0 * usual) / 40.0).abs() < DUST);
    assert!((network.share(3) - usual).abs() < DUST);
}

#[test]
fn numbers_that_nobody_has_make_no_nonsense() {
    let network = Network::new(&[record(1, 0, u128::MAX), record(2, u128::MAX, 0)], 0);
    let place = |provider| Place {
        provider,
        datacenter: provider,
        country: "CH".into(),
    };
    let of = |provider| network.expects([place(provider)], 1).one_serves_ppb;
    assert!(of(1) > 999_000_000 && of(2) == 0, "{} {}", of(1), of(2));
    let none = network.expects([], 0);
    assert_eq!((none.one_serves_ppb, none.min_serve_ppb), (0, 0));
}

#[test]
fn the_largest_deal_is_soon_estimated() {
    let places = (0..256_u64).map(|number| Place {
        provider: number % 50,
        datacenter: number,
        country: (number % 30).to_string(),
    });
    let network = Network::new(&[], 60);
    let expected = network.expects(places, 128);
    // Of all countries more than two fail for less than 10^-9 of the time.
    assert!(expected.min_serve_ppb > 999_999_000, "{expected:?}");
}

#[test]
fn a_share_is_shown_with_two_digits_of_what_is_missing_and_never_rounded_up() {
    for (ppb, text) in [
        (999_987_654, "99.9987 %"),
        (999_999_999, "99.9999999 %"),
        (990_000_000, "99 %"),
        (123_456_789, "12 %"),
        (1_000_000_000, "100 %"),
        (0, "0 %"),
    ] {
        assert_eq!(shown(ppb), text);
    }
}
