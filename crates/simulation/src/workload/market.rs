//! Two providers and a developer on the marketplace: what one of them does next, given what a node has executed.
//!
//! Workers are a model: a peer reports what the chain assigned to it as running, now and then as stopped.

use super::{Account, supplier::Supplier};
use execution::{
    Rows,
    state::{Reader, read},
};
use marketplace::{
    Call, Cx, Error, deal, demand, offer, peer, provider,
    units::{DatacenterId, DealId, Hash, PeerId, Price, Usdc},
    worker,
};
use rand_core::Rng;

/// Deals that the developer keeps going.
const LIVE_DEALS: usize = 3;
const UNITS: u16 = 4;
const ARTIFACT: Hash = Hash([7; 32]);

/// Everybody on the marketplace.
#[derive(Clone, Debug)]
pub(super) struct Market {
    suppliers: [Supplier; 2],
    developer: Account,
}

pub(super) type Reading<'a, 'b> = Cx<'a, Reader<'b>>;

/// Who calls, and what.
pub(crate) type Step = (Account, Call);

impl Market {
    /// Five accounts take part.
    pub(super) fn new(accounts: [Account; 5]) -> Self {
        let [a, a_operator, b, b_operator, developer] = accounts;
        Self {
            suppliers: [
                Supplier::new(*b"CH", a, a_operator, 1, UNITS),
                Supplier::new(*b"PT", b, b_operator, 2, UNITS),
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
                supply(supplier, rng, cx).map(Some)
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

/// Comes to market step by step; once there, reports and withdraws.
fn supply(
    supplier: &Supplier,
    rng: &mut impl Rng,
    cx: &mut Reading<'_, '_>,
) -> Result<Step, Error> {
    let place = match supplier.comes(cx)? {
        Ok(place) => place,
        Err(step) => return Ok(step),
    };
    let peer = peer::get(cx.store, supplier.peer())?;
    if peer.is_none_or(|peer| peer.offer.is_none()) {
        let post = post(supplier, place.datacenter);
        return Ok((supplier.owner, Call::Offer(post)));
    }
    if rng.next_u32().is_multiple_of(8) {
        let withdraw = provider::Call::Withdraw {
            provider: place.provider,
            workers: 256,
        };
        return Ok((supplier.owner, Call::Provider(withdraw)));
    }
    let report = report(supplier.peer(), rng, cx)?;
    Ok((supplier.operator, Call::Worker(report)))
}

fn post(supplier: &Supplier, datacenter: DatacenterId) -> offer::Call {
    offer::Call::Post {
        datacenter,
        curve: offer::Curve::flat(Price(1_000_000)),
        terms: offer::Terms::any(),
        peers: vec![supplier.peer()],
    }
}

fn report(
    peer: PeerId,
    rng: &mut impl Rng,
    cx: &mut Reading<'_, '_>,
) -> Result<worker::Call, Error> {
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

fn terms(rng: &mut impl Rng) -> demand::Terms {
    let target_workers = 1 + (rng.next_u32() % 2) as u16;
    demand::Terms {
        target_workers,
        ..demand::Terms::one_worker(demand::Artifact::new(ARTIFACT, 1_000), Price(2_000_000))
    }
}
