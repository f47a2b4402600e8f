//! What executed blocks held and did, for those who ask: blocks, transactions, receipts, logs.
//!
//! Consensus never reads it. A block is recorded here before its result is durable, so that a crash leaves the
//! index at most ahead; readers stop at the executed height. Lost, it comes back by executing the blocks again.

use crate::executor::Executed;
use alloy_consensus::Typed2718 as _;
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{B256, Bloom, Bytes, Log, LogData};
use borsh::{BorshDeserialize, BorshSerialize};
use execution::Genesis;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use std::path::Path;

const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");
const BLOOMS: TableDefinition<'_, u64, &[u8; 256]> = TableDefinition::new("blooms");
const HEIGHTS: TableDefinition<'_, &[u8; 32], u64> = TableDefinition::new("heights");
const PLACES: TableDefinition<'_, &[u8; 32], (u64, u32)> = TableDefinition::new("places");

const VERSION: u8 = 1;

/// Why the index cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "the index of blocks and transactions failed: {0}\nhint: stop the node and delete the file `index.redb`; it is built again"
)]
pub struct Error(String);

impl<E: Into<redb::Error>> From<E> for Error {
    fn from(error: E) -> Self {
        Self(error.into().to_string())
    }
}

/// A block and what it did.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Record {
    version: u8,
    /// Its height.
    pub height: u64,
    /// Its digest in consensus; of genesis, the hash of the genesis file.
    pub hash: [u8; 32],
    /// The digest of the block before.
    pub parent_hash: [u8; 32],
    /// Milliseconds of Unix time.
    pub time_ms: u64,
    /// Its beacon value.
    pub beacon: [u8; 32],
    /// Account that earned its tips.
    pub fee_account: [u8; 20],
    /// Root over all rows after it.
    pub state_root: [u8; 32],
    /// Root over its executed transactions.
    pub transactions_root: [u8; 32],
    /// Root over their receipts.
    pub receipts_root: [u8; 32],
    /// Gas they used.
    pub gas_used: u64,
    /// Base fee, in wei per gas.
    pub base_fee: u64,
    /// Executed transactions, in order.
    pub transactions: Vec<Executable>,
}

/// A transaction and its receipt.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Executable {
    /// Its hash.
    pub hash: [u8; 32],
    /// Who sent it.
    pub sender: [u8; 20],
    /// Its encoding.
    pub encoded: Vec<u8>,
    /// Type of the transaction.
    pub kind: u8,
    /// Whether it took effect.
    pub succeeded: bool,
    /// Gas it used.
    pub gas_used: u64,
    /// What it paid per gas, in wei.
    pub effective_gas_price: u128,
    /// The contract it created.
    pub contract_address: Option<[u8; 20]>,
    /// What it logged.
    pub logs: Vec<LogRecord>,
}

/// A log of a contract.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LogRecord {
    address: [u8; 20],
    topics: Vec<[u8; 32]>,
    data: Vec<u8>,
}

impl LogRecord {
    fn new(log: &Log) -> Self {
        Self {
            address: log.address.0.0,
            topics: log.data.topics().iter().map(|topic| topic.0).collect(),
            data: log.data.data.to_vec(),
        }
    }

    /// The log as Ethereum knows it.
    pub fn log(&self) -> Log {
        let topics = self.topics.iter().map(B256::from).collect();
        Log {
            address: self.address.into(),
            data: LogData::new_unchecked(topics, Bytes::copy_from_slice(&self.data)),
        }
    }
}

impl Record {
    /// Block 0.
    pub fn genesis(genesis: &Genesis) -> Self {
        let hash = genesis.hash().0;
        Self {
            version: VERSION,
            height: 0,
            hash,
            parent_hash: [0; 32],
            time_ms: genesis.time_ms,
            beacon: hash,
            fee_account: [0; 20],
            state_root: hash,
            transactions_root: alloy_consensus::EMPTY_ROOT_HASH.0,
            receipts_root: alloy_consensus::EMPTY_ROOT_HASH.0,
            gas_used: 0,
            base_fee: execution::fee::MIN_BASE_FEE,
            transactions: Vec::new(),
        }
    }

    /// An executed block.
    pub fn new(executed: &Executed) -> Self {
        let (block, outcome) = (&executed.block, &executed.outcome);
        let transactions = outcome.transactions.iter().zip(&outcome.receipts);
        Self {
            version: VERSION,
            height: block.height,
            hash: block.hash.0,
            parent_hash: block.parent_hash.0,
            time_ms: block.time_ms,
            beacon: block.beacon.0,
            fee_account: block.fee_account.0.0,
            state_root: executed.result.state_root.0,
            transactions_root: outcome.transactions_root.0,
            receipts_root: outcome.receipts_root.0,
            gas_used: outcome.gas_used,
            base_fee: outcome.base_fee,
            transactions: transactions
                .map(|(included, receipt)| Executable {
                    hash: included.hash.0,
                    sender: included.sender.0.0,
                    encoded: included.transaction.encoded_2718(),
                    kind: included.transaction.ty(),
                    succeeded: receipt.succeeded,
                    gas_used: receipt.gas_used,
                    effective_gas_price: receipt.effective_gas_price,
                    contract_address: receipt.contract_address.map(|address| address.0.0),
                    logs: receipt.logs.iter().map(LogRecord::new).collect(),
                })
                .collect(),
        }
    }

    /// Bloom filter over all logs.
    pub fn bloom(&self) -> Bloom {
        let logs = self
            .transactions
            .iter()
            .flat_map(|transaction| &transaction.logs);
        let logs: Vec<_> = logs.map(LogRecord::log).collect();
        alloy_primitives::logs_bloom(&logs)
    }
}

/// The index on disk.
pub struct Index {
    database: Database,
}

impl Index {
    /// Opens the index at `path`, or makes it with the genesis block.
    ///
    /// # Errors
    /// If the file cannot be used.
    pub fn open(path: &Path, genesis: &Genesis) -> Result<Self, Error> {
        let index = Self {
            database: Database::create(path)?,
        };
        index.put(&Record::genesis(genesis))?;
        Ok(index)
    }

    /// Records a block durably. Recording it again changes nothing.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn put(&self, record: &Record) -> Result<(), Error> {
        let bytes = borsh::to_vec(record).map_err(|error| Error(error.to_string()))?;
        let write = self.database.begin_write()?;
        {
            write
                .open_table(RECORDS)?
                .insert(record.height, bytes.as_slice())?;
            let bloom = record.bloom();
            write.open_table(BLOOMS)?.insert(record.height, &*bloom.0)?;
            write
                .open_table(HEIGHTS)?
                .insert(&record.hash, record.height)?;
            let mut places = write.open_table(PLACES)?;
            for (transaction, position) in record.transactions.iter().zip(0..) {
                places.insert(&transaction.hash, (record.height, position))?;
            }
        }
        write.commit()?;
        Ok(())
    }

    /// The highest block recorded.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn height(&self) -> Result<u64, Error> {
        let records = self.database.begin_read()?.open_table(RECORDS)?;
        Ok(records.last()?.map_or(0, |(height, _)| height.value()))
    }

    /// The block at a height.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn block(&self, height: u64) -> Result<Option<Record>, Error> {
        let records = self.database.begin_read()?.open_table(RECORDS)?;
        let Some(bytes) = records.get(height)? else {
            return Ok(None);
        };
        let record = Record::try_from_slice(bytes.value());
        let record = record.map_err(|error| Error(format!("block {height}: {error}")))?;
        Ok(Some(record))
    }

    /// The height of the block with a hash.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn height_of(&self, hash: &B256) -> Result<Option<u64>, Error> {
        let heights = self.database.begin_read()?.open_table(HEIGHTS)?;
        Ok(heights.get(&hash.0)?.map(|height| height.value()))
    }

    /// Height and position of an executed transaction.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn place(&self, hash: &B256) -> Result<Option<(u64, u32)>, Error> {
        let places = self.database.begin_read()?.open_table(PLACES)?;
        Ok(places.get(&hash.0)?.map(|place| place.value()))
    }

    /// Heights in `from..=to` whose logs may match, lowest first: those whose bloom filter `matches`.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn candidates(
        &self,
        from: u64,
        to: u64,
        matches: impl Fn(&Bloom) -> bool,
    ) -> Result<Vec<u64>, Error> {
        let blooms = self.database.begin_read()?.open_table(BLOOMS)?;
        let mut heights = Vec::new();
        for entry in blooms.range(from..=to)? {
            let (height, bloom) = entry?;
            if matches(&Bloom::from(bloom.value())) {
                heights.push(height.value());
            }
        }
        Ok(heights)
    }
}
