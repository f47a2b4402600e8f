//! For which names there are certificates, and when the next one is ordered. Times are seconds since 1970.

use std::collections::{BTreeMap, BTreeSet};

/// An order that failed is repeated after so long, then after twice as long, and so on: a public server takes five failed ones of a
/// name in an hour.
const PAUSE: u64 = 120;
/// But never after longer.
const LONGEST: u64 = 6 * 3600;
/// A name without a certificate that is good is forgotten when nobody has asked for it for so long.
const REMEMBERED: u64 = 24 * 3600;

/// How a name came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It is in the configuration.
    Listed,
    /// It is below the gateway's domain, and somebody asked for it.
    Below,
    /// It is a domain of a deal's own, and somebody asked for it.
    Own,
}

/// When a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) from: u64,
    pub(super) until: u64,
}

impl Validity {
    /// The next one is to be ordered when a third of its time is left.
    pub(super) fn due(self) -> u64 {
        let whole = self.until.saturating_sub(self.from);
        self.until.saturating_sub(whole / 3)
    }
}

#[derive(Debug)]
struct Name {
    origin: Origin,
    validity: Option<Validity>,
    /// When somebody asked for it who did not get it.
    asked: u64,
    /// Orders that failed, one after the other.
    failures: u32,
    /// When it is to be ordered.
    due: u64,
}

impl Name {
    fn is_good(&self, now: u64) -> bool {
        self.validity.is_some_and(|validity| now < validity.until)
    }

    fn is_forgotten(&self, now: u64) -> bool {
        let is_asked = now < self.asked.saturating_add(REMEMBERED);
        self.origin != Origin::Listed && !self.is_good(now) && !is_asked
    }
}

/// All names, no more than there is room for.
#[derive(Debug)]
pub(super) struct Names {
    /// Those that clients may add, below the gateway's domain, and as many others.
    most: usize,
    names: BTreeMap<String, Name>,
    /// Nothing is ordered before.
    paused: u64,
    /// How often the server failed, one time after the other.
    pauses: u32,
}

impl Names {
    pub(super) fn new(most: usize, listed: BTreeSet<String>) -> Self {
        let name = |name| (name, new(Origin::Listed, 0));
        Self {
            most,
            names: listed.into_iter().map(name).collect(),
            paused: 0,
            pauses: 0,
        }
    }

    /// Adds a name that somebody asks for; false if there is no room for it.
    pub(super) fn ask(&mut self, name: &str, origin: Origin, now: u64) -> bool {
        if let Some(known) = self.names.get_mut(name) {
            known.asked = now;
            return true;
        }
        let others = self.names.values().filter(|other| other.origin == origin);
        let is_room = others.count() < self.most;
        if is_room {
            self.names.insert(name.to_owned(), new(origin, now));
        }
        is_room
    }

    /// Takes out one that makes room for `name`, if another than its holder has most of those that came here like it, and
    /// at least two more: one without a good certificate rather than with, then that which was asked for first. Those without a
    /// holder go before all others.
    pub(super) fn give_way(
        &mut self,
        name: &str,
        origin: Origin,
        now: u64,
        holder: impl Fn(&str) -> Option<String>,
    ) -> Option<String> {
        let mut held: BTreeMap<Option<String>, Vec<(&String, &Name)>> = BTreeMap::new();
        for other in self.names.iter().filter(|(_, it)| it.origin == origin) {
            held.entry(holder(other.0)).or_default().push(other);
        }
        let own = held.get(&holder(name)).map_or(0, Vec::len);
        let by_most =
            |(holder, names): &(&Option<String>, &Vec<_>)| (holder.is_none(), names.len());
        let (most, names) = held.iter().max_by_key(by_most)?;
        if most.is_some() && names.len() < own + 2 {
            return None;
        }
        let first = names
            .iter()
            .min_by_key(|(_, it)| (it.is_good(now), it.asked))?;
        let gone = first.0.clone();
        self.names.remove(&gone);
        Some(gone)
    }

    /// Takes out those that nobody wants any more.
    pub(super) fn forget(&mut self, now: u64) -> Vec<String> {
        let gone = |(name, state): (&String, &Name)| state.is_forgotten(now).then(|| name.clone());
        let gone: Vec<_> = self.names.iter().filter_map(gone).collect();
        for name in &gone {
            self.names.remove(name);
        }
        gone
    }

    /// When the next one is to be ordered.
    pub(super) fn due(&self) -> Option<u64> {
        let due = self.names.values().map(|name| name.due).min()?;
        Some(due.max(self.paused))
    }

    /// One that is to be ordered now: those of the configuration first.
    pub(super) fn next(&self, now: u64) -> Option<(String, Origin)> {
        let is_due = |state: &Name| state.due.max(self.paused) <= now;
        let due = self.names.iter().filter(|(_, state)| is_due(state));
        let next = due.min_by_key(|(_, state)| (state.origin != Origin::Listed, state.due));
        next.map(|(name, state)| (name.clone(), state.origin))
    }

    /// There is a certificate for it.
    pub(super) fn obtained(&mut self, name: &str, validity: Validity) {
        self.pauses = 0;
        if let Some(state) = self.names.get_mut(name) {
            state.validity = Some(validity);
            state.failures = 0;
            state.due = validity.due();
        }
    }

    /// There is none for it now, and the name is why. Gives the seconds until it is tried again.
    pub(super) fn failed(&mut self, name: &str, now: u64) -> u64 {
        let Some(state) = self.names.get_mut(name) else {
            return 0;
        };
        let pause = pause(state.failures);
        state.failures = state.failures.saturating_add(1);
        state.due = now + pause;
        pause
    }

    /// The server gives nobody a certificate now. Gives the seconds until it is asked again.
    pub(super) fn pause(&mut self, now: u64) -> u64 {
        let pause = pause(self.pauses);
        self.pauses = self.pauses.saturating_add(1);
        self.paused = now + pause;
        pause
    }
}

fn new(origin: Origin, now: u64) -> Name {
    Name {
        origin,
        validity: None,
        asked: now,
        failures: 0,
        due: 0,
    }
}

fn pause(failures: u32) -> u64 {
    PAUSE.saturating_mul(1 << failures.min(16)).min(LONGEST)
}

#[cfg(test)]
mod tests;
