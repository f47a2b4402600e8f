//! Which worker gets a request. Pure: time, in milliseconds, and dice come from outside.
//!
//! Of two workers drawn by lot the one with less to do gets it, by requests under way times usual latency. Who does
//! not do well is left out for a while (`health`): whoever is not reached at once, of those who fail no more than half of
//! a deal's workers. When all are left out, one of them is tried all the same.

#[cfg(test)]
mod tests;

use super::{
    Routes,
    health::{Health, Outcome},
};
use crate::overlay::{Address, Route};
use marketplace::units::{Address as Account, DealId, PeerId, WorkerId};
use std::{collections::BTreeMap, sync::Arc};

/// Requests per retry: at most one in ten is sent twice, once the budget is used up.
const REQUESTS_PER_RETRY: u32 = 10;
/// The budget of retries at the start, and at most: what was under way at a worker that dies can go to another.
const MAX_RETRIES: u32 = 100;
/// The latency of a worker of whose deal nobody has answered yet.
const UNKNOWN_US: u64 = 1_000;

/// The workers, and how they do.
#[derive(Debug)]
pub(super) struct Balancer {
    deals: BTreeMap<DealId, Deal>,
    workers: BTreeMap<WorkerId, Load>,
    most: Most,
}

/// Requests at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    pub(super) per_deal: u32,
    pub(super) per_worker: u32,
}

/// A deal has its own budget and limit, so that one that is flooded takes nothing from others.
#[derive(Debug)]
struct Deal {
    owner: Account,
    /// Whether we look after it.
    is_ours: bool,
    workers: Vec<WorkerId>,
    in_flight: u32,
    /// In tenths of a retry.
    budget: u32,
}

#[derive(Debug)]
struct Load {
    route: Arc<Route>,
    in_flight: u32,
    health: Health,
    /// When it was last named as lost.
    named: Option<u64>,
}

/// Workers that a request was sent to.
#[derive(Debug, Default)]
pub(super) struct Tried {
    /// They are not asked again.
    pub(super) in_vain: Vec<WorkerId>,
    /// Those whose connection had ended, perhaps: they are asked again if nobody else is well.
    pub(super) stale: Vec<WorkerId>,
}

impl Tried {
    pub(super) fn note(&mut self, worker: WorkerId, is_fault: bool) {
        // Twice is no chance.
        if is_fault || self.stale.contains(&worker) {
            self.in_vain.push(worker);
        } else {
            self.stale.push(worker);
        }
    }
}

/// Why a request of a deal is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No such deal is served.
    Unknown,
    /// It has as many requests under way as it may.
    Full,
}

impl Balancer {
    pub(super) fn new(most: Most) -> Self {
        Self {
            deals: BTreeMap::new(),
            workers: BTreeMap::new(),
            most,
        }
    }

    /// Takes new routes; what is known of deals and workers that stay is kept.
    pub(super) fn route(&mut self, routes: &Routes, now: u64) {
        let mut workers = std::mem::take(&mut self.workers);
        let mut deals = std::mem::take(&mut self.deals);
        for (deal, served) in &routes.deals {
            let mut entry = deals.remove(deal).unwrap_or_else(Deal::new);
            entry.owner = served.owner;
            entry.is_ours = served.is_ours;
            let known = entry.workers.iter().filter_map(|id| workers.get(id));
            let latency_us = mean(known.map(|load| load.health.latency_us(now)));
            for route in served.workers.iter().chain(&served.placed) {
                let known = workers.remove(&route.worker);
                let load = Load::next(known, route, Health::new(latency_us, now));
                self.workers.insert(route.worker, load);
            }
            entry.workers = served.workers.iter().map(|route| route.worker).collect();
            self.deals.insert(*deal, entry);
        }
    }

    /// Whose the deal is, if it is served.
    pub(super) fn owner(&self, deal: DealId) -> Option<Account> {
        self.deals.get(&deal).map(|deal| deal.owner)
    }

    /// Counts a request of the deal; it earns a part of a retry.
    pub(super) fn enter(&mut self, deal: DealId) -> Result<(), Refusal> {
        let entry = self.deals.get_mut(&deal).ok_or(Refusal::Unknown)?;
        if entry.in_flight >= self.most.per_deal {
            return Err(Refusal::Full);
        }
        entry.in_flight += 1;
        entry.budget = (entry.budget + 1).min(MAX_RETRIES * REQUESTS_PER_RETRY);
        Ok(())
    }

    /// A request counted by [`Self::enter`] is over.
    pub(super) fn leave(&mut self, deal: DealId) {
        if let Some(deal) = self.deals.get_mut(&deal) {
            deal.in_flight = deal.in_flight.saturating_sub(1);
        }
    }

    /// A worker of the deal, none that was tried in vain, and counts a request for it; None: none can take it.
    pub(super) fn pick(
        &mut self,
        deal: DealId,
        tried: &Tried,
        now: u64,
        dice: [usize; 2],
    ) -> Option<Arc<Route>> {
        let workers = &self.workers;
        let ids = self.deals.get(&deal)?.workers.iter();
        let able = ids.filter_map(|id| workers.get(id)).filter(|load| {
            load.in_flight < self.most.per_worker && !tried.in_vain.contains(&load.route.worker)
        });
        let is_stale = |load: &&Load| tried.stale.contains(&load.route.worker);
        let is_in = |load: &&Load| load.health.is_in(now);
        let healthy = || able.clone().filter(|load| is_in(load) && !is_stale(load));
        let picked = match healthy().count() {
            0 => able.min_by_key(|load| (!is_in(load), load.health.back()))?,
            count => draw(count, dice)
                .into_iter()
                .filter_map(|index| healthy().nth(index))
                .min_by_key(|load| load.cost(now))?,
        };
        let worker = picked.route.worker;
        let load = self.workers.get_mut(&worker)?;
        load.in_flight += 1;
        Some(load.route.clone())
    }

    /// The worker's answer began, or never will; true if it is left out for that from now on.
    pub(super) fn heard(&mut self, worker: WorkerId, outcome: Outcome, now: u64) -> bool {
        let may_be_out = outcome == Outcome::Failed && self.may_be_suspect(worker, now);
        let load = self.workers.get_mut(&worker);
        load.is_some_and(|load| load.health.heard(outcome, now, may_be_out))
    }

    /// Whether at most half of its deal's workers are left out for what they answer, with this one.
    fn may_be_suspect(&self, worker: WorkerId, now: u64) -> bool {
        let load = self.workers.get(&worker);
        let Some(deal) = load.and_then(|load| self.deals.get(&load.route.deal)) else {
            return false;
        };
        let others = deal.workers.iter().filter(|id| **id != worker);
        let others = others.filter_map(|id| self.workers.get(id));
        let out = others.filter(|load| load.health.is_suspect(now)).count();
        (out + 1) * 2 <= deal.workers.len()
    }

    /// A request counted by [`Self::pick`] is over.
    pub(super) fn done(&mut self, worker: WorkerId) {
        if let Some(load) = self.workers.get_mut(&worker) {
            load.in_flight = load.in_flight.saturating_sub(1);
        }
    }

    /// Whether a request may be sent once more.
    pub(super) fn may_retry(&mut self, deal: DealId) -> bool {
        let Some(deal) = self.deals.get_mut(&deal) else {
            return false;
        };
        let left = deal.budget.checked_sub(REQUESTS_PER_RETRY);
        deal.budget = left.unwrap_or(deal.budget);
        left.is_some()
    }

    /// The peers, and one of the workers of each.
    pub(super) fn peers(&self) -> BTreeMap<PeerId, Arc<Route>> {
        let routes = self.workers.values().map(|load| &load.route);
        routes
            .map(|route| (route.address.peer, route.clone()))
            .collect()
    }

    /// A peer was probed at this address; gives how many workers are left out for that from now on.
    pub(super) fn probed(&mut self, address: &Address, is_there: bool, now: u64) -> usize {
        let workers = self.workers.values_mut();
        let there = workers.filter(|load| load.route.address == *address);
        let out = there.map(|load| load.health.probed(is_there, now));
        out.filter(|is_out| *is_out).count()
    }

    /// Workers that were not reached, though their peers are there.
    pub(super) fn absent(&self, now: u64) -> Vec<Arc<Route>> {
        let loads = self.workers.values();
        let absent = loads.filter(|load| load.health.is_absent(now));
        absent.map(|load| load.route.clone()).collect()
    }

    /// A worker was reached, without a request.
    pub(super) fn found(&mut self, worker: WorkerId) {
        if let Some(load) = self.workers.get_mut(&worker) {
            load.health.found();
        }
    }

    /// Workers of deals that we look after whose peers have been silent for `patience` while others were not: then it is
    /// they who are away, and not us. Each is named once in `patience`.
    pub(super) fn lost(&mut self, now: u64, patience: u64) -> Vec<WorkerId> {
        let is_silent = |load: &Load| load.health.silence(now).is_some();
        if self.workers.values().all(is_silent) {
            return Vec::new();
        }
        let deals = &self.deals;
        let is_ours = |load: &Load| deals.get(&load.route.deal).is_some_and(|deal| deal.is_ours);
        let is_lost = |load: &Load| {
            let is_silent = load.health.silence(now).is_some_and(|ms| ms >= patience);
            is_silent && is_ours(load) && load.named.is_none_or(|at| now >= at + patience)
        };
        let lost = self.workers.iter_mut().filter(|(_, load)| is_lost(load));
        let name = |(worker, load): (&WorkerId, &mut Load)| {
            load.named = Some(now);
            *worker
        };
        lost.map(name).collect()
    }

    /// Requests under way of each deal, and which of its workers are left out.
    pub(super) fn figures(&self, now: u64) -> Vec<(DealId, u32, Vec<WorkerId>)> {
        let is_out = |id: &&WorkerId| {
            let load = self.workers.get(id);
            load.is_some_and(|load| !load.health.is_in(now))
        };
        let figure = |(id, deal): (&DealId, &Deal)| {
            let out = deal.workers.iter().filter(is_out).copied().collect();
            (*id, deal.in_flight, out)
        };
        self.deals.iter().map(figure).collect()
    }
}

impl Deal {
    fn new() -> Self {
        Self {
            owner: Account::default(),
            is_ours: false,
            workers: Vec::new(),
            in_flight: 0,
            budget: MAX_RETRIES * REQUESTS_PER_RETRY,
        }
    }
}

impl Load {
    /// The worker of this route. If it came back elsewhere, what is known is about where it was.
    fn next(known: Option<Self>, route: &Route, fresh: Health) -> Self {
        let (health, in_flight) = match known {
            Some(load) if *load.route == *route => (load.health, load.in_flight),
            Some(load) => (fresh, load.in_flight),
            None => (fresh, 0),
        };
        Self {
            route: Arc::new(route.clone()),
            in_flight,
            health,
            named: None,
        }
    }

    fn cost(&self, now: u64) -> u64 {
        let requests = u64::from(self.in_flight) + 1;
        self.health.latency_us(now).saturating_mul(requests)
    }
}

fn mean(figures: impl Iterator<Item = u64>) -> u64 {
    let (sum, count) = figures.fold((0, 0), |(sum, count), figure| {
        (u64::saturating_add(sum, figure), count + 1)
    });
    sum.checked_div(count).unwrap_or(UNKNOWN_US)
}

/// Two different indices below `count`, if there are two.
fn draw(count: usize, [first, second]: [usize; 2]) -> [usize; 2] {
    let first = first % count;
    let step = 1 + second % count.saturating_sub(1).max(1);
    [first, (first + step) % count]
}
