//! Records of the index in the shapes of Ethereum's JSON-RPC.

use crate::index::{LogRecord, Record};
use alloy_consensus::{Receipt, ReceiptEnvelope, ReceiptWithBloom, TxType, transaction::Recovered};
use alloy_eips::eip2718::Decodable2718 as _;
use alloy_primitives::{B256, Bloom, U256};
use alloy_rpc_types_eth::{Block, BlockTransactions, Header, Log, Transaction, TransactionReceipt};
use execution::{block::Transaction as Signed, fee::BLOCK_GAS_LIMIT};

pub(super) type BlockView = Block<Transaction<Signed>>;

pub(super) fn header(record: &Record) -> Header {
    Header {
        hash: record.hash.into(),
        inner: alloy_consensus::Header {
            parent_hash: record.parent_hash.into(),
            ommers_hash: alloy_consensus::EMPTY_OMMER_ROOT_HASH,
            beneficiary: record.fee_account.into(),
            state_root: record.state_root.into(),
            transactions_root: record.transactions_root.into(),
            receipts_root: record.receipts_root.into(),
            logs_bloom: record.bloom(),
            number: record.height,
            gas_limit: BLOCK_GAS_LIMIT,
            gas_used: record.gas_used,
            timestamp: record.time_ms / 1000,
            mix_hash: record.beacon.into(),
            base_fee_per_gas: Some(record.base_fee),
            ..alloy_consensus::Header::default()
        },
        total_difficulty: None,
        size: Some(U256::from(size(record))),
    }
}

/// Bytes of the block's transactions.
fn size(record: &Record) -> usize {
    let transactions = record.transactions.iter();
    transactions
        .map(|transaction| transaction.encoded.len())
        .sum()
}

pub(super) fn block(record: &Record, full: bool) -> BlockView {
    let transactions = match full {
        true => BlockTransactions::Full(
            (0..record.transactions.len())
                .filter_map(|position| transaction(record, position))
                .collect(),
        ),
        false => BlockTransactions::Hashes(
            record
                .transactions
                .iter()
                .map(|transaction| transaction.hash.into())
                .collect(),
        ),
    };
    Block {
        header: header(record),
        uncles: Vec::new(),
        transactions,
        withdrawals: None,
    }
}

/// An executed transaction; `None` if there is none at this position.
pub(super) fn transaction(record: &Record, position: usize) -> Option<Transaction<Signed>> {
    let executed = record.transactions.get(position)?;
    let signed = Signed::decode_2718_exact(&executed.encoded).ok()?;
    Some(Transaction {
        inner: Recovered::new_unchecked(signed, executed.sender.into()),
        block_hash: Some(record.hash.into()),
        block_number: Some(record.height),
        transaction_index: Some(position as u64),
        effective_gas_price: Some(executed.effective_gas_price),
        block_timestamp: Some(record.time_ms / 1000),
    })
}

/// A transaction that waits.
pub(super) fn waiting(checked: &execution::Checked) -> Transaction<Signed> {
    Transaction {
        inner: Recovered::new_unchecked(checked.transaction.clone(), checked.sender),
        block_hash: None,
        block_number: None,
        transaction_index: None,
        effective_gas_price: Some(checked.max_fee),
        block_timestamp: None,
    }
}

/// The receipt of the transaction at a position.
pub(super) fn receipt(record: &Record, position: usize) -> Option<TransactionReceipt> {
    let executed = record.transactions.get(position)?;
    let signed = Signed::decode_2718_exact(&executed.encoded).ok()?;
    let before = record.transactions.iter().take(position + 1);
    let logs: Vec<_> = logs(record)
        .filter(|log| log.transaction_index == Some(position as u64))
        .collect();
    let bloom = logs.iter().fold(Bloom::ZERO, |mut bloom, log| {
        bloom.accrue_log(&log.inner);
        bloom
    });
    let receipt = Receipt {
        status: executed.succeeded.into(),
        cumulative_gas_used: before.map(|transaction| transaction.gas_used).sum(),
        logs,
    };
    let kind = TxType::try_from(executed.kind).unwrap_or(TxType::Legacy);
    let receipt = ReceiptWithBloom::new(receipt, bloom);
    Some(TransactionReceipt {
        inner: ReceiptEnvelope::from_typed(kind, receipt),
        transaction_hash: executed.hash.into(),
        transaction_index: Some(position as u64),
        block_hash: Some(record.hash.into()),
        block_number: Some(record.height),
        gas_used: executed.gas_used,
        effective_gas_price: executed.effective_gas_price,
        blob_gas_used: None,
        blob_gas_price: None,
        from: executed.sender.into(),
        to: alloy_consensus::Transaction::to(&signed),
        contract_address: executed.contract_address.map(Into::into),
    })
}

/// All logs of a block, in order.
pub(super) fn logs(record: &Record) -> impl Iterator<Item = Log> {
    let numbered = record.transactions.iter().zip(0_u64..);
    let numbered = numbered.flat_map(|(executed, position)| {
        let hash = B256::from(executed.hash);
        executed.logs.iter().map(move |log| (log, hash, position))
    });
    numbered
        .zip(0..)
        .map(|((log, hash, position), log_index)| Log {
            inner: LogRecord::log(log),
            block_hash: Some(record.hash.into()),
            block_number: Some(record.height),
            block_timestamp: Some(record.time_ms / 1000),
            transaction_hash: Some(hash),
            transaction_index: Some(position),
            log_index: Some(log_index),
            removed: false,
        })
}
