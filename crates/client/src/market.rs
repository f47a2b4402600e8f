//! Reads of the marketplace, as of the newest block.
//!
//! Lists come in pages: `after` is the last id of the page before, `limit` is at most 256.

use crate::{Client, Error};
use abi::sol::IUSDC;
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
    unit::Unit,
    window::Window,
    worker::Worker,
};
use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolCall;
use marketplace::ledger::Account;
use marketplace::units::{
    AuditId, CommitmentId, DatacenterId, DealId, OfferId, PeerId, ProviderId, Usdc, WorkerId,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Display;

impl Client {
    /// USDC of an account.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn usdc(&self, owner: Address) -> Result<Usdc, Error> {
        self.amount(IUSDC::balanceOfCall { owner }).await
    }

    /// USDC that a deal's escrow holds, including what its workers have earned and nobody withdrew.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn escrow(&self, deal: DealId) -> Result<Usdc, Error> {
        self.usdc(abi::usdc::address_of(Account::Deal(deal))).await
    }

    /// All USDC there is.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn usdc_supply(&self) -> Result<Usdc, Error> {
        self.amount(IUSDC::totalSupplyCall {}).await
    }

    async fn amount<C: SolCall<Return = U256>>(&self, call: C) -> Result<Usdc, Error> {
        let output = self.call(abi::USDC, call.abi_encode().into()).await?;
        let amount = C::abi_decode_returns(&output).map_err(|error| Error::Malformed {
            method: C::SIGNATURE,
            reason: error.to_string(),
        })?;
        Ok(abi::usdc::amount(amount))
    }

    /// Protocol time.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn time(&self) -> Result<Time, Error> {
        self.read("market_time", Vec::new()).await
    }

    /// All parameters by name.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn parameters(&self) -> Result<BTreeMap<String, u64>, Error> {
        self.read("market_parameters", Vec::new()).await
    }

    /// All parameters with bounds, unit and meaning, and the changes that wait.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn params(&self) -> Result<Parameters, Error> {
        self.read("market_params", Vec::new()).await
    }

    /// One parameter.
    ///
    /// # Errors
    /// If the node does not answer, or does not know it.
    pub async fn parameter(&self, name: &str) -> Result<u64, Error> {
        let all = self.parameters().await?;
        let value = all.get(name).copied();
        value.ok_or_else(|| unknown("parameter", name))
    }

    /// A provider.
    ///
    /// # Errors
    /// If there is none, or the node does not answer.
    pub async fn provider(&self, id: ProviderId) -> Result<Provider, Error> {
        self.one("market_provider", json!(id.0), "provider", id)
            .await
    }

    /// The public record of a provider, removed or not.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn record(&self, id: ProviderId) -> Result<Record, Error> {
        self.read("market_record", vec![json!(id.0)]).await
    }

    /// A page of the records of all providers that ever had a worker.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn records(
        &self,
        after: Option<ProviderId>,
        limit: u16,
    ) -> Result<Vec<RecordOf>, Error> {
        let parameters = vec![json!(after.map(|id| id.0)), json!(limit)];
        self.read("market_records", parameters).await
    }

    /// A page of all providers.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn providers(
        &self,
        after: Option<ProviderId>,
        limit: u16,
    ) -> Result<Vec<Provider>, Error> {
        let parameters = vec![json!(after.map(|id| id.0)), json!(limit)];
        self.read("market_providers", parameters).await
    }

    /// The providers that an account owns.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn providers_of(&self, owner: Address) -> Result<Vec<Provider>, Error> {
        self.read("market_providersOf", vec![json!(owner)]).await
    }

    /// A datacenter.
    ///
    /// # Errors
    /// If there is none, or the node does not answer.
    pub async fn datacenter(&self, id: DatacenterId) -> Result<Datacenter, Error> {
        self.one("market_datacenter", json!(id.0), "datacenter", id)
            .await
    }

    /// A page of a provider's datacenters.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn datacenters(
        &self,
        provider: ProviderId,
        after: Option<DatacenterId>,
        limit: u16,
    ) -> Result<Vec<Datacenter>, Error> {
        let parameters = vec![json!(provider.0), json!(after.map(|id| id.0)), json!(limit)];
        self.read("market_datacenters", parameters).await
    }

    /// A peer.
    ///
    /// # Errors
    /// If there is none, or the node does not answer.
    pub async fn peer(&self, id: PeerId) -> Result<Peer, Error> {
        self.one("market_peer", hex(id), "peer", id).await
    }

    /// A page of a provider's peers.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn peers(
        &self,
        provider: ProviderId,
        after: Option<PeerId>,
        limit: u16,
    ) -> Result<Vec<Peer>, Error> {
        let parameters = vec![json!(provider.0), json!(after.map(hex)), json!(limit)];
        self.read("market_peers", parameters).await
    }

    /// An offer.
    ///
    /// # Errors
    /// If there is none, or the node does not answer.
    pub async fn offer(&self, id: OfferId) -> Result<Offer, Error> {
        self.one("market_offer", json!(id.0), "offer", id).await
    }

    /// A page of a provider's offers.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn offers(
        &self,
        provider: ProviderId,
        after: Option<OfferId>,
        limit: u16,
    ) -> Result<Vec<Offer>, Error> {
        let parameters = vec![json!(provider.0), json!(after.map(|id| id.0)), json!(limit)];
        self.read("market_offers", parameters).await
    }

    /// A deal, or the demand it still is.
    ///
    /// # Errors
    /// If there is none, or the node does not answer.
    pub async fn deal(&self, id: DealId) -> Result<Deal, Error> {
        self.one("market_deal", json!(id.0), "deal", id).await
    }

    /// A page of all deals.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn deals(&self, after: Option<DealId>, limit: u16) -> Result<Vec<Deal>, Error> {
        let parameters = vec![json!(after.map(|id| id.0)), json!(limit)];
        self.read("market_deals", parameters).await
    }

    /// A page of an account's deals.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn deals_of(
        &self,
        owner: Address,
        after: Option<DealId>,
        limit: u16,
    ) -> Result<Vec<Deal>, Error> {
        let parameters = vec![json!(owner), json!(after.map(|id| id.0)), json!(limit)];
        self.read("market_dealsOf", parameters).await
    }

    /// A worker, until it is gone and paid out.
    ///
    /// # Errors
    /// If there is none, or the node does not answer.
    pub async fn worker(&self, id: WorkerId) -> Result<Worker, Error> {
        self.one("market_worker", json!(id.0), "worker", id).await
    }

    /// The workers of a peer that are not gone.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn workers_of(&self, peer: PeerId) -> Result<Vec<Worker>, Error> {
        self.read("market_workersOf", vec![hex(peer)]).await
    }

    /// The peers that the overlay admits for a deal.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn subnet(&self, deal: DealId) -> Result<Vec<Member>, Error> {
        self.read("market_subnet", vec![json!(deal.0)]).await
    }

    /// What clearing would do with a demand now, and what to change if it would do nothing.
    ///
    /// # Errors
    /// If the demand would be refused whatever its escrow is, there is none, or the node does not answer.
    pub async fn explain(&self, question: &Question) -> Result<Explanation, Error> {
        self.read("market_explain", vec![json!(question)]).await
    }

    /// A capacity commitment with its delegators, its rewards and what its units proved.
    ///
    /// # Errors
    /// If there is none (any more), or the node does not answer.
    pub async fn commitment(&self, id: CommitmentId) -> Result<Commitment, Error> {
        self.one("market_commitment", json!(id.0), "commitment", id)
            .await
    }

    /// A page of the commitments of a provider, or of all.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn commitments(
        &self,
        provider: Option<ProviderId>,
        after: Option<CommitmentId>,
        limit: u16,
    ) -> Result<Vec<Commitment>, Error> {
        let parameters = vec![
            json!(provider.map(|id| id.0)),
            json!(after.map(|id| id.0)),
            json!(limit),
        ];
        self.read("market_commitments", parameters).await
    }

    /// A page of the commitments that an account deposited for.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn commitments_of(
        &self,
        delegator: Address,
        after: Option<CommitmentId>,
        limit: u16,
    ) -> Result<Vec<Commitment>, Error> {
        let parameters = vec![json!(delegator), json!(after.map(|id| id.0)), json!(limit)];
        self.read("market_commitmentsOf", parameters).await
    }

    /// Where a peer stands with its commitments; None: it never made one.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn pledge(&self, peer: PeerId) -> Result<Option<Pledge>, Error> {
        self.read("market_pledge", vec![hex(peer)]).await
    }

    /// The units of a peer, by index, and where each is.
    ///
    /// # Errors
    /// If there is no such peer, or the node does not answer.
    pub async fn units(&self, peer: PeerId) -> Result<Vec<Unit>, Error> {
        self.one("market_units", hex(peer), "peer", peer).await
    }

    /// A window by its number, or the newest; None: it has not begun, or nobody counts it any more.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn window(&self, window: Option<u64>) -> Result<Option<Window>, Error> {
        self.read("market_window", vec![json!(window)]).await
    }

    /// What a peer is to do in a window, or in the newest, with all that its proofs are bound to; None: nothing.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn proving(
        &self,
        peer: PeerId,
        window: Option<u64>,
    ) -> Result<Option<Proving>, Error> {
        self.read("market_proving", vec![hex(peer), json!(window)])
            .await
    }

    /// An audit that is not over.
    ///
    /// # Errors
    /// If there is none (any more), or the node does not answer.
    pub async fn audit(&self, id: AuditId) -> Result<Audit, Error> {
        self.one("market_audit", json!(id.0), "audit", id).await
    }

    /// The audits of a peer that are not over, answered or not.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn audits(&self, peer: PeerId) -> Result<Vec<Audit>, Error> {
        self.read("market_audits", vec![hex(peer)]).await
    }

    /// The pool of rewards, its fund, and the price of FLT.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn pool(&self) -> Result<Pool, Error> {
        self.read("market_pool", Vec::new()).await
    }

    async fn one<T: DeserializeOwned>(
        &self,
        method: &'static str,
        parameter: Value,
        kind: &str,
        id: impl Display,
    ) -> Result<T, Error> {
        let found: Option<T> = self.read(method, vec![parameter]).await?;
        found.ok_or_else(|| unknown(kind, id))
    }
}

fn hex(id: PeerId) -> Value {
    json!(B256::from(id.0))
}

fn unknown(kind: &str, id: impl Display) -> Error {
    Error::Unknown {
        object: format!("{kind} {id}"),
    }
}
