//! What holds for commitments, windows, audits and FLT.

use super::{Checker, State, sum};
use crate::audit::{ANSWERED, ASKED_AGAIN, AUDITS, AUDITS_OF, OPEN};
use crate::commitment::{
    AGENDA, COMMITMENTS, Commitment, DELEGATIONS, PLEDGES, PROOFS, Pledge, Proofs, REWARDS,
    Rewards, Status,
};
use crate::flt::{FLT_HELD, PURSES, Purse};
use crate::peer::Whereabouts;
use crate::pool::{POOL, PRICE, TOTALS};
use crate::units::{CommitmentId, Flt, PeerId, Time};
use crate::window::{COMMITTED, ENTRIES, FLAGGED, KEYS, PROGRESS, WINDOWS};
use std::collections::{BTreeMap, BTreeSet};

/// Rows of commitments.
pub(super) struct Capacity {
    pub(super) commitments: BTreeMap<CommitmentId, Commitment>,
    proofs: BTreeMap<CommitmentId, Proofs>,
    rewards: BTreeMap<CommitmentId, Rewards>,
    pub(super) pledges: BTreeMap<PeerId, Pledge>,
}

impl Capacity {
    pub(super) fn read(checker: &mut Checker<'_>) -> Self {
        Self {
            commitments: checker.all(&COMMITMENTS),
            proofs: checker.all(&PROOFS),
            rewards: checker.all(&REWARDS),
            pledges: checker.all(&PLEDGES),
        }
    }
}

impl Checker<'_> {
    /// I10 to I12.
    pub(super) fn capacity(&mut self, state: &State) {
        let purses = self.all(&PURSES);
        let (held, total) = (self.one(&FLT_HELD), sum(purses.values().map(|all| all.0)));
        self.expect(total == held.0, "I10 FLT", || {
            format!("purses sum to {total}, {held} are held")
        });
        self.purses(state, &purses);
        for (id, commitment) in &state.capacity.commitments {
            self.commitment(state, *id, commitment);
        }
        self.pledges(state);
        self.agenda(state);
        self.entered(state);
        self.audits(state);
        self.all(&WINDOWS);
        self.all(&KEYS);
        self.all(&PROGRESS);
        self.all(&PRICE);
        self.all(&POOL);
    }

    fn purses(&mut self, state: &State, purses: &BTreeMap<Purse, Flt>) {
        let totals = self.all(&TOTALS);
        let mut creditors = BTreeMap::new();
        let held = state.capacity.rewards.values().flat_map(|all| &all.held);
        for epoch in held.map(|held| held.epoch) {
            let count = creditors.entry(epoch).or_insert(0_u32);
            *count = count.saturating_add(1);
        }
        for (epoch, total) in &totals {
            let counted = creditors.get(epoch).copied().unwrap_or_default();
            self.expect(total.creditors == counted, "I10 FLT", || {
                format!(
                    "epoch {epoch} has {} creditors, {counted} hold",
                    total.creditors
                )
            });
        }
        for (purse, amount) in purses {
            let right = *amount != Flt::ZERO
                && match purse {
                    Purse::Commitment(id) => state.capacity.commitments.contains_key(id),
                    Purse::Pool(epoch) => {
                        let pool = totals.get(epoch).and_then(|total| total.pool);
                        pool.is_some_and(|pool| *amount <= pool)
                    }
                    _ => true,
                };
            self.expect(right, "I10 FLT", || format!("{purse:?} holds {amount}"));
        }
        for (id, commitment) in &state.capacity.commitments {
            let purse = purses.get(&Purse::Commitment(*id)).copied();
            let purse = purse.unwrap_or_default().0;
            let owed = owed(state, *id, commitment);
            // What a release rounds away stays until it is closed.
            let dust = if commitment.released { 16 } else { 0 };
            let right = purse >= owed && purse <= owed.saturating_add(dust);
            self.expect(right, "I10 FLT", || {
                format!("commitment {id} holds {purse}, owes {owed}")
            });
        }
    }

    fn commitment(&mut self, state: &State, id: CommitmentId, commitment: &Commitment) {
        let delegations = self.all(&DELEGATIONS).into_iter();
        let own = delegations.filter(|((of, _), _)| *of == id);
        let stakes = sum(own.map(|(_, each)| each.stake.0));
        let full = commitment.status == Status::WaitCollateral
            || commitment.staked == commitment.collateral();
        let right = stakes == commitment.staked.0 && full;
        self.expect(right, "I11 commitments", || {
            format!(
                "commitment {id} has stakes of {stakes}, {}",
                commitment.staked
            )
        });
        let started = !matches!(
            commitment.status,
            Status::WaitCollateral | Status::WaitStart { .. }
        );
        let proofs = state.capacity.proofs.get(&id);
        let units = proofs.map_or(0, |proofs| proofs.units.len());
        let right = started == proofs.is_some()
            && (!started || units == usize::from(commitment.units))
            && proofs.is_none_or(|proofs| {
                let within = |lost: Flt| lost <= commitment.per_unit;
                proofs.units.iter().all(|proof| within(proof.slashed))
            });
        self.expect(right, "I11 commitments", || {
            format!("commitment {id} has proofs of {units} units, or one lost too much")
        });
        let workers = state.workers.values().flat_map(|each| &each.delegated);
        let workers = workers.filter(|each| each.commitment == id).count();
        let right = u32::try_from(workers) == Ok(commitment.workers);
        self.expect(right, "I11 commitments", || {
            format!(
                "commitment {id} counts {} workers, has {workers}",
                commitment.workers
            )
        });
    }

    fn pledges(&mut self, state: &State) {
        for (peer, pledge) in &state.capacity.pledges {
            let there = |id: CommitmentId| state.capacity.commitments.get(&id);
            let status = there(pledge.current).map(|each| each.status);
            let waiting = matches!(
                status,
                Some(Status::WaitCollateral | Status::WaitStart { .. })
            );
            let active = matches!(status, Some(Status::Active { .. }));
            // What fails while epochs are closed is known to the pledge when its turn comes.
            let failed = matches!(status, Some(Status::Failed { .. }));
            let right = state.peers.contains_key(peer)
                && (pledge.since == Time::NEVER) == waiting
                && (pledge.active == active || (pledge.active && failed))
                && pledge.successor.is_none_or(|next| there(next).is_some());
            self.expect(right, "I11 commitments", || {
                format!("peer {peer}: {pledge:?}, {status:?}")
            });
        }
        for (peer, units) in &state.units {
            let pledge = state.capacity.pledges.get(peer);
            let active = pledge.is_some_and(|pledge| pledge.active);
            let proving =
                |unit: &Whereabouts| matches!(unit, Whereabouts::Proving | Whereabouts::Cooling(_));
            let right = units.0.iter().all(|unit| match unit {
                Whereabouts::Idle => !active,
                unit => !proving(unit) || active,
            });
            self.expect(right, "I4 whereabouts", || {
                format!("peer {peer}: {units:?}, {pledge:?}")
            });
        }
    }

    fn agenda(&mut self, state: &State) {
        let epoch = state.clock.now.epoch(state.params.epoch());
        let entries = self.keys(&AGENDA);
        let mut wanted = BTreeSet::new();
        for (id, commitment) in &state.capacity.commitments {
            let next = state.capacity.proofs.get(id).map(|proofs| proofs.epoch);
            let at = match (commitment.status, next) {
                (Status::WaitStart { start }, _) => start,
                (Status::Active { end, .. }, Some(next)) => next.plus(1).min(end),
                (Status::Ended { end }, Some(next)) if next <= end => next.plus(1),
                _ => continue,
            };
            wanted.insert((at, *id));
        }
        // One that failed stays on the agenda until its turn.
        let failed = |id: &CommitmentId| {
            let commitment = state.capacity.commitments.get(id);
            commitment.is_some_and(|each| matches!(each.status, Status::Failed { .. }))
        };
        let more = entries.difference(&wanted).all(|(_, id)| failed(id));
        let right = more && wanted.is_subset(&entries);
        self.expect(right, "I11 commitments", || {
            format!("the agenda has {entries:?}, not {wanted:?}")
        });
        let closed = state.clock.closed;
        let late = entries.iter().any(|(at, _)| *at <= closed.plus(1));
        self.expect(!late && closed < epoch, "I11 commitments", || {
            format!("epoch {closed} is closed, {entries:?} wait")
        });
    }

    fn entered(&mut self, state: &State) {
        let committed = self.all(&COMMITTED);
        let mut entered = BTreeSet::new();
        for (id, proofs) in &state.capacity.proofs {
            let peer = state.capacity.commitments.get(id).map(|each| each.peer);
            let windows = proofs.entered.iter().map(|entered| entered.window);
            entered.extend(windows.filter_map(|window| Some((window, peer?))));
        }
        let rows: BTreeSet<_> = committed.keys().copied().collect();
        self.expect(rows == entered, "I12 windows", || {
            format!("{rows:?} are committed, {entered:?} are entered")
        });
        let entries: BTreeSet<_> = self.all(&ENTRIES).into_iter().collect();
        let mut wanted = BTreeSet::new();
        for ((window, peer), row) in &committed {
            let units = u64::try_from(row.units.len()).unwrap_or(u64::MAX);
            wanted.insert(((*window, row.before.saturating_add(units)), *peer));
        }
        self.expect(entries == wanted, "I12 windows", || {
            "entries and what is committed disagree".to_owned()
        });
        let drawn = self.one(&PROGRESS).drawn;
        let flagged = self.all(&FLAGGED);
        let stale = flagged.keys().any(|(window, _)| *window < drawn);
        self.expect(!stale, "I12 windows", || {
            "a window was drawn and keeps its flags".to_owned()
        });
    }

    fn audits(&mut self, state: &State) {
        let audits = self.all(&AUDITS);
        let of_peers = audits.iter().map(|(id, audit)| (audit.peer, *id));
        self.index(&AUDITS_OF, &of_peers.collect());
        let open = audits
            .iter()
            .filter(|(_, audit)| audit.answer.is_none() && audit.answer_by != Time::NEVER);
        self.index(
            &OPEN,
            &open.map(|(id, audit)| (audit.answer_by, *id)).collect(),
        );
        let answered = audits.iter().filter_map(|(id, audit)| {
            let answer = audit.answer.as_ref()?;
            Some((answer.due, *id))
        });
        self.index(&ANSWERED, &answered.collect());
        let again = self.keys(&ASKED_AGAIN);
        let again: BTreeSet<_> = again.into_iter().map(|(_, id)| id).collect();
        let waiting = audits
            .iter()
            .filter(|(_, audit)| audit.answer.is_none() && audit.answer_by == Time::NEVER);
        let waiting: BTreeSet<_> = waiting.map(|(id, _)| *id).collect();
        self.expect(again == waiting, "I12 windows", || {
            format!("{again:?} are asked again, {waiting:?} wait for it")
        });
        for (id, commitment) in &state.capacity.commitments {
            let own = audits.values().filter(|audit| audit.commitment == *id);
            let right = u32::try_from(own.count()) == Ok(commitment.audits);
            self.expect(right, "I12 windows", || {
                format!("commitment {id} counts {} audits", commitment.audits)
            });
        }
        let orphan = audits
            .values()
            .any(|audit| !state.capacity.commitments.contains_key(&audit.commitment));
        self.expect(!orphan, "I12 windows", || {
            "an audit of no commitment".to_owned()
        });
    }
}

/// What is left of the collateral, and what was credited and not paid.
fn owed(state: &State, id: CommitmentId, commitment: &Commitment) -> u128 {
    let proofs = state.capacity.proofs.get(&id);
    let slashed = proofs.map_or(0, |proofs| {
        sum(proofs.units.iter().map(|proof| proof.slashed.0))
    });
    let left = match commitment.released {
        true => 0,
        false => commitment.staked.0.saturating_sub(slashed),
    };
    let rewards = state.capacity.rewards.get(&id).map_or(0, |rewards| {
        let credits = sum(rewards.credits.iter().map(|credit| credit.amount.0));
        let all = rewards.vested.0.saturating_add(credits);
        let paid = rewards
            .provider_paid
            .0
            .saturating_add(rewards.delegators_paid.0);
        all.saturating_sub(paid)
    });
    left.saturating_add(rewards)
}
