//! Processor time of a process.

use std::{fs, io};

/// Clock ticks per second in `/proc`: the same on every machine that Linux runs on today.
const TICKS: f64 = 100.0;

/// Seconds that the process with this id, or `self`, has used in all its threads.
pub(crate) fn seconds(id: &str) -> io::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // Fields are counted from the end of the name, which may hold anything.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks = ticks.map(str::parse::<f64>).sum::<Result<f64, _>>();
    Ok(ticks.map_err(io::Error::other)? / TICKS)
}
