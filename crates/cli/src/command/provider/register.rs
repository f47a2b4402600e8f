//! `mp provider register`. Every step looks first whether it is done, so it may run twice.

use super::offer::{self, Offered};
use crate::amount::counted;
use crate::chain::{Chain, all};
use crate::printer::Printer;
use crate::supply::{self, Supply};
use alloy_primitives::{Address, B256};
use client::marketplace::peer::Registration;
use client::marketplace::units::{self, DatacenterId, Flt, Hash, ProviderId};
use client::marketplace::{Call, datacenter, peer, provider};
use client::sol::{IDatacenter::DatacenterRegistered, IProvider::ProviderRegistered};
use client::{AccountKey, Client, Error, PeerKey};
use serde::Serialize;
use std::path::Path;

/// A provider as it stands on the chain now.
#[derive(Serialize)]
pub(crate) struct Registered {
    pub(crate) provider: u64,
    pub(crate) name: String,
    pub(crate) datacenters: Vec<Datacenter>,
}

#[derive(Serialize)]
pub(crate) struct Datacenter {
    pub(crate) datacenter: u64,
    pub(crate) country: String,
    pub(crate) name: String,
    pub(crate) offer: Option<Offered>,
    pub(crate) peers: Vec<Peer>,
}

#[derive(Serialize)]
pub(crate) struct Peer {
    pub(crate) peer: B256,
    pub(crate) operator: Address,
    pub(crate) units: u16,
}

/// Who registers, and what for.
struct Registrar<'a> {
    client: &'a Client,
    account: &'a AccountKey,
    provider: ProviderId,
    operator_funds: Flt,
}

pub(super) async fn run(chain: &Chain, printer: &Printer, file: &Path) -> anyhow::Result<()> {
    let supply = Supply::load(file)?;
    let registered = register(&chain.client()?, &chain.account()?, &supply).await?;
    printer.result(&registered, &text(&registered));
    Ok(())
}

/// Registers what of the supply is not registered yet.
pub(crate) async fn register(
    client: &Client,
    account: &AccountKey,
    supply: &Supply,
) -> anyhow::Result<Registered> {
    let registrar = Registrar {
        provider: provider(client, account, &supply.name).await?,
        operator_funds: supply.operator_funds()?,
        client,
        account,
    };
    let mut datacenters = Vec::new();
    for described in &supply.datacenters {
        datacenters.push(registrar.datacenter(described).await?);
    }
    Ok(Registered {
        provider: registrar.provider.0,
        name: supply.name.clone(),
        datacenters,
    })
}

fn text(registered: &Registered) -> String {
    let mut text = format!("provider {} {}\n", registered.provider, registered.name);
    for each in &registered.datacenters {
        text += &format!("  datacenter {} {}\n", each.datacenter, each.name);
        if let Some(offer) = &each.offer {
            let price = offer::price(offer.price, offer.slope);
            text += &format!("    offer {}: {price}\n", offer.offer);
        }
        for peer in &each.peers {
            text += &format!(
                "    peer {}: {}, operator {}\n",
                peer.peer,
                counted(peer.units, "CU"),
                peer.operator
            );
        }
    }
    if registered
        .datacenters
        .iter()
        .all(|each| each.offer.is_some())
    {
        return text;
    }
    text + "offer them with `mp provider offer --datacenter ID --price USDC`"
}

/// The account's provider of this name, new if there is none.
async fn provider(client: &Client, account: &AccountKey, name: &str) -> anyhow::Result<ProviderId> {
    let owned = client.providers_of(account.address()).await?;
    if let Some(found) = owned.iter().find(|provider| provider.name == name) {
        return Ok(ProviderId(found.id));
    }
    let call = provider::Call::Register {
        name: name.to_owned(),
        metadata: Hash::default(),
        attributes: Vec::new(),
    };
    let receipt = client.send(account, &Call::Provider(call)).await?;
    Ok(ProviderId(receipt.first::<ProviderRegistered>()?.provider))
}

impl Registrar<'_> {
    async fn datacenter(&self, described: &supply::Datacenter) -> anyhow::Result<Datacenter> {
        let id = self.datacenter_id(described).await?;
        let mut peers = Vec::new();
        for peer in &described.peers {
            peers.push(self.peer(id, peer).await?);
        }
        Ok(Datacenter {
            datacenter: id.0,
            country: described.country.clone(),
            name: described.name.clone(),
            offer: self.offer(id, described).await?,
            peers,
        })
    }

    /// Makes the offer what the file says, if it says something.
    async fn offer(
        &self,
        id: DatacenterId,
        described: &supply::Datacenter,
    ) -> anyhow::Result<Option<Offered>> {
        let Some(wanted) = &described.offer else {
            return Ok(None);
        };
        let now = self.client.time().await?;
        let (curve, terms) = (wanted.curve()?, Some(wanted.terms(&now)?));
        let offered = offer::offer(self.client, self.account, id, curve, terms).await?;
        Ok(Some(offered))
    }

    async fn datacenter_id(&self, described: &supply::Datacenter) -> anyhow::Result<DatacenterId> {
        let page = async |after: Option<u64>, limit| {
            let after = after.map(DatacenterId);
            self.client.datacenters(self.provider, after, limit).await
        };
        let known = all(page, |datacenter| datacenter.id).await?;
        let same = known.iter().find(|known| {
            (&known.country, &known.city, &known.name)
                == (&described.country, &described.city, &described.name)
        });
        if let Some(found) = same {
            return Ok(DatacenterId(found.id));
        }
        let call = datacenter::Call::Register(described.record(self.provider)?);
        let receipt = self
            .client
            .send(self.account, &Call::Datacenter(call))
            .await?;
        Ok(DatacenterId(
            receipt.first::<DatacenterRegistered>()?.datacenter,
        ))
    }

    async fn peer(
        &self,
        datacenter: DatacenterId,
        described: &supply::Peer,
    ) -> anyhow::Result<Peer> {
        let key = PeerKey::load(&described.key)?;
        match self.client.peer(key.id()).await {
            Ok(known) => anyhow::ensure!(
                known.provider == self.provider.0,
                "peer {} belongs to provider {}\nhint: make it a key of its own with `mp key new --peer`",
                key.id(),
                known.provider
            ),
            Err(Error::Unknown { .. }) => self.register(datacenter, described, &key).await?,
            Err(error) => return Err(error.into()),
        }
        self.fund(key.operator().address()).await?;
        Ok(Peer {
            peer: key.id().0.into(),
            operator: key.operator().address(),
            units: described.units,
        })
    }

    async fn register(
        &self,
        datacenter: DatacenterId,
        described: &supply::Peer,
        key: &PeerKey,
    ) -> anyhow::Result<()> {
        let chain_id = self.client.chain_id().await?;
        let call = peer::Call::Register(Registration {
            datacenter,
            peer: key.id(),
            signature: key.sign_registration(chain_id, self.provider),
            operator: units::Address(key.operator().address().into_array()),
            endpoints: described.endpoints.clone(),
            oldest_version: described.oldest_version,
            newest_version: described.newest_version,
            attributes: described.attributes(),
            units: described.units,
        });
        self.client.send(self.account, &Call::Peer(call)).await?;
        Ok(())
    }

    /// Fills the operator's FLT up.
    async fn fund(&self, operator: Address) -> anyhow::Result<()> {
        let has = self.client.flt(operator).await?;
        match self.operator_funds.checked_sub(has) {
            None | Some(Flt::ZERO) => {}
            Some(missing) => {
                self.client
                    .send_flt(self.account, operator, missing)
                    .await?;
            }
        }
        Ok(())
    }
}
