//! A provider with one peer, that comes to the marketplace step by step.

use super::{
    Account, CHAIN_ID, EPOCHS,
    market::{Reading, Step},
};
use ed25519_dalek::{Signer as _, SigningKey};
use marketplace::{
    Call, Error, commitment, datacenter, peer, provider,
    units::{Address, DatacenterId, Hash, PeerId, Price, ProviderId},
};

/// A provider with one peer.
#[derive(Clone, Debug)]
pub(crate) struct Supplier {
    country: [u8; 2],
    pub(super) owner: Account,
    pub(super) operator: Account,
    key: SigningKey,
    units: u16,
}

/// Where its peer stands.
pub(super) struct Place {
    pub(super) provider: ProviderId,
    pub(super) datacenter: DatacenterId,
}

impl Supplier {
    pub(super) fn new(
        country: [u8; 2],
        owner: Account,
        operator: Account,
        seed: u8,
        units: u16,
    ) -> Self {
        Self {
            country,
            owner,
            operator,
            key: SigningKey::from_bytes(&[seed; 32]),
            units,
        }
    }

    pub(crate) fn peer(&self) -> PeerId {
        PeerId(self.key.verifying_key().to_bytes())
    }

    /// Where its peer is registered, or what is to be done before.
    pub(super) fn comes(&self, cx: &mut Reading<'_, '_>) -> Result<Result<Place, Step>, Error> {
        let owner = Address(self.owner.address.0.0);
        let providers = provider::list(cx.store, None, 256)?;
        let Some((provider, _)) = providers
            .into_iter()
            .find(|(_, provider)| provider.owner == owner)
        else {
            return Ok(Err((self.owner, Call::Provider(self.register()))));
        };
        let datacenters = datacenter::list(cx.store, None, 256)?;
        let ours = datacenters
            .into_iter()
            .find(|(_, datacenter)| datacenter.provider == provider);
        let Some((datacenter, _)) = ours else {
            return Ok(Err((self.owner, Call::Datacenter(self.build(provider)))));
        };
        if peer::get(cx.store, self.peer())?.is_none() {
            let connect = self.connect(provider, datacenter);
            return Ok(Err((self.owner, Call::Peer(connect))));
        }
        Ok(Ok(Place {
            provider,
            datacenter,
        }))
    }

    /// What it promises when it commits its units.
    pub(super) fn commitment(&self) -> commitment::New {
        commitment::New {
            peer: self.peer(),
            duration: EPOCHS,
            class: 1,
            share_ppm: 0,
            min_ask: Price::ZERO,
            delegator: None,
            payout: Address(self.owner.address.0.0),
        }
    }

    fn register(&self) -> provider::Call {
        provider::Call::Register {
            name: format!("provider {}", self.owner.address),
            metadata: Hash::default(),
            attributes: Vec::new(),
        }
    }

    fn build(&self, provider: ProviderId) -> datacenter::Call {
        datacenter::Call::Register(datacenter::Datacenter {
            provider,
            country: datacenter::Country(self.country),
            city: "XXX".into(),
            name: "first".into(),
            certifications: Vec::new(),
            attributes: Vec::new(),
        })
    }

    fn connect(&self, provider: ProviderId, datacenter: DatacenterId) -> peer::Call {
        let message = peer::registration_message(CHAIN_ID, provider, self.peer());
        peer::Call::Register(peer::Registration {
            datacenter,
            peer: self.peer(),
            signature: self.key.sign(&message).to_bytes(),
            operator: Address(self.operator.address.0.0),
            endpoints: vec!["127.0.0.1:1".into()],
            oldest_version: 1,
            newest_version: 1,
            attributes: Vec::new(),
            units: self.units,
        })
    }
}
