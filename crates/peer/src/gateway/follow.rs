//! Keeps the routes as the chain says.

use super::{
    Routes, Served,
    hold::{Held, Wants},
};
use crate::{
    daemon::{artifacts, members},
    observer::{Member, Subnet},
    overlay::{Address, Route},
};
use client::{
    Client,
    view::deal::{Deal, Status},
};
use marketplace::units::{Address as Account, DealId};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::watch, time::sleep};

/// How often the node is asked for a new block.
const POLL: Duration = Duration::from_millis(250);
/// The pause after a failed attempt to reach the node.
const PAUSE: Duration = Duration::from_secs(1);
/// Deals of one page.
const PAGE: u16 = 100;
/// The peers of a deal that has not changed are asked for again after so long: one of them may have moved.
const MOVES: Duration = Duration::from_secs(5);

/// Which deals are followed.
pub(super) enum Followed {
    /// All. Those whose monitor is this account are ours.
    All(Option<Account>),
    /// These.
    Only(watch::Receiver<BTreeSet<DealId>>),
}

/// Follows for as long as the gateway lives. A node that does not answer leaves the routes as they are.
///
/// What `wants` says of those that are followed is held here.
pub(super) async fn run(
    client: Client,
    followed: Followed,
    wants: Option<Wants>,
    routes: watch::Sender<Arc<Routes>>,
) {
    let mut follower = Follower {
        followed,
        wants,
        seen: None,
        known: BTreeMap::new(),
    };
    loop {
        match follower.next(&client).await {
            Ok(Some(next)) => {
                routes.send_if_modified(|known| {
                    let is_new = **known != next;
                    *known = Arc::new(next);
                    is_new
                });
                sleep(POLL).await;
            }
            Ok(None) => sleep(POLL).await,
            Err(error) => {
                tracing::warn!(%error, "the chain is not seen");
                sleep(PAUSE).await;
            }
        }
    }
}

struct Follower {
    followed: Followed,
    wants: Option<Wants>,
    /// The last block, and which deals were looked at there.
    seen: Option<(u64, Option<BTreeSet<DealId>>)>,
    known: BTreeMap<DealId, Known>,
}

/// A deal as it was, and its peers at that time.
struct Known {
    deal: Deal,
    members: Vec<Member>,
    read: Instant,
}

impl Follower {
    /// The routes of all deals that are served, if there is a new block.
    async fn next(&mut self, client: &Client) -> Result<Option<Routes>, client::Error> {
        let wanted = self.wanted();
        if wanted.as_ref().is_some_and(BTreeSet::is_empty) {
            // Nobody is asked for nothing.
            self.seen = None;
            return Ok(Some(Routes::default()));
        }
        let height = client.height().await?;
        let is_seen = |(last, those): &(u64, _)| height <= *last && *those == wanted;
        if self.seen.as_ref().is_some_and(is_seen) {
            return Ok(None);
        }
        let mut routes = Routes {
            chain: client.chain_id().await?,
            deals: BTreeMap::new(),
            held: BTreeMap::new(),
        };
        let deals = match &wanted {
            None => all(client).await?,
            Some(wanted) => only(client, wanted).await?,
        };
        for deal in deals {
            let id = DealId(deal.id);
            if let Some(held) = self.held(client, &deal).await? {
                routes.held.insert(id, held);
            }
            if is_served(&deal) {
                let served = self.served(client, deal).await?;
                routes.deals.insert(id, served);
            }
        }
        let Routes { deals, held, .. } = &routes;
        let is_known = |deal: &DealId| deals.contains_key(deal) || held.contains_key(deal);
        self.known.retain(|deal, _| is_known(deal));
        self.seen = Some((height, wanted));
        Ok(Some(routes))
    }

    /// The deals that are followed; None: all.
    fn wanted(&self) -> Option<BTreeSet<DealId>> {
        match &self.followed {
            Followed::All(_) => None,
            Followed::Only(wanted) => Some(wanted.borrow().clone()),
        }
    }

    /// Whether a deal's owner lets us end its workers.
    fn is_ours(&self, deal: &Deal) -> bool {
        let monitor = deal.terms.monitor.map(|monitor| Account(monitor.0.0));
        match self.followed {
            Followed::All(account) => monitor.is_some() && monitor == account,
            Followed::Only(_) => false,
        }
    }

    async fn served(&mut self, client: &Client, deal: Deal) -> Result<Served, client::Error> {
        let id = DealId(deal.id);
        let owner = Account(deal.owner.0.0);
        let is_ours = self.is_ours(&deal);
        let members = self.members(client, deal).await?;
        let (running, placed): (Vec<_>, Vec<_>) =
            members.into_iter().partition(|member| member.is_running);
        let route = |member| route(id, member);
        Ok(Served {
            owner,
            is_ours,
            workers: running.into_iter().map(route).collect(),
            placed: placed.into_iter().filter(|_| is_ours).map(route).collect(),
        })
    }

    /// What is held for its peers, if anything is.
    async fn held(&mut self, client: &Client, deal: &Deal) -> Result<Option<Held>, client::Error> {
        let lives = is_served(deal) || [Status::Matching, Status::Paused].contains(&deal.status);
        let Some(wants) = self.wants.as_ref().filter(|_| lives) else {
            return Ok(None);
        };
        let artifacts = wants.of(deal.owner, artifacts(deal).collect());
        if artifacts.is_empty() {
            return Ok(None);
        }
        let sources = artifacts.iter().flat_map(|artifact| &artifact.sources);
        let subnet = Subnet {
            deal: DealId(deal.id),
            // There are no workers here whose logs the owner might read.
            owner: Account::default(),
            artifacts: artifacts.iter().map(|artifact| artifact.hash).collect(),
            sources: sources.map(|source| source.key).collect(),
            members: self.members(client, deal.clone()).await?,
        };
        Ok(Some(Held { subnet, artifacts }))
    }

    /// Its peers.
    async fn members(&mut self, client: &Client, deal: Deal) -> Result<Vec<Member>, client::Error> {
        let id = DealId(deal.id);
        let known = self.known.get(&id);
        if let Some(known) = known.filter(|k| k.deal == deal && k.read.elapsed() < MOVES) {
            return Ok(known.members.clone());
        }
        let members = members(client, id).await?;
        let known = Known {
            deal,
            members: members.clone(),
            read: Instant::now(),
        };
        self.known.insert(id, known);
        Ok(members)
    }
}

/// All deals.
async fn all(client: &Client) -> Result<Vec<Deal>, client::Error> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = client.deals(after, PAGE).await?;
        let Some(end) = page.last().map(|deal| DealId(deal.id)) else {
            return Ok(all);
        };
        all.extend(page);
        after = Some(end);
    }
}

/// Those of these deals that there are.
async fn only(client: &Client, wanted: &BTreeSet<DealId>) -> Result<Vec<Deal>, client::Error> {
    let mut there = Vec::new();
    for wanted in wanted {
        // The one after the one before it: a deal that is not there is no error.
        let before = wanted.0.checked_sub(1).map(DealId);
        let next = client.deals(before, 1).await?.into_iter();
        there.extend(next.filter(|deal| deal.id == wanted.0));
    }
    Ok(there)
}

fn is_served(deal: &Deal) -> bool {
    [Status::Starting, Status::Active, Status::Degraded].contains(&deal.status)
}

fn route(deal: DealId, member: Member) -> Route {
    Route {
        deal,
        worker: member.worker,
        address: Address {
            peer: member.peer,
            endpoints: member.endpoints,
        },
    }
}
