//! The `market_*` namespace: what the command line, peers and pages show of the marketplace, as of the newest block.
//!
//! Lists go by id: `after` is the last id seen, `limit` at most a page. A list that filters looks at a bounded
//! number of objects.

use super::{Source, error};
use abi::view::{
    audit::Audit,
    commitment::{Commitment, Pledge, Proving},
    datacenter::Datacenter,
    deal::{Deal, Member},
    explain::{Explanation, Question},
    offer::Offer,
    params::Parameters,
    peer::Peer,
    pool::Pool,
    provider::{Provider, Record, RecordOf},
    time::Time,
    unit::{self, Unit},
    window::{Keys, Window},
    worker::{Stage, Worker},
};
use alloy_primitives::{Address, B256};
use execution::{
    chain,
    state::{Reader, read},
};
use jsonrpsee::{core::RpcResult, proc_macros::rpc};
use marketplace::{
    Cx, Error, Refusal, audit, commitment, datacenter, deal, governance,
    limits::MAX_PAGE,
    offer, params, peer, pool, provider, record,
    units::{
        self, AuditId, CommitmentId, DatacenterId, DealId, OfferId, PeerId, ProviderId, WorkerId,
    },
    window, worker,
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

    /// The public record of a provider, removed or not.
    #[method(name = "record", blocking)]
    fn record(&self, id: u64) -> RpcResult<Record>;

    /// Records of all providers that ever had a worker, by provider.
    #[method(name = "records", blocking)]
    fn records(&self, after: Option<u64>, limit: u16) -> RpcResult<Vec<RecordOf>>;

    #[method(name = "providers", blocking)]
    fn providers(&self, after: Option<u64>, limit: u16) -> RpcResult<Vec<Provider>>;

    /// Providers of one owner.
    #[method(name = "providersOf", blocking)]
    fn providers_of(&self, owner: Address) -> RpcResult<Vec<Provider>>;

    #[method(name = "datacenter", blocking)]
    fn datacenter(&self, id: u64) -> RpcResult<Option<Datacenter>>;

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

    /// A capacity commitment with its delegators, its rewards and what its units proved.
    #[method(name = "commitment", blocking)]
    fn commitment(&self, id: u64) -> RpcResult<Option<Commitment>>;

    /// Commitments of one provider; without one, of all.
    #[method(name = "commitments", blocking)]
    fn commitments(
        &self,
        provider: Option<u64>,
        after: Option<u64>,
        limit: u16,
    ) -> RpcResult<Vec<Commitment>>;

    /// Commitments that an account deposited for.
    #[method(name = "commitmentsOf", blocking)]
    fn commitments_of(
        &self,
        delegator: Address,
        after: Option<u64>,
        limit: u16,
    ) -> RpcResult<Vec<Commitment>>;

    /// Where a peer stands with its commitments; null: it never made one.
    #[method(name = "pledge", blocking)]
    fn pledge(&self, peer: B256) -> RpcResult<Option<Pledge>>;

    /// The units of a peer, by index.
    #[method(name = "units", blocking)]
    fn units(&self, peer: B256) -> RpcResult<Option<Vec<Unit>>>;

    /// A window by its number, or the newest; null: it has not begun, or counted long ago.
    #[method(name = "window", blocking)]
    fn window(&self, window: Option<u64>) -> RpcResult<Option<Window>>;

    /// What a peer is to do in a window, or in the newest; null: nothing.
    #[method(name = "proving", blocking)]
    fn proving(&self, peer: B256, window: Option<u64>) -> RpcResult<Option<Proving>>;

    /// An audit that is not over.
    #[method(name = "audit", blocking)]
    fn audit(&self, id: u64) -> RpcResult<Option<Audit>>;

    /// Audits of a peer that are not over.
    #[method(name = "audits", blocking)]
    fn audits(&self, peer: B256) -> RpcResult<Vec<Audit>>;

    /// The pool of rewards, its fund, and the price of FLT.
    #[method(name = "pool", blocking)]
    fn pool(&self) -> RpcResult<Pool>;

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

    /// The same for what is shown with times on the wall: of one view, or they could be of different blocks.
    fn read_now<T>(
        &self,
        query: impl FnOnce(&mut Reading<'_, '_>, &Time) -> Result<T, Error>,
    ) -> RpcResult<T> {
        let rows = self.node.chain.rows();
        let head = chain::head(&rows).map_err(error::fault)?;
        let found = read(&rows, |cx: &mut Reading<'_, '_>| {
            let epoch_seconds = cx.params.epoch_seconds;
            let now = Time::new(head.height, cx.now().0, head.time_ms, epoch_seconds);
            query(cx, &now)
        });
        found.map_err(|refused| error::refused(refused.to_string()))
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

fn commitment_view(cx: &mut Reading<'_, '_>, id: CommitmentId) -> Result<Commitment, Error> {
    Ok((id, commitment::view(cx, id)?).into())
}

fn commitment_views<V>(
    cx: &mut Reading<'_, '_>,
    found: Vec<(CommitmentId, V)>,
) -> Result<Vec<Commitment>, Error> {
    let ids = found.into_iter().map(|(id, _)| id);
    ids.map(|id| commitment_view(cx, id)).collect()
}

/// A window by its number, or the newest.
fn window_view(
    cx: &mut Reading<'_, '_>,
    now: &Time,
    window: Option<u64>,
) -> Result<Option<Window>, Error> {
    let found = match window {
        Some(number) => window::WINDOWS
            .get(cx.store, &number)?
            .map(|row| (number, row)),
        None => window::newest(cx.store)?,
    };
    let Some((number, row)) = found else {
        return Ok(None);
    };
    let period = cx.params.key_period(number);
    let keys = Keys {
        this: window::key(cx.store, period)?,
        next: window::key(cx.store, period.saturating_add(1))?,
    };
    Ok(Some(Window::new(now, &cx.params, (number, row), keys)))
}

impl MarketServer for Source {
    fn time(&self) -> RpcResult<Time> {
        self.read_now(|_, now| Ok(*now))
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

    fn record(&self, id: u64) -> RpcResult<Record> {
        Ok(self
            .read(|cx| record::get(cx.store, ProviderId(id)))?
            .into())
    }

    fn records(&self, after: Option<u64>, limit: u16) -> RpcResult<Vec<RecordOf>> {
        let rows = self.read(|cx| record::list(cx.store, after.map(ProviderId), limit.into()))?;
        Ok(rows.into_iter().map(Into::into).collect())
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

    fn datacenter(&self, id: u64) -> RpcResult<Option<Datacenter>> {
        let id = DatacenterId(id);
        let found = self.read(|cx| datacenter::get(cx.store, id))?;
        Ok(found.map(|datacenter| (id, datacenter).into()))
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

    fn commitment(&self, id: u64) -> RpcResult<Option<Commitment>> {
        self.read(|cx| known(commitment_view(cx, CommitmentId(id))))
    }

    fn commitments(
        &self,
        provider: Option<u64>,
        after: Option<u64>,
        limit: u16,
    ) -> RpcResult<Vec<Commitment>> {
        self.read(|cx| {
            let page = |after| commitment::list(cx.store, after, MAX_PAGE);
            let of = |row: &commitment::Commitment| provider.is_none_or(|id| row.provider.0 == id);
            let found = filtered(after.map(CommitmentId), limit, page, of)?;
            commitment_views(cx, found)
        })
    }

    fn commitments_of(
        &self,
        delegator: Address,
        after: Option<u64>,
        limit: u16,
    ) -> RpcResult<Vec<Commitment>> {
        let account = units::Address(delegator.into_array());
        self.read(|cx| {
            let page = |after| {
                let rows = commitment::list(cx.store, after, MAX_PAGE)?;
                let mine = |(id, _)| {
                    let row = commitment::DELEGATIONS.get(cx.store, &(id, account))?;
                    Ok((id, row))
                };
                rows.into_iter().map(mine).collect()
            };
            let found = filtered(after.map(CommitmentId), limit, page, Option::is_some)?;
            commitment_views(cx, found)
        })
    }

    fn pledge(&self, peer: B256) -> RpcResult<Option<Pledge>> {
        let pledge = self.read(|cx| commitment::PLEDGES.get(cx.store, &PeerId(peer.0)))?;
        Ok(pledge.map(Into::into))
    }

    fn units(&self, peer: B256) -> RpcResult<Option<Vec<Unit>>> {
        let id = PeerId(peer.0);
        self.read(|cx| {
            if peer::get(cx.store, id)?.is_none() {
                return Ok(None);
            }
            let pledge = commitment::PLEDGES.get(cx.store, &id)?;
            let units = peer::units(cx.store, id)?;
            let window = cx.params.window_at(cx.now());
            Ok(Some(unit::all(&units, pledge.as_ref(), window)))
        })
    }

    fn window(&self, window: Option<u64>) -> RpcResult<Option<Window>> {
        self.read_now(|cx, now| window_view(cx, now, window))
    }

    fn proving(&self, peer: B256, window: Option<u64>) -> RpcResult<Option<Proving>> {
        let peer = PeerId(peer.0);
        self.read_now(|cx, now| {
            let Some(window) = window_view(cx, now, window)? else {
                return Ok(None);
            };
            let proving = commitment::proving(cx, peer, window.window)?;
            Ok(proving.map(|proving| Proving::new(&cx.params, peer, window, proving)))
        })
    }

    fn audit(&self, id: u64) -> RpcResult<Option<Audit>> {
        let id = AuditId(id);
        self.read_now(|cx, now| {
            let audit = audit::get(cx.store, id)?;
            Ok(audit.map(|audit| Audit::new(now, id, &audit)))
        })
    }

    fn audits(&self, peer: B256) -> RpcResult<Vec<Audit>> {
        self.read_now(|cx, now| {
            let audits = audit::of_peer(cx.store, PeerId(peer.0), MAX_PAGE)?;
            let audits = audits.iter();
            Ok(audits
                .map(|(id, audit)| Audit::new(now, *id, audit))
                .collect())
        })
    }

    fn pool(&self) -> RpcResult<Pool> {
        self.read(|cx| Ok(pool::view(cx)?.into()))
    }

    fn explain(&self, question: Question) -> RpcResult<Explanation> {
        super::explain::answer(&self.node.chain, question)
    }
}
