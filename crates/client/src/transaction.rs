//! Transactions: signed here, handed over once, and followed until they are in a block (K3 to K6).

use crate::{AccountKey, Client, Error};
use alloy_consensus::{EthereumTxEnvelope, SignableTransaction as _, TxEip1559, TxEip4844};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_rpc_types_eth::{Log, TransactionReceipt, TransactionRequest};
use alloy_sol_types::SolEvent;
use marketplace::units::{self, Flt, Usdc};
use marketplace::{Call, Params, deposit};
use serde_json::json;
use std::time::{Duration, Instant};

/// How long a transaction may take into a block.
const PATIENCE: Duration = Duration::from_secs(60);
/// Distance at which its receipt is asked for; blocks come every quarter of a second.
const POLL: Duration = Duration::from_millis(100);
/// Gas that one transaction may use (EIP-7825).
const MAX_GAS: u64 = 1 << 24;

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The transaction.
    pub hash: B256,
    /// The block it is in.
    pub height: u64,
    /// Gas it took.
    pub gas_used: u64,
    /// What it cost in FLT.
    pub fee: Flt,
    /// What happened, as logs; [`Receipt::all`] decodes them.
    pub logs: Vec<Log>,
}

impl Receipt {
    /// All events of one type, of the marketplace and of USDC, in order.
    pub fn all<E: SolEvent>(&self) -> impl Iterator<Item = E> {
        let ours = |log: &&Log| [abi::MARKETPLACE, abi::USDC].contains(&log.inner.address);
        let logs = self.logs.iter().filter(ours);
        logs.filter_map(|log| E::decode_log(&log.inner).ok())
            .map(|log| log.data)
    }

    /// The first event of a type that the call must have led to.
    ///
    /// # Errors
    /// If there is none.
    pub fn first<E: SolEvent>(&self) -> Result<E, Error> {
        self.all().next().ok_or_else(|| Error::Malformed {
            method: "eth_getTransactionReceipt",
            reason: format!("no event {} in transaction {}", E::SIGNATURE, self.hash),
        })
    }
}

impl Client {
    /// Makes a call of the marketplace, and waits until it is done.
    ///
    /// # Errors
    /// [`Error::Refused`] if it would be refused: nothing is sent. Otherwise what went wrong on the way.
    pub async fn send(&self, account: &AccountKey, call: &Call) -> Result<Receipt, Error> {
        let deposit = self.deposit(call).await?;
        self.transact(account, destination(call), deposit, encoded(call))
            .await
    }

    /// Makes a call that takes an amount of FLT, collateral or a gift to the fund, and waits until it is done.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn pay(
        &self,
        account: &AccountKey,
        call: &Call,
        amount: Flt,
    ) -> Result<Receipt, Error> {
        self.transact(account, destination(call), amount, encoded(call))
            .await
    }

    /// FLT that a call deposits, which is sent with it.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn deposit(&self, call: &Call) -> Result<Flt, Error> {
        let Some(objects) = deposit::objects(call) else {
            return Ok(Flt::ZERO);
        };
        let params = Params {
            deposit_gwei: self.parameter("deposit_gwei").await?,
            ..Params::default()
        };
        Ok(params.deposit(objects))
    }

    /// Asks whether a call of `from` would be refused as things stand. Nothing is sent or signed.
    ///
    /// # Errors
    /// [`Error::Refused`] if so, or what went wrong on the way.
    pub async fn check(&self, from: Address, call: &Call) -> Result<(), Error> {
        let deposit = self.deposit(call).await?;
        let request = request(from, destination(call), deposit, encoded(call));
        self.simulate(&request).await.map(|_| ())
    }

    /// Sends FLT, and waits until it is there.
    ///
    /// # Errors
    /// What went wrong on the way.
    pub async fn send_flt(
        &self,
        account: &AccountKey,
        to: Address,
        amount: Flt,
    ) -> Result<Receipt, Error> {
        self.transact(account, to, amount, Bytes::new()).await
    }

    /// Sends USDC, and waits until it is there.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn send_usdc(
        &self,
        account: &AccountKey,
        to: Address,
        amount: Usdc,
    ) -> Result<Receipt, Error> {
        let to = units::Address(to.into_array());
        let transfer = marketplace::usdc::Call::Transfer { to, amount };
        self.send(account, &Call::Usdc(transfer)).await
    }

    /// Takes USDC from the faucet of a test network.
    ///
    /// # Errors
    /// As [`Client::send`]; there is no faucet on a network with real money.
    pub async fn faucet(&self, account: &AccountKey, amount: Usdc) -> Result<Receipt, Error> {
        let faucet = marketplace::usdc::Call::Faucet { amount };
        self.send(account, &Call::Usdc(faucet)).await
    }

    async fn transact(
        &self,
        account: &AccountKey,
        to: Address,
        value: Flt,
        data: Bytes,
    ) -> Result<Receipt, Error> {
        let request = request(account.address(), to, value, data);
        let hash = self.submit(account, &request).await?;
        let receipt = self.wait(hash).await?;
        if receipt.status() {
            return Ok(Receipt::from(receipt));
        }
        Err(self.why_failed(&request, &receipt).await)
    }

    /// Signs and hands over; gives the hash.
    async fn submit(
        &self,
        account: &AccountKey,
        request: &TransactionRequest,
    ) -> Result<B256, Error> {
        let gas = self.estimate(request).await?;
        let (chain_id, fees) = (self.chain_id().await?, self.fees().await?);
        let _turn = self.submitting().lock().await;
        let transaction = TxEip1559 {
            chain_id,
            nonce: self.nonce(account.address()).await?,
            // Room for what others change in between.
            gas_limit: gas.saturating_add(gas / 4).min(MAX_GAS),
            max_fee_per_gas: fees.most,
            max_priority_fee_per_gas: fees.tip,
            to: request.to.unwrap_or(TxKind::Create),
            value: request.value.unwrap_or_default(),
            input: request.input.input().cloned().unwrap_or_default(),
            ..TxEip1559::default()
        };
        let signature = account.sign(transaction.signature_hash());
        let signed: EthereumTxEnvelope<TxEip4844> = transaction.into_signed(signature).into();
        let (hash, raw) = (*signed.tx_hash(), Bytes::from(signed.encoded_2718()));
        match self
            .once::<B256>("eth_sendRawTransaction", vec![json!(raw)])
            .await
        {
            Ok(_) => Ok(hash),
            Err(Error::Unreachable { reason, .. } | Error::Malformed { reason, .. }) => {
                Err(Error::Pending {
                    hash,
                    waited: Duration::ZERO,
                    because: format!(": {reason}"),
                })
            }
            Err(error) => Err(error),
        }
    }

    async fn wait(&self, hash: B256) -> Result<TransactionReceipt, Error> {
        let began = Instant::now();
        let mut because = String::new();
        while began.elapsed() < PATIENCE {
            match self.receipt(hash).await {
                Ok(Some(receipt)) => return Ok(receipt),
                Ok(None) => because.clear(),
                // It was handed over: whatever goes wrong now, its hash must not be lost.
                Err(error) => because = format!(": {error}"),
            }
            tokio::time::sleep(POLL).await;
        }
        let waited = began.elapsed();
        Err(Error::Pending {
            hash,
            waited,
            because,
        })
    }

    /// Receipts do not keep what a contract reverted with; the state after it usually gives the same reason.
    async fn why_failed(
        &self,
        request: &TransactionRequest,
        receipt: &TransactionReceipt,
    ) -> Error {
        let (what, hint) = match self.simulate(request).await {
            Err(Error::Refused { what, hint }) => (what, hint),
            _ => (
                "things changed while it was on its way".to_owned(),
                "try again: as things stand now it would succeed",
            ),
        };
        Error::Failed {
            hash: receipt.transaction_hash,
            height: receipt.block_number.unwrap_or_default(),
            what,
            hint,
        }
    }
}

/// The contract that a call is made to.
fn destination(call: &Call) -> Address {
    match call {
        Call::Usdc(_) => abi::USDC,
        _ => abi::MARKETPLACE,
    }
}

fn encoded(call: &Call) -> Bytes {
    abi::calldata::encode(call).into()
}

fn request(from: Address, to: Address, value: Flt, data: Bytes) -> TransactionRequest {
    TransactionRequest::default()
        .from(from)
        .to(to)
        .value(U256::from(value.0))
        .input(data.into())
}

impl From<TransactionReceipt> for Receipt {
    fn from(receipt: TransactionReceipt) -> Self {
        let gas = u128::from(receipt.gas_used);
        Self {
            hash: receipt.transaction_hash,
            height: receipt.block_number.unwrap_or_default(),
            gas_used: receipt.gas_used,
            fee: Flt(gas.saturating_mul(receipt.effective_gas_price)),
            logs: receipt.inner.logs().to_vec(),
        }
    }
}
