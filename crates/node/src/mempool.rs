//! Transactions that wait to be ordered, checked against the executed state.
//!
//! [`Mempool`] is pure: accounts and fees come in, decisions come out. [`Pool`] is what tasks share of it.
//!
//! 1. A sender's transactions have distinct nonces from its executed one on, at most [`MAX_AHEAD`] above it.
//! 2. All of a sender's transactions together are payable from its executed balance.
//! 3. A transaction replaces another of the same nonce only if it pays at least a tenth more.
//! 4. What could not be executed next, for its nonce or its fee, gets no more than half of the room: it may stay for
//!    good, and costs nobody anything.
//! 5. A proposer takes a sender's transactions in order of nonce, without gaps, at most [`MAX_IN_FLIGHT`] not yet
//!    executed; among senders the highest tip comes first.

use crate::block::{Block, MAX_TRANSACTION_BYTES, MAX_TRANSACTIONS};
use alloy_primitives::{Address, B256, U256};
use bytes::Bytes;
use commonware_utils::{channel::watch, sync::Mutex};
use execution::{admission, admission::Checked, fee::BLOCK_GAS_LIMIT, state::Account};
use std::{
    collections::{BTreeMap, BinaryHeap},
    sync::Arc,
};

/// How far above its executed nonce a sender's transactions may reach.
pub const MAX_AHEAD: u64 = 64;

/// Transactions of one sender that may be ordered and not yet executed.
pub const MAX_IN_FLIGHT: u64 = 16;

/// Transactions that wait at most.
pub const MAX_COUNT: usize = 1 << 16;

/// Bytes of all waiting transactions at most.
pub const MAX_BYTES: usize = 64 << 20;

/// A replacement pays at least this many hundredths of what it replaces, in fee and in tip.
const REPLACEMENT_PERCENT: u128 = 110;

/// Why a transaction does not wait here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It could not be executed.
    #[error("{0}\nhint: {hint}", hint = .0.hint())]
    Invalid(admission::Refusal),
    /// It reaches too far ahead.
    #[error(
        "nonce {nonce} is more than {MAX_AHEAD} above the account's {expected}\nhint: send the missing transactions first"
    )]
    TooFarAhead {
        /// The transaction's nonce.
        nonce: u64,
        /// The account's next nonce.
        expected: u64,
    },
    /// Another transaction has its nonce and pays about as much.
    #[error(
        "replacement transaction underpriced\nhint: a transaction with this nonce waits already; pay at least {REPLACEMENT_PERCENT} % of its fee and tip, or use the next nonce"
    )]
    Underpriced,
    /// The pool is full.
    #[error("the mempool is full\nhint: try again in a few seconds")]
    Full,
}

impl From<admission::Refusal> for Refused {
    fn from(refusal: admission::Refusal) -> Self {
        Self::Invalid(refusal)
    }
}

/// A transaction that waits, with its encoding.
#[derive(Debug)]
pub struct Waiting {
    /// What it is.
    pub checked: Checked,
    /// How it was signed and encoded.
    pub bytes: Bytes,
}

#[derive(Debug)]
struct Queue {
    account: Account,
    transactions: BTreeMap<u64, Arc<Waiting>>,
}

/// Next nonce and number of ordered but unexecuted transactions, by sender.
pub type InFlight = BTreeMap<Address, (u64, u64)>;

/// All waiting transactions.
#[derive(Debug, Default)]
pub struct Mempool {
    queues: BTreeMap<Address, Queue>,
    by_hash: BTreeMap<B256, (Address, u64)>,
    bytes: usize,
    base_fee: u64,
}

impl Mempool {
    /// Takes in a transaction whose sender's executed account is `account`. One that waits already is welcome
    /// again: then this is false.
    ///
    /// # Errors
    /// See [`Refused`]; nothing changes then.
    pub fn insert(&mut self, waiting: Arc<Waiting>, account: Account) -> Result<bool, Refused> {
        let checked = &waiting.checked;
        if self.by_hash.contains_key(&checked.hash) {
            return Ok(false);
        }
        let (nonce, expected) = (checked.nonce, account.nonce);
        if nonce > expected.saturating_add(MAX_AHEAD) {
            return Err(Refused::TooFarAhead { nonce, expected });
        }
        let queue = self.queues.get(&checked.sender);
        let replaced = queue.and_then(|queue| queue.transactions.get(&nonce));
        if replaced.is_some_and(|replaced| !pays_for(checked, &replaced.checked)) {
            return Err(Refused::Underpriced);
        }
        let others = queue
            .into_iter()
            .flat_map(|queue| queue.transactions.values());
        let cost = others
            .filter(|other| other.checked.nonce != nonce)
            .fold(U256::ZERO, |sum, other| {
                sum.saturating_add(other.checked.max_cost)
            });
        // A gap before it may still be filled, so its own nonce counts as the next.
        checked.against(&account, (nonce.saturating_sub(expected), cost))?;
        let (more, freed) = match replaced {
            Some(replaced) => (0, replaced.bytes.len()),
            None => (1, 0),
        };
        let count = self.by_hash.len() + more;
        let bytes = self.bytes - freed + waiting.bytes.len();
        let is_next = nonce <= self.next_nonce(&checked.sender, &account);
        let may_go = is_next && checked.tip(self.base_fee).is_some();
        let share = if may_go { 1 } else { 2 };
        if count > MAX_COUNT / share || bytes > MAX_BYTES / share {
            return Err(Refused::Full);
        }
        self.put(waiting, account);
        Ok(true)
    }

    fn put(&mut self, waiting: Arc<Waiting>, account: Account) {
        let (sender, nonce) = (waiting.checked.sender, waiting.checked.nonce);
        self.by_hash.insert(waiting.checked.hash, (sender, nonce));
        self.bytes += waiting.bytes.len();
        let queue = self.queues.entry(sender).or_insert(Queue {
            account,
            transactions: BTreeMap::new(),
        });
        queue.account = account;
        if let Some(replaced) = queue.transactions.insert(nonce, waiting) {
            self.forget(&replaced);
        }
    }

    fn forget(&mut self, gone: &Waiting) {
        self.by_hash.remove(&gone.checked.hash);
        self.bytes -= gone.bytes.len();
    }

    /// Brings the pool up to the newest executed state: executed transactions leave, and so does what its sender
    /// cannot pay any more. `account` gives the executed account of a sender.
    pub fn advance(&mut self, base_fee: u64, account: impl Fn(Address) -> Account) {
        self.base_fee = base_fee;
        let mut gone = Vec::new();
        self.queues.retain(|sender, queue| {
            queue.account = account(*sender);
            let (next, mut left) = (queue.account.nonce, queue.account.balance);
            queue.transactions.retain(|nonce, waiting| {
                let rest = left.checked_sub(waiting.checked.max_cost);
                let stays = *nonce >= next && rest.is_some();
                if stays {
                    left = rest.unwrap_or_default();
                } else {
                    gone.push(waiting.clone());
                }
                stays
            });
            !queue.transactions.is_empty()
        });
        for waiting in gone {
            self.forget(&waiting);
        }
    }

    /// The transactions of one sender that may be ordered now.
    fn ready<'a>(
        &'a self,
        sender: &Address,
        queue: &'a Queue,
        in_flight: &InFlight,
    ) -> impl Iterator<Item = &'a Arc<Waiting>> {
        let (next, count) = in_flight.get(sender).copied().unwrap_or_default();
        let first = next.max(queue.account.nonce);
        let room = MAX_IN_FLIGHT.saturating_sub(count);
        (first..first.saturating_add(room)).map_while(|nonce| {
            let waiting = queue.transactions.get(&nonce)?;
            waiting.checked.tip(self.base_fee).map(|_| waiting)
        })
    }

    /// Whether [`Mempool::select`] would give anything.
    pub fn has_work(&self, in_flight: &InFlight) -> bool {
        self.queues
            .iter()
            .any(|(sender, queue)| self.ready(sender, queue, in_flight).next().is_some())
    }

    /// What a block may carry, best first, within its limits of gas, bytes and count.
    pub fn select(&self, in_flight: &InFlight) -> Vec<Bytes> {
        let mut heads = BinaryHeap::new();
        let mut rests = Vec::new();
        for (sender, queue) in &self.queues {
            let mut ready = self.ready(sender, queue, in_flight);
            if let Some(waiting) = ready.next() {
                heads.push(self.ranked(waiting, rests.len()));
                rests.push(ready);
            }
        }
        let (mut gas, mut bytes) = (BLOCK_GAS_LIMIT, MAX_TRANSACTION_BYTES);
        let mut selected = Vec::new();
        while selected.len() < MAX_TRANSACTIONS
            && let Some((_, std::cmp::Reverse(sender), Ranked(waiting))) = heads.pop()
        {
            let left = gas
                .checked_sub(waiting.checked.gas_limit)
                .zip(bytes.checked_sub(waiting.bytes.len()));
            let Some(left) = left else {
                continue; // Nor may what follows it in nonce.
            };
            (gas, bytes) = left;
            selected.push(waiting.bytes.clone());
            if let Some(next) = rests[sender].next() {
                heads.push(self.ranked(next, sender));
            }
        }
        selected
    }

    fn ranked<'a>(
        &self,
        waiting: &'a Arc<Waiting>,
        sender: usize,
    ) -> (u128, std::cmp::Reverse<usize>, Ranked<'a>) {
        let tip = waiting.checked.tip(self.base_fee).unwrap_or_default();
        (tip, std::cmp::Reverse(sender), Ranked(waiting))
    }

    /// A waiting transaction by its hash.
    pub fn get(&self, hash: &B256) -> Option<Arc<Waiting>> {
        let (sender, nonce) = self.by_hash.get(hash)?;
        self.queues.get(sender)?.transactions.get(nonce).cloned()
    }

    /// The nonce after the sender's waiting transactions, as far as they follow without a gap.
    pub fn next_nonce(&self, sender: &Address, account: &Account) -> u64 {
        let mut nonce = account.nonce;
        if let Some(queue) = self.queues.get(sender) {
            while queue.transactions.contains_key(&nonce) {
                nonce = nonce.saturating_add(1);
            }
        }
        nonce
    }

    /// How many transactions wait.
    pub fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }
}

/// Ordered by tip and sender only.
struct Ranked<'a>(&'a Arc<Waiting>);

impl PartialEq for Ranked<'_> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Ranked<'_> {}

impl PartialOrd for Ranked<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked<'_> {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

fn pays_for(new: &Checked, old: &Checked) -> bool {
    let enough = |new: u128, old: u128| {
        new.saturating_mul(100) >= old.saturating_mul(REPLACEMENT_PERCENT) && new > old
    };
    enough(new.max_fee, old.max_fee) && enough(new.max_tip, old.max_tip)
}

/// The mempool as tasks share it; cheap to clone.
#[derive(Clone, Debug)]
pub struct Pool {
    chain_id: u64,
    mempool: Arc<Mutex<Mempool>>,
    /// Changes whenever there may be new work.
    changes: watch::Sender<()>,
}

impl Pool {
    pub(crate) fn new(chain_id: u64) -> Self {
        Self {
            chain_id,
            mempool: Arc::default(),
            changes: watch::Sender::new(()),
        }
    }

    /// Decodes and checks a transaction as far as that needs no state.
    ///
    /// # Errors
    /// See [`admission::check`].
    pub fn check(&self, bytes: Bytes) -> Result<Arc<Waiting>, Refused> {
        let checked = admission::check(&bytes, self.chain_id)?;
        Ok(Arc::new(Waiting { checked, bytes }))
    }

    /// See [`Mempool::insert`].
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn insert(&self, waiting: Arc<Waiting>, account: Account) -> Result<bool, Refused> {
        let inserted = self.mempool.lock().insert(waiting, account)?;
        if inserted {
            self.changes.send_replace(());
        }
        Ok(inserted)
    }

    /// See [`Mempool::advance`].
    pub(crate) fn advance(&self, base_fee: u64, account: impl Fn(Address) -> Account) {
        self.mempool.lock().advance(base_fee, account);
        self.changes.send_replace(());
    }

    /// Changes whenever there may be new work.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// What blocks that are ordered but not executed hold already.
    pub(crate) fn in_flight<'a>(&self, blocks: impl Iterator<Item = &'a Block>) -> InFlight {
        let mut in_flight = InFlight::new();
        for bytes in blocks.flat_map(|block| &block.transactions) {
            let hash = alloy_primitives::keccak256(bytes);
            let known = self.mempool.lock().by_hash.get(&hash).copied();
            let known = known.or_else(|| {
                let checked = admission::check(bytes, self.chain_id).ok()?;
                Some((checked.sender, checked.nonce))
            });
            if let Some((sender, nonce)) = known {
                let (next, count) = in_flight.entry(sender).or_default();
                *next = (*next).max(nonce.saturating_add(1));
                *count += 1;
            }
        }
        in_flight
    }

    /// See [`Mempool::has_work`].
    pub(crate) fn has_work(&self, in_flight: &InFlight) -> bool {
        self.mempool.lock().has_work(in_flight)
    }

    /// See [`Mempool::select`].
    pub(crate) fn select(&self, in_flight: &InFlight) -> Vec<Bytes> {
        self.mempool.lock().select(in_flight)
    }

    /// See [`Mempool::get`].
    pub fn get(&self, hash: &B256) -> Option<Arc<Waiting>> {
        self.mempool.lock().get(hash)
    }

    /// See [`Mempool::next_nonce`].
    pub fn next_nonce(&self, sender: &Address, account: &Account) -> u64 {
        self.mempool.lock().next_nonce(sender, account)
    }

    /// How many transactions wait.
    pub fn len(&self) -> usize {
        self.mempool.lock().len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.mempool.lock().is_empty()
    }
}

#[cfg(test)]
mod tests;
