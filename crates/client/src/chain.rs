//! What any Ethereum node says.

use crate::{Client, Error};
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use alloy_rpc_types_eth::{Filter, Log, TransactionReceipt, TransactionRequest};
use alloy_sol_types::SolEvent;
use marketplace::units::Flt;
use serde::Serialize;
use serde_json::{Value, json};

/// What a transaction may pay for a unit of gas, in wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fees {
    pub(crate) most: u128,
    pub(crate) tip: u128,
}

impl Client {
    /// Id of the chain, which signatures are made for. Asked once.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn chain_id(&self) -> Result<u64, Error> {
        let ask = async || self.read::<U64>("eth_chainId", Vec::new()).await;
        let id = self.known_chain_id();
        id.get_or_try_init(async || Ok(ask().await?.to()))
            .await
            .copied()
    }

    /// Height of the newest executed block.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn height(&self) -> Result<u64, Error> {
        let height: U64 = self.read("eth_blockNumber", Vec::new()).await?;
        Ok(height.to())
    }

    /// FLT of an account, in wei.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn flt(&self, address: Address) -> Result<Flt, Error> {
        let method = "eth_getBalance";
        let balance: U256 = self
            .read(method, vec![json!(address), json!("latest")])
            .await?;
        Ok(Flt(balance.saturating_to()))
    }

    /// The nonce that the account's next transaction must have, after those that wait.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn nonce(&self, address: Address) -> Result<u64, Error> {
        let method = "eth_getTransactionCount";
        let nonce: U64 = self
            .read(method, vec![json!(address), json!("pending")])
            .await?;
        Ok(nonce.to())
    }

    /// What a contract answers to a call that changes nothing.
    ///
    /// # Errors
    /// If the node does not answer or the contract refuses.
    pub async fn call(&self, to: Address, data: Bytes) -> Result<Bytes, Error> {
        let request = TransactionRequest::default().to(to).input(data.into());
        self.simulate(&request).await
    }

    /// The receipt of a transaction; none while it is in no block.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn receipt(&self, hash: B256) -> Result<Option<TransactionReceipt>, Error> {
        self.read("eth_getTransactionReceipt", vec![json!(hash)])
            .await
    }

    /// Logs that match, in order. The node refuses ranges and results beyond its limits.
    ///
    /// # Errors
    /// If the node does not answer or refuses.
    pub async fn logs(&self, filter: &Filter) -> Result<Vec<Log>, Error> {
        let method = "eth_getLogs";
        self.read(method, vec![value(method, filter)?]).await
    }

    /// All events of one type of the marketplace since a height, in order.
    ///
    /// # Errors
    /// As [`Client::logs`].
    pub async fn events<E: SolEvent>(&self, from: u64) -> Result<Vec<E>, Error> {
        let filter = Filter::new()
            .address(abi::MARKETPLACE)
            .event_signature(E::SIGNATURE_HASH)
            .from_block(from);
        let logs = self.logs(&filter).await?;
        let decoded = logs.iter().map(|log| E::decode_log(&log.inner));
        let events: Result<Vec<_>, _> = decoded.map(|log| log.map(|log| log.data)).collect();
        events.map_err(|error| Error::Malformed {
            method: "eth_getLogs",
            reason: error.to_string(),
        })
    }

    pub(crate) async fn simulate(&self, request: &TransactionRequest) -> Result<Bytes, Error> {
        let method = "eth_call";
        let parameters = vec![value(method, request)?, json!("latest")];
        self.read(method, parameters).await
    }

    /// Gas that the transaction takes as things stand.
    pub(crate) async fn estimate(&self, request: &TransactionRequest) -> Result<u64, Error> {
        let method = "eth_estimateGas";
        let gas: U64 = self.read(method, vec![value(method, request)?]).await?;
        Ok(gas.to())
    }

    /// Twice what a unit of gas costs now, so that a few full blocks do not leave the transaction behind.
    pub(crate) async fn fees(&self) -> Result<Fees, Error> {
        let price: U256 = self.read("eth_gasPrice", Vec::new()).await?;
        let tip: U256 = self.read("eth_maxPriorityFeePerGas", Vec::new()).await?;
        let most = price.saturating_to::<u128>().saturating_mul(2);
        Ok(Fees {
            most,
            tip: tip.saturating_to::<u128>().min(most),
        })
    }
}

fn value(method: &'static str, parameter: &impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(parameter).map_err(|error| Error::Malformed {
        method,
        reason: error.to_string(),
    })
}
