//! An auditor that shares no code with the marketplace: from calls and events alone it recomputes who owes whom,
//! and compares. Its way is the slow one: every amount is summed from the whole history, as a fraction with
//! the epoch as its denominator.

mod capacity;
mod orders;

use crate::world::ReadOnly;
use marketplace::datacenter::{self, Country};
use marketplace::deal::{self, Status};
use marketplace::demand::Terms;
use marketplace::ledger::{self, Account};
use marketplace::record::{self, Record};
use marketplace::units::{
    Address, DatacenterId, DealId, Hash, OfferId, PeerId, ProviderId, Time, Usdc, WorkerId,
};
use marketplace::worker::{self, GoneReason};
use marketplace::{
    Call, Cx, Event, Params, commitment, demand, deposit, governance, offer, provider, usdc,
};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
struct Audited {
    owner: Address,
    terms: Terms,
    /// Least seconds that its workers are paid for, as of its posting.
    least: u64,
    hold_ppm: u128,
    fee_ppm: u128,
    /// Paid in, and paid back to the owner.
    paid_in: u128,
    paid_back: u128,
    to_treasury: u128,
    paid_to_providers: u128,
    workers: Vec<WorkerId>,
    /// Pauses: from, and to if it is over.
    pauses: Vec<(u64, Option<u64>)>,
    over: bool,
}

#[derive(Debug)]
struct Hired {
    deal: DealId,
    provider: ProviderId,
    peer: PeerId,
    rate: u128,
    units: u128,
    deadline: u64,
    ran: Option<u64>,
    /// Whole millionths earned, once gone.
    earned: Option<u128>,
    paid: u128,
    /// Of that, to the treasury.
    fees: u128,
    /// What delegators got of a payment under way.
    shared: u128,
    /// Seconds in its provider's record: those it served, and the time up to which it was placed.
    served: u64,
    placed: u64,
    /// Its peer said at this time that it cannot run.
    cannot: bool,
    named_stopped: bool,
    /// What it runs, or is to run first.
    runs: Hash,
    /// Seconds of notice in its offer when it was assigned; and until when it serves, once notice is given.
    notice: u64,
    leaves: Option<u64>,
    /// The seconds between which its notice was given: one that its commitment gave may be found late, and where too
    /// little is left for all of it, is given when that is found.
    given: Option<(u64, u64)>,
    /// Its provider said so.
    left: bool,
}

/// See the module.
pub(crate) struct Auditor {
    epoch: u128,
    least: u64,
    lease: u64,
    hold_ppm: u128,
    fee_ppm: u128,
    users: BTreeMap<Address, u128>,
    treasury: u128,
    /// FLT.
    deposits: u128,
    deals: BTreeMap<DealId, Audited>,
    workers: BTreeMap<WorkerId, Hired>,
    owners: BTreeMap<ProviderId, Address>,
    reports: BTreeMap<PeerId, u64>,
    /// A report of the call under way, which counts after its events.
    reporting: Option<(PeerId, u64)>,
    posting: Option<Terms>,
    places: BTreeMap<PeerId, DatacenterId>,
    countries: BTreeMap<DatacenterId, Country>,
    /// Who is to go, as fewer workers are wanted.
    must_go: Vec<WorkerId>,
    offers: BTreeMap<OfferId, offer::Terms>,
    /// Terms of the call under way, which hold from its event on.
    accepting: Option<offer::Terms>,
    standing: BTreeMap<PeerId, OfferId>,
    records: BTreeMap<ProviderId, Record>,
    /// Unit-seconds by which the placed time in records may lie above what is known, since the last check.
    slack: BTreeMap<ProviderId, u128>,
    payers: BTreeSet<(ProviderId, Address)>,
    capacity: capacity::Capacity,
}

impl Auditor {
    pub(crate) fn new(params: &Params, balances: &[(Address, Usdc)]) -> Self {
        let mut users = BTreeMap::new();
        for (owner, amount) in balances {
            *users.entry(*owner).or_default() += amount.0;
        }
        Self {
            epoch: params.epoch_seconds.into(),
            least: params.min_charge_seconds,
            lease: params.lease_seconds,
            hold_ppm: params.hold_ppm.into(),
            fee_ppm: params.fee_ppm.into(),
            users,
            treasury: 0,
            deposits: 0,
            deals: BTreeMap::new(),
            workers: BTreeMap::new(),
            owners: BTreeMap::new(),
            reports: BTreeMap::new(),
            reporting: None,
            posting: None,
            places: BTreeMap::new(),
            countries: BTreeMap::new(),
            must_go: Vec::new(),
            offers: BTreeMap::new(),
            accepting: None,
            standing: BTreeMap::new(),
            records: BTreeMap::new(),
            slack: BTreeMap::new(),
            payers: BTreeSet::new(),
            capacity: capacity::Capacity::new(params),
        }
    }

    /// Takes note of an accepted call, before its events.
    pub(crate) fn call(&mut self, now: u64, call: &Call) {
        self.capacity.call(call);
        match call {
            Call::Demand(demand::Call::Post { terms, .. }) => self.posting = Some(terms.clone()),
            Call::Change(call) => self.order(call),
            Call::Worker(worker::Call::Running { worker, artifact }) => {
                self.says_it_runs(*worker, *artifact);
            }
            Call::Offer(offer::Call::Post { terms, .. } | offer::Call::SetTerms { terms, .. }) => {
                self.accepting = Some(terms.clone());
            }
            Call::Worker(worker::Call::Report { peer, stopped }) => {
                self.reporting = Some((*peer, now));
                for id in stopped {
                    if let Some(worker) = self.workers.get_mut(id) {
                        worker.named_stopped = true;
                    }
                }
            }
            Call::Worker(
                worker::Call::GiveNotice { worker: id } | worker::Call::Leave { worker: id },
            ) => {
                if let Some(worker) = self.workers.get_mut(id) {
                    worker.left = true;
                }
            }
            Call::Worker(worker::Call::GiveNoticeOfAll { peer }) => {
                let workers = self.workers.values_mut();
                for worker in workers.filter(|worker| worker.peer == *peer) {
                    worker.left = true;
                }
            }
            _ => {}
        }
    }

    /// Takes note of what happened; `now` is the block's time.
    pub(crate) fn event(&mut self, now: u64, event: &Event) {
        self.capacity.event(now, event);
        match event {
            Event::Ledger(ledger::Event::Moved { from, to, amount }) => {
                self.moved(*from, *to, amount.0);
            }
            Event::Usdc(usdc::Event::Approved { .. }) => {}
            Event::Provider(provider::Event::Registered {
                provider, owner, ..
            }) => {
                self.owners.insert(*provider, *owner);
            }
            Event::Peer(marketplace::peer::Event::Reported { peer, .. }) => {
                assert_eq!(
                    self.reporting.take(),
                    Some((*peer, now)),
                    "a report nobody made"
                );
                self.reports.insert(*peer, now);
            }
            Event::Demand(demand::Event::Posted {
                deal,
                owner,
                escrow,
                ..
            }) => {
                let terms = self.posting.take().expect("a demand nobody posted");
                let audited = Audited {
                    owner: *owner,
                    terms,
                    least: self.least,
                    hold_ppm: self.hold_ppm,
                    fee_ppm: self.fee_ppm,
                    paid_in: escrow.0,
                    paid_back: 0,
                    to_treasury: 0,
                    paid_to_providers: 0,
                    workers: Vec::new(),
                    pauses: Vec::new(),
                    over: false,
                };
                self.deals.insert(*deal, audited);
                self.take(*owner, escrow.0);
            }
            Event::Datacenter(datacenter::Event::Registered {
                datacenter,
                country,
                ..
            }) => {
                self.countries.insert(*datacenter, *country);
            }
            Event::Peer(marketplace::peer::Event::Registered {
                peer, datacenter, ..
            }) => {
                self.places.insert(*peer, *datacenter);
            }
            Event::Deal(deal::Event::FundsLow {
                deal,
                epochs,
                paid_until,
            }) => {
                // At that second nothing is left for another one. (The block may be later than a pause then.)
                let left = self.free(*deal, paid_until.0);
                let left = left.saturating_sub(self.reserve(*deal));
                assert!(left < self.rate(*deal), "paid until, of a warning");
                let epochs = u64::try_from(self.epoch).expect("seconds") * epochs;
                assert!(paid_until.0 <= now + epochs, "a warning too early");
            }
            Event::Provider(provider::Event::Transferred { provider, from, to }) => {
                let before = self.owners.insert(*provider, *to);
                assert_eq!(before, Some(*from), "it changes hands");
            }
            Event::Deposit(deposit::Event::Taken { amount, .. }) => self.deposits += amount.0,
            Event::Deposit(deposit::Event::Returned { amount, .. }) => self.deposits -= amount.0,
            Event::Governance(governance::Event::Changed {
                parameter, value, ..
            }) => self.parameter(parameter, *value),
            Event::Offer(event) => self.offer_event(event),
            Event::Deal(event) => self.deal_event(event),
            Event::Change(event) => self.ordered(event),
            Event::Worker(event) => self.worker_event(now, event),
            Event::Commitment(commitment::Event::RevenueShared { worker, amount, .. }) => {
                self.workers.get_mut(worker).expect("worker").shared += amount.0;
            }
            Event::Commitment(commitment::Event::RevenuePaid { to, amount, .. }) => {
                self.give(*to, amount.0);
            }
            _ => {}
        }
    }

    /// Only money that no other event explains: between holders, and new money.
    fn moved(&mut self, from: Option<Account>, to: Account, amount: u128) {
        match (from, to) {
            (None, Account::User(to)) => self.give(to, amount),
            (Some(Account::User(from)), Account::User(to)) => {
                self.take(from, amount);
                self.give(to, amount);
            }
            _ => {}
        }
    }

    fn give(&mut self, user: Address, amount: u128) {
        *self.users.entry(user).or_default() += amount;
    }

    fn take(&mut self, user: Address, amount: u128) {
        let balance = self.users.entry(user).or_default();
        *balance = balance
            .checked_sub(amount)
            .expect("nobody spends more than they have");
    }

    fn deal_event(&mut self, event: &deal::Event) {
        match event {
            deal::Event::StatusChanged { deal, status, at } => self.status(*deal, *status, at.0),
            deal::Event::ToppedUp { deal, by, amount } => {
                self.take(*by, amount.0);
                self.deals.get_mut(deal).expect("deal").paid_in += amount.0;
            }
            deal::Event::FundsLow { .. } => {}
            deal::Event::SurplusWithdrawn { deal, amount } => self.back(*deal, amount.0),
            deal::Event::Ended { deal, refund, .. } => {
                let free = self.free(*deal, u64::MAX);
                assert_eq!(free % self.epoch, 0, "a deal ends in whole units");
                assert_eq!(refund.0, free / self.epoch, "refund of deal {deal}");
                self.back(*deal, refund.0);
                self.deals.get_mut(deal).expect("deal").over = true;
            }
            deal::Event::Removed { deal } => {
                let unpaid = self.workers_of(*deal);
                let unpaid = unpaid
                    .filter(|worker| worker.earned != Some(worker.paid))
                    .count();
                assert_eq!(unpaid, 0, "deal {deal} is removed and owes its providers");
                self.deals.remove(deal);
            }
        }
    }

    fn parameter(&mut self, name: &str, value: u64) {
        match name {
            "min_charge_seconds" => self.least = value,
            "hold_ppm" => self.hold_ppm = value.into(),
            "fee_ppm" => self.fee_ppm = value.into(),
            // A lease that was renewed before keeps its length.
            "lease_seconds" => self.lease = self.lease.max(value),
            _ => {}
        }
    }

    fn offer_event(&mut self, event: &offer::Event) {
        match event {
            offer::Event::Posted { offer, .. } | offer::Event::TermsSet { offer } => {
                let terms = self.accepting.take().expect("terms nobody set");
                self.offers.insert(*offer, terms);
            }
            offer::Event::PriceSet { .. } => {}
            offer::Event::PeerAdded { offer, peer } => {
                let before = self.standing.insert(*peer, *offer);
                assert_eq!(before, None, "a peer stands in two offers");
            }
            offer::Event::PeerRemoved { offer, peer } => {
                assert_eq!(self.standing.remove(peer), Some(*offer), "it stood there");
            }
            offer::Event::Closed { offer } => _ = self.offers.remove(offer),
        }
    }

    /// Whether the terms of the peer's offer take a new worker of this deal.
    fn check_terms(&self, now: u64, peer: PeerId, deal: &Audited) {
        let offer = self.standing.get(&peer).expect("a peer in an offer");
        let terms = self.offers.get(offer).expect("terms");
        let owner = &deal.owner;
        let named = terms.allowed.is_empty() || terms.allowed.iter().any(|each| each == owner);
        let served = named && terms.denied.iter().all(|each| each != owner);
        assert!(served, "offer {offer} does not serve {owner}");
        let until = terms.valid_until.map_or(u64::MAX, |until| until.0);
        assert!(now <= until, "offer {offer} has expired");
        let wanted = deal.terms.duration.map_or(u64::MAX, |span| span.0);
        let longest = terms.max_duration.map_or(u64::MAX, |span| span.0);
        let fits = (terms.min_duration.0..=longest).contains(&wanted);
        assert!(fits, "offer {offer} does not take {wanted} s");
        let hold = deal.terms.hold;
        assert!(
            hold <= terms.max_hold,
            "offer {offer} does not hold so long"
        );
    }

    fn back(&mut self, id: DealId, amount: u128) {
        let deal = self.deals.get_mut(&id).expect("deal");
        deal.paid_back += amount;
        let owner = deal.owner;
        self.give(owner, amount);
    }

    fn status(&mut self, id: DealId, status: Status, at: u64) {
        if let Status::Paused { since } = status {
            assert_eq!(since.0, at, "a pause begins when it begins");
            let rate = self.rate(id);
            let free = self.free(id, at).saturating_sub(self.reserve(id));
            assert!(
                rate > 0 && free < rate,
                "deal {id} pauses at {at} with {free} left"
            );
            self.deals
                .get_mut(&id)
                .expect("deal")
                .pauses
                .push((at, None));
            return;
        }
        let deal = self.deals.get_mut(&id).expect("deal");
        if let Some((_, to @ None)) = deal.pauses.last_mut() {
            *to = Some(at);
        }
    }

    fn worker_event(&mut self, now: u64, event: &worker::Event) {
        match event {
            worker::Event::Assigned {
                worker,
                deal,
                provider,
                peer,
                rate,
                deadline,
                units,
            } => {
                let hired = Hired {
                    deal: *deal,
                    provider: *provider,
                    peer: *peer,
                    rate: rate.0,
                    units: units.len() as u128,
                    deadline: deadline.0,
                    ran: None,
                    earned: None,
                    paid: 0,
                    fees: 0,
                    shared: 0,
                    served: 0,
                    placed: now,
                    cannot: false,
                    named_stopped: false,
                    runs: self.deals.get(deal).expect("deal").terms.artifact.hash,
                    notice: self.offers[&self.standing[peer]].notice.0,
                    leaves: None,
                    given: None,
                    left: false,
                };
                self.check_placed(&hired);
                self.check_terms(now, *peer, self.deals.get(deal).expect("deal"));
                self.deals
                    .get_mut(deal)
                    .expect("deal")
                    .workers
                    .push(*worker);
                self.workers.insert(*worker, hired);
            }
            worker::Event::Running { worker, .. } => {
                let worker = self.workers.get_mut(worker).expect("worker");
                assert!(now <= worker.deadline, "a worker runs too late");
                worker.ran = Some(now);
            }
            worker::Event::CannotRun { worker, .. } => {
                self.workers.get_mut(worker).expect("worker").cannot = true;
            }
            worker::Event::NoticeGiven { worker, until, .. } => {
                let worker = self.workers.get_mut(worker).expect("worker");
                assert!(worker.ran.is_some() && worker.leaves.is_none());
                let ends = self.capacity.ends(&worker.peer);
                if worker.left {
                    assert_eq!(until.0, now + worker.notice, "the notice of the offer");
                } else {
                    assert_eq!(Some(until.0), ends, "a notice nobody gave");
                }
                worker.leaves = Some(until.0);
                worker.given = Some((until.0.saturating_sub(worker.notice), now));
            }
            worker::Event::Gone {
                worker,
                reason,
                at,
                earned,
                ..
            } => {
                if *reason == GoneReason::Unwanted {
                    self.unwanted(*worker);
                }
                self.gone(*worker, *reason, now, at.0, earned.0);
            }
            worker::Event::Paid {
                worker,
                provider,
                amount,
                fee,
            } => {
                let due = self.due(*worker, now);
                self.paid(*worker, now);
                let hired = self.workers.get_mut(worker).expect("worker");
                let shared = std::mem::take(&mut hired.shared);
                hired.paid += amount.0 + fee.0 + shared;
                hired.fees += fee.0;
                self.treasury += fee.0;
                assert_eq!(hired.paid, due, "a withdrawal pays all that is due");
                assert_eq!(hired.provider, *provider, "and pays whom it is due to");
                let deal = self.deals.get_mut(&hired.deal).expect("deal");
                let fees = hired.paid * deal.fee_ppm / 1_000_000;
                assert_eq!(hired.fees, fees, "the fee of all that was paid");
                deal.paid_to_providers += amount.0 + fee.0 + shared;
                let owner = *self.owners.get(provider).expect("provider");
                self.give(owner, amount.0);
            }
        }
    }

    /// What a payment of a worker that may still run adds to its provider's record.
    fn paid(&mut self, id: WorkerId, now: u64) {
        let worker = self.workers.get(&id).expect("worker");
        let (provider, deal) = (worker.provider, worker.deal);
        self.payers.insert((provider, self.deals[&deal].owner));
        if worker.earned.is_none() {
            let reported = self.reports.get(&worker.peer).copied().unwrap_or(0);
            self.serve(id, self.active(worker, reported));
            self.place(id, now);
        }
    }

    /// A worker was placed up to this second at least.
    fn place(&mut self, id: WorkerId, upto: u64) {
        let worker = &self.workers[&id];
        let more = self.unpaused(worker.deal, worker.placed, upto);
        let record = self.records.entry(worker.provider).or_default();
        record.assigned += u128::from(more) * worker.units;
        self.workers.get_mut(&id).expect("worker").placed = upto;
    }

    /// A worker that is gone was placed up to the second in which that was noticed: for one that says nothing the end of
    /// its lease, which the event does not tell.
    fn was_placed(&mut self, id: WorkerId, reason: GoneReason, (at, now): (u64, u64)) {
        let worker = &self.workers[&id];
        let upto = match reason {
            GoneReason::CannotRun | GoneReason::Failed => now,
            GoneReason::NeverStarted if at != worker.deadline => now,
            _ => at,
        };
        self.place(id, upto.max(self.workers[&id].placed));
        if reason == GoneReason::Silent {
            let worker = &self.workers[&id];
            let more = self.unpaused(worker.deal, worker.placed, now);
            *self.slack.entry(worker.provider).or_default() += u128::from(more) * worker.units;
        }
    }

    /// A worker has served so many seconds in all.
    fn serve(&mut self, id: WorkerId, seconds: u64) {
        let worker = self.workers.get_mut(&id).expect("worker");
        let more = seconds.checked_sub(worker.served);
        let more = more.expect("nobody served less than is in the record");
        worker.served = seconds;
        let record = self.records.entry(worker.provider).or_default();
        record.served += u128::from(more) * worker.units;
    }

    fn is_gone(&mut self, id: WorkerId, reason: GoneReason) {
        let provider = self.workers[&id].provider;
        let record = self.records.entry(provider).or_default();
        *match reason {
            GoneReason::NeverStarted => &mut record.never_started,
            GoneReason::Failed => &mut record.failed,
            GoneReason::Silent => &mut record.silent,
            GoneReason::Declined => &mut record.declined,
            GoneReason::Left => &mut record.left,
            GoneReason::NoticeKept => &mut record.notices_kept,
            GoneReason::CommitmentFailed | GoneReason::Fraud => &mut record.failed,
            GoneReason::CommitmentEnded
            | GoneReason::CannotRun
            | GoneReason::Evicted
            | GoneReason::Unwanted
            | GoneReason::Stopped
            | GoneReason::Completed
            | GoneReason::Unfunded
            | GoneReason::BadArtifact => return,
        } += 1;
    }

    /// All is known exactly but how long silent workers were placed, which lies within bounds; it is known afterwards.
    fn check_records(&mut self, cx: &mut Cx<'_, ReadOnly<'_>>) {
        for (id, record) in &mut self.records {
            let there = record::get(cx.store, *id).expect("record");
            let payers = self.payers.iter().filter(|(provider, _)| provider == id);
            let expected = Record {
                payers: payers.count() as u64,
                assigned: there.assigned,
                ..*record
            };
            assert_eq!(there, expected, "record of provider {id}");
            let slack = self.slack.remove(id).unwrap_or(0);
            let bounds = record.assigned..=record.assigned + slack;
            assert!(bounds.contains(&there.assigned), "{there:?} of {bounds:?}");
            record.assigned = there.assigned;
        }
    }

    /// A worker is gone: was it to go, and for how much?
    fn gone(&mut self, id: WorkerId, reason: GoneReason, now: u64, at: u64, earned: u128) {
        let worker = self.workers.get(&id).expect("worker");
        let deal = self.deals.get(&worker.deal).expect("deal");
        let (least, hold_ppm) = (deal.least, deal.hold_ppm);
        let reported = self.reports.get(&worker.peer).copied().unwrap_or(0);
        let last = worker.ran.map(|ran| ran.max(reported));
        // Full seconds and seconds of holds. What a peer did not report it may not be paid for, but in a hold it need
        // not report.
        let span = |upto| (self.active(worker, upto), self.held(worker, upto));
        let nothing = (0, 0);
        let (seconds, held) = match (reason, last) {
            (GoneReason::CannotRun, None) => {
                assert!(worker.cannot, "its peer did not say so");
                nothing
            }
            (GoneReason::NeverStarted, None) => {
                assert!(
                    worker.named_stopped || at == worker.deadline,
                    "not at its deadline"
                );
                nothing
            }
            (GoneReason::Silent | GoneReason::Failed, Some(last)) => {
                assert_eq!(at, last, "gone as of the last report");
                let lapsed = reason == GoneReason::Silent;
                assert!(
                    lapsed || worker.cannot || worker.named_stopped,
                    "who said that?"
                );
                (self.active(worker, last), self.held(worker, now))
            }
            (
                GoneReason::Evicted
                | GoneReason::Unwanted
                | GoneReason::Stopped
                | GoneReason::BadArtifact,
                _,
            ) => span(at),
            (GoneReason::Completed | GoneReason::Unfunded, _) => span(at),
            (GoneReason::Declined, None) => {
                assert!(worker.left, "its provider did not say so");
                nothing
            }
            (GoneReason::Left, Some(_)) => {
                assert!(worker.left, "its provider did not say so");
                assert!(
                    worker.leaves.is_none_or(|until| at < until),
                    "it kept its notice"
                );
                span(at)
            }
            (GoneReason::NoticeKept, Some(_)) => {
                self.notice_kept(worker, at);
                span(at)
            }
            (GoneReason::CommitmentFailed | GoneReason::Fraud, _) => span(at),
            (GoneReason::CommitmentEnded, None) => nothing,
            _ => panic!("{reason:?} of a worker that ran: {}", last.is_some()),
        };
        let mut exact = worker.rate * u128::from(seconds);
        exact += worker.rate * u128::from(held) * hold_ppm / 1_000_000;
        if matches!(
            reason,
            GoneReason::Evicted
                | GoneReason::Unwanted
                | GoneReason::Stopped
                | GoneReason::BadArtifact
        ) {
            exact = exact.max(worker.rate * u128::from(least));
        }
        assert_eq!(earned, exact / self.epoch, "worker {id} gone: {reason:?}");
        if reason == GoneReason::CannotRun {
            let least = worker.rate * u128::from(least) / self.epoch;
            self.treasury += least;
            self.deals.get_mut(&worker.deal).expect("deal").to_treasury += least;
        }
        self.serve(id, seconds);
        self.was_placed(id, reason, (at, now));
        self.is_gone(id, reason);
        self.workers.get_mut(&id).expect("worker").earned = Some(earned);
    }

    /// A worker under notice goes when its notice is over, or as the one whose notice is oldest if more than the
    /// target serve.
    fn notice_kept(&self, worker: &Hired, at: u64) {
        let until = worker.leaves.expect("notice was given");
        if at == until {
            return;
        }
        assert!(at < until, "a worker stays beyond its notice");
        let target = self.deals[&worker.deal].terms.target_workers;
        let serving: Vec<_> = self.live(worker.deal).filter(|w| w.ran.is_some()).collect();
        assert!(serving.len() > target.into(), "nobody replaced it");
        let (first, _) = worker.given.expect("notice was given");
        let mut latest = serving.iter().filter_map(|worker| worker.given);
        assert!(
            latest.all(|(_, last)| first <= last),
            "the oldest notice goes first"
        );
    }

    /// Seconds a worker ran up to `upto`, without the pauses of its deal.
    fn active(&self, worker: &Hired, upto: u64) -> u64 {
        worker
            .ran
            .map_or(0, |ran| self.unpaused(worker.deal, ran, upto))
    }

    /// Seconds between, without the pauses of a deal.
    fn unpaused(&self, deal: DealId, from: u64, upto: u64) -> u64 {
        let mut seconds = upto.saturating_sub(from);
        for (pause, to) in &self.deals.get(&deal).expect("deal").pauses {
            let (pause, to) = ((*pause).max(from), to.unwrap_or(u64::MAX).min(upto));
            seconds -= to.saturating_sub(pause);
        }
        seconds
    }

    /// Seconds a worker was held up to `upto`.
    fn held(&self, worker: &Hired, upto: u64) -> u64 {
        let Some(ran) = worker.ran else { return 0 };
        let deal = self.deals.get(&worker.deal).expect("deal");
        let pauses = deal.pauses.iter().map(|(from, to)| {
            let over = (from + deal.terms.hold.0).min(to.unwrap_or(u64::MAX));
            over.min(upto).saturating_sub((*from).max(ran))
        });
        pauses.sum()
    }

    /// What the live workers of a deal earned in holds up to `now`, in exact money, rounded up.
    fn holds(&self, id: DealId, now: u64) -> u128 {
        let each = |worker: &Hired| worker.rate * u128::from(self.held(worker, now));
        let sum: u128 = self.live(id).map(each).sum();
        (sum * self.deals[&id].hold_ppm).div_ceil(1_000_000)
    }

    /// What a hold of the workers that run would cost, in exact money, rounded up.
    fn reserve(&self, id: DealId) -> u128 {
        let deal = &self.deals[&id];
        let hold = u128::from(deal.terms.hold.0);
        (self.rate(id) * hold * deal.hold_ppm).div_ceil(1_000_000)
    }

    /// Until when the escrow of a deal pays those that run, if any does.
    fn paid_until(&self, id: DealId, now: u64) -> Option<u64> {
        let spare = self.free(id, now).saturating_sub(self.reserve(id));
        let seconds = spare.checked_div(self.rate(id))?;
        Some(now + u64::try_from(seconds).unwrap_or(u64::MAX - now))
    }

    /// Whole millionths that a worker may be paid up to now, paid ones included.
    fn due(&self, id: WorkerId, now: u64) -> u128 {
        let worker = self.workers.get(&id).expect("worker");
        let reported = self.reports.get(&worker.peer).copied().unwrap_or(0);
        let running = worker.rate * u128::from(self.active(worker, reported));
        let hold_ppm = self.deals[&worker.deal].hold_ppm;
        let held = worker.rate * u128::from(self.held(worker, now)) * hold_ppm / 1_000_000;
        worker.earned.unwrap_or((running + held) / self.epoch)
    }

    /// Rate of the running workers of a deal.
    fn rate(&self, id: DealId) -> u128 {
        let running = self.live(id).filter(|worker| worker.ran.is_some());
        running.map(|worker| worker.rate).sum()
    }

    fn workers_of(&self, id: DealId) -> impl Iterator<Item = &Hired> {
        let workers = &self.deals.get(&id).expect("deal").workers;
        workers
            .iter()
            .map(|id| self.workers.get(id).expect("worker"))
    }

    fn live(&self, id: DealId) -> impl Iterator<Item = &Hired> {
        self.workers_of(id).filter(|worker| worker.earned.is_none())
    }

    /// Escrow of a deal that is nobody's at `now`, from its whole history.
    fn free(&self, id: DealId, now: u64) -> u128 {
        let deal = self.deals.get(&id).expect("deal");
        let mut free = deal.paid_in * self.epoch;
        free -= (deal.paid_back + deal.to_treasury) * self.epoch;
        for worker in self.workers_of(id) {
            let charged = match (worker.earned, worker.ran) {
                (Some(earned), _) => earned * self.epoch,
                (None, Some(_)) => worker.rate * u128::from(self.active(worker, now)),
                (None, None) => worker.rate * u128::from(deal.least),
            };
            free = free
                .checked_sub(charged)
                .expect("a deal is never charged beyond its escrow");
        }
        free.checked_sub(self.holds(id, now))
            .expect("a hold is paid from what was kept back for it")
    }

    /// Compares all accounts and all deals with what they should be.
    pub(crate) fn check(&mut self, cx: &mut Cx<'_, ReadOnly<'_>>) {
        for (user, expected) in &self.users {
            let there = ledger::balance(cx.store, Account::User(*user)).expect("balance");
            assert_eq!(there.0, *expected, "USDC of {user}");
        }
        let treasury = ledger::balance(cx.store, Account::Treasury).expect("balance");
        assert_eq!(treasury.0, self.treasury, "USDC of the treasury");
        let deposits = deposit::held(cx.store).expect("deposits");
        assert_eq!(deposits.0, self.deposits, "FLT deposited");
        self.capacity.check(cx);
        self.check_records(cx);
        for (id, deal) in &self.deals {
            let paid = deal.paid_to_providers;
            let expected = deal.paid_in - deal.paid_back - deal.to_treasury - paid;
            let there = ledger::balance(cx.store, Account::Deal(*id)).expect("balance");
            assert_eq!(there.0, expected, "USDC of deal {id}");
            if !deal.over {
                self.check_deal(cx, *id, deal);
            }
        }
    }

    fn check_deal(&self, cx: &mut Cx<'_, ReadOnly<'_>>, id: DealId, deal: &Audited) {
        let now = cx.now().0;
        let view = deal::view(cx, id).expect("deal");
        let free = self.free(id, now);
        assert_eq!(
            view.deal.spare().0,
            free,
            "free escrow of deal {id} at {now}"
        );
        let paused = matches!(deal.pauses.last(), Some((_, None)));
        assert_eq!(view.deal.paused(), paused, "whether deal {id} is paused");
        let until = match paused {
            true => None,
            false => self.paid_until(id, now),
        };
        let until = until.unwrap_or(u64::MAX);
        assert_eq!(view.paid_until, Time(until), "deal {id} is paid until");
        self.check_due(id, deal, &view);
        let target = usize::from(deal.terms.target_workers);
        let staying = self.live(id).filter(|worker| worker.leaves.is_none());
        assert!(staying.count() <= target, "deal {id} has too many workers");
        let serving = self.live(id).filter(|worker| worker.ran.is_some());
        assert!(serving.count() <= target, "deal {id} is served by too many");
        for worker in self.live(id) {
            let late = worker.leaves.is_some_and(|until| until < now);
            assert!(!late, "a worker stays beyond its notice");
        }
        if !paused {
            self.live(id)
                .for_each(|worker| self.check_deadline(worker, now));
        }
    }

    /// Nobody outstays a deadline.
    fn check_deadline(&self, worker: &Hired, now: u64) {
        let Some(ran) = worker.ran else {
            return assert!(
                now <= worker.deadline,
                "a worker is not there long after its start"
            );
        };
        let deal = self.deals.get(&worker.deal).expect("deal");
        let resumed = deal.pauses.last().and_then(|(_, to)| *to).unwrap_or(0);
        let reported = self.reports.get(&worker.peer).copied().unwrap_or(0);
        let lapses = ran.max(resumed).max(reported) + self.lease;
        assert!(
            now <= lapses,
            "a worker is kept long after its peer's lease"
        );
    }
}
