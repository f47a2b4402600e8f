//! Providers and their datacenters.

use super::{Made, PEOPLE, Run};
use crate::world::address;
use marketplace::datacenter::{self, Country, Datacenter};
use marketplace::units::{Address, Hash, ProviderId};
use marketplace::{Call, provider};

impl Run {
    pub(super) fn owner(&self, id: ProviderId) -> Address {
        let provider = self.world.read(|cx| provider::get(cx.store, id));
        provider.map_or(address("nobody"), |provider| provider.owner)
    }

    pub(super) fn register_provider(&mut self) -> Made {
        let name = if self.odd(2) { "" } else { "some" };
        let call = provider::Call::Register {
            name: name.to_owned(),
            metadata: Hash::default(),
            attributes: Vec::new(),
        };
        (address(self.dice.of(&PEOPLE[..4])), Call::Provider(call))
    }

    pub(super) fn update_provider(&mut self) -> Made {
        let provider = self.any_provider();
        let metadata = Hash([self.dice.of(&[0, 1, 2]); 32]);
        let call = provider::Call::Update { provider, metadata };
        (self.owner(provider), Call::Provider(call))
    }

    pub(super) fn transfer_provider(&mut self) -> Made {
        let provider = self.any_provider();
        let to = (!self.dice.one_in(4)).then(|| self.anybody());
        let call = provider::Call::Transfer { provider, to };
        (self.owner(provider), Call::Provider(call))
    }

    pub(super) fn accept_provider(&mut self) -> Made {
        let heir = |run: &Self, id: ProviderId| {
            let provider = run.world.read(|cx| provider::get(cx.store, id));
            provider.and_then(|provider| provider.heir)
        };
        let provider = self.find(Self::any_provider, |run, id| heir(run, *id).is_some());
        let caller = heir(self, provider).unwrap_or(address("nobody"));
        let call = provider::Call::Accept { provider };
        (caller, Call::Provider(call))
    }

    pub(super) fn admit_provider(&mut self) -> Made {
        let (provider, admitted) = (self.any_provider(), !self.dice.one_in(4));
        let call = provider::Call::Admit { provider, admitted };
        (address("governance"), Call::Provider(call))
    }

    pub(super) fn remove_provider(&mut self) -> Made {
        let provider = self.any_provider();
        let call = provider::Call::Remove { provider };
        (self.owner(provider), Call::Provider(call))
    }

    pub(super) fn remove_datacenter(&mut self) -> Made {
        let datacenter = self.any_datacenter();
        let row = self.world.read(|cx| datacenter::get(cx.store, datacenter));
        let provider = row.map_or(ProviderId(1), |row| row.provider);
        let call = datacenter::Call::Remove { datacenter };
        (self.owner(provider), Call::Datacenter(call))
    }

    pub(super) fn withdraw(&mut self) -> Made {
        let provider = self.any_provider();
        let workers = self.small(5);
        let call = provider::Call::Withdraw { provider, workers };
        (self.owner(provider), Call::Provider(call))
    }

    pub(super) fn register_datacenter(&mut self) -> Made {
        let provider = self.any_provider();
        let country = match self.odd(2) {
            true => *b"de",
            false => self.dice.of(&[*b"DE", *b"US", *b"FR"]),
        };
        let datacenter = Datacenter {
            provider,
            country: Country(country),
            city: "ABC".to_owned(),
            name: "hall".to_owned(),
            certifications: Vec::new(),
            attributes: Vec::new(),
        };
        let call = datacenter::Call::Register(datacenter);
        (self.owner(provider), Call::Datacenter(call))
    }
}
