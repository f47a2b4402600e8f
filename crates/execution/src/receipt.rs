//! Receipts: what became of an included transaction.

use alloy_consensus::{ReceiptEnvelope, TxType, proofs::calculate_receipt_root};
use alloy_primitives::{Address, B256, Bloom, Log};

/// What became of an included transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Type of the transaction (EIP-2718).
    pub kind: TxType,
    /// False if it reverted or ran out of gas; it has paid all the same.
    pub succeeded: bool,
    /// Gas it used.
    pub gas_used: u64,
    /// Gas used in the block up to and with it.
    pub cumulative_gas_used: u64,
    /// What it paid per gas, base fee and tip together, in wei.
    pub effective_gas_price: u128,
    /// The contract it created.
    pub contract_address: Option<Address>,
    /// What it and the contracts it called logged.
    pub logs: Vec<Log>,
    /// Bloom filter over `logs`.
    pub bloom: Bloom,
}

impl Receipt {
    /// The receipt as Ethereum encodes it.
    pub fn envelope(&self) -> ReceiptEnvelope {
        let receipt = alloy_consensus::Receipt {
            status: self.succeeded.into(),
            cumulative_gas_used: self.cumulative_gas_used,
            logs: self.logs.clone(),
        };
        let with_bloom = alloy_consensus::ReceiptWithBloom::new(receipt, self.bloom);
        ReceiptEnvelope::from_typed(self.kind, with_bloom)
    }
}

/// Merkle-Patricia root over the receipts of a block, in order.
pub fn root(receipts: &[Receipt]) -> B256 {
    let envelopes: Vec<_> = receipts.iter().map(Receipt::envelope).collect();
    calculate_receipt_root(&envelopes)
}

/// Bloom filter over all logs of a block.
pub fn bloom(receipts: &[Receipt]) -> Bloom {
    let mut all = Bloom::ZERO;
    for receipt in receipts {
        all |= receipt.bloom;
    }
    all
}
