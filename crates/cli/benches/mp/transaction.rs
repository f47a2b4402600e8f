//! Accounts, and transactions signed ahead of time.

use crate::http::Rpc;
use alloy_consensus::{
    EthereumTxEnvelope, SignableTransaction as _, TxEip1559, TxEip4844,
    crypto::secp256k1::sign_message,
};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use anyhow::{Context as _, Result};
use client::AccountKey;
use marketplace::{Call, units, usdc};
use serde_json::json;

/// Id of the chain that `mp testnet` makes.
const CHAIN_ID: u64 = 31_337;
/// Wei per gas that may be paid: full blocks for half a minute raise the price a millionfold.
const MAX_FEE: u128 = 100_000_000_000_000_000;
const TIP: u128 = 1_000_000_000;

/// An account whose key we have.
pub(crate) struct Account {
    secret: B256,
    pub(crate) address: Address,
}

impl Account {
    pub(crate) fn new(number: usize) -> Result<Self> {
        let secret = keccak256(format!("account {number}"));
        let key = AccountKey::from_secret(secret).context("a key")?;
        let address = key.address();
        Ok(Self { secret, address })
    }

    /// A signed transaction, as nodes take it.
    pub(crate) fn sign(&self, nonce: u64, what: &What) -> Result<Bytes> {
        let transaction = TxEip1559 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: what.gas,
            max_fee_per_gas: MAX_FEE,
            max_priority_fee_per_gas: TIP,
            to: TxKind::Call(what.to),
            value: U256::from(what.wei),
            input: what.data.clone(),
            ..TxEip1559::default()
        };
        let signature = sign_message(self.secret, transaction.signature_hash())?;
        let signed: EthereumTxEnvelope<TxEip4844> = transaction.into_signed(signature).into();
        Ok(signed.encoded_2718().into())
    }
}

/// What a transaction does.
pub(crate) struct What {
    pub(crate) to: Address,
    pub(crate) wei: u128,
    pub(crate) data: Bytes,
    pub(crate) gas: u64,
}

impl What {
    /// One wei of FLT.
    pub(crate) fn flt(to: Address) -> Self {
        let (wei, data, gas) = (1, Bytes::new(), 21_000);
        Self { to, wei, data, gas }
    }

    /// A millionth of a USDC; `gas` is the limit.
    pub(crate) fn usdc(to: Address, gas: u64) -> Self {
        let to = units::Address(to.into_array());
        let amount = units::Usdc(1);
        let transfer = usdc::Call::Transfer { to, amount };
        Self {
            to: abi::USDC,
            wei: 0,
            data: abi::calldata::encode(&Call::Usdc(transfer)).into(),
            gas,
        }
    }

    /// Gas that the node thinks it takes.
    pub(crate) fn estimate(&self, from: &Account, rpc: &mut Rpc) -> Result<u64> {
        let request = json!({ "from": from.address, "to": self.to, "data": self.data });
        rpc.number("eth_estimateGas", &json!([request]))
    }
}
