//! `mp provider offer`: one offer for each datacenter.

use super::owned;
use crate::amount::usdc;
use crate::chain::{Chain, all};
use crate::printer::Printer;
use client::marketplace::limits::MAX_PEERS_PER_CALL;
use client::marketplace::offer::Terms;
use client::marketplace::units::{DatacenterId, OfferId, PeerId, Price, ProviderId, Seconds, Usdc};
use client::marketplace::{Call, offer};
use client::sol::IOffer::OfferPosted;
use client::view::offer::Offer;
use client::{AccountKey, Client};
use serde::Serialize;

/// The offer of a datacenter as it stands on the chain now.
#[derive(Serialize)]
pub(crate) struct Offered {
    pub(crate) offer: u64,
    pub(crate) datacenter: u64,
    #[serde(with = "client::view::decimal")]
    pub(crate) price: u128,
    /// Peers that it got now.
    pub(crate) added: usize,
}

pub(super) async fn run(
    chain: &Chain,
    printer: &Printer,
    datacenter: DatacenterId,
    price: Usdc,
) -> anyhow::Result<()> {
    let offered = offer(&chain.client()?, &chain.account()?, datacenter, price).await?;
    let text = format!(
        "offer {}: {} per CU and epoch; peers added: {}",
        offered.offer,
        usdc(offered.price),
        offered.added
    );
    printer.result(&offered, &text);
    Ok(())
}

/// Makes the offer of a datacenter what it should be: all its peers, at this price.
pub(crate) async fn offer(
    client: &Client,
    account: &AccountKey,
    datacenter: DatacenterId,
    price: Usdc,
) -> anyhow::Result<Offered> {
    let provider = provider(client, account, datacenter).await?;
    let free = free_peers(client, provider, datacenter).await?;
    let price = Price(price.0);
    let offer = match standing(client, provider, datacenter).await? {
        Some(offer) => {
            change(client, account, &offer, price).await?;
            add(client, account, OfferId(offer.id), &free).await?;
            offer.id
        }
        None => post(client, account, datacenter, price, &free).await?,
    };
    Ok(Offered {
        offer,
        datacenter: datacenter.0,
        price: price.0,
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
    offer: &Offer,
    price: Price,
) -> anyhow::Result<()> {
    let asked = offer
        .raise
        .as_ref()
        .map_or(offer.price, |raise| raise.price);
    if asked != price.0 {
        let offer = OfferId(offer.id);
        let call = offer::Call::SetPrice { offer, price };
        client.send(account, &Call::Offer(call)).await?;
    }
    Ok(())
}

async fn post(
    client: &Client,
    account: &AccountKey,
    datacenter: DatacenterId,
    price: Price,
    peers: &[PeerId],
) -> anyhow::Result<u64> {
    let (first, rest) = peers.split_at(peers.len().min(MAX_PEERS_PER_CALL));
    let call = offer::Call::Post {
        datacenter,
        price,
        terms: any_terms(),
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

/// Any deal, until the offer is closed.
fn any_terms() -> Terms {
    Terms {
        min_duration: Seconds(0),
        max_duration: None,
        max_units_per_deal: None,
        notice: Seconds(0),
        max_hold: Seconds(0),
        valid_until: None,
        attributes: Vec::new(),
    }
}
