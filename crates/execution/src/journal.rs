//! One undo log for everything: revm's journal with the marketplace's rows and events under it.
//!
//! revm takes a checkpoint at each call frame. This wrapper takes one of the overlay and of the event
//! list at the same moments, so a Solidity caller that reverts takes its marketplace calls with it.
//! Checkpoints are strictly last in, first out; everything else is passed on as it is.

use crate::{fault::Fault, state::Overlay};
use alloy_primitives::{Address, B256, Log, U256};
use marketplace::Event;
use revm::{
    bytecode::Bytecode,
    context::{
        Journal as EvmJournal, JournalEntry, JournalTr,
        journaled_state::{
            AccountInfoLoad, AccountLoad, JournalCheckpoint, JournalLoadError, TransferError,
            account::JournaledAccount,
        },
    },
    context_interface::context::{SStoreResult, SelfDestructResult, StateLoad},
    inspector::JournalExt,
    primitives::{AddressMap, AddressSet, HashSet, hardfork::SpecId},
    state::{Account, EvmState},
};

/// revm's journal and, moving in step with it, the overlay (its database) and the events.
#[derive(Debug)]
pub(crate) struct Journal<'a> {
    evm: EvmJournal<Overlay<'a>>,
    events: Vec<Event>,
    /// Lengths of `events` at the open checkpoints.
    marks: Vec<usize>,
    faults: Vec<&'static str>,
}

type Load<T> = Result<StateLoad<T>, JournalLoadError<Fault>>;

impl<'a> Journal<'a> {
    /// The rows, as the running call sees them.
    pub(crate) fn rows(&mut self) -> &mut Overlay<'a> {
        &mut self.evm.database
    }

    /// Adds an event that a revert takes back.
    pub(crate) fn note_event(&mut self, event: Event) {
        self.events.push(event);
    }

    /// The events that the last transaction leaves.
    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Adds a fault of the marketplace, which no revert takes back.
    pub(crate) fn note_fault(&mut self, what: &'static str) {
        self.faults.push(what);
    }

    /// The faults since the last time.
    pub(crate) fn take_faults(&mut self) -> Vec<&'static str> {
        std::mem::take(&mut self.faults)
    }

    fn mark(&mut self) {
        self.evm.database.checkpoint();
        self.marks.push(self.events.len());
    }

    fn unmark(&mut self) {
        self.evm.database.revert();
        self.events.truncate(self.marks.pop().unwrap_or(0));
    }
}

impl JournalExt for Journal<'_> {
    fn journal(&self) -> &[JournalEntry] {
        self.evm.journal()
    }
}

impl<'a> JournalTr for Journal<'a> {
    type Database = Overlay<'a>;
    type State = EvmState;
    type JournaledAccount<'b>
        = JournaledAccount<'b, Overlay<'a>, JournalEntry>
    where
        Self: 'b;

    fn new(rows: Overlay<'a>) -> Self {
        Self {
            evm: EvmJournal::new(rows),
            events: Vec::new(),
            marks: Vec::new(),
            faults: Vec::new(),
        }
    }

    fn checkpoint(&mut self) -> JournalCheckpoint {
        self.mark();
        self.evm.checkpoint()
    }

    fn checkpoint_commit(&mut self) {
        self.evm.database.keep();
        self.marks.pop();
        self.evm.checkpoint_commit();
    }

    fn checkpoint_revert(&mut self, checkpoint: JournalCheckpoint) {
        self.unmark();
        self.evm.checkpoint_revert(checkpoint);
    }

    fn create_account_checkpoint(
        &mut self,
        caller: Address,
        address: Address,
        balance: U256,
        spec: SpecId,
    ) -> Result<JournalCheckpoint, TransferError> {
        self.mark();
        let created = self
            .evm
            .create_account_checkpoint(caller, address, balance, spec);
        if created.is_err() {
            self.unmark(); // revm took back its own
        }
        created
    }

    fn commit_tx(&mut self) {
        self.evm.database.commit();
        self.marks.clear();
        self.evm.commit_tx();
    }

    fn discard_tx(&mut self) {
        self.evm.database.discard();
        self.events.clear();
        self.marks.clear();
        self.evm.discard_tx();
    }

    fn finalize(&mut self) -> EvmState {
        self.evm.finalize()
    }

    // From here on: passed on.

    fn db_and_state(&self) -> (&Overlay<'a>, &EvmState) {
        self.evm.db_and_state()
    }

    fn db_and_state_mut(&mut self) -> (&mut Overlay<'a>, &mut EvmState) {
        self.evm.db_and_state_mut()
    }

    fn sload_skip_cold_load(&mut self, address: Address, slot: U256, skip: bool) -> Load<U256> {
        self.evm.sload_skip_cold_load(address, slot, skip)
    }

    fn sstore_skip_cold_load(
        &mut self,
        address: Address,
        slot: U256,
        value: U256,
        skip: bool,
    ) -> Load<SStoreResult> {
        self.evm.sstore_skip_cold_load(address, slot, value, skip)
    }

    fn tload(&mut self, address: Address, slot: U256) -> U256 {
        self.evm.tload(address, slot)
    }

    fn tstore(&mut self, address: Address, slot: U256, value: U256) {
        self.evm.tstore(address, slot, value);
    }

    fn log(&mut self, log: Log) {
        self.evm.log(log);
    }

    fn take_logs(&mut self) -> Vec<Log> {
        self.evm.take_logs()
    }

    fn logs(&self) -> &[Log] {
        self.evm.logs()
    }

    fn selfdestruct(
        &mut self,
        address: Address,
        heir: Address,
        skip: bool,
    ) -> Load<SelfDestructResult> {
        self.evm.selfdestruct(address, heir, skip)
    }

    fn warm_access_list(&mut self, list: AddressMap<HashSet<U256>>) {
        self.evm.warm_access_list(list);
    }

    fn warm_coinbase_account(&mut self, address: Address) {
        self.evm.warm_coinbase_account(address);
    }

    fn warm_precompiles(&mut self, addresses: &AddressSet) {
        self.evm.warm_precompiles(addresses);
    }

    fn precompile_addresses(&self) -> &AddressSet {
        self.evm.precompile_addresses()
    }

    fn set_spec_id(&mut self, spec: SpecId) {
        self.evm.set_spec_id(spec);
    }

    fn set_eip7708_config(&mut self, disabled: bool, delayed_clear_disabled: bool) {
        self.evm
            .set_eip7708_config(disabled, delayed_clear_disabled);
    }

    fn touch_account(&mut self, address: Address) {
        self.evm.touch_account(address);
    }

    fn transfer(
        &mut self,
        from: Address,
        to: Address,
        amount: U256,
    ) -> Result<Option<TransferError>, Fault> {
        self.evm.transfer(from, to, amount)
    }

    fn transfer_loaded(
        &mut self,
        from: Address,
        to: Address,
        amount: U256,
    ) -> Option<TransferError> {
        self.evm.transfer_loaded(from, to, amount)
    }

    #[allow(deprecated)]
    fn caller_accounting_journal_entry(&mut self, address: Address, old: U256, bump_nonce: bool) {
        self.evm
            .caller_accounting_journal_entry(address, old, bump_nonce);
    }

    fn balance_incr(&mut self, address: Address, amount: U256) -> Result<(), Fault> {
        self.evm.balance_incr(address, amount)
    }

    #[allow(deprecated)]
    fn nonce_bump_journal_entry(&mut self, address: Address) {
        self.evm.nonce_bump_journal_entry(address);
    }

    fn load_account(&mut self, address: Address) -> Result<StateLoad<&Account>, Fault> {
        self.evm.load_account(address)
    }

    fn load_account_with_code(&mut self, address: Address) -> Result<StateLoad<&Account>, Fault> {
        self.evm.load_account_with_code(address)
    }

    fn load_account_delegated(
        &mut self,
        address: Address,
    ) -> Result<StateLoad<AccountLoad>, Fault> {
        self.evm.load_account_delegated(address)
    }

    fn load_account_mut_skip_cold_load(
        &mut self,
        address: Address,
        skip: bool,
    ) -> Load<Self::JournaledAccount<'_>> {
        self.evm.load_account_mut_skip_cold_load(address, skip)
    }

    fn load_account_mut_optional_code(
        &mut self,
        address: Address,
        with_code: bool,
    ) -> Result<StateLoad<Self::JournaledAccount<'_>>, Fault> {
        self.evm.load_account_mut_optional_code(address, with_code)
    }

    fn set_code_with_hash(&mut self, address: Address, code: Bytecode, hash: B256) {
        self.evm.set_code_with_hash(address, code, hash);
    }

    fn depth(&self) -> usize {
        self.evm.depth()
    }

    fn load_account_info_skip_cold_load(
        &mut self,
        address: Address,
        with_code: bool,
        skip: bool,
    ) -> Result<AccountInfoLoad<'_>, JournalLoadError<Fault>> {
        self.evm
            .load_account_info_skip_cold_load(address, with_code, skip)
    }
}
