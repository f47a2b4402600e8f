//! The `market_*` namespace: what the command line, peers and pages show of the marketplace, as of the newest block.
//!
//! Lists go by id: `after` is the last id seen, `limit` at most a page. A list that filters looks at a bounded
//! number of objects.

use super::{Source, error};
use abi::view::{
    datacenter::Datacenter,
    deal::{Deal, Member},
    explain::{Explanation, Question},
    offer::Offer,
    params::Parameters,
    peer::Peer,
    provider::Provider,
    time::Time,
    worker::{Stage, Worker},
};
use alloy_primitives::{Address, B256};
use execution::{
    chain,
    state::{Reader, read},
};
use jsonrpsee::{core::RpcResult, proc_macros::rpc};
use marketplace::{
    Cx, Error, Refusal, datacenter, deal, governance,
    limits::MAX_PAGE,
    offer, params, peer, provider, time,
    units::{DatacenterId, DealId, OfferId, PeerId, ProviderId, WorkerId},
    worker,
};
use std::collections::BTreeMap;

/// Pages that a list which filters looks through at most.
const MAX_PAGES: usize = 64;

#[rpc(server, namespace = "market")]
pub(super) trait Market {
    /// Protocol time, epoch, and what that is on the wall.
    #[method(name = "time", blocking)]
    fn time(&self) -> RpcResult<Time>;

    /// Every parameter by name.
    #[method(name = "parameters", blocking)]
    fn parameters(&self) -> RpcResult<BTreeMap<String, u64>>;

    /// All parameters with bounds, unit and meaning, and the changes that wait.
    #[method(name = "params", blocking)]
    fn params(&self) -> RpcResult<Parameters>;

    #[method(name = "provider", blocking)]
    fn provider(&self, id: u64) -> RpcResult<Option<Provider>>;

    #[method(name = "providers", blocking)]
    fn providers(&self, after: Option<u64>, limit: u16) -> RpcResult<Vec<Provider>>;

    /// Providers of one owner.
    #[method(name = "providersOf", blocking)]
    fn providers_of(&self, owner: Address) -> RpcResult<Vec<Provider>>;

    #[method(name = "datacenters", blocking)]
    fn datacenters(
        &self,
        provider: u64,
        after: Option<u64>,
        limit: u16,
    ) -> RpcResult<Vec<Datacenter>>;

    #[method(name = "peer", blocking)]
    fn peer(&self, id: B256) -> RpcResult<Option<Peer>>;

    #[method(name = "peers", blocking)]
    fn peers(&self, provider: u64, after: Option<B256>, limit: u16) -> RpcResult<Vec<Peer>>;

    #[method(name = "offer", blocking)]
    fn offer(&self, id: u64) -> RpcResult<Option<Offer>>;

    #[method(name = "offers", blocking)]
    fn offers(&self, provider: u64, after: Option<u64>, limit: u16) -> RpcResult<Vec<Offer>>;

    #[method(name = "deal", blocking)]
    fn deal(&self, id: u64) -> RpcResult<Option<Deal>>;

    #[method(name = "deals", blocking)]
    fn deals(&self, after: Option<u64>, limit: u16) -> RpcResult<Vec<Deal>>;

    /// Deals of one owner.
    #[method(name = "dealsOf", blocking)]
    fn deals_of(&self, owner: Address, after: Option<u64>, limit: u16) -> RpcResult<Vec<Deal>>;

    #[method(name = "worker", blocking)]
    fn worker(&self, id: u64) -> RpcResult<Option<Worker>>;

    /// Workers that a peer should be running.
    #[method(name = "workersOf", blocking)]
    fn workers_of(&self, peer: B256) -> RpcResult<Vec<Worker>>;

    /// Peers that the overlay admits for a deal.
    #[method(name = "subnet", blocking)]
    fn subnet(&self, deal: u64) -> RpcResult<Vec<Member>>;

    /// What clearing would do with a demand now, and what to change if it would do nothing: a demand that is posted,
    /// `{ "deal": 5 }`, or one that is not, `{ "owner": "0x…", "call": "0x…" }` with the calldata of posting it.
    #[method(name = "explain", blocking)]
    fn explain(&self, question: Question) -> RpcResult<Explanation>;
}

type Reading<'a, 'b> = Cx<'a, Reader<'b>>;

impl Source {
    fn read<T>(
        &self,
        query: impl FnOnce(&mut Reading<'_, '_>) -> Result<T, Error>,
    ) -> RpcResult<T> {
        read(&self.node.chain.rows(), query).map_err(|refused| error::refused(refused.to_string()))
    }
}

/// What exists; an unknown object is no error but nothing.
fn known<T>(found: Result<T, Error>) -> Result<Option<T>, Error> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Error::Refused(Refusal::Unknown(_))) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Walks a table page by page until `limit` of its objects pass `matches`, or the look is long enough.
fn filtered<K: Copy, V>(
    mut after: Option<K>,
    limit: u16,
    mut page: impl FnMut(Option<K>) -> Result<Vec<(K, V)>, Error>,
    matches: impl Fn(&V) -> bool,
) -> Result<Vec<(K, V)>, Error> {
    let limit = usize::from(limit).min(MAX_PAGE);
    let mut found = Vec::new();
    for _ in 0..MAX_PAGES {
        let rows = page(after)?;
        let Some((last, _)) = rows.last() else { break };
        after = Some(*last);
        found.extend(rows.into_iter().filter(|(_, value)| matches(value)));
        if found.len() >= limit {
            break;
        }
    }
    found.truncate(limit);
    Ok(found)
}

fn peer_view(cx: &mut Reading<'_, '_>, id: PeerId, peer: peer::Peer) -> Result<Peer, Error> {
    let (units, lease) = (peer::units(cx.store, id)?, peer::lease(cx.store, id)?);
    Ok((id, peer, units, lease).into())
}

fn offer_view(cx: &mut Reading<'_, '_>, id: OfferId, offer: offer::Offer) -> Result<Offer, Error> {
    Ok((id, offer, offer::peers(cx.store, id, None, MAX_PAGE)?).into())
}

fn deal_view(cx: &mut Reading<'_, '_>, id: DealId) -> Result<Deal, Error> {
    Ok((id, deal::view(cx, id)?).into())
}

fn deal_views(
    cx: &mut Reading<'_, '_>,
    after: Option<u64>,
    limit: u16,
    matches: impl Fn(&deal::Deal) -> bool,
) -> Result<Vec<Deal>, Error> {
    let page = |after| deal::list(cx.store, after, MAX_PAGE);
    let found = filtered(after.map(DealId), limit, page, matches)?;
    found.into_iter().map(|(id, _)| deal_view(cx, id)).collect()
}

impl MarketServer for Source {
    fn time(&self) -> RpcResult<Time> {
        // One view for both, or height and time could be of different blocks.
        let rows = self.node.chain.rows();
        let head = chain::head(&rows).map_err(error::fault)?;
        let time = read(&rows, |cx: &mut Reading<'_, '_>| {
            let clock = time::clock(cx.store)?;
            let epoch_seconds = params::get(cx.store)?.epoch_seconds;
            Ok(Time::new(
                head.height,
                clock.now.0,
                head.time_ms,
                epoch_seconds,
            ))
        });
        time.map_err(|refused| error::refused(refused.to_string()))
    }

    fn parameters(&self) -> RpcResult<BTreeMap<String, u64>> {
        let table = self.read(|cx| Ok(params::get(cx.store)?.table()))?;
        let named = table
            .into_iter()
            .map(|parameter| (parameter.name.to_owned(), parameter.value));
        Ok(named.collect())
    }

    fn params(&self) -> RpcResult<Parameters> {
        self.read(|cx| Ok((cx.params.clone(), governance::pending(cx.store)?).into()))
    }

    fn provider(&self, id: u64) -> RpcResult<Option<Provider>> {
        let id = ProviderId(id);
        self.read(|cx| Ok(provider::get(cx.store, id)?.map(|provider| (id, provider).into())))
    }

    fn providers(&self, after: Option<u64>, limit: u16) -> RpcResult<Vec<Provider>> {
        let rows = self.read(|cx| provider::list(cx.store, after.map(ProviderId), limit.into()))?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    fn providers_of(&self, owner: Address) -> RpcResult<Vec<Provider>> {
        let rows = self.read(|cx| {
            let page = |after| provider::list(cx.store, after, MAX_PAGE);
            filtered(None, u16::MAX, page, |provider| {
                provider.owner.0 == owner.0.0
            })
        })?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    fn datacenters(
        &self,
        provider: u64,
        after: Option<u64>,
        limit: u16,
    ) -> RpcResult<Vec<Datacenter>> {
        let rows = self.read(|cx| {
            let page = |after| datacenter::list(cx.store, after, MAX_PAGE);
            let of = |datacenter: &datacenter::Datacenter| datacenter.provider.0 == provider;
            filtered(after.map(DatacenterId), limit, page, of)
        })?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    fn peer(&self, id: B256) -> RpcResult<Option<Peer>> {
        let id = PeerId(id.0);
        self.read(|cx| {
            let peer = peer::get(cx.store, id)?;
            peer.map(|peer| peer_view(cx, id, peer)).transpose()
        })
    }

    fn peers(&self, provider: u64, after: Option<B256>, limit: u16) -> RpcResult<Vec<Peer>> {
        self.read(|cx| {
            let page = |after| peer::list(cx.store, after, MAX_PAGE);
            let of = |peer: &peer::Peer| peer.provider.0 == provider;
            let rows = filtered(after.map(|id| PeerId(id.0)), limit, page, of)?;
            rows.into_iter()
                .map(|(id, peer)| peer_view(cx, id, peer))
                .collect()
        })
    }

    fn offer(&self, id: u64) -> RpcResult<Option<Offer>> {
        let id = OfferId(id);
        self.read(|cx| {
            let offer = offer::get(cx.store, id)?;
            offer.map(|offer| offer_view(cx, id, offer)).transpose()
        })
    }

    fn offers(&self, provider: u64, after: Option<u64>, limit: u16) -> RpcResult<Vec<Offer>> {
        self.read(|cx| {
            let page = |after| offer::list(cx.store, after, MAX_PAGE);
            let of = |offer: &offer::Offer| offer.provider.0 == provider;
            let rows = filtered(after.map(OfferId), limit, page, of)?;
            rows.into_iter()
                .map(|(id, offer)| offer_view(cx, id, offer))
                .collect()
        })
    }

    fn deal(&self, id: u64) -> RpcResult<Option<Deal>> {
        self.read(|cx| known(deal_view(cx, DealId(id))))
    }

    fn deals(&self, after: Option<u64>, limit: u16) -> RpcResult<Vec<Deal>> {
        self.read(|cx| deal_views(cx, after, limit, |_| true))
    }

    fn deals_of(&self, owner: Address, after: Option<u64>, limit: u16) -> RpcResult<Vec<Deal>> {
        self.read(|cx| deal_views(cx, after, limit, |deal| deal.owner.0 == owner.0.0))
    }

    fn worker(&self, id: u64) -> RpcResult<Option<Worker>> {
        self.read(|cx| Ok(deal::worker(cx, WorkerId(id))?.map(Into::into)))
    }

    fn workers_of(&self, peer: B256) -> RpcResult<Vec<Worker>> {
        self.read(|cx| {
            let mut views = Vec::new();
            for (id, _) in worker::of_peer(cx.store, PeerId(peer.0))? {
                let worker = deal::worker(cx, id)?.map(Worker::from);
                views.extend(worker.filter(|worker| worker.stage != Stage::Gone));
            }
            Ok(views)
        })
    }

    fn subnet(&self, deal: u64) -> RpcResult<Vec<Member>> {
        let members = self.read(|cx| deal::subnet(cx.store, DealId(deal)))?;
        Ok(members.into_iter().map(Into::into).collect())
    }

    fn explain(&self, question: Question) -> RpcResult<Explanation> {
        super::explain::answer(&self.node.chain, question)
    }
}
