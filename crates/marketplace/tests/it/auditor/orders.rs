//! What the auditor makes of change orders, and of terms that bind a worker when it is placed.

use super::{Audited, Auditor, Hired};
use marketplace::change::{Call, Change, Event};
use marketplace::deal::{Rollout, View};
use marketplace::demand::Terms;
use marketplace::units::{DealId, Hash, WorkerId};

impl Auditor {
    pub(super) fn order(&mut self, call: &Call) {
        let Call::Terms { deal, change } = call else {
            return;
        };
        if let Change::Target(target) = change {
            self.must_go = self.beyond(*deal, usize::from(*target));
        }
        let terms = &mut self.deals.get_mut(deal).expect("deal").terms;
        match change.clone() {
            Change::Artifact(artifact) => terms.artifact = artifact,
            Change::Target(target) => terms.target_workers = target,
            Change::LimitPrice(price) => terms.limit_price = price,
            Change::Requirements {
                requirements,
                effectors,
                protocol_version,
            } => {
                *terms = Terms {
                    requirements,
                    effectors,
                    protocol_version,
                    ..terms.clone()
                }
            }
            Change::Spread(spread) => terms.spread = spread,
            Change::Duration(duration) => terms.duration = duration,
            Change::Providers(providers) => terms.providers = providers,
            Change::Monitor(monitor) => terms.monitor = monitor,
        }
    }

    pub(super) fn ordered(&mut self, event: &Event) {
        if let Event::OwnerChanged { deal, owner } = event {
            self.deals.get_mut(deal).expect("deal").owner = *owner;
        }
    }

    /// The workers beyond so many: the dearest, then the youngest.
    fn beyond(&self, deal: DealId, target: usize) -> Vec<WorkerId> {
        let audited = self.deals.get(&deal).expect("deal");
        let hired = |id: &WorkerId| self.workers.get(id).expect("worker");
        let mut live = audited.workers.clone();
        live.retain(|id| hired(id).earned.is_none() && hired(id).leaves.is_none());
        live.sort_by_key(|id| (hired(id).rate, *id));
        live.split_off(target.min(live.len()))
    }

    /// A worker changes to the artifact of now only after all before it; and begins with that, or the one it was placed
    /// with.
    pub(super) fn says_it_runs(&mut self, id: WorkerId, artifact: Hash) {
        let worker = self.workers.get(&id).expect("worker");
        let deal = self.deals.get(&worker.deal).expect("deal");
        let current = deal.terms.artifact.hash;
        if artifact != worker.runs {
            assert_eq!(artifact, current, "worker {id} runs what nobody asked for");
            let before = deal.workers.iter().filter(|other| **other < id);
            let mut before = before.map(|id| self.workers.get(id).expect("worker"));
            let is_behind = |other: &Hired| {
                let stays = other.earned.is_none() && other.leaves.is_none();
                other.ran.is_some() && stays && other.runs != current
            };
            assert!(
                worker.ran.is_none() || !before.any(is_behind),
                "worker {id} changes before its turn"
            );
        }
        self.workers.get_mut(&id).expect("worker").runs = artifact;
    }

    /// What workers are told to run: those to begin, and the first that is behind, the artifact of now; others what
    /// they run.
    pub(super) fn check_due(&self, id: DealId, deal: &Audited, view: &View) {
        let current = deal.terms.artifact.hash;
        let hired = |id: &WorkerId| self.workers.get(id).expect("worker");
        let behind = |id: &&WorkerId| {
            let worker = hired(id);
            let stays = worker.earned.is_none() && worker.leaves.is_none();
            worker.ran.is_some() && stays && worker.runs != current
        };
        let first = deal.workers.iter().find(behind);
        let stopped = matches!(view.deal.rollout, Rollout::Stopped { .. });
        for worker in &view.workers {
            let known = hired(&worker.id);
            let turn = known.ran.is_none() || (first == Some(&worker.id) && !stopped);
            let due = if turn { current } else { known.runs };
            assert_eq!(
                worker.due, due,
                "what worker {} of deal {id} is to run",
                worker.id
            );
            assert_eq!(worker.worker.artifact, known.runs, "what it runs");
        }
    }

    /// A worker that goes because fewer are wanted is one of those; but distinct minima may save some of them.
    pub(super) fn unwanted(&mut self, id: WorkerId) {
        let deal = self.workers.get(&id).expect("worker").deal;
        let spread = self.deals.get(&deal).expect("deal").terms.spread;
        let saves = spread.min_providers > 1 || spread.min_countries > 1;
        assert!(
            saves || self.must_go.contains(&id),
            "worker {id} was to stay"
        );
    }

    /// A new worker is what the terms of now allow, with those that are there already.
    pub(super) fn check_placed(&self, new: &Hired) {
        let Audited { terms, .. } = self.deals.get(&new.deal).expect("deal");
        let most = terms.limit_price.0 * u128::from(terms.units_per_worker);
        assert!(new.rate <= most, "a worker above the limit");
        let Terms {
            spread, providers, ..
        } = terms;
        let allowed = providers.allow.is_empty() || providers.allow.contains(&new.provider);
        let denied = providers.deny.contains(&new.provider);
        assert!(allowed && !denied, "a provider that may not serve");
        let staying = || self.live(new.deal).filter(|w| w.leaves.is_none());
        let alike = |same: &dyn Fn(&Hired) -> bool| staying().filter(|w| same(w)).count();
        let country = |worker: &Hired| self.countries[&self.places[&worker.peer]];
        let found = [
            (
                spread.max_per_provider,
                alike(&|w| w.provider == new.provider),
            ),
            (
                spread.max_per_datacenter,
                alike(&|w| self.places[&w.peer] == self.places[&new.peer]),
            ),
            (
                spread.max_per_country,
                alike(&|w| country(w) == country(new)),
            ),
            (terms.target_workers, staying().count()),
        ];
        for (cap, others) in found {
            assert!(cap == 0 || others < cap.into(), "one worker too many");
        }
    }
}
