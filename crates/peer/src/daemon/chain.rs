//! The node, as a peer needs it.

use crate::observer::{Assignment, Member, Subnet, View};
use client::{
    AccountKey, Client, Error, PeerKey,
    view::{
        deal::{Deal, Status},
        worker::Worker,
    },
};
use marketplace::{
    call::Call,
    demand::Artifact,
    limits::MAX_ARTIFACT,
    peer,
    units::{Address, DealId, Hash, PeerId, WorkerId},
    worker,
};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};
use tokio::{sync::mpsc, time::sleep};

/// How often the node is asked for a new block.
const POLL: Duration = Duration::from_millis(250);
/// The pause after a failed attempt to reach the node.
const PAUSE: Duration = Duration::from_secs(1);

/// All that a peer is told by one block.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) view: View,
    pub(super) subnets: BTreeMap<DealId, Subnet>,
}

/// Makes sure that the chain says where the peer listens, and learns how often to report, in
/// milliseconds. Goes on until it is done: the node may not run yet, the peer may not be registered.
pub(super) async fn introduce(client: &Client, key: &PeerKey, endpoints: Vec<String>) -> u64 {
    loop {
        match introduce_once(client, key, &endpoints).await {
            Ok(report_ms) => return report_ms,
            Err(error) => tracing::warn!(%error, "not introduced yet"),
        }
        sleep(PAUSE).await;
    }
}

async fn introduce_once(
    client: &Client,
    key: &PeerKey,
    endpoints: &[String],
) -> Result<u64, Error> {
    let seconds = client.parameter("report_seconds").await?;
    let known = client.peer(key.id()).await?;
    if known.endpoints != endpoints {
        let call = Call::Peer(peer::Call::SetEndpoints {
            peer: key.id(),
            endpoints: endpoints.to_vec(),
        });
        client.send(key.operator(), &call).await?;
    }
    Ok(seconds.saturating_mul(1_000))
}

/// Sends a peer's call; whether it took effect.
pub(super) async fn send(client: &Client, account: &AccountKey, call: worker::Call) -> bool {
    let what = format!("{call:?}");
    match client.send(account, &Call::Worker(call)).await {
        Ok(_) => true,
        Err(error) => {
            tracing::warn!(%error, call = what, "a call did not take effect");
            false
        }
    }
}

/// Follows the chain: what each new block says, for as long as somebody listens. A node that does not
/// answer is asked again.
pub(super) async fn follow(client: Client, peer: PeerId, seen: mpsc::Sender<Seen>) {
    let mut last = None;
    while !seen.is_closed() {
        match next(&client, peer, last).await {
            Ok(Some(next)) => {
                last = Some(next.view.height);
                if seen.send(next).await.is_err() {
                    return;
                }
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

/// What is said by a block above `last`, or a little later.
async fn next(client: &Client, peer: PeerId, last: Option<u64>) -> Result<Option<Seen>, Error> {
    let height = client.height().await?;
    if last.is_some_and(|last| height <= last) {
        return Ok(None);
    }
    let workers = client.workers_of(peer).await?;
    let mut deals = BTreeMap::new();
    let mut subnets = BTreeMap::new();
    for worker in &workers {
        let id = DealId(worker.deal);
        if let Entry::Vacant(place) = deals.entry(id) {
            let deal = client.deal(id).await?;
            subnets.insert(id, subnet(client, &deal).await?);
            place.insert(deal);
        }
    }
    let assigned = |worker| assignment(&worker, &deals);
    let workers = workers.into_iter().filter_map(assigned).collect();
    let view = View { height, workers };
    Ok(Some(Seen { view, subnets }))
}

async fn subnet(client: &Client, deal: &Deal) -> Result<Subnet, Error> {
    let id = DealId(deal.id);
    Ok(Subnet {
        deal: id,
        owner: Address(deal.owner.into_array()),
        artifacts: artifacts(deal).map(|artifact| artifact.hash).collect(),
        members: members(client, id).await?,
        sources: artifacts(deal)
            .flat_map(|artifact| artifact.sources)
            .map(|source| source.key)
            .collect(),
    })
}

/// The peers of a deal.
pub(crate) async fn members(client: &Client, deal: DealId) -> Result<Vec<Member>, Error> {
    let members = client.subnet(deal).await?.into_iter();
    let member = |member: client::view::deal::Member| Member {
        worker: WorkerId(member.worker),
        peer: PeerId(member.peer.0),
        endpoints: member.endpoints,
        is_running: member.running,
    };
    Ok(members.map(member).collect())
}

fn assignment(worker: &Worker, deals: &BTreeMap<DealId, Deal>) -> Option<Assignment> {
    let deal = deals.get(&DealId(worker.deal))?;
    Some(Assignment {
        worker: WorkerId(worker.id),
        deal: DealId(worker.deal),
        artifact: artifact(deal, Hash(worker.due.0)),
        runs: Hash(worker.runs.0),
        units: worker.units.clone(),
        is_running: worker.is_live(),
        is_paused: deal.status == Status::Paused,
    })
}

/// One of a deal's artifacts. Of one that is neither that of now nor that of before, only the hash is known: whoever
/// runs it has its bytes.
fn artifact(deal: &Deal, hash: Hash) -> Artifact {
    let known = artifacts(deal).find(|artifact| artifact.hash == hash);
    known.unwrap_or(Artifact::new(hash, MAX_ARTIFACT))
}

/// What a deal's workers run, and what they ran before.
pub(crate) fn artifacts(deal: &Deal) -> impl Iterator<Item = Artifact> {
    let all = [Some(deal.terms.artifact()), deal.previous.clone()];
    all.into_iter().flatten().map(Artifact::from)
}
