//! What holds between any two calls, checked over all rows at once, with every violation reported.
//!
//! - I1 conservation: the balances sum to `held`; no row is zero.
//! - I2 escrow: the account of a deal is what is free, set aside, charged and earned in it, minus what was paid;
//!   what live workers earned in holds is counted and covered.
//! - I3 counts: workers, units, idle units, peers of offers and members of indexes are what the rows say, and no row
//!   belongs to something that is not there.
//! - I4 whereabouts: a unit serves the worker that lists it, and no other.
//! - I5 time: a deal's next deadline, of money, duration, workers and their leases or a pause, is in the index, not
//!   later than it is due; no deal is charged beyond now.
//! - I6 target: no deal has more workers than its target, or two on one peer. (Price and spread bind a worker when
//!   it is placed, and may be changed later: rows do not show them.)
//! - I8 deposits: the row `deposits` is the sum of the deposits of all objects.
//! - I9 rollout: the worker whose turn it is is the first that runs something else than its deal's artifact; only in a
//!   rollout does any. What to go back to is kept for the deals that had another artifact.
//! - I7 rows: every row is of a table that is checked here, and decodes to the last byte.

use crate::audit::{ANSWERED, AUDITS};
use crate::datacenter::{DATACENTERS, Datacenter, TENANTS};
use crate::deal::{DEALS, Deal, PREVIOUS, Queued, Rollout, Status, next_warning};
use crate::demand::{DEMANDS, Terms};
use crate::deposit::DEPOSITS;
use crate::governance::CHANGES;
use crate::ledger::{Account, BALANCES, HELD};
use crate::matching::LOOKS;
use crate::matching::queue::{ASLEEP, CHANGED, FRESH, QUEUE, SWEEP, WAKE};
use crate::offer::{OFFER_PEERS, OFFERS, Offer};
use crate::params::{PARAMS, Params, VERSIONS};
use crate::peer::{LEASES, Lease, PEERS, Peer, UNITS, Units, Whereabouts};
use crate::provider::{PROVIDERS, Provider};
use crate::record::{PAYERS, RECORDS};
use crate::table::{Key, Table};
use crate::time::{CLOCK, COUNTERS, Clock, DUE};
use crate::units::{
    DatacenterId, DealId, Exact, OfferId, Part, PeerId, Price, ProviderId, Rate, Seconds, Time,
    Usdc, WorkerId,
};
use crate::usdc::{ALLOWANCES, AUTHORIZATIONS, NONCES};
use crate::worker::{BY_DEAL, BY_PEER, BY_PROVIDER, Stage, UNPAID, WORKERS, Worker};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// From this id on tables are others'.
const FIRST_OF_OTHERS: u8 = 0x80;

/// A promise about rows that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Name of the invariant.
    pub invariant: &'static str,
    /// What was found.
    pub found: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.found)
    }
}

/// All violations of all invariants in these rows. Rows of others' tables are passed over.
pub fn check<'r>(rows: impl IntoIterator<Item = (&'r [u8], &'r [u8])>) -> Vec<Violation> {
    let mut checker = Checker::default();
    for (key, row) in rows {
        let table = key.first().copied().unwrap_or(FIRST_OF_OTHERS);
        checker.rows.entry(table).or_default().push((key, row));
    }
    let state = State::read(&mut checker);
    checker.conservation(&state);
    for (id, deal) in &state.deals {
        checker.deal(&state, *id, deal);
    }
    checker.supply(&state);
    checker.deposits(&state);
    checker.indexes(&state);
    checker.orphans(&state);
    checker.records();
    checker.all_are_read();
    checker.violations
}

/// Key and value of a row.
type Row<'r> = (&'r [u8], &'r [u8]);

#[derive(Default)]
struct Checker<'r> {
    /// By table.
    rows: BTreeMap<u8, Vec<Row<'r>>>,
    /// Ids of the tables read so far.
    read: BTreeSet<u8>,
    violations: Vec<Violation>,
}

/// All rows, decoded.
struct State {
    params: Params,
    versions: BTreeMap<u32, Params>,
    clock: Clock,
    balances: BTreeMap<Account, Usdc>,
    held: Usdc,
    providers: BTreeMap<ProviderId, Provider>,
    datacenters: BTreeMap<DatacenterId, Datacenter>,
    peers: BTreeMap<PeerId, Peer>,
    units: BTreeMap<PeerId, Units>,
    leases: BTreeMap<PeerId, Lease>,
    offers: BTreeMap<OfferId, Offer>,
    offer_peers: BTreeSet<(OfferId, PeerId)>,
    demands: BTreeMap<DealId, Terms>,
    deals: BTreeMap<DealId, Deal>,
    workers: BTreeMap<WorkerId, Worker>,
    by_deal: BTreeMap<DealId, Vec<WorkerId>>,
    previous: BTreeSet<DealId>,
}

impl State {
    fn read(checker: &mut Checker<'_>) -> Self {
        let workers = checker.all(&WORKERS);
        let mut by_deal: BTreeMap<DealId, Vec<WorkerId>> = BTreeMap::new();
        for (id, worker) in &workers {
            by_deal.entry(worker.deal).or_default().push(*id);
        }
        Self {
            params: checker.one(&PARAMS),
            versions: checker.all(&VERSIONS),
            clock: checker.one(&CLOCK),
            balances: checker.all(&BALANCES),
            held: checker.one(&HELD),
            providers: checker.all(&PROVIDERS),
            datacenters: checker.all(&DATACENTERS),
            peers: checker.all(&PEERS),
            units: checker.all(&UNITS),
            leases: checker.all(&LEASES),
            offers: checker.all(&OFFERS),
            offer_peers: checker.keys(&OFFER_PEERS),
            demands: checker.all(&DEMANDS),
            deals: checker.all(&DEALS),
            workers,
            by_deal,
            previous: checker.all(&PREVIOUS).into_keys().collect(),
        }
    }

    /// Those in force when the deal was posted, for what acts at creation.
    fn params_of(&self, deal: &Deal) -> &Params {
        self.versions.get(&deal.version).unwrap_or(&self.params)
    }

    fn workers_of(&self, deal: DealId) -> impl Iterator<Item = &Worker> {
        let ids = self.by_deal.get(&deal).into_iter().flatten();
        ids.filter_map(|id| self.workers.get(id))
    }

    fn live(&self, deal: DealId) -> impl Iterator<Item = &Worker> {
        self.workers_of(deal).filter(|worker| !gone(worker))
    }
}

/// When a pause is over: with workers at the end of the hold.
fn pause_over(state: &State, deal: &Deal, hold_over: Time) -> Time {
    let Params {
        pause_epochs,
        epoch_seconds,
        ..
    } = state.params_of(deal);
    match deal.workers() {
        0 => hold_over.after(Seconds(pause_epochs.saturating_mul(*epoch_seconds))),
        _ => hold_over,
    }
}

/// When a worker is over, unless its peer runs it or reports before.
fn worker_over(state: &State, worker: &Worker) -> Time {
    match worker.stage {
        Stage::Assigned { deadline } => deadline,
        Stage::Running(run) | Stage::Draining { run, .. } => {
            let lease = state.leases.get(&worker.peer).copied();
            lease.unwrap_or_default().until.max(run.kept_until)
        }
        Stage::Gone { .. } => Time::NEVER,
    }
}

/// What a worker has earned in holds.
fn held(deal: &Deal, worker: &Worker) -> Option<Part> {
    let Some(run) = worker.stage.run() else {
        return Some(Part::ZERO);
    };
    let span = Seconds(deal.held_seconds.0.saturating_sub(run.from_held.0));
    worker.rate.over(span)?.part(deal.hold_ppm)
}

/// When a worker's notice is over, in a pause too.
fn notice_over(worker: &Worker) -> Time {
    match worker.stage {
        Stage::Draining { until, .. } => until,
        _ => Time::NEVER,
    }
}

fn gone(worker: &Worker) -> bool {
    matches!(worker.stage, Stage::Gone { .. })
}

fn sum(amounts: impl IntoIterator<Item = u128>) -> u128 {
    amounts.into_iter().fold(0, u128::saturating_add)
}

impl Checker<'_> {
    fn expect(&mut self, holds: bool, invariant: &'static str, found: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(Violation {
                invariant,
                found: found(),
            });
        }
    }

    fn all<K: Key + Ord, V: BorshSerialize + BorshDeserialize>(
        &mut self,
        table: &Table<K, V>,
    ) -> BTreeMap<K, V> {
        self.read.insert(table.id);
        let mut decoded = BTreeMap::new();
        let mut broken: u64 = 0;
        for (key, row) in self.rows.get(&table.id).into_iter().flatten() {
            match (table.decode_key(key), table.decode_row(row)) {
                (Some(key), Some(row)) => _ = decoded.insert(key, row),
                _ => broken = broken.saturating_add(1),
            }
        }
        self.expect(broken == 0, "I7 rows", || {
            format!("{broken} rows of {}", table.name)
        });
        decoded
    }

    fn keys<K: Key + Ord>(&mut self, table: &Table<K, ()>) -> BTreeSet<K> {
        self.all(table).into_keys().collect()
    }

    fn one<V: BorshSerialize + BorshDeserialize + Default>(&mut self, table: &Table<(), V>) -> V {
        self.all(table).remove(&()).unwrap_or_default()
    }

    fn conservation(&mut self, state: &State) {
        let total = sum(state.balances.values().map(|amount| amount.0));
        self.expect(total == state.held.0, "I1 conservation", || {
            format!("balances sum to {total}, held is {}", state.held)
        });
        let zero = state.balances.values().any(|amount| *amount == Usdc::ZERO);
        self.expect(!zero, "I1 conservation", || {
            "a balance of zero has a row".to_owned()
        });
        for account in state.balances.keys() {
            let known = match account {
                Account::Deal(id) => state.deals.contains_key(id),
                Account::User(_) | Account::Treasury => true,
            };
            self.expect(known, "I1 conservation", || {
                format!("{account:?} has no owner")
            });
        }
    }

    fn deal(&mut self, state: &State, id: DealId, deal: &Deal) {
        let Some(terms) = state.demands.get(&id) else {
            return self.expect(false, "I3 counts", || format!("deal {id} has no terms"));
        };
        let version = deal.version;
        let known = version == state.params.version || state.versions.contains_key(&version);
        self.expect(known, "I3 counts", || {
            format!("deal {id} has parameters of no version")
        });
        self.escrow(state, id, deal);
        self.counts(state, id, deal);
        self.deadlines(state, id, deal, terms);
        self.target(state, id, deal, terms);
        self.rollout(state, id, deal, terms);
        let wants = deal.staying() < terms.target_workers && !deal.paused() && !deal.ended();
        let queued = deal.queued != Queued::No;
        self.expect(wants == queued, "I3 counts", || {
            format!("deal {id} wants workers: {wants}, is queued: {queued}")
        });
    }

    /// I2.
    fn escrow(&mut self, state: &State, id: DealId, deal: &Deal) {
        let epoch = state.params.epoch();
        let exact = |amount: Usdc| amount.exact(epoch).unwrap_or_default().0;
        let mut owed = sum([deal.free.0, deal.set_aside.0]);
        for worker in state.workers_of(id) {
            let charged = match worker.stage {
                Stage::Assigned { .. } => 0,
                Stage::Running(run) | Stage::Draining { run, .. } => {
                    let span = Seconds(deal.paid_seconds.0.saturating_sub(run.from.0));
                    worker.rate.over(span).unwrap_or_default().0
                }
                Stage::Gone { earned, .. } => exact(earned),
            };
            owed = owed
                .saturating_add(charged)
                .saturating_sub(exact(worker.paid));
        }
        let account = Account::Deal(id);
        let there = exact(state.balances.get(&account).copied().unwrap_or_default());
        self.expect(there == owed, "I2 escrow", || {
            format!("deal {id} holds {there}, is accountable for {owed}")
        });
        let mut holds = state.live(id).map(|worker| held(deal, worker));
        let holds = holds.try_fold(Part::ZERO, |sum, each| sum.checked_add(each?));
        self.expect(holds == Some(deal.held), "I2 escrow", || {
            format!(
                "deal {id} counts {:?} for holds, {holds:?} is due",
                deal.held
            )
        });
        self.expect(deal.held.ceil() <= Some(deal.free), "I2 escrow", || {
            format!("deal {id} cannot pay its holds")
        });
        self.expect(
            !deal.ended() || deal.free == Exact::ZERO,
            "I2 escrow",
            || format!("deal {id} is over and has free escrow"),
        );
    }

    /// I3, for the workers of a deal.
    fn counts(&mut self, state: &State, id: DealId, deal: &Deal) {
        let mut rates = [Rate::ZERO; 2];
        let (mut assigned, mut running, mut draining, mut unpaid) = (0u16, 0u16, 0u16, 0u64);
        for worker in state.workers_of(id) {
            let (count, slot) = match worker.stage {
                Stage::Assigned { .. } => (&mut assigned, rates.first_mut()),
                Stage::Running(_) => (&mut running, rates.last_mut()),
                Stage::Draining { .. } => (&mut draining, rates.last_mut()),
                Stage::Gone { .. } => {
                    unpaid = unpaid.saturating_add(1);
                    continue;
                }
            };
            *count = count.saturating_add(1);
            if let Some(rate) = slot {
                *rate = rate.checked_add(worker.rate).unwrap_or_default();
            }
        }
        let counted = (assigned, running, draining, unpaid, rates);
        let kept = (
            deal.assigned,
            deal.running,
            deal.draining,
            deal.unpaid,
            [deal.assigned_rate, deal.rate],
        );
        self.expect(counted == kept, "I3 counts", || {
            format!("deal {id} counts {kept:?}, its workers are {counted:?}")
        });
        let idle = matches!(deal.status, Status::Matching | Status::Ended { .. });
        self.expect(!idle || deal.workers() == 0, "I3 counts", || {
            format!("deal {id} is {:?} and has workers", deal.status)
        });
        self.expect(!deal.paused() || deal.assigned == 0, "I3 counts", || {
            format!("deal {id} is paused and has assigned workers")
        });
    }

    /// I5.
    fn deadlines(&mut self, state: &State, id: DealId, deal: &Deal, terms: &Terms) {
        if deal.ended() {
            return self.expect(deal.due == Time::NEVER, "I5 time", || {
                format!("deal {id} is over and in the index of time")
            });
        }
        let first = match deal.status {
            Status::Paused { since } => pause_over(state, deal, since.after(terms.hold)),
            _ => state
                .live(id)
                .map(|worker| worker_over(state, worker))
                .fold(self.paid_until(state, id, deal, terms), Time::min),
        };
        let notices = state.live(id).map(notice_over);
        let first = notices.fold(first.min(deal.ends), Time::min);
        self.expect(deal.due <= first, "I5 time", || {
            format!("deal {id} is due at {first}, in the index at {}", deal.due)
        });
        self.expect(deal.at <= state.clock.now, "I5 time", || {
            format!(
                "deal {id} is charged up to {}, now is {}",
                deal.at, state.clock.now
            )
        });
    }

    /// I5: the end of the money, or the warning before it that is due next. No warning is kept back that was given
    /// when less was left.
    fn paid_until(&mut self, state: &State, id: DealId, deal: &Deal, terms: &Terms) -> Time {
        let until = deal.paid_until(terms);
        if let Some(last) = deal.warned.checked_sub(1) {
            let due = next_warning(&state.params, last, until);
            let stale = due != Time::NEVER && due > deal.at;
            self.expect(!stale, "I5 time", || {
                format!("deal {id} was warned, and its money lasts until {until}")
            });
        }
        let warning = next_warning(&state.params, deal.warned, until).max(deal.at);
        until.min(warning)
    }

    /// I6. A worker under notice is not counted, but no other of the deal is on its peer.
    fn target(&mut self, state: &State, id: DealId, deal: &Deal, terms: &Terms) {
        let all = state.live(id).count();
        let staying = state.live(id).filter(|worker| !worker.stage.is_draining());
        let (staying, live) = (staying.count(), usize::from(deal.live()));
        let most = usize::from(terms.target_workers);
        self.expect(staying <= most && live <= most, "I6 target", || {
            format!("deal {id} has {staying} workers that stay, {live} that serve")
        });
        let peers: BTreeSet<_> = state.live(id).map(|worker| worker.peer).collect();
        self.expect(all == peers.len(), "I6 target", || {
            format!("deal {id} has {all} workers on {} peers", peers.len())
        });
        let vacated = terms.target_workers.saturating_sub(deal.staying());
        self.expect(deal.vacated <= vacated, "I3 counts", || {
            format!("deal {id} has {} vacated places", deal.vacated)
        });
    }

    /// I9.
    fn rollout(&mut self, state: &State, id: DealId, deal: &Deal, terms: &Terms) {
        let behind = |worker: &Worker| {
            let running = matches!(worker.stage, Stage::Running(_));
            running && worker.artifact != terms.artifact.hash
        };
        let ids = state.by_deal.get(&id).into_iter().flatten();
        let first = ids
            .copied()
            .find(|id| state.workers.get(id).is_some_and(behind));
        let right = match deal.rollout {
            Rollout::Done => first.is_none(),
            Rollout::Rolling { next } => first == Some(next),
            Rollout::Stopped { .. } => first.is_some(),
        };
        self.expect(right, "I9 rollout", || {
            format!("deal {id}: {:?}, worker {first:?} is behind", deal.rollout)
        });
        let had_another = state.previous.contains(&id);
        self.expect(
            had_another == (deal.artifact_version > 1),
            "I9 rollout",
            || format!("deal {id} has version {}", deal.artifact_version),
        );
    }

    /// I8, and I3 for what providers and datacenters have.
    fn deposits(&mut self, state: &State) {
        let tenants = self.all(&TENANTS);
        let held = sum(self.all(&DEPOSITS).into_values().map(|all| all.0));
        let each = state.providers.values().map(|each| each.deposit);
        let each = each.chain(state.peers.values().map(|each| each.deposit));
        let each = each.chain(state.offers.values().map(|each| each.deposit));
        let each = each.chain(state.deals.values().map(|each| each.deposit));
        let each = each.chain(tenants.values().map(|each| each.deposit));
        let total = sum(each.map(|deposit| deposit.0));
        self.expect(total == held, "I8 deposits", || {
            format!("deposits sum to {total}, {held} are held")
        });
        let mut stands: BTreeMap<DatacenterId, u32> = BTreeMap::new();
        let places = state.peers.values().map(|peer| peer.datacenter);
        for place in places.chain(state.offers.values().map(|offer| offer.datacenter)) {
            let count = stands.entry(place).or_default();
            *count = count.saturating_add(1);
        }
        let right = tenants.keys().eq(state.datacenters.keys())
            && tenants
                .iter()
                .all(|(id, each)| each.count == stands.get(id).copied().unwrap_or_default())
            && stands.keys().all(|id| tenants.contains_key(id));
        self.expect(right, "I3 counts", || {
            "datacenters count their tenants wrong".to_owned()
        });
        let all = state.datacenters.values();
        let orphan = all
            .clone()
            .any(|each| !state.providers.contains_key(&each.provider));
        let right = state.providers.iter().all(|(id, provider)| {
            let own = all.clone().filter(|each| each.provider == *id).count();
            u32::try_from(own) == Ok(provider.datacenters)
        });
        self.expect(right && !orphan, "I3 counts", || {
            "providers count their datacenters wrong".to_owned()
        });
    }

    /// I3 and I4, for peers, units and offers.
    fn supply(&mut self, state: &State) {
        for (id, peer) in &state.peers {
            let units = state.units.contains_key(id);
            self.expect(units, "I3 counts", || format!("peer {id} has no units"));
            let member = peer
                .offer
                .is_none_or(|offer| state.offer_peers.contains(&(offer, *id)));
            self.expect(member, "I3 counts", || {
                format!("peer {id} is not in its offer")
            });
            let known = state.providers.contains_key(&peer.provider)
                && state.datacenters.contains_key(&peer.datacenter);
            self.expect(known, "I3 counts", || format!("peer {id} stands nowhere"));
        }
        for (id, offer) in &state.offers {
            let peers = state
                .offer_peers
                .iter()
                .filter(|(offer, _)| offer == id)
                .count();
            let right = peers == offer.peers.into() && offer.curve.floor > Price::ZERO;
            self.expect(right, "I3 counts", || {
                format!("offer {id} counts its peers wrong")
            });
        }
        self.whereabouts(state);
    }

    fn whereabouts(&mut self, state: &State) {
        let mut serving = BTreeMap::new();
        for (id, worker) in state.workers.iter().filter(|(_, worker)| !gone(worker)) {
            for index in &worker.units {
                let twice = serving.insert((worker.peer, *index), *id).is_some();
                self.expect(!twice, "I4 whereabouts", || {
                    format!("unit {index} serves two")
                });
            }
        }
        let mut listed = BTreeMap::new();
        for (id, units) in &state.units {
            for (unit, index) in units.0.iter().zip(0_u16..) {
                if let Whereabouts::Serving(worker) = unit {
                    listed.insert((*id, index), *worker);
                }
            }
        }
        let right = listed == serving;
        self.expect(right, "I4 whereabouts", || {
            "units and workers disagree".to_owned()
        });
    }

    /// I3, for the tables that only lead to others.
    fn indexes(&mut self, state: &State) {
        let live = |(_, worker): &(&WorkerId, &Worker)| !gone(worker);
        let workers = || state.workers.iter();
        let by_deal = workers()
            .filter(live)
            .map(|(id, worker)| (worker.deal, *id));
        let by_peer = workers()
            .filter(live)
            .map(|(id, worker)| (worker.peer, *id));
        let by_provider = workers().map(|(id, worker)| (worker.provider, *id));
        let due = state.deals.iter().map(|(id, deal)| (deal.due, *id));
        let due = due.filter(|(due, _)| *due != Time::NEVER);
        self.index(&BY_DEAL, &by_deal.collect());
        self.index(&BY_PEER, &by_peer.collect());
        self.index(&BY_PROVIDER, &by_provider.collect());
        let unpaid = workers().filter(|(_, worker)| gone(worker));
        self.index(
            &UNPAID,
            &unpaid.map(|(id, worker)| (worker.deal, *id)).collect(),
        );
        self.index(&DUE, &due.collect());
        let (mut queue, mut asleep, mut wake) = Default::default();
        for (id, deal) in &state.deals {
            entries(*id, deal, &mut queue, &mut asleep, &mut wake);
        }
        let places: BTreeSet<_> = state.deals.values().map(|deal| deal.place).collect();
        self.expect(places.len() == state.deals.len(), "I3 counts", || {
            "two deals have one place".to_owned()
        });
        let right = (self.all(&QUEUE), self.all(&ASLEEP), self.all(&WAKE)) == (queue, asleep, wake);
        self.expect(right, "I3 counts", || "queue and deals disagree".to_owned());
        let fresh: BTreeSet<_> = self.all(&FRESH).into_keys().collect();
        let changed = self.all(&CHANGED).into_iter();
        let changed: BTreeSet<_> = changed.map(|(peer, block)| (block, peer)).collect();
        let right = fresh == changed;
        self.expect(right, "I3 counts", || {
            "changes of supply and their blocks disagree".to_owned()
        });
    }

    /// I3 and S17, for the records of providers.
    fn records(&mut self) {
        let mut payers: BTreeMap<ProviderId, u64> = BTreeMap::new();
        for (provider, _) in self.keys(&PAYERS) {
            let count = payers.entry(provider).or_default();
            *count = count.saturating_add(1);
        }
        let records = self.all(&RECORDS);
        for id in payers.keys().chain(records.keys()) {
            let record = records.get(id).copied().unwrap_or_default();
            let counted = payers.get(id).copied().unwrap_or_default();
            let right = record.payers == counted && record.served <= record.assigned;
            self.expect(right, "I3 counts", || {
                format!("{counted} payers of provider {id}, and {record:?}")
            });
        }
    }

    /// I3, for rows that belong to others.
    fn orphans(&mut self, state: &State) {
        let mut orphans = Vec::new();
        let known = |id: &DealId| state.deals.contains_key(id);
        let looks = self.all(&LOOKS);
        let of_deals = state.demands.keys().chain(looks.keys());
        for id in of_deals.chain(&state.previous) {
            orphans
                .extend((!known(id)).then(|| format!("terms, a look or an artifact of deal {id}")));
        }
        for id in state.units.keys().chain(state.leases.keys()) {
            let known = state.peers.contains_key(id);
            orphans.extend((!known).then(|| format!("units or a lease of peer {id}")));
        }
        for (offer, id) in &state.offer_peers {
            let there = state.peers.get(id).and_then(|peer| peer.offer);
            let known = there == Some(*offer) && state.offers.contains_key(offer);
            orphans.extend((!known).then(|| format!("peer {id} in offer {offer}")));
        }
        for (id, worker) in &state.workers {
            // A peer may leave before what it earned is withdrawn.
            let peer = gone(worker) || state.peers.contains_key(&worker.peer);
            let known = peer && known(&worker.deal);
            orphans.extend((!known).then(|| format!("worker {id}")));
        }
        self.expect(orphans.is_empty(), "I3 counts", || {
            format!("of nothing that is there: {orphans:?}")
        });
    }

    /// I7, for tables from which nothing follows, and those that nobody knows.
    fn all_are_read(&mut self) {
        self.all(&COUNTERS);
        self.all(&ALLOWANCES);
        self.all(&NONCES);
        self.all(&AUTHORIZATIONS);
        self.all(&SWEEP);
        self.all(&CHANGES);
        let audits = self.all(&AUDITS).into_iter();
        let answered = audits.filter_map(|(id, audit)| Some((audit.answer?.due, id)));
        self.index(&ANSWERED, &answered.collect());
        let unread: BTreeSet<_> = self
            .rows
            .keys()
            .copied()
            .filter(|id| *id < FIRST_OF_OTHERS && !self.read.contains(id))
            .collect();
        self.expect(unread.is_empty(), "I7 rows", || {
            format!("rows of tables that nobody checks: {unread:?}")
        });
    }

    fn index<K: Key + Ord>(&mut self, table: &Table<K, ()>, wanted: &BTreeSet<K>) {
        let right = self.keys(table) == *wanted;
        self.expect(right, "I3 counts", || {
            format!("index {} is wrong", table.name)
        });
    }
}

type ByPlace = BTreeMap<(u64, u64), DealId>;

/// Where a deal should stand in the queue.
fn entries(
    id: DealId,
    deal: &Deal,
    queue: &mut ByPlace,
    asleep: &mut BTreeMap<u64, DealId>,
    wake: &mut ByPlace,
) {
    match deal.queued {
        Queued::No => {}
        Queued::Due(sweep) => _ = queue.insert((sweep, deal.place), id),
        Queued::Asleep(block) => {
            asleep.insert(deal.place, id);
            wake.insert((block, deal.place), id);
        }
    }
}
