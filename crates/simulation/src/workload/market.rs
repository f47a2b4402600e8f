//! Two providers and a developer on the marketplace: what one of them does next, given what a node has executed.
//!
//! Workers are a model: a peer reports what the chain assigned to it as running, now and then as stopped.

use super::{Account, CHAIN_ID};
use ed25519_dalek::{Signer as _, SigningKey};
use execution::{
    Rows,
    state::{Reader, read},
};
use marketplace::{
    Call, Cx, Error, datacenter, deal, demand, offer, peer, provider,
    units::{Address, DatacenterId, DealId, Hash, PeerId, Price, ProviderId, Usdc},
    worker,
};
use rand_core::Rng;

/// Deals that the developer keeps going.
const LIVE_DEALS: usize = 3;
const UNITS: u16 = 4;
const ARTIFACT: Hash = Hash([7; 32]);

/// A provider with one peer.
#[derive(Clone, Debug)]
struct Supplier {
    country: [u8; 2],
    owner: Account,
    operator: Account,
    key: SigningKey,
}

/// Everybody on the marketplace.
#[derive(Clone, Debug)]
pub(super) struct Market {
    suppliers: [Supplier; 2],
    developer: Account,
}

type Reading<'a, 'b> = Cx<'a, Reader<'b>>;

/// Who calls, and what.
pub(super) type Step = (Account, Call);

impl Market {
    /// Five accounts take part.
    pub(super) fn new(accounts: [Account; 5]) -> Self {
        let [a, a_operator, b, b_operator, developer] = accounts;
        let supplier = |country, owner, operator, seed| Supplier {
            country,
            owner,
            operator,
            key: SigningKey::from_bytes(&[seed; 32]),
        };
        Self {
            suppliers: [
                supplier(*b"CH", a, a_operator, 1),
                supplier(*b"PT", b, b_operator, 2),
            ],
            developer,
        }
    }

    /// What a random one of them does next.
    pub(super) fn next(&self, rng: &mut impl Rng, rows: &Rows) -> Option<Step> {
        let step = read(rows, |cx| match rng.next_u32() % 3 {
            0 => self.develop(rng, cx),
            _ => {
                let supplier = &self.suppliers[rng.next_u32() as usize % 2];
                supplier.supply(rng, cx).map(Some)
            }
        });
        step.expect("queries of executed rows succeed")
    }

    fn develop(&self, rng: &mut impl Rng, cx: &mut Reading<'_, '_>) -> Result<Option<Step>, Error> {
        let deals = deal::list(cx.store, None, 256)?;
        let live: Vec<_> = deals
            .into_iter()
            .filter(|(_, deal)| !matches!(deal.status, deal::Status::Ended { .. }))
            .collect();
        if live.len() < LIVE_DEALS {
            let (terms, escrow) = (terms(rng), Usdc(20_000_000));
            let post = demand::Call::Post { terms, escrow };
            return Ok(Some((self.developer, Call::Demand(post))));
        }
        let (deal, _) = live[rng.next_u32() as usize % live.len()];
        let amount = Usdc(u128::from(rng.next_u32() % 2_000_000));
        let call = match rng.next_u32() % 16 {
            0 => deal::Call::Stop { deal },
            1 => return self.evict(cx, deal),
            2 | 3 => deal::Call::WithdrawSurplus { deal, amount },
            _ => deal::Call::TopUp { deal, amount },
        };
        Ok(Some((self.developer, Call::Deal(call))))
    }

    fn evict(&self, cx: &mut Reading<'_, '_>, deal: DealId) -> Result<Option<Step>, Error> {
        let workers = deal::workers(cx.store, deal)?;
        Ok(workers.first().map(|(worker, _)| {
            let call = deal::Call::Evict { worker: *worker };
            (self.developer, Call::Deal(call))
        }))
    }
}

impl Supplier {
    fn peer(&self) -> PeerId {
        PeerId(self.key.verifying_key().to_bytes())
    }

    /// Comes to market step by step; once there, reports and withdraws.
    fn supply(&self, rng: &mut impl Rng, cx: &mut Reading<'_, '_>) -> Result<Step, Error> {
        let owner = Address(self.owner.address.0.0);
        let providers = provider::list(cx.store, None, 256)?;
        let Some((provider, _)) = providers
            .into_iter()
            .find(|(_, provider)| provider.owner == owner)
        else {
            return Ok((self.owner, Call::Provider(self.register())));
        };
        let datacenters = datacenter::list(cx.store, None, 256)?;
        let ours = datacenters
            .into_iter()
            .find(|(_, datacenter)| datacenter.provider == provider);
        let Some((datacenter, _)) = ours else {
            return Ok((self.owner, Call::Datacenter(self.build(provider))));
        };
        let Some(peer) = peer::get(cx.store, self.peer())? else {
            return Ok((self.owner, Call::Peer(self.connect(provider, datacenter))));
        };
        if peer.offer.is_none() {
            return Ok((self.owner, Call::Offer(self.post(datacenter))));
        }
        if rng.next_u32().is_multiple_of(8) {
            let withdraw = provider::Call::Withdraw {
                provider,
                workers: 256,
            };
            return Ok((self.owner, Call::Provider(withdraw)));
        }
        Ok((self.operator, Call::Worker(self.report(rng, cx)?)))
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
            units: UNITS,
        })
    }

    fn post(&self, datacenter: DatacenterId) -> offer::Call {
        offer::Call::Post {
            datacenter,
            curve: offer::Curve::flat(Price(1_000_000)),
            terms: offer::Terms::any(),
            peers: vec![self.peer()],
        }
    }

    fn report(&self, rng: &mut impl Rng, cx: &mut Reading<'_, '_>) -> Result<worker::Call, Error> {
        let peer = self.peer();
        let workers = worker::of_peer(cx.store, peer)?;
        let assigned = workers
            .iter()
            .find(|(_, worker)| matches!(worker.stage, worker::Stage::Assigned { .. }));
        if let Some((worker, _)) = assigned {
            let (worker, artifact) = (*worker, ARTIFACT);
            return Ok(worker::Call::Running { worker, artifact });
        }
        let fails = rng.next_u32().is_multiple_of(32);
        let stopped = workers.iter().take(usize::from(fails)).map(|(id, _)| *id);
        Ok(worker::Call::Report {
            peer,
            stopped: stopped.collect(),
        })
    }
}

fn terms(rng: &mut impl Rng) -> demand::Terms {
    let target_workers = 1 + (rng.next_u32() % 2) as u16;
    demand::Terms {
        target_workers,
        ..demand::Terms::one_worker(demand::Artifact::new(ARTIFACT, 1_000), Price(2_000_000))
    }
}
