//! Rows that break a promise are found: an invariant that cannot fail promises nothing.

use crate::snapshot::full;
use crate::world::{peer_id, rows};
use borsh::{BorshDeserialize, BorshSerialize};
use marketplace::datacenter::{TENANTS, Tenants};
use marketplace::deal::{DEALS, Deal, PREVIOUS, Rollout, Status};
use marketplace::demand::DEMANDS;
use marketplace::flt::{PURSES, Purse};
use marketplace::matching::LOOKS;
use marketplace::offer::{OFFER_PEERS, OFFERS, Offer};
use marketplace::peer::{LEASES, PEERS, Peer, UNITS};
use marketplace::provider::{PROVIDERS, Provider};
use marketplace::store::MemoryStore;
use marketplace::table::{Key, Table};
use marketplace::time::DUE;
use marketplace::units::{
    DatacenterId, DealId, Flt, Hash, OfferId, PeerId, ProviderId, Time, WorkerId,
};
use marketplace::worker::{UNPAID, WORKERS};
use marketplace::{TABLES, invariants};

/// Whether breaking the full marketplace so is found, by this invariant.
fn found(invariant: &str, break_it: impl FnOnce(&mut MemoryStore)) -> bool {
    let mut store = full().store;
    break_it(&mut store);
    let violations = invariants::check(rows(&store));
    violations
        .iter()
        .any(|violation| violation.invariant == invariant)
}

#[test]
fn a_byte_too_many_is_found_in_every_table() {
    assert!(!found("I7 rows", |_| {}));
    for (id, name) in TABLES {
        let longer = |store: &mut MemoryStore| {
            let mut rows = store.rows.iter_mut();
            match rows.find(|(key, _)| key.first() == Some(id)) {
                Some((_, row)) => row.push(0),
                // The sweep has a row from the second one on.
                None => _ = store.rows.insert(vec![*id], vec![1]),
            }
        };
        assert!(found("I7 rows", longer), "{name}");
    }
}

#[test]
fn a_row_of_no_table_is_found() {
    assert!(found("I7 rows", |store| {
        store.rows.insert(vec![0x7f, 1], vec![1]);
    }));
}

#[test]
fn a_row_of_nothing_is_found() {
    let nobody = peer_id("nobody");
    let peer = peer_id("peer");
    let moves = [
        (DEMANDS.key(&DealId(1)), DEMANDS.key(&DealId(9))),
        (LOOKS.key(&DealId(1)), LOOKS.key(&DealId(9))),
        (PREVIOUS.key(&DealId(1)), PREVIOUS.key(&DealId(9))),
        (UNITS.key(&peer), UNITS.key(&nobody)),
        (LEASES.key(&peer), LEASES.key(&nobody)),
        (
            OFFER_PEERS.key(&(OfferId(1), peer)),
            OFFER_PEERS.key(&(OfferId(9), peer)),
        ),
        (
            OFFER_PEERS.key(&(OfferId(1), peer)),
            OFFER_PEERS.key(&(OfferId(1), nobody)),
        ),
    ];
    assert!(!found("I3 counts", |_| {}));
    for (from, to) in moves {
        let copy = |store: &mut MemoryStore| {
            let row = store.rows[&from].clone();
            store.rows.insert(to.clone(), row);
        };
        assert!(found("I3 counts", copy), "{to:?}");
    }
    for id in [0x33, 0x36] {
        let forget = |store: &mut MemoryStore| store.rows.retain(|key, _| key[0] != id);
        assert!(found("I3 counts", forget), "table {id:#x}");
    }
}

/// Puts a deal into the index of time at `due`, in this state if any is given.
fn due_at(id: u64, status: Option<Status>, due: u64) -> impl Fn(&mut MemoryStore) {
    move |store| {
        let id = DealId(id);
        let mut deal = DEALS.get(store, &id).expect("no budget").expect("a deal");
        DUE.delete(store, &(deal.due, id)).expect("no budget");
        deal.due = Time(due);
        deal.status = status.unwrap_or(deal.status);
        DUE.put(store, &(deal.due, id), &()).expect("no budget");
        DEALS.put(store, &id, &deal).expect("no budget");
    }
}

/// The first deal has one worker that runs, reported at 910 for 9,000 seconds; both have a hold of 60; a pause takes
/// 30 epochs. Of the second's money nothing is used.
#[test]
fn a_deadline_that_the_index_has_too_late_is_found() {
    let paused = Some(Status::Paused { since: Time(910) });
    for (deal, status, deadline) in [
        (1, None, 9_910),
        (1, paused, 970),
        (2, paused, 970 + 30 * 86_400),
    ] {
        let late = due_at(deal, status, deadline + 1);
        assert!(found("I5 time", late), "{deal} {status:?} too late");
        let right = due_at(deal, status, deadline);
        assert!(!found("I5 time", right), "{deal} {status:?} in time");
    }
}

/// A worker that runs something else than its deal's artifact does so in a rollout, and in its order.
#[test]
fn a_worker_that_runs_something_else_is_found() {
    let change = |artifact: u8, rollout: Rollout, version: u32| {
        move |store: &mut MemoryStore| {
            let (deal_id, worker_id) = (DealId(1), WorkerId(1));
            let mut worker = WORKERS.must(store, &worker_id).expect("a worker");
            worker.artifact = Hash([artifact; 32]);
            WORKERS.put(store, &worker_id, &worker).expect("no budget");
            let mut deal = DEALS.must(store, &deal_id).expect("a deal");
            (deal.rollout, deal.artifact_version) = (rollout, version);
            DEALS.put(store, &deal_id, &deal).expect("no budget");
        }
    };
    let next = |worker| Rollout::Rolling {
        next: WorkerId(worker),
    };
    let had = DEALS.get(&mut full().store, &DealId(1)).expect("no budget");
    let had = had.expect("a deal").artifact_version;
    assert!(!found("I9 rollout", change(7, Rollout::Done, had)));
    assert!(!found("I9 rollout", change(8, next(1), had)));
    for (artifact, rollout, version) in [
        (8, Rollout::Done, had),
        (8, next(2), had),
        (7, next(1), had),
        (7, Rollout::Done, 1),
    ] {
        assert!(
            found("I9 rollout", change(artifact, rollout, version)),
            "{artifact} {rollout:?} {version}"
        );
    }
}

/// One row that is another.
fn with<K: Key, V: BorshSerialize + BorshDeserialize>(
    table: &'static Table<K, V>,
    key: K,
    change: impl FnOnce(&mut V),
) -> impl FnOnce(&mut MemoryStore) {
    move |store| {
        let mut row = table.must(store, &key).expect("a row");
        change(&mut row);
        table.put(store, &key, &row).expect("no budget");
    }
}

static OF_PROVIDERS: Table<ProviderId, Provider> = PROVIDERS;
static OF_PEERS: Table<PeerId, Peer> = PEERS;
static OF_OFFERS: Table<OfferId, Offer> = OFFERS;
static OF_DEALS: Table<DealId, Deal> = DEALS;
static OF_TENANTS: Table<DatacenterId, Tenants> = TENANTS;
static OF_PURSES: Table<Purse, Flt> = PURSES;

/// F3, L7, L8.
#[test]
fn a_deposit_that_is_not_held_is_found() {
    let more = |deposit: &mut Flt| *deposit = Flt(deposit.0 + 1);
    assert!(!found("I8 deposits", |_| {}));
    let provider = with(&OF_PROVIDERS, ProviderId(1), |row| more(&mut row.deposit));
    assert!(found("I8 deposits", provider));
    let peer = with(&OF_PEERS, peer_id("peer"), |row| more(&mut row.deposit));
    assert!(found("I8 deposits", peer));
    let offer = with(&OF_OFFERS, OfferId(1), |row| more(&mut row.deposit));
    assert!(found("I8 deposits", offer));
    let deal = with(&OF_DEALS, DealId(1), |row| more(&mut row.deposit));
    assert!(found("I8 deposits", deal));
    let tenants = with(&OF_TENANTS, DatacenterId(1), |row| more(&mut row.deposit));
    assert!(found("I8 deposits", tenants));
    assert!(found(
        "I8 deposits",
        with(&OF_PURSES, Purse::Deposits, more)
    ));
    assert!(found("I10 FLT", with(&OF_PURSES, Purse::Deposits, more)));
    let empty = |store: &mut MemoryStore| {
        let none = OF_PURSES.put(store, &Purse::Dust, &Flt::ZERO);
        none.expect("no budget");
    };
    assert!(found("I10 FLT", empty));
}

/// S16, G4.
#[test]
fn a_wrong_count_of_what_somebody_has_is_found() {
    let places = with(&OF_PROVIDERS, ProviderId(1), |row| row.datacenters = 2);
    assert!(found("I3 counts", places));
    let tenants = with(&OF_TENANTS, DatacenterId(1), |row| row.count = 1);
    assert!(found("I3 counts", tenants));
    let deal = with(&OF_DEALS, DealId(1), |row| row.version = 9);
    assert!(found("I3 counts", deal));
    let unpaid = |store: &mut MemoryStore| {
        let key = (DealId(1), WorkerId(1));
        UNPAID.put(store, &key, &()).expect("no budget");
    };
    assert!(found("I3 counts", unpaid));
}

/// Of the first deal's money fifty epochs are left.
#[test]
fn a_warning_that_is_not_true_is_found() {
    for (warned, right) in [(0, true), (1, false), (2, false)] {
        let warn = |store: &mut MemoryStore| {
            let id = DealId(1);
            let mut deal = DEALS.get(store, &id).expect("no budget").expect("a deal");
            deal.warned = warned;
            DEALS.put(store, &id, &deal).expect("no budget");
        };
        assert_ne!(found("I5 time", warn), right, "warned {warned} times");
    }
}
