//! A marketplace in memory, watched: every accepted call is followed by all invariants and by the auditor,
//! every refused one must have left the store byte-equal.

use crate::auditor::Auditor;
pub(crate) use crate::names::{address, peer_id, registration};
use marketplace::audit::Verdict;
use marketplace::store::{MemoryStore, OutOfWork, Row, Store};
use marketplace::units::{Address, AuditId, Flt, Hash, Seconds, Usdc};
use marketplace::{Book, Call, Cx, Error, Event, Origin, Params, Reply};
use marketplace::{deposit, flt, invariants, usdc};
use std::collections::BTreeMap;
use std::ops::Bound;

/// Full invariants run after each step below this many rows, and every [`SELDOM`] steps above.
const SMALL: usize = 2_000;
pub(crate) const SELDOM: u64 = 100;

pub(crate) struct World {
    pub(crate) store: MemoryStore,
    pub(crate) book: Book,
    pub(crate) params: Params,
    pub(crate) now: u64,
    /// What happened, with the block time at which it was found.
    pub(crate) events: Vec<(u64, Event)>,
    /// What the next block lists.
    pub(crate) verdicts: Vec<(AuditId, Verdict)>,
    /// Off where the clock's budget is so small that events come late.
    pub(crate) audited: bool,
    /// After how many steps everything is checked; None: after each while there are few rows, else after some.
    pub(crate) every: Option<u64>,
    /// What the last call, or half of a block, did with rows.
    pub(crate) work: Work,
    auditor: Auditor,
    steps: u64,
    /// Rows that this block wrote, as they were before it; None: not there.
    before: Before,
}

/// Rows as they were before something wrote them; None: not there.
type Before = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

impl World {
    /// A marketplace in its first block, at time 0.
    pub(crate) fn new(params: Params, balances: &[(Address, Usdc)]) -> Self {
        let mut store = MemoryStore::default();
        marketplace::genesis(&mut store, &params, balances).expect("genesis");
        let mut world = Self {
            book: Book::rebuild(rows(&store)),
            before: Before::new(),
            auditor: Auditor::new(&params, balances),
            store,
            now: 0,
            events: Vec::new(),
            verdicts: Vec::new(),
            audited: params.due_budget == Params::default().due_budget,
            every: None,
            work: Work::default(),
            params,
            steps: 0,
        };
        world.begin(0);
        world
    }

    /// Makes a call in the open block.
    pub(crate) fn call(&mut self, caller: Address, call: &Call) -> Result<Reply, Error> {
        let objects = deposit::objects(call).unwrap_or(0);
        self.call_with(caller, call, self.params.deposit(objects))
    }

    /// Makes a call in the open block, with so much FLT.
    pub(crate) fn call_with(
        &mut self,
        caller: Address,
        call: &Call,
        value: Flt,
    ) -> Result<Reply, Error> {
        let origin = Origin {
            caller,
            value,
            ..Origin::default()
        };
        let (result, events, before) =
            self.within(origin, |cx| marketplace::apply(cx, call.clone()));
        match &result {
            Ok(_) => {
                if self.audited {
                    self.auditor.call(self.now, call);
                }
                self.heard(events);
                self.check();
            }
            // What held before the call holds after it: no byte is another.
            Err(Error::Refused(_)) => {
                let changed = self.changes(&before).next();
                assert!(changed.is_none(), "refused, yet written: {call:?}");
            }
            Err(error) => panic!("{call:?}: {error}"),
        }
        result
    }

    /// What a host does after it has checked a permit and an authorization of this owner.
    pub(crate) fn signed(&mut self, owner: Address) {
        let spender = address("spender");
        let (result, events, _) = self.within(Origin::default(), |cx| {
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
        let (result, events, _) = self.within(Origin::default(), |cx| {
            usdc::transfer_authorized(cx, from, to, Usdc(1), nonce)
        });
        self.heard(events);
        self.check();
        result
    }

    /// Ends the open block: clearing.
    pub(crate) fn end(&mut self) {
        let mut replayed = self
            .is_checked()
            .then(|| (self.store.clone(), self.rebuilt()));
        let mut book = std::mem::take(&mut self.book);
        let (result, events, _) = self.within(Origin::default(), |cx| {
            marketplace::end_block(cx, &mut book)
        });
        self.book = book;
        result.expect("end of block");
        if let Some((store, book)) = &mut replayed {
            let (result, _) = within(store, Origin::default(), |cx| {
                marketplace::end_block(cx, book)
            });
            result.expect("end of block, with the index rebuilt");
            assert!(
                *store == self.store,
                "C6: the result depends on the index's past"
            );
        }
        self.heard(events);
        self.commit();
        self.check();
    }

    /// Begins a block so many seconds after the last.
    pub(crate) fn begin(&mut self, elapsed: u64) {
        self.now += elapsed.min(self.params.max_step_seconds);
        let verdicts = std::mem::take(&mut self.verdicts);
        let (result, events, _) = self.within(Origin::default(), |cx| {
            marketplace::begin_block(cx, Seconds(elapsed), &verdicts)
        });
        result.expect("beginning of block");
        self.params = self.read(|cx| Ok(cx.params.clone()));
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

    /// All invariants and the auditor, if it is time.
    pub(crate) fn check(&mut self) {
        self.steps += 1;
        if self.is_checked() {
            self.check_all();
        }
    }

    /// Whether this step is one of those after which everything is checked.
    fn is_checked(&self) -> bool {
        match self.every {
            Some(every) => self.steps.is_multiple_of(every),
            None => self.store.rows.len() < SMALL || self.steps.is_multiple_of(SELDOM),
        }
    }

    /// All invariants and the auditor, however many rows there are.
    pub(crate) fn check_all(&mut self) {
        let violations = invariants::check(rows(&self.store));
        assert!(violations.is_empty(), "at {}: {violations:#?}", self.now);
        if self.audited {
            let auditor = &mut self.auditor;
            let audit = |cx: &mut Cx<'_, ReadOnly<'_>>| {
                auditor.check(cx);
                Ok(())
            };
            let (result, _) = within(&mut ReadOnly(&self.store), Origin::default(), audit);
            result.expect("query");
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

    /// Acts on the rows, and notes what they were: in this act, and in this block.
    fn within<T>(
        &mut self,
        origin: Origin,
        act: impl FnOnce(&mut Cx<'_, Journal<'_>>) -> Result<T, Error>,
    ) -> (Result<T, Error>, Vec<Event>, Before) {
        let mut journal = Journal {
            store: &mut self.store,
            before: Before::new(),
            work: Work::default(),
        };
        let (result, events) = within(&mut journal, origin, act);
        let before = journal.before;
        self.work = journal.work;
        for (key, row) in &before {
            if !self.before.contains_key(key) {
                self.before.insert(key.clone(), row.clone());
            }
        }
        (result, events, before)
    }

    /// Of these rows, those that are others now.
    fn changes<'w>(
        &'w self,
        before: &'w Before,
    ) -> impl Iterator<Item = (&'w [u8], Option<&'w [u8]>)> {
        let now = before
            .iter()
            .map(|(key, row)| (key, row, self.store.rows.get(key)));
        let changed = now.filter(|(_, before, now)| before.as_ref() != *now);
        changed.map(|(key, _, now)| (key.as_slice(), now.map(Vec::as_slice)))
    }

    /// The index of the rows as they were before this block.
    fn rebuilt(&self) -> Book {
        let mut store = self.store.clone();
        for (key, row) in &self.before {
            match row {
                Some(row) => store.rows.insert(key.clone(), row.clone()),
                None => store.rows.remove(key),
            };
        }
        Book::rebuild(rows(&store))
    }

    /// Tells the index what a node would tell it after the block.
    fn commit(&mut self) {
        let before = std::mem::take(&mut self.before);
        let mut book = std::mem::take(&mut self.book);
        book.apply(self.changes(&before));
        self.book = book;
    }
}

/// What was done with rows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Work {
    /// Rows looked for, and written or removed.
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    /// Bytes of those that were found; of those that were written, their keys included.
    pub(crate) read_bytes: u64,
    pub(crate) written_bytes: u64,
    /// Computing that touched no row.
    pub(crate) steps: u64,
}

/// Rows that note what they were, and what is done with them.
struct Journal<'s> {
    store: &'s mut MemoryStore,
    before: Before,
    work: Work,
}

impl Journal<'_> {
    fn note(&mut self, key: &[u8]) {
        if !self.before.contains_key(key) {
            let row = self.store.rows.get(key).cloned();
            self.before.insert(key.to_vec(), row);
        }
    }
}

impl Store for Journal<'_> {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, OutOfWork> {
        let row = self.store.get(key)?;
        self.work.reads += 1;
        self.work.read_bytes += row.as_ref().map_or(0, Vec::len) as u64;
        Ok(row)
    }

    fn put(&mut self, key: &[u8], row: Vec<u8>) -> Result<(), OutOfWork> {
        self.note(key);
        self.work.writes += 1;
        self.work.written_bytes += (key.len() + row.len()) as u64;
        self.store.put(key, row)
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), OutOfWork> {
        self.note(key);
        self.work.writes += 1;
        self.store.delete(key)
    }

    fn next(&mut self, from: &[u8], to: &[u8]) -> Result<Option<Row>, OutOfWork> {
        let found = self.store.next(from, to)?;
        self.work.reads += 1;
        self.work.read_bytes += found.as_ref().map_or(0, |(_, row)| row.len()) as u64;
        Ok(found)
    }

    fn step(&mut self, steps: u64) -> Result<(), OutOfWork> {
        self.work.steps += steps;
        self.store.step(steps)
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
    let (before, value) = (flt::held(store), origin.value.0);
    let result = Cx::open(store, origin, &mut events, &mut payouts).and_then(|mut cx| act(&mut cx));
    if result.is_ok() {
        conserves(&before, store, value, &payouts);
    }
    (result, events)
}

/// What comes in and does not go out is held.
fn conserves<S: Store>(
    before: &Result<Flt, Error>,
    store: &mut S,
    value: u128,
    payouts: &[(Address, Flt)],
) {
    let before = before.clone().expect("no budget").0;
    let after = flt::held(store).expect("no budget").0;
    let paid: u128 = payouts.iter().map(|(_, amount)| amount.0).sum();
    assert_eq!(before + value, after + paid, "FLT came or went");
}

pub(crate) fn rows(store: &MemoryStore) -> impl Iterator<Item = (&[u8], &[u8])> {
    store
        .rows
        .iter()
        .map(|(key, row)| (key.as_slice(), row.as_slice()))
}
