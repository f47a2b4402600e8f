//! Demands.

use super::{Made, Run};
use crate::world::address;
use marketplace::Call;
use marketplace::attribute::{Predicate, Subject, Test, Value};
use marketplace::demand::{self, Artifact, Pricing, Providers, Spread, Terms};
use marketplace::units::{Hash, Price, Seconds, Usdc};

impl Run {
    pub(super) fn post_demand(&mut self) -> Made {
        let terms = self.demand_terms();
        let prepaid = u128::from(terms.units_per_worker) * u128::from(terms.target_workers);
        let prepaid = prepaid * terms.limit_price.0.min(1 << 64);
        let escrow = Usdc(match self.dice.below(4) {
            _ if self.odd(4) => prepaid.saturating_sub(1),
            0 => prepaid,
            _ => prepaid + u128::from(self.number(30_000)),
        });
        let call = demand::Call::Post { terms, escrow };
        (self.anybody(), Call::Demand(call))
    }

    fn demand_terms(&mut self) -> Terms {
        let target_workers = self.small(4);
        let min_workers = self.small(target_workers.clamp(1, 4));
        let pricing = match self.odd(10) {
            true => Pricing::Request,
            false => Pricing::Epoch,
        };
        Terms {
            artifact: self.artifact(),
            units_per_worker: self.small(2),
            min_workers,
            target_workers,
            limit_price: Price(self.amount(250_000).0),
            pricing,
            duration: self.dice.one_in(3).then(|| Seconds(self.number(400) + 1)),
            requirements: self.requirements(),
            effectors: Vec::new(),
            protocol_version: 1,
            spread: self.spread(min_workers),
            providers: self.providers(),
            hold: Seconds(self.dice.of(&[0, 0, 40])),
            monitor: Some(address("erin")),
        }
    }

    pub(super) fn artifact(&mut self) -> Artifact {
        let hash = Hash([self.dice.of(&[7, 7, 8, 9]); 32]);
        Artifact::new(hash, if self.odd(4) { 0 } else { 9 })
    }

    /// Mostly all of them.
    pub(super) fn providers(&mut self) -> Providers {
        let named = vec![self.any_provider(); if self.odd(10) { 65 } else { 1 }];
        let (allow, deny) = match self.dice.below(8) {
            0 => (named, Vec::new()),
            1 => (Vec::new(), named),
            _ => Default::default(),
        };
        Providers { allow, deny }
    }

    pub(super) fn requirements(&mut self) -> Vec<Predicate> {
        let fast = Predicate {
            subject: Subject::Peer,
            key: "net.mbps".to_owned(),
            test: Test::AtLeast(Value::Integer(1_000)),
        };
        let count = self.dice.of(&[0, 0, 0, 1]);
        vec![fast; if self.odd(10) { 17 } else { count }]
    }

    pub(super) fn spread(&mut self, min_workers: u16) -> Spread {
        let mut cap = |usual| match self.dice.one_in(4) {
            true => self.small(usual),
            false => 0,
        };
        let least = min_workers.clamp(1, 2);
        Spread {
            max_per_provider: cap(2),
            max_per_datacenter: cap(2),
            max_per_country: cap(2),
            min_providers: cap(least),
            min_countries: cap(least),
        }
    }
}
