//! Which worker gets a request. Pure: time, in milliseconds, and dice come from outside.
//!
//! Of two workers drawn by lot the one with less to do gets it, by requests under way times usual
//! latency. Who cannot be reached is left out for a while that doubles; when all are, the one that
//! comes back first is tried all the same.

use super::Routes;
use crate::overlay::Route;
use marketplace::units::{DealId, WorkerId};
use std::collections::BTreeMap;

/// The first time that a worker is left out for.
const EJECT_MS: u64 = 1_000;
/// It doubles up to this.
const MAX_EJECT_MS: u64 = 30_000;
/// Requests per retry: at most one in ten is sent twice, once the budget is used up.
const REQUESTS_PER_RETRY: u32 = 10;
/// The budget of retries at the start, and at most.
const MAX_RETRIES: u32 = 20;

/// The workers, and how they do.
#[derive(Debug)]
pub(super) struct Balancer {
    deals: BTreeMap<DealId, Deal>,
    workers: BTreeMap<WorkerId, Load>,
    most: u32,
}

/// A deal has its own budget, so that one that is flooded takes no retry from others.
#[derive(Debug)]
struct Deal {
    workers: Vec<WorkerId>,
    /// In tenths of a retry.
    budget: u32,
}

#[derive(Debug)]
struct Load {
    route: Route,
    in_flight: u32,
    latency_ms: u64,
    failures: u32,
    ejected_until: u64,
}

/// What became of a request that was given to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Its answer began after so many milliseconds.
    Answered(u64),
    /// It was too busy.
    Shed,
    /// It could not be reached, or the connection broke before an answer.
    Failed,
    /// The client left.
    Abandoned,
}

impl Balancer {
    /// With at most `most` requests at once for each worker.
    pub(super) fn new(most: u32) -> Self {
        Self {
            deals: BTreeMap::new(),
            workers: BTreeMap::new(),
            most,
        }
    }

    /// Takes new routes; what is known of workers that stay is kept.
    pub(super) fn route(&mut self, routes: &Routes) {
        let mut before = std::mem::take(&mut self.workers);
        let budgets = std::mem::take(&mut self.deals);
        for (deal, routes) in routes {
            let known = budgets.get(deal);
            let entry = Deal {
                workers: routes.iter().map(|route| route.worker).collect(),
                budget: known.map_or(MAX_RETRIES * REQUESTS_PER_RETRY, |deal| deal.budget),
            };
            self.deals.insert(*deal, entry);
            for route in routes {
                let mut load = before.remove(&route.worker).unwrap_or_else(|| Load {
                    route: route.clone(),
                    in_flight: 0,
                    latency_ms: 1,
                    failures: 0,
                    ejected_until: 0,
                });
                if load.route != *route {
                    // It came back elsewhere: what is known is about where it was.
                    load.route.clone_from(route);
                    load.failures = 0;
                    load.ejected_until = 0;
                }
                self.workers.insert(route.worker, load);
            }
        }
    }

    pub(super) fn knows(&self, deal: DealId) -> bool {
        self.deals.contains_key(&deal)
    }

    /// A worker of the deal, none of `tried`, and counts a request for it; None: none can take it.
    pub(super) fn pick(
        &mut self,
        deal: DealId,
        tried: &[WorkerId],
        now: u64,
        dice: [usize; 2],
    ) -> Option<Route> {
        let able = |id: &&WorkerId| {
            let load = self.workers.get(id);
            !tried.contains(id) && load.is_some_and(|load| load.in_flight < self.most)
        };
        let able: Vec<_> = self.deals.get(&deal)?.workers.iter().filter(able).collect();
        let is_in = |id: &&&WorkerId| self.workers[**id].ejected_until <= now;
        let healthy: Vec<_> = able.iter().filter(is_in).copied().collect();
        let picked = if healthy.is_empty() {
            able.into_iter()
                .min_by_key(|id| self.workers[id].ejected_until)?
        } else {
            let drawn = draw(healthy.len(), dice).map(|index| healthy[index]);
            drawn.into_iter().min_by_key(|id| self.workers[id].cost())?
        };
        let load = self.workers.get_mut(&picked.clone())?;
        load.in_flight += 1;
        Some(load.route.clone())
    }

    /// The worker's answer began, or never will.
    pub(super) fn heard(&mut self, worker: WorkerId, outcome: Outcome, now: u64) {
        let Some(load) = self.workers.get_mut(&worker) else {
            return;
        };
        match outcome {
            Outcome::Answered(latency) => {
                load.failures = 0;
                load.ejected_until = 0;
                load.latency_ms = (load.latency_ms * 7 + latency).div_ceil(8).max(1);
            }
            Outcome::Failed => {
                let pause = EJECT_MS << load.failures.min(5);
                load.failures = load.failures.saturating_add(1);
                load.ejected_until = now.saturating_add(pause.min(MAX_EJECT_MS));
            }
            Outcome::Shed | Outcome::Abandoned => {}
        }
    }

    /// A request counted by [`Self::pick`] is over.
    pub(super) fn done(&mut self, worker: WorkerId) {
        if let Some(load) = self.workers.get_mut(&worker) {
            load.in_flight = load.in_flight.saturating_sub(1);
        }
    }

    /// A new request earns a part of a retry.
    pub(super) fn earn(&mut self, deal: DealId) {
        if let Some(deal) = self.deals.get_mut(&deal) {
            deal.budget = (deal.budget + 1).min(MAX_RETRIES * REQUESTS_PER_RETRY);
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
}

impl Load {
    fn cost(&self) -> u64 {
        self.latency_ms
            .saturating_mul(u64::from(self.in_flight) + 1)
    }
}

/// Two different indices below `count`, if there are two.
fn draw(count: usize, [first, second]: [usize; 2]) -> [usize; 2] {
    let first = first % count;
    let step = 1 + second % count.saturating_sub(1).max(1);
    [first, (first + step) % count]
}

#[cfg(test)]
mod tests {
    use super::{Balancer, Outcome, draw};
    use crate::gateway::tests::route;
    use marketplace::units::{DealId, WorkerId};

    const DEAL: DealId = DealId(7);

    fn balancer(workers: u64) -> Balancer {
        let mut balancer = Balancer::new(4);
        let routes = (1..=workers).map(|worker| route(DEAL.0, worker)).collect();
        balancer.route(&[(DEAL, routes)].into());
        balancer
    }

    fn pick(balancer: &mut Balancer, now: u64, dice: [usize; 2]) -> Option<u64> {
        let route = balancer.pick(DEAL, &[], now, dice);
        route.map(|route| route.worker.0)
    }

    /// (G2)
    #[test]
    fn two_different_workers_are_drawn() {
        for count in 2..5 {
            for dice in 0..20 {
                let [first, second] = draw(count, [dice, dice / 3]);
                assert!(first != second && first < count && second < count);
            }
        }
        assert_eq!(draw(1, [5, 9]), [0, 0]);
    }

    /// (G2)
    #[test]
    fn of_two_the_one_with_less_to_do_gets_the_request() {
        let mut balancer = balancer(2);
        assert_eq!(pick(&mut balancer, 0, [0, 0]), Some(1));
        assert_eq!(pick(&mut balancer, 0, [0, 0]), Some(2));
        balancer.heard(WorkerId(1), Outcome::Answered(100), 0);
        balancer.done(WorkerId(1));
        balancer.done(WorkerId(2));
        assert_eq!(pick(&mut balancer, 0, [0, 0]), Some(2), "the faster one");
    }

    /// (G2)
    #[test]
    fn who_fails_is_left_out_for_a_while_that_doubles() {
        let mut balancer = balancer(2);
        for (now, back) in [(0, 1_000), (1_000, 3_000), (3_000, 7_000)] {
            balancer.heard(WorkerId(1), Outcome::Failed, now);
            assert_eq!(pick(&mut balancer, back - 1, [0, 0]), Some(2));
            balancer.done(WorkerId(2));
            let mut others = (0..2).map(|die| pick(&mut balancer, back, [die, 0]));
            assert!(others.any(|worker| worker == Some(1)), "back at {back}");
            (1..3).for_each(|worker| balancer.done(WorkerId(worker)));
        }
    }

    #[test]
    fn when_all_fail_the_one_that_comes_back_first_is_tried() {
        let mut balancer = balancer(2);
        balancer.heard(WorkerId(2), Outcome::Failed, 0);
        balancer.heard(WorkerId(1), Outcome::Failed, 1);
        assert_eq!(pick(&mut balancer, 2, [0, 0]), Some(2));
    }

    #[test]
    fn a_worker_gets_no_more_than_its_most_and_the_rest_is_shed() {
        let mut balancer = balancer(1);
        for _ in 0..4 {
            assert_eq!(pick(&mut balancer, 0, [0, 0]), Some(1));
        }
        assert_eq!(pick(&mut balancer, 0, [0, 0]), None);
        balancer.done(WorkerId(1));
        assert_eq!(pick(&mut balancer, 0, [0, 0]), Some(1));
    }

    /// (G3)
    #[test]
    fn retries_end_with_their_budget_and_ten_requests_earn_another() {
        let mut balancer = balancer(1);
        let other = DealId(8);
        let routes = |deal: DealId, worker| (deal, vec![route(deal.0, worker)]);
        balancer.route(&[routes(DEAL, 1), routes(other, 2)].into());
        assert_eq!((0..100).filter(|_| balancer.may_retry(DEAL)).count(), 20);
        assert!(balancer.may_retry(other), "the other deal has its own");
        (0..10).for_each(|_| balancer.earn(DEAL));
        balancer.route(&[routes(DEAL, 1)].into());
        assert!(balancer.may_retry(DEAL));
        assert!(!balancer.may_retry(DEAL), "new routes are no new budget");
        assert!(!balancer.may_retry(other), "it is served no more");
    }

    #[test]
    fn a_worker_that_comes_back_elsewhere_is_not_left_out() {
        let mut balancer = balancer(2);
        balancer.heard(WorkerId(1), Outcome::Failed, 0);
        let mut moved = route(DEAL.0, 1);
        moved.address.endpoints = vec!["127.0.0.1:2".into()];
        balancer.route(&[(DEAL, vec![moved.clone(), route(DEAL.0, 2)])].into());
        let mut picked = (0..2).filter_map(|die| balancer.pick(DEAL, &[], 1, [die, 0]));
        assert!(picked.any(|route| route == moved));
    }

    #[test]
    fn new_routes_keep_what_is_known() {
        let mut balancer = balancer(2);
        balancer.heard(WorkerId(1), Outcome::Failed, 0);
        let routes = vec![route(DEAL.0, 1), route(DEAL.0, 3)];
        balancer.route(&[(DEAL, routes)].into());
        assert_eq!(pick(&mut balancer, 1, [0, 0]), Some(3));
        balancer.route(&[].into());
        assert!(!balancer.knows(DEAL));
    }
}
