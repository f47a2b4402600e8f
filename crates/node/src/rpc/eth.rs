//! The namespaces that Ethereum tools expect: `eth_*`, `net_*`, `web3_*`.

use super::{
    Source, error,
    views::{self, BlockView},
};
use crate::index::Record;
use alloy_primitives::{Address, B256, Bytes, U64, U256, keccak256};
use alloy_rpc_types_eth::{
    BlockId, BlockNumberOrTag, FeeHistory, Filter, FilterBlockOption, Header, Log, Transaction,
    TransactionReceipt, TransactionRequest,
    pubsub::{Params, SubscriptionKind},
};
use commonware_utils::sync::RwLockReadGuard;
use execution::{
    Head, Rows,
    block::Transaction as Signed,
    call::{self, End, Request},
    chain,
    fee::{BLOCK_GAS_LIMIT, MIN_BASE_FEE},
    state,
};
use jsonrpsee::{
    PendingSubscriptionSink, SubscriptionMessage, SubscriptionSink,
    core::{RpcResult, SubscriptionResult, async_trait},
    proc_macros::rpc,
};
use serde::Serialize;
use std::time::{Duration, Instant};

/// How long a call may run: it keeps the executor from writing.
const MAX_CALL_TIME: Duration = Duration::from_millis(100);
/// Blocks that one `eth_getLogs` may look through.
const MAX_LOG_BLOCKS: u64 = 10_000;
/// Logs that one `eth_getLogs` may give.
const MAX_LOGS: usize = 10_000;
/// Blocks of one `eth_feeHistory`.
const MAX_FEE_BLOCKS: u64 = 1024;

#[rpc(server, namespace = "eth")]
pub(super) trait Eth {
    #[method(name = "chainId")]
    fn chain_id(&self) -> RpcResult<U64>;

    #[method(name = "blockNumber")]
    fn block_number(&self) -> RpcResult<U64>;

    #[method(name = "syncing")]
    fn syncing(&self) -> RpcResult<bool>;

    #[method(name = "accounts")]
    fn accounts(&self) -> RpcResult<Vec<Address>>;

    #[method(name = "gasPrice", blocking)]
    fn gas_price(&self) -> RpcResult<U256>;

    #[method(name = "maxPriorityFeePerGas")]
    fn max_priority_fee_per_gas(&self) -> RpcResult<U256>;

    #[method(name = "feeHistory", blocking)]
    fn fee_history(
        &self,
        blocks: U64,
        newest: BlockNumberOrTag,
        percentiles: Option<Vec<f64>>,
    ) -> RpcResult<FeeHistory>;

    #[method(name = "getBalance", blocking)]
    fn get_balance(&self, address: Address, at: Option<BlockId>) -> RpcResult<U256>;

    #[method(name = "getTransactionCount", blocking)]
    fn get_transaction_count(&self, address: Address, at: Option<BlockId>) -> RpcResult<U64>;

    #[method(name = "getCode", blocking)]
    fn get_code(&self, address: Address, at: Option<BlockId>) -> RpcResult<Bytes>;

    #[method(name = "getStorageAt", blocking)]
    fn get_storage_at(&self, address: Address, slot: U256, at: Option<BlockId>) -> RpcResult<B256>;

    #[method(name = "call", blocking)]
    fn call(&self, request: TransactionRequest, at: Option<BlockId>) -> RpcResult<Bytes>;

    #[method(name = "estimateGas", blocking)]
    fn estimate_gas(&self, request: TransactionRequest, at: Option<BlockId>) -> RpcResult<U64>;

    #[method(name = "sendRawTransaction", blocking)]
    fn send_raw_transaction(&self, transaction: Bytes) -> RpcResult<B256>;

    #[method(name = "getTransactionByHash", blocking)]
    fn get_transaction_by_hash(&self, hash: B256) -> RpcResult<Option<Transaction<Signed>>>;

    #[method(name = "getTransactionReceipt", blocking)]
    fn get_transaction_receipt(&self, hash: B256) -> RpcResult<Option<TransactionReceipt>>;

    #[method(name = "getBlockByNumber", blocking)]
    fn get_block_by_number(
        &self,
        at: BlockNumberOrTag,
        full: Option<bool>,
    ) -> RpcResult<Option<BlockView>>;

    #[method(name = "getBlockByHash", blocking)]
    fn get_block_by_hash(&self, hash: B256, full: Option<bool>) -> RpcResult<Option<BlockView>>;

    #[method(name = "getBlockReceipts", blocking)]
    fn get_block_receipts(&self, at: BlockId) -> RpcResult<Option<Vec<TransactionReceipt>>>;

    #[method(name = "getBlockTransactionCountByNumber", blocking)]
    fn get_block_transaction_count_by_number(&self, at: BlockNumberOrTag)
    -> RpcResult<Option<U64>>;

    #[method(name = "getLogs", blocking)]
    fn get_logs(&self, filter: Filter) -> RpcResult<Vec<Log>>;

    #[subscription(name = "subscribe" => "subscription", unsubscribe = "unsubscribe", item = serde_json::Value)]
    async fn subscribe(&self, kind: SubscriptionKind, params: Option<Params>)
    -> SubscriptionResult;
}

#[rpc(server, namespace = "net")]
pub(super) trait Net {
    #[method(name = "version")]
    fn version(&self) -> RpcResult<String>;

    #[method(name = "listening")]
    fn listening(&self) -> RpcResult<bool>;

    #[method(name = "peerCount")]
    fn peer_count(&self) -> RpcResult<U64>;
}

#[rpc(server, namespace = "web3")]
pub(super) trait Web3 {
    #[method(name = "clientVersion")]
    fn client_version(&self) -> RpcResult<String>;

    #[method(name = "sha3")]
    fn sha3(&self, data: Bytes) -> RpcResult<B256>;
}

impl Source {
    /// The executed height: what lies above it in the index is not durable yet.
    fn height(&self) -> u64 {
        self.node.chain.executed().height.get()
    }

    fn record(&self, height: u64) -> RpcResult<Option<Record>> {
        if height > self.height() {
            return Ok(None);
        }
        self.index.block(height).map_err(error::index)
    }

    fn number(&self, at: BlockNumberOrTag) -> u64 {
        match at {
            BlockNumberOrTag::Number(height) => height,
            BlockNumberOrTag::Earliest => 0,
            _ => self.height(),
        }
    }

    fn record_at(&self, at: BlockId) -> RpcResult<Option<Record>> {
        match at {
            BlockId::Number(at) => self.record(self.number(at)),
            BlockId::Hash(hash) => match self.index.height_of(&hash.block_hash) {
                Ok(Some(height)) => self.record(height),
                Ok(None) => Ok(None),
                Err(failed) => Err(error::index(failed)),
            },
        }
    }

    /// The newest state, if that is what `at` asks for.
    fn state(&self, at: Option<BlockId>) -> RpcResult<(RwLockReadGuard<'_, Rows>, Head)> {
        let rows = self.node.chain.rows();
        let head = chain::head(&rows).map_err(error::fault)?;
        let newest = match at {
            None => true,
            Some(BlockId::Hash(hash)) => hash.block_hash == head.hash,
            Some(BlockId::Number(BlockNumberOrTag::Number(height))) => height == head.height,
            Some(BlockId::Number(at)) => !at.is_earliest(),
        };
        if newest {
            return Ok((rows, head));
        }
        Err(error::refused(format!(
            "only the newest state can be read, which is that of block {}\nhint: ask for \"latest\"",
            head.height
        )))
    }

    fn find(&self, hash: &B256) -> RpcResult<Option<(Record, usize)>> {
        let Some((height, position)) = self.index.place(hash).map_err(error::index)? else {
            return Ok(None);
        };
        let record = self.record(height)?;
        Ok(record.map(|record| (record, position as usize)))
    }

    fn matching(&self, filter: &Filter, record: &Record) -> Vec<Log> {
        views::logs(record)
            .filter(|log| {
                filter.matches_address(log.inner.address)
                    && filter.matches_topics(log.inner.topics())
            })
            .collect()
    }

    /// Sends what `events` makes of each newly executed block, until the client goes away.
    async fn follow<T: Serialize>(
        self,
        sink: SubscriptionSink,
        events: impl Fn(&Self, &Record) -> Vec<T>,
    ) {
        let mut heads = self.node.chain.heads();
        let mut next = self.height() + 1;
        loop {
            let changed = tokio::select! {
                () = sink.closed() => return,
                changed = heads.changed() => changed,
            };
            if changed.is_err() {
                return;
            }
            while next <= self.height() {
                let Ok(Some(record)) = self.record(next) else {
                    return;
                };
                next += 1;
                for event in events(&self, &record) {
                    let message =
                        serde_json::value::to_raw_value(&event).map(SubscriptionMessage::from);
                    let Ok(message) = message else { return };
                    if sink.send(message).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

fn request(request: TransactionRequest) -> RpcResult<Request> {
    let data = request.input.try_into_unique_input();
    let data =
        data.map_err(|_| error::invalid("`input` and `data` differ\nhint: give one of them"))?;
    Ok(Request {
        from: request.from.unwrap_or_default(),
        to: request.to.and_then(|to| to.to().copied()),
        gas: request.gas,
        gas_price: request.gas_price.or(request.max_fee_per_gas).unwrap_or(0),
        value: request.value.unwrap_or_default(),
        data: data.unwrap_or_default(),
    })
}

#[async_trait]
impl EthServer for Source {
    fn chain_id(&self) -> RpcResult<U64> {
        Ok(U64::from(self.chain_id))
    }

    fn block_number(&self) -> RpcResult<U64> {
        Ok(U64::from(self.height()))
    }

    fn syncing(&self) -> RpcResult<bool> {
        Ok(false)
    }

    fn accounts(&self) -> RpcResult<Vec<Address>> {
        Ok(Vec::new())
    }

    fn gas_price(&self) -> RpcResult<U256> {
        let (_, head) = self.state(None)?;
        Ok(U256::from(head.base_fee) + SUGGESTED_TIP)
    }

    fn max_priority_fee_per_gas(&self) -> RpcResult<U256> {
        Ok(SUGGESTED_TIP)
    }

    fn fee_history(
        &self,
        blocks: U64,
        newest: BlockNumberOrTag,
        percentiles: Option<Vec<f64>>,
    ) -> RpcResult<FeeHistory> {
        let newest = self.number(newest).min(self.height());
        let count = blocks.to::<u64>().clamp(1, MAX_FEE_BLOCKS).min(newest + 1);
        let oldest = newest + 1 - count;
        let mut history = FeeHistory {
            oldest_block: oldest,
            ..FeeHistory::default()
        };
        let percentiles = percentiles.unwrap_or_default();
        if percentiles.len() > 100 {
            return Err(error::invalid("at most 100 percentiles can be asked for"));
        }
        let mut next = MIN_BASE_FEE;
        let mut rewards = Vec::new();
        for height in oldest..=newest {
            let Some(record) = self.record(height)? else {
                break;
            };
            history.base_fee_per_gas.push(record.base_fee.into());
            history
                .gas_used_ratio
                .push(record.gas_used as f64 / BLOCK_GAS_LIMIT as f64);
            rewards.push(tips(&record, &percentiles));
            next = execution::fee::next_base_fee(record.base_fee, record.gas_used);
        }
        history.base_fee_per_gas.push(next.into());
        history.reward = (!percentiles.is_empty()).then_some(rewards);
        Ok(history)
    }

    fn get_balance(&self, address: Address, at: Option<BlockId>) -> RpcResult<U256> {
        let (rows, _) = self.state(at)?;
        Ok(state::account(&rows, address)
            .map_err(error::fault)?
            .balance)
    }

    fn get_transaction_count(&self, address: Address, at: Option<BlockId>) -> RpcResult<U64> {
        let pending = at == Some(BlockId::pending());
        let (rows, _) = self.state(at)?;
        let account = state::account(&rows, address).map_err(error::fault)?;
        let nonce = match pending {
            true => self.node.pool.next_nonce(&address, &account),
            false => account.nonce,
        };
        Ok(U64::from(nonce))
    }

    fn get_code(&self, address: Address, at: Option<BlockId>) -> RpcResult<Bytes> {
        let (rows, _) = self.state(at)?;
        state::code(&rows, address).map_err(error::fault)
    }

    fn get_storage_at(&self, address: Address, slot: U256, at: Option<BlockId>) -> RpcResult<B256> {
        let (rows, _) = self.state(at)?;
        let value = state::slot(&rows, address, slot).map_err(error::fault)?;
        Ok(value.into())
    }

    fn call(&self, request: TransactionRequest, at: Option<BlockId>) -> RpcResult<Bytes> {
        let request = self::request(request)?;
        let (rows, _) = self.state(at)?;
        let called = call::call(&rows, &request, &patience()).map_err(error::call)?;
        match called.end {
            End::Returned => Ok(called.output),
            End::Reverted | End::Halted(_) => Err(error::failed(called)),
        }
    }

    fn estimate_gas(&self, request: TransactionRequest, at: Option<BlockId>) -> RpcResult<U64> {
        let request = self::request(request)?;
        let (rows, _) = self.state(at)?;
        call::estimate(&rows, &request, &patience())
            .map(U64::from)
            .map_err(error::call)
    }

    fn send_raw_transaction(&self, transaction: Bytes) -> RpcResult<B256> {
        self.node
            .submissions
            .submit(transaction.0)
            .map_err(|refused| error::refused(refused.to_string()))
    }

    fn get_transaction_by_hash(&self, hash: B256) -> RpcResult<Option<Transaction<Signed>>> {
        if let Some((record, position)) = self.find(&hash)? {
            return Ok(views::transaction(&record, position));
        }
        let waiting = self.node.pool.get(&hash);
        Ok(waiting.map(|waiting| views::waiting(&waiting.checked)))
    }

    fn get_transaction_receipt(&self, hash: B256) -> RpcResult<Option<TransactionReceipt>> {
        let found = self.find(&hash)?;
        Ok(found.and_then(|(record, position)| views::receipt(&record, position)))
    }

    fn get_block_by_number(
        &self,
        at: BlockNumberOrTag,
        full: Option<bool>,
    ) -> RpcResult<Option<BlockView>> {
        let record = self.record(self.number(at))?;
        Ok(record.map(|record| views::block(&record, full.unwrap_or(false))))
    }

    fn get_block_by_hash(&self, hash: B256, full: Option<bool>) -> RpcResult<Option<BlockView>> {
        let record = self.record_at(hash.into())?;
        Ok(record.map(|record| views::block(&record, full.unwrap_or(false))))
    }

    fn get_block_receipts(&self, at: BlockId) -> RpcResult<Option<Vec<TransactionReceipt>>> {
        let Some(record) = self.record_at(at)? else {
            return Ok(None);
        };
        let positions = 0..record.transactions.len();
        Ok(Some(
            positions
                .filter_map(|position| views::receipt(&record, position))
                .collect(),
        ))
    }

    fn get_block_transaction_count_by_number(
        &self,
        at: BlockNumberOrTag,
    ) -> RpcResult<Option<U64>> {
        let record = self.record(self.number(at))?;
        Ok(record.map(|record| U64::from(record.transactions.len())))
    }

    fn get_logs(&self, filter: Filter) -> RpcResult<Vec<Log>> {
        let heights = match filter.block_option {
            FilterBlockOption::AtBlockHash(hash) => {
                let record = self.record_at(hash.into())?;
                let record =
                    record.ok_or_else(|| error::refused(format!("block {hash} is not known")))?;
                vec![record.height]
            }
            FilterBlockOption::Range {
                from_block,
                to_block,
            } => {
                let from = self.number(from_block.unwrap_or_default());
                let to = self.number(to_block.unwrap_or_default()).min(self.height());
                if to.saturating_sub(from) >= MAX_LOG_BLOCKS {
                    return Err(error::too_much(format!(
                        "blocks {from} to {to} are more than {MAX_LOG_BLOCKS}\nhint: ask for a shorter range"
                    )));
                }
                let candidates = self
                    .index
                    .candidates(from, to, |bloom| filter.matches_bloom(*bloom));
                candidates.map_err(error::index)?
            }
        };
        let mut logs = Vec::new();
        for height in heights {
            if let Some(record) = self.record(height)? {
                logs.extend(self.matching(&filter, &record));
            }
            if logs.len() > MAX_LOGS {
                return Err(error::too_much(format!(
                    "more than {MAX_LOGS} logs up to block {height}\nhint: ask for a shorter range"
                )));
            }
        }
        Ok(logs)
    }

    async fn subscribe(
        &self,
        pending: PendingSubscriptionSink,
        kind: SubscriptionKind,
        params: Option<Params>,
    ) -> SubscriptionResult {
        let source = self.clone();
        match (kind, params) {
            (SubscriptionKind::NewHeads, _) => {
                let sink = pending.accept().await?;
                source
                    .follow(sink, |_, record| vec![views::header(record)] as Vec<Header>)
                    .await;
            }
            (SubscriptionKind::Logs, params) => {
                let filter = match params {
                    Some(Params::Logs(filter)) => *filter,
                    _ => Filter::new(),
                };
                let sink = pending.accept().await?;
                source
                    .follow(sink, move |source, record| source.matching(&filter, record))
                    .await;
            }
            _ => {
                let refused =
                    error::refused("this subscription is not offered\nhint: newHeads and logs are");
                pending.reject(refused).await;
            }
        }
        Ok(())
    }
}

/// Says when a call has taken too long.
fn patience() -> impl Fn() -> bool {
    let begun = Instant::now();
    move || begun.elapsed() > MAX_CALL_TIME
}

/// What wallets are told to tip, in wei per gas: blocks are seldom full.
const SUGGESTED_TIP: U256 = U256::from_limbs([1_000_000, 0, 0, 0]);

/// Tips per gas in a block at percentiles of its gas, ascending.
fn tips(record: &Record, percentiles: &[f64]) -> Vec<u128> {
    let mut paid: Vec<_> = record
        .transactions
        .iter()
        .map(|executed| {
            let tip = executed
                .effective_gas_price
                .saturating_sub(record.base_fee.into());
            (tip, executed.gas_used)
        })
        .collect();
    paid.sort_unstable();
    let at = |percentile: &f64| {
        let threshold = record.gas_used as f64 * percentile / 100.0;
        let mut gas = 0;
        let reached = paid.iter().find(|(_, used)| {
            gas += used;
            gas as f64 >= threshold
        });
        reached.map_or(0, |(tip, _)| *tip)
    };
    percentiles.iter().map(at).collect()
}

impl NetServer for Source {
    fn version(&self) -> RpcResult<String> {
        Ok(self.chain_id.to_string())
    }

    fn listening(&self) -> RpcResult<bool> {
        Ok(true)
    }

    fn peer_count(&self) -> RpcResult<U64> {
        Ok(U64::from(self.peers))
    }
}

impl Web3Server for Source {
    fn client_version(&self) -> RpcResult<String> {
        Ok(concat!("marketplace-plus/", env!("CARGO_PKG_VERSION")).into())
    }

    fn sha3(&self, data: Bytes) -> RpcResult<B256> {
        Ok(keccak256(data))
    }
}
