//! `mp provider offer`: one offer for each datacenter.

use super::owned;
use crate::amount::usdc;
use crate::chain::{Chain, all};
use crate::printer::Printer;
use client::marketplace::limits::MAX_PEERS_PER_CALL;
use client::marketplace::offer::{Curve, Terms};
use client::marketplace::units::{DatacenterId, OfferId, PeerId, ProviderId, Time};
use client::marketplace::{Call, offer};
use client::sol::IOffer::OfferPosted;
use client::view::offer::Offer;
use client::{AccountKey, Client};
use serde::Serialize;

/// Ends of an offer that lie no further apart are the same date: when that is in protocol time is an estimate.
const SAME_DATE_SECONDS: u64 = 60;

/// The offer of a datacenter as it stands on the chain now.
#[derive(Serialize)]
pub(crate) struct Offered {
    pub(crate) offer: u64,
    pub(crate) datacenter: u64,
    #[serde(with = "client::view::decimal")]
    pub(crate) price: u128,
    #[serde(with = "client::view::decimal")]
    pub(crate) slope: u128,
    /// Peers that it got now.
    pub(crate) added: usize,
}

pub(super) async fn run(
    chain: &Chain,
    printer: &Printer,
    datacenter: DatacenterId,
    curve: Curve,
) -> anyhow::Result<()> {
    let offered = offer(&chain.client()?, &chain.account()?, datacenter, curve, None).await?;
    let text = format!(
        "offer {}: {}; peers added: {}",
        offered.offer,
        price(offered.price, offered.slope),
        offered.added
    );
    printer.result(&offered, &text);
    Ok(())
}

/// What an offer asks, in words.
pub(super) fn price(floor: u128, slope: u128) -> String {
    match slope {
        0 => format!("{} per CU and epoch", usdc(floor)),
        slope => format!(
            "{} to {} per CU and epoch",
            usdc(floor),
            usdc(floor.saturating_add(slope))
        ),
    }
}

/// Makes the offer of a datacenter what it should be: all its peers, at this price, on these terms. Without terms, a
/// standing offer keeps its own, and a new one takes any deal.
pub(crate) async fn offer(
    client: &Client,
    account: &AccountKey,
    datacenter: DatacenterId,
    curve: Curve,
    terms: Option<Terms>,
) -> anyhow::Result<Offered> {
    let provider = provider(client, account, datacenter).await?;
    let free = free_peers(client, provider, datacenter).await?;
    let offer = match standing(client, provider, datacenter).await? {
        Some(offer) => {
            change(client, account, &offer, curve, terms).await?;
            add(client, account, OfferId(offer.id), &free).await?;
            offer.id
        }
        None => {
            let terms = terms.unwrap_or_else(Terms::any);
            post(client, account, datacenter, curve, terms, &free).await?
        }
    };
    Ok(Offered {
        offer,
        datacenter: datacenter.0,
        price: curve.floor.0,
        slope: curve.slope.0,
        added: free.len(),
    })
}

/// The account's provider that has the datacenter.
async fn provider(
    client: &Client,
    account: &AccountKey,
    datacenter: DatacenterId,
) -> anyhow::Result<ProviderId> {
    for provider in owned(client, account.address()).await? {
        let id = ProviderId(provider.id);
        let page = async |after: Option<u64>, limit| {
            client.datacenters(id, after.map(DatacenterId), limit).await
        };
        let datacenters = all(page, |datacenter| datacenter.id).await?;
        if datacenters.iter().any(|each| each.id == datacenter.0) {
            return Ok(id);
        }
    }
    anyhow::bail!(
        "none of your providers has a datacenter {datacenter}\nhint: `mp provider status` lists them"
    )
}

/// Peers of the datacenter that stand in no offer.
async fn free_peers(
    client: &Client,
    provider: ProviderId,
    datacenter: DatacenterId,
) -> anyhow::Result<Vec<PeerId>> {
    let page = async |after, limit| client.peers(provider, after, limit).await;
    let peers = all(page, |peer| PeerId(peer.id.0)).await?;
    let free = peers
        .into_iter()
        .filter(|peer| peer.datacenter == datacenter.0 && peer.offer.is_none());
    Ok(free.map(|peer| PeerId(peer.id.0)).collect())
}

/// The first offer for the datacenter.
async fn standing(
    client: &Client,
    provider: ProviderId,
    datacenter: DatacenterId,
) -> anyhow::Result<Option<Offer>> {
    let page =
        async |after: Option<u64>, limit| client.offers(provider, after.map(OfferId), limit).await;
    let offers = all(page, |offer| offer.id).await?;
    Ok(offers
        .into_iter()
        .find(|offer| offer.datacenter == datacenter.0))
}

async fn change(
    client: &Client,
    account: &AccountKey,
    standing: &Offer,
    curve: Curve,
    terms: Option<Terms>,
) -> anyhow::Result<()> {
    let asked = (standing.price, standing.slope);
    let raised = standing.raise.as_ref();
    let asked = raised.map_or(asked, |raise| (raise.price, raise.slope));
    let offer = OfferId(standing.id);
    if asked != (curve.floor.0, curve.slope.0) {
        let call = offer::Call::SetPrice { offer, curve };
        client.send(account, &Call::Offer(call)).await?;
    }
    let terms = terms.map(|terms| as_before(terms, standing));
    if let Some(terms) = terms.filter(|terms| standing.terms != terms.clone().into()) {
        let call = offer::Call::SetTerms { offer, terms };
        client.send(account, &Call::Offer(call)).await?;
    }
    Ok(())
}

/// The terms with the end that stands, if theirs is the same but for the estimate that made protocol time of a date.
fn as_before(mut terms: Terms, standing: &Offer) -> Terms {
    if let (Some(new), Some(old)) = (terms.valid_until, standing.terms.valid_until)
        && new.0.abs_diff(old) <= SAME_DATE_SECONDS
    {
        terms.valid_until = Some(Time(old));
    }
    terms
}

async fn post(
    client: &Client,
    account: &AccountKey,
    datacenter: DatacenterId,
    curve: Curve,
    terms: Terms,
    peers: &[PeerId],
) -> anyhow::Result<u64> {
    let (first, rest) = peers.split_at(peers.len().min(MAX_PEERS_PER_CALL));
    let call = offer::Call::Post {
        datacenter,
        curve,
        terms,
        peers: first.to_vec(),
    };
    let receipt = client.send(account, &Call::Offer(call)).await?;
    let offer = receipt.first::<OfferPosted>()?.offer;
    add(client, account, OfferId(offer), rest).await?;
    Ok(offer)
}

async fn add(
    client: &Client,
    account: &AccountKey,
    offer: OfferId,
    peers: &[PeerId],
) -> anyhow::Result<()> {
    for peer in peers {
        let call = offer::Call::AddPeer { offer, peer: *peer };
        client.send(account, &Call::Offer(call)).await?;
    }
    Ok(())
}
