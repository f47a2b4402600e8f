//! A marketplace in memory, watched: every accepted call is followed by all invariants and by the auditor,
//! every refused one must have left the store byte-equal.

use crate::auditor::Auditor;
use ed25519_dalek::{Signer as _, SigningKey};
use marketplace::peer::{self, Registration};
use marketplace::store::{MemoryStore, OutOfWork, Row, Store};
use marketplace::units::{Address, Hash, PeerId, ProviderId, Seconds, Usdc};
use marketplace::{Book, Call, Cx, Error, Event, Origin, Params, Reply};
use marketplace::{invariants, usdc};
use std::collections::BTreeMap;
use std::ops::Bound;

/// Full invariants run after each step below this many rows, and every [`SELDOM`] steps above.
const SMALL: usize = 2_000;
const SELDOM: u64 = 100;

pub(crate) struct World {
    pub(crate) store: MemoryStore,
    pub(crate) book: Book,
    pub(crate) params: Params,
    pub(crate) now: u64,
    /// What happened, with the block time at which it was found.
    pub(crate) events: Vec<(u64, Event)>,
    /// Off where the clock's budget is so small that events come late.
    pub(crate) audited: bool,
    auditor: Auditor,
    steps: u64,
    committed: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl World {
    /// A marketplace in its first block, at time 0.
    pub(crate) fn new(params: Params, balances: &[(Address, Usdc)]) -> Self {
        let mut store = MemoryStore::default();
        marketplace::genesis(&mut store, &params, balances).expect("genesis");
        let mut world = Self {
            book: Book::rebuild(rows(&store)),
            committed: store.rows.clone(),
            auditor: Auditor::new(&params, balances),
            store,
            now: 0,
            events: Vec::new(),
            audited: params.due_budget == Params::default().due_budget,
            params,
            steps: 0,
        };
        world.begin(0);
        world
    }

    /// Makes a call in the open block.
    pub(crate) fn call(&mut self, caller: Address, call: &Call) -> Result<Reply, Error> {
        let before = self.store.clone();
        let origin = Origin {
            caller,
            ..Origin::default()
        };
        let (result, events) = within(&mut self.store, origin, |cx| {
            marketplace::apply(cx, call.clone())
        });
        match &result {
            Ok(_) => {
                if self.audited {
                    self.auditor.call(self.now, call);
                }
                self.heard(events);
            }
            Err(Error::Refused(_)) => {
                assert!(before == self.store, "refused, yet written: {call:?}");
            }
            Err(error) => panic!("{call:?}: {error}"),
        }
        self.check();
        result
    }

    /// What a host does after it has checked a permit and an authorization of this owner.
    pub(crate) fn signed(&mut self, owner: Address) {
        let spender = address("spender");
        let (result, events) = within(&mut self.store, Origin::default(), |cx| {
            usdc::permit(cx, owner, spender, Usdc(6))?;
            usdc::cancel_authorization(cx, owner, Hash([9; 32]))
        });
        result.expect("permit");
        self.heard(events);
        self.check();
    }

    /// Moves one millionth by an authorization that a host has checked.
    pub(crate) fn authorized(
        &mut self,
        from: Address,
        to: Address,
        nonce: Hash,
    ) -> Result<(), Error> {
        let (result, events) = within(&mut self.store, Origin::default(), |cx| {
            usdc::transfer_authorized(cx, from, to, Usdc(1), nonce)
        });
        self.heard(events);
        self.check();
        result
    }

    /// Ends the open block: clearing.
    pub(crate) fn end(&mut self) {
        let mut replayed = (
            self.store.clone(),
            Book::rebuild(rows(&self.committed_store())),
        );
        let book = &mut self.book;
        let (result, events) = within(&mut self.store, Origin::default(), |cx| {
            marketplace::end_block(cx, book)
        });
        result.expect("end of block");
        let (result, _) = within(&mut replayed.0, Origin::default(), |cx| {
            marketplace::end_block(cx, &mut replayed.1)
        });
        result.expect("end of block, with the index rebuilt");
        assert!(
            replayed.0 == self.store,
            "C6: the result depends on the index's past"
        );
        self.heard(events);
        self.commit();
        self.check();
    }

    /// Begins a block so many seconds after the last.
    pub(crate) fn begin(&mut self, elapsed: u64) {
        self.now += elapsed.min(self.params.max_step_seconds);
        let (result, events) = within(&mut self.store, Origin::default(), |cx| {
            marketplace::begin_block(cx, Seconds(elapsed))
        });
        result.expect("beginning of block");
        self.heard(events);
        self.check();
    }

    /// Ends the block and begins the next.
    pub(crate) fn block(&mut self, elapsed: u64) {
        self.end();
        self.begin(elapsed);
    }

    /// Reads the rows as a call would; a query that writes panics.
    pub(crate) fn read<T>(
        &self,
        reader: impl FnOnce(&mut Cx<'_, ReadOnly<'_>>) -> Result<T, Error>,
    ) -> T {
        let (result, _) = within(&mut ReadOnly(&self.store), Origin::default(), reader);
        result.expect("query")
    }

    /// All invariants and the auditor.
    pub(crate) fn check(&mut self) {
        self.steps += 1;
        if self.store.rows.len() >= SMALL && !self.steps.is_multiple_of(SELDOM) {
            return;
        }
        let violations = invariants::check(rows(&self.store));
        assert!(violations.is_empty(), "at {}: {violations:#?}", self.now);
        if self.audited {
            self.read(|cx| {
                self.auditor.check(cx);
                Ok(())
            });
        }
    }

    fn heard(&mut self, events: Vec<Event>) {
        for event in events {
            if self.audited {
                self.auditor.event(self.now, &event);
            }
            self.events.push((self.now, event));
        }
    }

    fn committed_store(&self) -> MemoryStore {
        MemoryStore {
            rows: self.committed.clone(),
        }
    }

    /// Tells the index what a node would tell it after the block.
    fn commit(&mut self) {
        let mut diff: BTreeMap<&[u8], Option<&[u8]>> = BTreeMap::new();
        for (key, row) in &self.store.rows {
            if self.committed.get(key) != Some(row) {
                diff.insert(key, Some(row));
            }
        }
        for key in self
            .committed
            .keys()
            .filter(|key| !self.store.rows.contains_key(*key))
        {
            diff.insert(key, None);
        }
        self.book.apply(diff);
        self.committed = self.store.rows.clone();
    }
}

/// Rows that can be read only.
pub(crate) struct ReadOnly<'s>(&'s MemoryStore);

impl Store for ReadOnly<'_> {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, OutOfWork> {
        Ok(self.0.rows.get(key).cloned())
    }

    fn put(&mut self, key: &[u8], _row: Vec<u8>) -> Result<(), OutOfWork> {
        panic!("a query writes {key:?}");
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), OutOfWork> {
        panic!("a query deletes {key:?}");
    }

    fn next(&mut self, from: &[u8], to: &[u8]) -> Result<Option<Row>, OutOfWork> {
        let bounds = (Bound::Included(from), Bound::Excluded(to));
        let row = self.0.rows.range::<[u8], _>(bounds).next();
        Ok(row.map(|(key, row)| (key.clone(), row.clone())))
    }

    fn step(&mut self, _steps: u64) -> Result<(), OutOfWork> {
        Ok(())
    }
}

fn within<S: Store, T>(
    store: &mut S,
    origin: Origin,
    act: impl FnOnce(&mut Cx<'_, S>) -> Result<T, Error>,
) -> (Result<T, Error>, Vec<Event>) {
    let (mut events, mut payouts) = (Vec::new(), Vec::new());
    let result = Cx::open(store, origin, &mut events, &mut payouts).and_then(|mut cx| act(&mut cx));
    assert!(payouts.is_empty(), "nothing pays FLT yet");
    (result, events)
}

pub(crate) fn rows(store: &MemoryStore) -> impl Iterator<Item = (&[u8], &[u8])> {
    store
        .rows
        .iter()
        .map(|(key, row)| (key.as_slice(), row.as_slice()))
}

/// The account of a name.
pub(crate) fn address(name: &str) -> Address {
    let mut bytes = [0; 20];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    Address(bytes)
}

fn key(name: &str) -> SigningKey {
    let mut seed = [0; 32];
    seed[..name.len()].copy_from_slice(name.as_bytes());
    SigningKey::from_bytes(&seed)
}

/// The peer of a name.
pub(crate) fn peer_id(name: &str) -> PeerId {
    PeerId(key(name).verifying_key().to_bytes())
}

/// A peer's signature over its registration.
pub(crate) fn signature(name: &str, chain_id: u64, provider: ProviderId) -> [u8; 64] {
    let message = peer::registration_message(chain_id, provider, peer_id(name));
    key(name).sign(&message).to_bytes()
}

/// A peer of a name, operated by the account of the same name, that says nothing of itself.
pub(crate) fn registration(
    name: &str,
    provider: ProviderId,
    datacenter: marketplace::units::DatacenterId,
    units: u16,
) -> Registration {
    Registration {
        datacenter,
        peer: peer_id(name),
        signature: signature(name, 1, provider),
        operator: address(name),
        endpoints: vec!["192.0.2.1:4001".to_owned()],
        oldest_version: 1,
        newest_version: 1,
        attributes: Vec::new(),
        units,
    }
}
