//! Change orders.

use super::{Made, Run};
use crate::world::address;
use marketplace::Call;
use marketplace::change::{Call as Order, Change};
use marketplace::units::{Price, Seconds};

impl Run {
    pub(super) fn change_terms(&mut self) -> Made {
        let (deal, owner) = self.deal_that(|deal| !deal.ended());
        let change = self.any_change();
        (owner, Call::Change(Order::Terms { deal, change }))
    }

    fn any_change(&mut self) -> Change {
        match self.dice.below(12) {
            0..=2 => Change::Target(self.small(6)),
            3..=5 => Change::Artifact(self.artifact()),
            6 => Change::LimitPrice(Price(self.amount(250_000).0)),
            7 => Change::Requirements {
                requirements: self.requirements(),
                effectors: Vec::new(),
                protocol_version: self.dice.of(&[1, 1, 1, 2]),
            },
            8 => Change::Spread(self.spread(2)),
            9 => {
                let seconds = Seconds(self.number(2_000));
                Change::Duration(self.dice.one_in(2).then_some(seconds))
            }
            10 => Change::Providers(self.providers()),
            _ => Change::Monitor(Some(address(self.dice.of(&["erin", "dave"])))),
        }
    }

    pub(super) fn offer_deal(&mut self) -> Made {
        let (deal, owner) = self.deal_that(|deal| !deal.ended());
        let to = self.dice.one_in(4).then(|| self.anybody());
        let to = to.or(Some(address("erin")));
        (owner, Call::Change(Order::Offer { deal, to }))
    }

    pub(super) fn accept_deal(&mut self) -> Made {
        let (deal, owner) = self.deal_that(|deal| deal.heir.is_some() && !deal.ended());
        let offered = self.deal_of(deal).and_then(|deal| deal.heir);
        let caller = offered.unwrap_or(owner);
        (caller, Call::Change(Order::Accept { deal }))
    }
}
