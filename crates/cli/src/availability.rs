//! How much of the time a deal's workers serve: an estimate, from what the chain saw of their providers. (P14 of
//! `docs/spec/plan.md`)
//!
//! Pure: records and places in, shares of the time out. In floating point, because no money follows from it.
//!
//! Alone, a worker serves `u = (served + 20 u0) / (assigned + 20)` of the time, in unit-epochs of its provider's record, with
//! `u0` the same of all providers together: a provider without a record is taken for a usual one, and a long record speaks
//! for itself. But workers do not fail alone. A provider, a datacenter and a country fail with all that is in them, each for
//! so many hours a year ([`CAUSES`]), and while none of the three has failed, workers of one place fail independently, so
//! that all causes together leave `u`. What serves at once is counted exactly, by adding up groups within groups; only
//! failures of more than two countries at once are not told apart: they count as if nothing served. The work grows with the
//! square of the countries and of the workers.

use client::view::provider::RecordOf;
use serde::Serialize;
use std::collections::BTreeMap;

/// Weight of what is usual, in unit-epochs: after as many, a provider's own record counts as much.
const USUAL_EPOCHS: f64 = 20.0;

/// What is taken for usual while nobody has a record: a machine that nobody stands in for is away some hours a month,
/// for updates, restarts and repairs.
const USUAL_SHARE: f64 = 0.99;

const HOURS_A_YEAR: f64 = 8_766.0;

/// Countries that are told apart when they fail at once.
const LOST_AT_ONCE: usize = 2;

const BILLION: f64 = 1e9;

/// Billionths that may be there only because floating point is not exact.
const DUST: f64 = 1e-3;

/// Shares of the time that all of a group is away for a common cause.
#[derive(Clone, Copy, Debug)]
struct Causes {
    provider: f64,
    datacenter: f64,
    country: f64,
}

/// - Provider, 2 h a year: a wrong route, an expired certificate or a bad update that reaches all its machines; the large
///   ones publish about one such failure a year, of one to six hours.
/// - Datacenter, 1.6 h a year: what is commonly expected of one that can be maintained while it runs (Tier III, 99.982 %).
/// - Country, half an hour a year: a blackout of ten hours once in twenty years, like those of Italy in 2003 and of Spain and
///   Portugal in 2025.
const CAUSES: Causes = Causes {
    provider: 2.0 / HOURS_A_YEAR,
    datacenter: 1.6 / HOURS_A_YEAR,
    country: 0.5 / HOURS_A_YEAR,
};

/// Parts of the time, in billionths, rounded down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Availability {
    /// At least one worker serves.
    pub(crate) one_serves_ppb: u64,
    /// At least as many serve as the plan wants at least.
    pub(crate) min_serve_ppb: u64,
}

/// Where a worker stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) provider: u64,
    pub(crate) datacenter: u64,
    pub(crate) country: String,
}

/// A place, and how much of the time a worker there serves if it is looked at alone.
#[derive(Clone, Debug)]
struct Site {
    place: Place,
    share: f64,
}

/// What the chain saw of all providers.
#[derive(Debug)]
pub(crate) struct Network {
    usual: f64,
    providers: BTreeMap<u64, Counted>,
}

/// Unit-epochs.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    assigned: f64,
    served: f64,
}

impl Counted {
    /// The part that was served, as if there had been some more of what is usual.
    fn share(self, usual: f64) -> f64 {
        let served = self.served + USUAL_EPOCHS * usual;
        (served / (self.assigned + USUAL_EPOCHS)).clamp(0.0, 1.0)
    }
}

impl Network {
    pub(crate) fn new(records: &[RecordOf], epoch_seconds: u64) -> Self {
        let epochs = |unit_seconds: u128| unit_seconds as f64 / epoch_seconds.max(1) as f64;
        let mut all = Counted::default();
        let mut providers = BTreeMap::new();
        for RecordOf { provider, record } in records {
            let counted = Counted {
                assigned: epochs(record.assigned),
                served: epochs(record.served),
            };
            all.assigned += counted.assigned;
            all.served += counted.served;
            providers.insert(*provider, counted);
        }
        let usual = all.share(USUAL_SHARE);
        Self { usual, providers }
    }

    /// What can be expected of workers in these places, of which so many are wanted at least.
    pub(crate) fn expects(
        &self,
        places: impl IntoIterator<Item = Place>,
        min: u16,
    ) -> Availability {
        let site = |place: Place| Site {
            share: self.share(place.provider),
            place,
        };
        let sites: Vec<_> = places.into_iter().map(site).collect();
        let failing = failing(&sites, min, &CAUSES);
        Availability {
            one_serves_ppb: billionths(failing.none),
            min_serve_ppb: billionths(failing.fewer),
        }
    }

    fn share(&self, provider: u64) -> f64 {
        let counted = self.providers.get(&provider).copied();
        counted.unwrap_or_default().share(self.usual)
    }
}

/// What is left of a billion when so much fails: less than all of it, and never rounded up, but by what computing adds.
fn billionths(failing: f64) -> u64 {
    let missing = (failing.clamp(0.0, 1.0) * BILLION - DUST).ceil().max(1.0);
    (BILLION - missing) as u64
}

/// A share of the time as people read it: in per cent, rounded down to the two digits that tell how much is missing.
pub(crate) fn shown(ppb: u64) -> String {
    let missing = 1_000_000_000_u64.saturating_sub(ppb);
    let step = 10_u64.pow(missing.max(1).ilog10().saturating_sub(1));
    let missing = missing.next_multiple_of(step).min(1_000_000_000);
    let left = 1_000_000_000 - missing;
    let digits = format!("{}.{:07}", left / 10_000_000, left % 10_000_000);
    format!("{} %", digits.trim_end_matches('0').trim_end_matches('.'))
}

/// Shares of the time in which too few serve.
#[derive(Clone, Copy, Debug, Default)]
struct Failing {
    /// Nobody serves.
    none: f64,
    /// Fewer serve than are wanted at least.
    fewer: f64,
    /// The part of both that was not looked into: more than two countries have failed.
    rest: f64,
}

/// How many serve: the chance of each number below those that are wanted at least.
type Chances = Vec<f64>;

/// A datacenter: in which country, whose, and how many of its workers serve while those two have not failed.
struct Group {
    country: usize,
    provider: u64,
    serving: Chances,
}

fn failing(sites: &[Site], min: u16, causes: &Causes) -> Failing {
    let wanted = usize::from(min.max(1));
    let (groups, countries) = grouped(sites, wanted, causes);
    let (mut failing, mut known) = (Failing::default(), 0.0);
    for lost in lost(countries) {
        let kept = countries.saturating_sub(lost.len());
        let chance = power(causes.country, lost.len()) * power(1.0 - causes.country, kept);
        let serving = without(&lost, &groups, wanted, causes);
        known += chance;
        failing.none += chance * serving.first().copied().unwrap_or_default();
        failing.fewer += chance * serving.iter().sum::<f64>();
    }
    failing.rest = (1.0 - known).max(0.0);
    failing.none += failing.rest;
    failing.fewer += failing.rest;
    failing
}

/// Datacenters, those of one provider side by side, and how many countries they are in.
fn grouped(sites: &[Site], wanted: usize, causes: &Causes) -> (Vec<Group>, usize) {
    let up = (1.0 - causes.provider) * (1.0 - causes.datacenter) * (1.0 - causes.country);
    let mut countries = BTreeMap::new();
    let mut groups = BTreeMap::new();
    for Site { place, share } in sites {
        let next = countries.len();
        let country = *countries.entry(&place.country).or_insert(next);
        let group = groups.entry((place.provider, place.datacenter));
        let group = group.or_insert_with(|| Group {
            country,
            provider: place.provider,
            serving: nobody(),
        });
        let serves = (share / up).min(1.0);
        group.serving = together(&group.serving, &[1.0 - serves, serves], wanted);
    }
    let groups = groups.into_values().map(|mut group| {
        fail(&mut group.serving, causes.datacenter);
        group
    });
    (groups.collect(), countries.len())
}

/// The sets of countries that may fail at once and are told apart.
fn lost(countries: usize) -> Vec<Vec<usize>> {
    let mut sets = vec![Vec::new()];
    let mut from = 0;
    for _ in 0..LOST_AT_ONCE {
        let upto = sets.len();
        for set in from..upto {
            let next = sets[set].last().map_or(0, |last| last + 1);
            for country in next..countries {
                sets.push([sets[set].as_slice(), &[country]].concat());
            }
        }
        from = upto;
    }
    sets
}

/// How many serve while exactly these countries have failed.
fn without(lost: &[usize], groups: &[Group], wanted: usize, causes: &Causes) -> Chances {
    let mut all = nobody();
    for of_one in groups.chunk_by(|a, b| a.provider == b.provider) {
        let mut own = nobody();
        for group in of_one.iter().filter(|group| !lost.contains(&group.country)) {
            own = together(&own, &group.serving, wanted);
        }
        fail(&mut own, causes.provider);
        all = together(&all, &own, wanted);
    }
    all
}

fn nobody() -> Chances {
    vec![1.0]
}

/// Two groups that fail independently. Numbers from `wanted` on are left out: they are enough.
fn together(one: &[f64], other: &[f64], wanted: usize) -> Chances {
    let mut sum = vec![0.0; (one.len() + other.len()).saturating_sub(1).min(wanted)];
    for (i, a) in one.iter().enumerate() {
        for (both, b) in sum.iter_mut().skip(i).zip(other) {
            *both += a * b;
        }
    }
    sum
}

/// All of a group is away for a common cause, for such a part of the time.
fn fail(serving: &mut Chances, share: f64) {
    for chance in serving.iter_mut() {
        *chance *= 1.0 - share;
    }
    if let Some(nobody) = serving.first_mut() {
        *nobody += share;
    }
}

fn power(base: f64, times: usize) -> f64 {
    (0..times).map(|_| base).product()
}

#[cfg(test)]
mod tests;
