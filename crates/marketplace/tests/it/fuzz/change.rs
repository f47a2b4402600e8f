//! Random change orders.

use super::Run;
use crate::world::address;
use marketplace::attribute::{Predicate, Subject, Test, Value};
use marketplace::change::{self, Change};
use marketplace::demand::{Artifact, Providers, Spread};
use marketplace::units::{Address, DealId, Hash, Price, ProviderId, Seconds};
use marketplace::{Call, deal};

impl Run<'_> {
    pub(super) fn change(&mut self) -> (&'static str, Address, Call) {
        let deal = DealId(self.id(self.deals));
        let row = self.world.read(|cx| deal::get(cx.store, deal));
        let owner = row.as_ref().map_or(address("nobody"), |row| row.owner);
        if self.dice.one_in(8) {
            return self.hand_over(deal, owner);
        }
        let change = self.any_change();
        let call = change::Call::Terms { deal, change };
        ("change", owner, Call::Change(call))
    }

    fn hand_over(&mut self, deal: DealId, owner: Address) -> (&'static str, Address, Call) {
        let other = address(self.dice.of(&super::PEOPLE));
        let row = self.world.read(|cx| deal::get(cx.store, deal));
        match row.and_then(|row| row.offered_to) {
            Some(to) if self.dice.one_in(2) => {
                let call = change::Call::Accept { deal };
                ("accept", to, Call::Change(call))
            }
            _ => {
                let to = (!self.dice.one_in(4)).then_some(other);
                let call = change::Call::Offer { deal, to };
                ("hand over", owner, Call::Change(call))
            }
        }
    }

    fn any_change(&mut self) -> Change {
        match self.dice.number(12) {
            0..=2 => Change::Target(self.dice.small(6)),
            3 => Change::LimitPrice(Price(self.dice.amount(250_000).0)),
            4 => Change::Requirements {
                requirements: match self.dice.one_in(3) {
                    false => Vec::new(),
                    true => vec![Predicate {
                        subject: Subject::Peer,
                        key: "net.mbps".to_owned(),
                        test: Test::AtLeast(Value::Integer(self.dice.of(&[500, 1_000]))),
                    }],
                },
                effectors: Vec::new(),
                protocol_version: self.dice.of(&[1, 1, 1, 2]),
            },
            5 => Change::Spread(Spread {
                max_per_provider: self.dice.of(&[0, 1, 2]),
                max_per_datacenter: self.dice.of(&[0, 1, 2]),
                max_per_country: self.dice.of(&[0, 2, 3]),
                min_providers: self.dice.of(&[0, 1, 2, 3]),
                min_countries: self.dice.of(&[0, 1, 2]),
            }),
            6 => {
                let seconds = Seconds(self.dice.number(2_000));
                Change::Duration(self.dice.one_in(2).then_some(seconds))
            }
            7 => {
                let named = vec![ProviderId(self.id(self.providers))];
                let (allow, deny) = match self.dice.number(3) {
                    0 => (named, Vec::new()),
                    1 => (Vec::new(), named),
                    _ => (Vec::new(), Vec::new()),
                };
                Change::Providers(Providers { allow, deny })
            }
            8..=10 => Change::Artifact(Artifact {
                hash: Hash([self.dice.of(&[7, 7, 8, 9]); 32]),
                size: 9,
                sources: Vec::new(),
            }),
            _ => Change::Monitor(Some(address(self.dice.of(&["erin", "dave"])))),
        }
    }
}
