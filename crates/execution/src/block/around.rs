//! The marketplace's work around the transactions of a block, and the system transactions that show it. (B2, B11)

use super::{Included, Run};
use crate::fault::Fault;
use crate::gas::Meter;
use crate::journal::Journal;
use crate::receipt::Receipt;
use crate::system::{Stop, act_on};
use abi::refusal::Revert;
use alloy_consensus::{Signed, TxLegacy, TxType};
use alloy_primitives::{Address, B256, Bytes, Log, Signature, TxKind, U256, address, keccak256};
use marketplace::{Cx, Error, Origin};
use revm::context::JournalTr as _;

/// Who seems to send the system transactions.
pub const SYSTEM_SENDER: Address = address!("0xfffffffffffffffffffffffffffffffffffffffe");
/// Gas that the beginning of a block, and its end, may use in the marketplace, beside the transactions' gas. The
/// marketplace bounds both by its own parameters; this only stops what runs away.
const SYSTEM_GAS: u64 = 1 << 40;

/// The marketplace's work around the transactions of a block.
#[derive(Clone, Copy, Debug)]
pub(super) enum Half {
    /// Before the first.
    Begin,
    /// After the last.
    End,
}

impl<'a> Run<'a> {
    /// Lets the marketplace do what is due; false if it failed, was taken back as a whole and noted as a fault.
    pub(super) fn system(
        &mut self,
        half: Half,
        act: impl FnOnce(&mut Cx<'_, Meter<'_, 'a>>) -> Result<(), Error>,
    ) -> Result<bool, Fault> {
        let journal = &mut self.machine.ctx.journaled_state;
        let origin = Origin {
            beacon: self.at.beacon.0,
            ..Origin::default()
        };
        let checkpoint = journal.checkpoint();
        let mut budget = SYSTEM_GAS;
        let result = act_on(journal, origin, &mut budget, act);
        let done = result.is_ok();
        match result {
            Ok(()) => journal.checkpoint_commit(),
            Err(Stop::Fault(fault)) => return Err(fault),
            Err(stop) => {
                journal.checkpoint_revert(checkpoint);
                note(journal, &stop);
            }
        }
        let logs = journal.take_logs();
        journal.commit_tx();
        let state = journal.finalize();
        self.settle(state)?;
        if !logs.is_empty() {
            self.include_system(half, logs);
        }
        Ok(done)
    }

    fn include_system(&mut self, half: Half, logs: Vec<Log>) {
        let (transaction, hash) = half.transaction(self.at.chain_id, self.at.height);
        self.receipts.push(Receipt {
            kind: TxType::Legacy,
            succeeded: true,
            gas_used: 0,
            cumulative_gas_used: self.gas_used,
            effective_gas_price: 0,
            contract_address: None,
            bloom: alloy_primitives::logs_bloom(&logs),
            logs,
        });
        let nobody = Signature::new(U256::ZERO, U256::ZERO, false);
        self.transactions.push(Included {
            transaction: Signed::new_unchecked(transaction, nobody, hash).into(),
            hash,
            sender: SYSTEM_SENDER,
        });
    }
}

impl Half {
    /// The system transaction and its hash.
    fn transaction(self, chain_id: u64, height: u64) -> (TxLegacy, B256) {
        let (name, place) = match self {
            Self::Begin => ("begin", 0_u64),
            Self::End => ("end", 1),
        };
        let id = [chain_id, height, place].map(u64::to_be_bytes);
        let transaction = TxLegacy {
            chain_id: Some(chain_id),
            nonce: height,
            gas_price: 0,
            gas_limit: 0,
            to: TxKind::Call(abi::MARKETPLACE),
            value: U256::ZERO,
            input: Bytes::from_static(name.as_bytes()),
        };
        (transaction, keccak256(id.concat()))
    }
}

/// What the marketplace does around a block must neither be refused nor run out; its own faults are noted already.
fn note(journal: &mut Journal<'_>, stop: &Stop) {
    match stop {
        Stop::OutOfGas => journal.note_fault("the work around a block does not end"),
        Stop::Revert(Revert::InternalFault(_)) | Stop::Fault(_) => {}
        Stop::Revert(_) => journal.note_fault("the work around a block is refused"),
    }
}
