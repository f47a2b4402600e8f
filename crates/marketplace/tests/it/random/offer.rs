//! Offers.

use super::{Made, Run};
use marketplace::demand::Pricing;
use marketplace::offer::{self, Curve, Offer, Terms};
use marketplace::units::{Address, DatacenterId, OfferId, Price, Seconds, Time};
use marketplace::{Call, peer};

impl Run {
    fn offer(&self, id: OfferId) -> Option<Offer> {
        self.world.read(|cx| offer::get(cx.store, id))
    }

    /// An offer of which `fits` holds, most of the time, made by a call of its owner's.
    fn of_offer(
        &mut self,
        fits: impl Fn(&Offer) -> bool,
        call: impl FnOnce(&mut Self, OfferId, Option<Offer>) -> offer::Call,
    ) -> Made {
        let id = self.find(Self::any_offer, |run, id| {
            run.offer(*id).is_some_and(|offer| fits(&offer))
        });
        let row = self.offer(id);
        let provider = row.as_ref().map(|offer| offer.provider);
        let call = call(self, id, row);
        let owner = self.owner(provider.unwrap_or_default());
        (owner, Call::Offer(call))
    }

    fn curve(&mut self) -> Curve {
        let slope = match self.dice.one_in(2) {
            true => Price::ZERO,
            false => Price(self.amount(100_000).0),
        };
        Curve {
            floor: Price(self.amount(200_000).0),
            slope,
        }
    }

    fn people(&mut self) -> Vec<Address> {
        match self.dice.one_in(6) {
            true => vec![self.anybody(); if self.odd(2) { 2 } else { 1 }],
            false => Vec::new(),
        }
    }

    fn terms(&mut self) -> Terms {
        Terms {
            pricing: match self.odd(4) {
                true => self.dice.of(&[
                    vec![],
                    vec![Pricing::Request],
                    vec![Pricing::Epoch, Pricing::Epoch],
                ]),
                false => vec![Pricing::Epoch],
            },
            allowed: self.people(),
            denied: self.people(),
            min_duration: Seconds(0),
            max_duration: self.dice.one_in(4).then_some(Seconds(500)),
            max_units_per_deal: self.dice.one_in(4).then_some(3),
            notice: Seconds(self.dice.of(&[0, 40, 300])),
            max_hold: Seconds(self.dice.of(&[0, 60])),
            valid_until: self.dice.one_in(6).then_some(Time(self.world.now + 300)),
            attributes: Vec::new(),
        }
    }

    pub(super) fn post_offer(&mut self) -> Made {
        let (peer, provider) = self.peer_that(|peer| peer.offer.is_none());
        let row = self.world.read(|cx| peer::get(cx.store, peer));
        let place = row.map_or(DatacenterId(1), |peer| peer.datacenter);
        let call = offer::Call::Post {
            datacenter: if self.odd(4) {
                self.any_datacenter()
            } else {
                place
            },
            curve: self.curve(),
            peers: vec![peer],
            terms: self.terms(),
        };
        (self.owner(provider), Call::Offer(call))
    }

    pub(super) fn set_price(&mut self) -> Made {
        self.of_offer(
            |_| true,
            |run, offer, _| {
                let curve = run.curve();
                offer::Call::SetPrice { offer, curve }
            },
        )
    }

    pub(super) fn set_terms(&mut self) -> Made {
        self.of_offer(
            |_| true,
            |run, offer, _| {
                let terms = run.terms();
                offer::Call::SetTerms { offer, terms }
            },
        )
    }

    pub(super) fn add_peer_to_offer(&mut self) -> Made {
        self.of_offer(
            |_| true,
            |run, offer, row| {
                let place = row.map(|offer| offer.datacenter);
                let fits = |peer: &peer::Peer| {
                    peer.offer.is_none() && place.is_some_and(|place| place == peer.datacenter)
                };
                let (peer, _) = run.peer_that(fits);
                offer::Call::AddPeer { offer, peer }
            },
        )
    }

    pub(super) fn remove_peer_from_offer(&mut self) -> Made {
        self.of_offer(
            |offer| offer.peers > 0,
            |run, offer, _| {
                let (peer, _) = run.peer_that(|peer| peer.offer == Some(offer));
                offer::Call::RemovePeer { offer, peer }
            },
        )
    }

    pub(super) fn close_offer(&mut self) -> Made {
        self.of_offer(
            |offer| offer.peers == 0,
            |_, offer, _| offer::Call::Close { offer },
        )
    }
}
