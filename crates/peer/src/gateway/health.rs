//! How one worker does, as far as a gateway can tell. Pure: time comes from outside, in milliseconds.
//!
//! A worker is left out when it was not reached, and when it failed [`FAILURES`] requests in a row; each time for
//! longer, until it has done well for as long as it was left out last. One whose kept connection broke is left out for a
//! moment, which counts for nothing. A peer that is silent when it is probed is left out until it answers a probe.

/// The first time that a worker is left out for.
const OUT_MS: u64 = 1_000;
/// It doubles up to this.
const MAX_OUT_MS: u64 = 30_000;
/// So many requests that fail one after the other make a worker one that fails.
const FAILURES: u32 = 5;
/// How long a worker is left out for whose kept connection broke. If that is because its peer was found silent, a probe is about
/// to say so.
const MOMENT_MS: u64 = 100;
/// An old latency counts half as much after so long: a worker that was slow once is tried again.
const HALF_LIFE_MS: u64 = 1_000;

/// What became of a request that was given to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Its answer began after so many microseconds.
    Answered(u64),
    /// It answered with a failure (a status of 500 or above), not at all, or broke off.
    Failed,
    /// It was too busy.
    Shed,
    /// It was not reached.
    Unreached,
    /// Its connection, which had carried requests before, broke.
    Broke,
    /// The client left.
    Abandoned,
}

#[derive(Clone, Debug)]
pub(super) struct Health {
    latency_us: u64,
    heard: u64,
    /// Failures in a row.
    failures: u32,
    /// Times in a row that it was left out.
    times: u32,
    out_until: u64,
    /// Left out until then since its connection broke.
    doubted_until: u64,
    /// Whether it is left out for what it answered, not for being away.
    is_suspect: bool,
    is_silent: bool,
    /// When it was there for the last time.
    alive: u64,
}

impl Health {
    /// A worker that nothing is known of but what others of its deal take.
    pub(super) fn new(latency_us: u64, now: u64) -> Self {
        Self {
            latency_us: latency_us.max(1),
            heard: now,
            failures: 0,
            times: 0,
            out_until: 0,
            doubted_until: 0,
            is_suspect: false,
            is_silent: false,
            alive: now,
        }
    }

    /// Usual time until an answer begins.
    pub(super) fn latency_us(&self, now: u64) -> u64 {
        let halvings = now.saturating_sub(self.heard) / HALF_LIFE_MS;
        (self.latency_us >> halvings.min(63)).max(1)
    }

    pub(super) fn is_in(&self, now: u64) -> bool {
        !self.is_silent && self.out_until.max(self.doubted_until) <= now
    }

    /// Whether it is left out for what it answered.
    pub(super) fn is_suspect(&self, now: u64) -> bool {
        self.is_suspect && self.out_until > now
    }

    /// How long its peer has been silent; None: it is not.
    pub(super) fn silence(&self, now: u64) -> Option<u64> {
        self.is_silent.then(|| now.saturating_sub(self.alive))
    }

    /// The order in which those who are left out are tried: who fails, who was not reached, whose peer is silent.
    pub(super) fn back(&self) -> (bool, bool, u64) {
        (self.is_silent, !self.is_suspect, self.out_until)
    }

    /// It answered, or not, after having been asked for nothing; true if it is left out for that from now on.
    pub(super) fn probed(&mut self, is_there: bool, now: u64) -> bool {
        if is_there {
            self.alive = now;
        }
        let is_news = self.is_silent == is_there;
        self.is_silent = !is_there;
        if is_there && is_news && !self.is_suspect {
            self.out_until = 0;
        }
        is_news && !is_there
    }

    /// Whether it is left out because it was not reached, though its peer is there.
    pub(super) fn is_absent(&self, now: u64) -> bool {
        !self.is_silent && !self.is_suspect && self.out_until > now
    }

    /// It was reached again, without a request.
    pub(super) fn found(&mut self) {
        if !self.is_suspect {
            self.out_until = 0;
        }
    }

    /// A request came to this; true if it is left out for that from now on. Whoever fails is, if it `may_be_out`.
    pub(super) fn heard(&mut self, outcome: Outcome, now: u64, may_be_out: bool) -> bool {
        match outcome {
            Outcome::Answered(latency_us) => self.did_well(latency_us, now),
            Outcome::Failed => self.failures = self.failures.saturating_add(1),
            Outcome::Unreached => return self.leave_out(now, false),
            Outcome::Broke => self.doubted_until = now.saturating_add(MOMENT_MS),
            Outcome::Shed | Outcome::Abandoned => {}
        }
        self.failures >= FAILURES && may_be_out && self.leave_out(now, true)
    }

    fn did_well(&mut self, latency_us: u64, now: u64) {
        self.latency_us = (self.latency_us(now) * 7 + latency_us.min(u64::MAX / 16)) / 8;
        self.heard = now;
        self.failures = 0;
        if now >= self.out_until.saturating_add(pause(self.times)) {
            self.times = 0;
        }
    }

    fn leave_out(&mut self, now: u64, is_suspect: bool) -> bool {
        if self.out_until > now {
            return false; // Requests that were under way tell nothing new.
        }
        self.times = self.times.saturating_add(1);
        self.out_until = now.saturating_add(pause(self.times));
        self.is_suspect = is_suspect;
        self.failures = 0;
        true
    }
}

/// How long it is left out for the time that is the so-manieth in a row.
fn pause(times: u32) -> u64 {
    match times.checked_sub(1) {
        Some(before) => (OUT_MS << before.min(16)).min(MAX_OUT_MS),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::{FAILURES, Health, Outcome};

    fn health() -> Health {
        Health::new(1_000, 0)
    }

    /// (G2)
    #[test]
    fn who_is_not_reached_is_left_out_for_a_while_that_doubles() {
        let mut health = health();
        for (now, back) in [(0, 1_000), (1_000, 3_000), (3_000, 7_000), (7_000, 15_000)] {
            assert!(health.heard(Outcome::Unreached, now, true));
            assert!(!health.heard(Outcome::Unreached, now, true), "known");
            assert!(!health.is_in(back - 1) && health.is_in(back), "{back}");
            assert!(health.is_absent(back - 1) && !health.is_absent(back));
        }
        for _ in 0..10 {
            health.heard(Outcome::Unreached, health.out_until, true);
        }
        let last = health.out_until;
        assert!(health.heard(Outcome::Unreached, last, true));
        assert_eq!(health.out_until, last + 30_000);
    }

    /// (G2)
    #[test]
    fn the_while_is_short_again_after_it_did_well_for_as_long() {
        let mut health = health();
        health.heard(Outcome::Unreached, 0, true);
        health.heard(Outcome::Unreached, 1_000, true);
        health.heard(Outcome::Answered(1), 4_999, true);
        assert!(health.heard(Outcome::Unreached, 4_999, true));
        assert_eq!(health.out_until, 4_999 + 4_000, "not yet");
        health.heard(Outcome::Answered(1), 12_999, true);
        assert!(health.heard(Outcome::Unreached, 13_000, true));
        assert_eq!(health.out_until, 14_000);
    }

    /// (G2)
    #[test]
    fn failures_in_a_row_leave_a_worker_out_and_one_success_ends_the_row() {
        let mut health = health();
        let fail = |health: &mut Health, may_be_out| {
            (1..=FAILURES).find(|_| health.heard(Outcome::Failed, 0, may_be_out))
        };
        (1..FAILURES).for_each(|_| assert!(!health.heard(Outcome::Failed, 0, true)));
        health.heard(Outcome::Answered(1), 0, true);
        assert_eq!(fail(&mut health.clone(), false), None, "others are out");
        assert_eq!(fail(&mut health, true), Some(FAILURES));
        assert!(health.is_suspect(999) && !health.is_suspect(1_000));
    }

    /// (G7)
    #[test]
    fn who_is_silent_is_out_until_a_probe_is_answered() {
        let mut health = health();
        assert!(health.probed(false, 0) && !health.probed(false, 0));
        health.heard(Outcome::Unreached, 0, true);
        assert!(!health.is_in(u64::MAX));
        assert!(!health.probed(true, 0));
        assert!(health.is_in(0), "no matter what was tried meanwhile");
        assert_eq!(health.silence(9), None);
        health.probed(true, 10);
        health.probed(false, 20);
        assert_eq!(health.silence(30), Some(20));
    }

    /// (G7)
    #[test]
    fn who_is_found_again_is_in_at_once() {
        let mut health = health();
        health.heard(Outcome::Unreached, 0, true);
        health.found();
        assert!(health.is_in(0));
    }

    /// (G7)
    #[test]
    fn a_probe_does_not_bring_back_who_fails() {
        let mut health = health();
        for _ in 0..FAILURES {
            health.heard(Outcome::Failed, 0, true);
        }
        health.probed(false, 0);
        health.probed(true, 0);
        health.found();
        assert!(!health.is_in(999) && health.is_in(1_000));
    }

    /// (G2)
    #[test]
    fn whose_connection_broke_is_left_out_for_a_moment_that_counts_for_nothing() {
        let mut health = health();
        assert!(!health.heard(Outcome::Broke, 0, true));
        assert!(!health.is_in(99) && health.is_in(100));
        assert!(!health.is_suspect(0) && !health.is_absent(0));
        assert!(health.heard(Outcome::Unreached, 50, true), "that is news");
        health.heard(Outcome::Broke, 60, true);
        assert!(
            !health.is_in(1_049) && health.is_in(1_050),
            "for the first time"
        );
    }

    /// (G2)
    #[test]
    fn latency_follows_what_is_seen_and_fades_when_nothing_is() {
        let mut health = health();
        health.heard(Outcome::Answered(9_000), 0, true);
        assert_eq!(health.latency_us(0), 2_000);
        assert_eq!(health.latency_us(999), 2_000);
        assert_eq!(health.latency_us(1_000), 1_000);
        assert_eq!(health.latency_us(u64::MAX), 1);
        health.heard(Outcome::Answered(u64::MAX), 0, true);
        assert!(health.latency_us(0) > 1_000_000);
    }
}
