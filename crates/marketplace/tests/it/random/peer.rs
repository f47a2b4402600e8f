//! Peers and their units.

use super::{Made, Run};
use crate::world::{address, registration};
use marketplace::attribute::{Attribute, Value};
use marketplace::units::{PeerId, ProviderId};
use marketplace::{Call, datacenter, peer};

impl Run {
    fn peer(&self, id: PeerId) -> Option<peer::Peer> {
        self.world.read(|cx| peer::get(cx.store, id))
    }

    pub(super) fn units(&self, id: PeerId) -> u16 {
        self.world.read(|cx| peer::units(cx.store, id)).registered()
    }

    /// A peer of which `fits` holds, most of the time.
    pub(super) fn peer_that(&mut self, fits: impl Fn(&peer::Peer) -> bool) -> (PeerId, ProviderId) {
        self.find(Self::any_peer, |run, (id, _)| {
            run.peer(*id).is_some_and(|peer| fits(&peer))
        })
    }

    fn bandwidth(&mut self) -> Vec<Attribute> {
        vec![Attribute {
            key: "net.mbps".to_owned(),
            value: Value::Integer(self.dice.of(&[100, 1_000])),
        }]
    }

    pub(super) fn register_peer(&mut self) -> Made {
        let datacenter = self.any_datacenter();
        let row = self.world.read(|cx| datacenter::get(cx.store, datacenter));
        let provider = row.map_or(ProviderId(1), |row| row.provider);
        let name = match self.odd(5) {
            true => "peer0".to_owned(),
            false => format!("peer{}", self.peers.len()),
        };
        let units = self.small(6);
        let mut new = registration(&name, provider, datacenter, units);
        new.attributes = self.bandwidth();
        if self.odd(4) {
            new.signature[3] ^= 1;
        }
        self.peers.push((name, provider));
        (self.owner(provider), Call::Peer(peer::Call::Register(new)))
    }

    pub(super) fn set_endpoints(&mut self) -> Made {
        let (peer, _) = self.any_peer();
        let endpoint = if self.odd(2) { "nowhere" } else { "host:1" };
        let endpoints = vec![endpoint.to_owned(); self.dice.below(3)];
        let operator = self.peer(peer).map(|peer| peer.operator);
        let caller = operator.unwrap_or(address("nobody"));
        (
            caller,
            Call::Peer(peer::Call::SetEndpoints { peer, endpoints }),
        )
    }

    pub(super) fn set_operator(&mut self) -> Made {
        let (peer, provider) = self.any_peer();
        let operator = self.anybody();
        let call = peer::Call::SetOperator { peer, operator };
        (self.owner(provider), Call::Peer(call))
    }

    pub(super) fn set_attributes(&mut self) -> Made {
        let (peer, provider) = self.any_peer();
        let mut attributes = match self.dice.one_in(3) {
            true => Vec::new(),
            false => self.bandwidth(),
        };
        if self.odd(3) {
            attributes = [self.bandwidth(), self.bandwidth()].concat();
        }
        let call = peer::Call::SetAttributes { peer, attributes };
        (self.owner(provider), Call::Peer(call))
    }

    pub(super) fn add_units(&mut self) -> Made {
        let (peer, provider) = self.any_peer();
        let count = self.small(3);
        let call = peer::Call::AddUnits { peer, count };
        (self.owner(provider), Call::Peer(call))
    }

    pub(super) fn remove_units(&mut self) -> Made {
        let (peer, provider) = self.find(Self::any_peer, |run, (id, _)| run.units(*id) > 0);
        let count = match self.dice.one_in(2) {
            true => self.units(peer),
            false => self.small(3),
        };
        let call = peer::Call::RemoveUnits { peer, count };
        (self.owner(provider), Call::Peer(call))
    }

    pub(super) fn remove_peer(&mut self) -> Made {
        let (peer, provider) = self.find(Self::any_peer, |run, (id, _)| {
            let row = run.peer(*id);
            row.is_some_and(|peer| peer.offer.is_none()) && run.units(*id) == 0
        });
        (
            self.owner(provider),
            Call::Peer(peer::Call::Remove { peer }),
        )
    }
}
