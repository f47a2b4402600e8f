//! Which of the candidates that fit get a worker: as many as can be, then the cheapest set.
//!
//! Caps per provider, datacenter and offer nest (an offer lies in one datacenter, that belongs to one provider),
//! so the sets they allow are the independent sets of a laminar matroid: taking candidates from the cheapest on
//! whenever the caps allow it gives, for each size, a cheapest set, and reaches the largest size. If that set
//! also meets the caps per country and the distinct minima, nothing better exists. Otherwise those cross the
//! providers, and the set is a minimum-cost flow provider -> datacenter -> offer -> candidate -> country, in
//! which distinct minima are arcs: of `n` units, at most `n - m` may pass the arc for a provider's second and
//! later workers, so at least `m` are the first of theirs; likewise for countries.
//!
//! Equal prices: the smaller sum of ranks, where candidates are ranked by ask, older offer, lower peer.

use super::flow::{ArcId, Cost, Graph};
use crate::datacenter::Country;
use crate::demand::Spread;
use crate::units::{DatacenterId, OfferId, Price, ProviderId};
use std::collections::BTreeMap;

/// What choosing needs to know of a candidate, or of a worker the deal has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Site {
    pub(super) provider: ProviderId,
    pub(super) datacenter: DatacenterId,
    pub(super) country: Country,
    pub(super) offer: OfferId,
    /// Most workers of the deal in this offer.
    pub(super) offer_cap: u32,
    pub(super) ask: Price,
}

/// One choice: the workers there are, and the candidates that fit, by rank.
#[derive(Debug)]
pub(super) struct Choice<'c> {
    pub(super) spread: Spread,
    pub(super) existing: &'c [Site],
    pub(super) candidates: &'c [Site],
}

/// How many workers stand where.
#[derive(Clone, Debug, Default)]
pub(super) struct Census {
    providers: BTreeMap<ProviderId, u32>,
    datacenters: BTreeMap<DatacenterId, u32>,
    countries: BTreeMap<Country, u32>,
    offers: BTreeMap<OfferId, u32>,
}

impl Census {
    pub(super) fn of<'s>(sites: impl IntoIterator<Item = &'s Site>) -> Self {
        let mut census = Self::default();
        sites.into_iter().for_each(|site| census.add(site));
        census
    }

    /// Whether the nested caps leave room for one more there.
    pub(super) fn has_room(&self, spread: Spread, site: &Site) -> bool {
        at(&self.providers, &site.provider) < cap(spread.max_per_provider)
            && at(&self.datacenters, &site.datacenter) < cap(spread.max_per_datacenter)
            && at(&self.offers, &site.offer) < site.offer_cap
    }

    /// Whether workers within the nested caps also meet the caps per country and the distinct minima.
    pub(super) fn meets_the_rest(&self, spread: Spread) -> bool {
        let most = cap(spread.max_per_country);
        self.countries.values().all(|number| *number <= most)
            && self.providers.len() >= spread.min_providers.into()
            && self.countries.len() >= spread.min_countries.into()
    }

    pub(super) fn add(&mut self, site: &Site) {
        fn count<K: Ord>(map: &mut BTreeMap<K, u32>, key: K) {
            let number = map.entry(key).or_default();
            *number = number.saturating_add(1);
        }
        count(&mut self.providers, site.provider);
        count(&mut self.datacenters, site.datacenter);
        count(&mut self.countries, site.country);
        count(&mut self.offers, site.offer);
    }
}

/// A cap of a demand; zero means none.
fn cap(limit: u16) -> u32 {
    if limit == 0 { u32::MAX } else { limit.into() }
}

fn at<K: Ord>(map: &BTreeMap<K, u32>, key: &K) -> u32 {
    map.get(key).copied().unwrap_or(0)
}

impl Choice<'_> {
    /// The most candidates, at least `least` and at most `most`, for which `affordable` holds, chosen as this
    /// module says, as places in the list of candidates. Adds the work done to `work`.
    ///
    /// A set larger than the missing providers and countries together has a member that can go without harm to
    /// the minima, so above that size what can be had in one size can be had, for less, in each smaller one, and
    /// halving finds the largest. Below it, sizes are tried one by one.
    pub(super) fn choose(
        &self,
        least: usize,
        most: usize,
        affordable: impl Fn(&[usize]) -> bool,
        work: &mut u64,
    ) -> Option<Vec<usize>> {
        let (providers, countries) = self.missing()?;
        let greedy = self.greedy(most);
        let top = greedy.len().min(self.room_in_countries());
        let mut attempt = |count: usize| {
            let first = greedy.get(..count)?;
            let chosen = match self.meets_the_rest(first) {
                true => Some(first.to_vec()),
                false if *work < MAX_ARCS => self.flow(count, work),
                false => None,
            };
            chosen.filter(|chosen| affordable(chosen))
        };
        if top < least {
            return None;
        }
        if let Some(chosen) = attempt(top) {
            return Some(chosen);
        }
        let halving = providers.saturating_add(countries).max(least);
        let (mut low, mut high, mut best) = (halving, top, None);
        while low < high {
            let middle = low.midpoint(high);
            match attempt(middle) {
                Some(chosen) => (low, best) = (middle.saturating_add(1), Some(chosen)),
                None => high = middle,
            }
        }
        best.or_else(|| (least..halving.min(top)).rev().find_map(attempt))
    }

    /// Providers and countries that the minima still lack; None if the candidates do not have them.
    fn missing(&self) -> Option<(usize, usize)> {
        let (there, all) = (
            Census::of(self.existing),
            Census::of(self.existing.iter().chain(self.candidates)),
        );
        let (providers, countries) = (
            self.spread.min_providers.into(),
            self.spread.min_countries.into(),
        );
        if all.providers.len() < providers || all.countries.len() < countries {
            return None;
        }
        Some((
            providers.saturating_sub(there.providers.len()),
            countries.saturating_sub(there.countries.len()),
        ))
    }

    /// Most workers of one offer that any of its caps allows.
    fn most_of_offer(&self, site: &Site) -> usize {
        let Spread {
            max_per_provider,
            max_per_datacenter,
            max_per_country,
            ..
        } = self.spread;
        let caps = [max_per_provider, max_per_datacenter, max_per_country].map(cap);
        let most = caps.into_iter().fold(site.offer_cap, u32::min);
        usize::try_from(most).unwrap_or(usize::MAX)
    }

    /// How many candidates the caps per country leave room for.
    fn room_in_countries(&self) -> usize {
        let most = cap(self.spread.max_per_country);
        let there = Census::of(self.existing).countries;
        let candidates = Census::of(self.candidates).countries;
        let room = candidates.iter().map(|(country, number)| {
            let room = most.saturating_sub(at(&there, country)).min(*number);
            usize::try_from(room).unwrap_or(usize::MAX)
        });
        room.fold(0, usize::saturating_add)
    }

    /// Candidates from the cheapest on, as the nested caps allow.
    fn greedy(&self, most: usize) -> Vec<usize> {
        let mut census = Census::of(self.existing);
        let mut chosen = Vec::new();
        for (place, site) in self.candidates.iter().enumerate() {
            if chosen.len() >= most {
                break;
            }
            if census.has_room(self.spread, site) {
                census.add(site);
                chosen.push(place);
            }
        }
        chosen
    }

    /// Whether a set within the nested caps also meets the caps per country and the distinct minima.
    fn meets_the_rest(&self, chosen: &[usize]) -> bool {
        let new = chosen
            .iter()
            .filter_map(|place| self.candidates.get(*place));
        Census::of(self.existing.iter().chain(new)).meets_the_rest(self.spread)
    }

    /// The cheapest set of exactly `count` candidates that meets everything.
    fn flow(&self, count: usize, work: &mut u64) -> Option<Vec<usize>> {
        let mut network = Network::new(self, count)?;
        let candidates = network.build(self, count);
        let sent = network.graph.send(network.source, network.sink, count);
        *work = work.saturating_add(network.graph.work);
        sent.then(|| network.used(&candidates))
    }
}

/// The network of one choice of `count` candidates.
struct Network {
    graph: Graph,
    census: Census,
    source: usize,
    sink: usize,
    /// From the source, for first workers and for further workers of a provider.
    first_of_provider: usize,
    more_of_provider: usize,
    /// To the sink, likewise for countries.
    first_of_country: usize,
    more_of_country: usize,
    providers: BTreeMap<ProviderId, usize>,
    datacenters: BTreeMap<DatacenterId, usize>,
    offers: BTreeMap<OfferId, usize>,
    countries: BTreeMap<Country, usize>,
}

/// Arcs looked at in one look, after which no further size is tried: some tenths of a second. Only a demand with
/// thousands of candidates and minima that nearly cannot be met comes near it.
const MAX_ARCS: u64 = 4_000_000;

const FREE: Cost = Cost { price: 0, rank: 0 };

impl Network {
    /// None if `count` workers are too few for the distinct minima.
    fn new(choice: &Choice<'_>, count: usize) -> Option<Self> {
        let census = Census::of(choice.existing);
        let missing = |wanted: u16, there: usize| usize::from(wanted).saturating_sub(there);
        let new_providers = missing(choice.spread.min_providers, census.providers.len());
        let new_countries = missing(choice.spread.min_countries, census.countries.len());
        let more = |new: usize| u32::try_from(count.checked_sub(new)?).ok();
        let (more_providers, more_countries) = (more(new_providers)?, more(new_countries)?);
        let mut graph = Graph::default();
        let [
            source,
            sink,
            first_of_provider,
            more_of_provider,
            first_of_country,
            more_of_country,
        ] = std::array::from_fn(|_| graph.node());
        graph.arc(source, first_of_provider, u32::MAX, FREE);
        graph.arc(source, more_of_provider, more_providers, FREE);
        graph.arc(first_of_country, sink, u32::MAX, FREE);
        graph.arc(more_of_country, sink, more_countries, FREE);
        Some(Self {
            graph,
            census,
            source,
            sink,
            first_of_provider,
            more_of_provider,
            first_of_country,
            more_of_country,
            providers: BTreeMap::new(),
            datacenters: BTreeMap::new(),
            offers: BTreeMap::new(),
            countries: BTreeMap::new(),
        })
    }

    /// Adds the candidates; gives their arcs with their places. Those of one offer differ in rank only, so no
    /// more of each can matter than may get a worker.
    fn build(&mut self, choice: &Choice<'_>, count: usize) -> Vec<(usize, ArcId)> {
        let mut arcs = Vec::new();
        let mut of_offer: BTreeMap<OfferId, usize> = BTreeMap::new();
        for (place, site) in choice.candidates.iter().enumerate() {
            let seen = of_offer.entry(site.offer).or_default();
            if *seen >= count.min(choice.most_of_offer(site)) {
                continue;
            }
            *seen = seen.saturating_add(1);
            let country = self.country(choice, site.country);
            let provider = self.provider(choice, site.provider);
            let datacenter = self.datacenter(choice, site, provider);
            let offer = self.offer(site, datacenter);
            let cost = Cost {
                price: i128::try_from(site.ask.0).unwrap_or(i128::MAX),
                rank: i64::try_from(place).unwrap_or(i64::MAX),
            };
            arcs.push((place, self.graph.arc(offer, country, 1, cost)));
        }
        arcs
    }

    fn used(&self, arcs: &[(usize, ArcId)]) -> Vec<usize> {
        let used = arcs.iter().filter(|(_, arc)| self.graph.is_used(*arc));
        used.map(|(place, _)| *place).collect()
    }

    fn provider(&mut self, choice: &Choice<'_>, id: ProviderId) -> usize {
        if let Some(node) = self.providers.get(&id) {
            return *node;
        }
        let there = at(&self.census.providers, &id);
        let room = cap(choice.spread.max_per_provider).saturating_sub(there);
        let first = if there == 0 { room.min(1) } else { 0 };
        let node = self.graph.node();
        self.graph.arc(self.first_of_provider, node, first, FREE);
        self.graph.arc(
            self.more_of_provider,
            node,
            room.saturating_sub(first),
            FREE,
        );
        self.providers.insert(id, node);
        node
    }

    fn country(&mut self, choice: &Choice<'_>, id: Country) -> usize {
        if let Some(node) = self.countries.get(&id) {
            return *node;
        }
        let there = at(&self.census.countries, &id);
        let room = cap(choice.spread.max_per_country).saturating_sub(there);
        let first = if there == 0 { room.min(1) } else { 0 };
        let node = self.graph.node();
        self.graph.arc(node, self.first_of_country, first, FREE);
        self.graph
            .arc(node, self.more_of_country, room.saturating_sub(first), FREE);
        self.countries.insert(id, node);
        node
    }

    fn datacenter(&mut self, choice: &Choice<'_>, site: &Site, provider: usize) -> usize {
        if let Some(node) = self.datacenters.get(&site.datacenter) {
            return *node;
        }
        let there = at(&self.census.datacenters, &site.datacenter);
        let room = cap(choice.spread.max_per_datacenter).saturating_sub(there);
        let node = self.graph.node();
        self.graph.arc(provider, node, room, FREE);
        self.datacenters.insert(site.datacenter, node);
        node
    }

    fn offer(&mut self, site: &Site, datacenter: usize) -> usize {
        if let Some(node) = self.offers.get(&site.offer) {
            return *node;
        }
        let there = at(&self.census.offers, &site.offer);
        let node = self.graph.node();
        self.graph
            .arc(datacenter, node, site.offer_cap.saturating_sub(there), FREE);
        self.offers.insert(site.offer, node);
        node
    }
}

#[cfg(test)]
#[allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test panics when it is wrong"
)]
mod tests;
