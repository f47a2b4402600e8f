//! Protocol time as people read it: what it is on the wall.

use client::view::time::Time;
use std::time::{Duration, UNIX_EPOCH};

/// Milliseconds of the year 9999, beyond which dates are not written.
const LAST_MS: u64 = 253_402_300_799_000;

/// The date of a point in protocol time: an estimate, since the chain may stop.
pub(crate) fn on_the_wall(now: &Time, time: u64) -> String {
    let wall = Duration::from_millis(now.wall_ms_at(time).min(LAST_MS));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + wall).to_string()
}

/// An epoch and the date with which it begins.
pub(crate) fn epoch(now: &Time, epoch: u64) -> String {
    let begins = epoch.saturating_sub(1).saturating_mul(now.epoch_seconds);
    format!("epoch {epoch} ({})", on_the_wall(now, begins))
}

/// A length of time in words.
pub(crate) fn span(seconds: u64) -> String {
    humantime::format_duration(Duration::from_secs(seconds)).to_string()
}
