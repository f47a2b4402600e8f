//! Protocol time and what it is on the wall.

use marketplace::units::{self, Seconds};
use serde::{Deserialize, Serialize};

/// Protocol time as of the newest block. It stands still while the chain does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Time {
    /// Height of the newest block.
    pub height: u64,
    /// Its protocol time, in seconds.
    pub time: u64,
    /// Its wall-clock time, in milliseconds of the Unix epoch.
    pub wall_ms: u64,
    /// The epoch; the first is 1.
    pub epoch: u64,
    /// Seconds in an epoch.
    pub epoch_seconds: u64,
    /// Seconds until the next epoch.
    pub next_epoch_in: u64,
}

impl Time {
    /// The time of a block.
    pub fn new(height: u64, time: u64, wall_ms: u64, epoch_seconds: u64) -> Self {
        let length = epoch_seconds.max(1);
        Self {
            height,
            time,
            wall_ms,
            epoch: units::Time(time).epoch(Seconds(length)).0,
            epoch_seconds,
            next_epoch_in: length - time % length,
        }
    }

    /// When `time` is, or was, on the wall: an estimate that assumes that the chain neither stops nor stopped in
    /// between. Milliseconds of the Unix epoch.
    pub fn wall_ms_at(&self, time: u64) -> u64 {
        if time >= self.time {
            self.wall_ms
                .saturating_add((time - self.time).saturating_mul(1000))
        } else {
            self.wall_ms
                .saturating_sub((self.time - time).saturating_mul(1000))
        }
    }

    /// The protocol time at a point on the wall, by the same estimate, rounded down. Milliseconds of the Unix epoch.
    pub fn at_wall_ms(&self, wall_ms: u64) -> u64 {
        if wall_ms >= self.wall_ms {
            self.time.saturating_add((wall_ms - self.wall_ms) / 1000)
        } else {
            self.time
                .saturating_sub((self.wall_ms - wall_ms).div_ceil(1000))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Time;

    #[test]
    fn protocol_time_has_an_epoch_and_a_place_on_the_wall() {
        let now = Time::new(7, 45, 1_000_000, 20);
        assert_eq!((now.epoch, now.next_epoch_in), (3, 15));
        assert_eq!(now.wall_ms_at(50), 1_005_000);
        assert_eq!(now.wall_ms_at(40), 995_000);
        assert_eq!(now.wall_ms_at(u64::MAX), u64::MAX);
        let wall = [1_005_999, 1_000_000, 999_999, 0].map(|wall_ms| now.at_wall_ms(wall_ms));
        assert_eq!(wall, [50, 45, 44, 0]);
    }
}
