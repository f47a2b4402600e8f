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
mod tests {
    use super::{LONGEST, Names, Origin, PAUSE, REMEMBERED, Validity};

    const NOW: u64 = 1_800_000_000;
    const DAY: u64 = 24 * 3600;

    fn names(most: usize) -> Names {
        Names::new(most, ["fn.example.com".to_owned()].into())
    }

    fn days(days: u64) -> Validity {
        let (from, until) = (NOW, NOW + days * DAY);
        Validity { from, until }
    }

    /// (G21)
    #[test]
    fn ten_thousand_names_are_no_more_than_there_is_room_for() {
        let mut names = names(3);
        for origin in [Origin::Below, Origin::Own] {
            let asked = (0..10_000).map(|number| format!("{number}.{origin:?}.test"));
            let taken = asked.filter(|name| names.ask(name, origin, NOW));
            assert_eq!(taken.count(), 3, "{origin:?}");
        }
        let mut ordered = Vec::new();
        while let Some((name, _)) = names.next(NOW) {
            names.obtained(&name, days(90));
            ordered.push(name);
        }
        assert_eq!(ordered.len(), 7, "{ordered:?}");
        assert_eq!(ordered[0], "fn.example.com", "before any other");
    }

    /// (G20)
    #[test]
    fn a_certificate_is_ordered_anew_when_a_third_of_its_time_is_left() {
        let mut names = names(3);
        names.obtained("fn.example.com", days(90));
        assert_eq!(names.due(), Some(NOW + 60 * DAY));
        assert_eq!(names.next(NOW + 60 * DAY - 1), None);
        let next = names.next(NOW + 60 * DAY);
        let listed = ("fn.example.com".to_owned(), Origin::Listed);
        assert_eq!(next, Some(listed));
    }

    /// (G20)
    #[test]
    fn a_name_that_fails_waits_longer_and_longer_and_the_others_do_not() {
        let mut names = names(3);
        names.ask("7.fn.example.com", Origin::Below, NOW);
        let pauses = [1, 2, 4, 8, 16, 32, 64, 128].map(|times| times * PAUSE);
        for pause in pauses {
            assert_eq!(names.failed("fn.example.com", NOW), pause);
        }
        for _ in 0..100 {
            assert!(names.failed("fn.example.com", NOW) <= LONGEST);
        }
        let next = names.next(NOW).map(|(name, _)| name);
        assert_eq!(next.as_deref(), Some("7.fn.example.com"));
        names.obtained("fn.example.com", days(90));
        assert_eq!(names.failed("fn.example.com", NOW), PAUSE, "from the start");
    }

    /// (G20)
    #[test]
    fn a_server_that_fails_is_asked_for_no_name_for_a_while() {
        let mut names = names(3);
        assert_eq!(names.pause(NOW), PAUSE);
        assert_eq!(names.next(NOW + PAUSE - 1), None);
        assert_eq!(names.due(), Some(NOW + PAUSE));
        assert!(names.next(NOW + PAUSE).is_some());
        assert_eq!(names.pause(NOW), 2 * PAUSE);
    }

    /// (G21)
    #[test]
    fn a_name_without_a_certificate_makes_room_when_nobody_asks_for_it() {
        let mut names = names(1);
        assert!(names.ask("a.test", Origin::Own, NOW));
        assert!(!names.ask("b.test", Origin::Own, NOW));
        assert!(names.ask("a.test", Origin::Own, NOW + 10));
        assert!(names.forget(NOW + REMEMBERED).is_empty());
        let gone = names.forget(NOW + REMEMBERED + 10);
        assert_eq!(gone, ["a.test"], "what is listed stays");
        assert!(names.ask("b.test", Origin::Own, NOW));
        names.obtained("b.test", days(90));
        assert!(names.forget(NOW + 90 * DAY - 1).is_empty());
        assert_eq!(names.forget(NOW + 90 * DAY), ["b.test"]);
    }
}
