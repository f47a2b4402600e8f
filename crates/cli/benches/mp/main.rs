//! How fast the whole is, as its users see it: real processes of `mp`, real files, real sockets on loopback.
//!
//! `cargo xtask bench finality|transfers|serving` prints one line of JSON, `function`, `failover` and `hostile` several, as does the part `handover` of
//! `cargo xtask bench capacity`. Clients run in this process, on the same processors as what they measure.

mod bare;
mod cpu;
mod failover;
mod finality;
mod function;
mod handover;
mod hostile;
mod http;
mod load;
mod market;
mod process;
mod serving;
mod transaction;
mod transfers;

use anyhow::{Context as _, Result};
use std::time::Duration;

fn main() -> Result<()> {
    // Cargo adds `--bench`.
    let name = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let figures = match name.as_deref() {
        Some("finality") => finality::measure()?,
        Some("transfers") => transfers::measure()?,
        Some("serving") => serving::measure()?,
        Some("handover") => handover::measure()?,
        Some("function") => return function::measure(),
        Some("failover") => return failover::measure(),
        Some("hostile") => return hostile::measure(),
        Some("bare") => return bare::serve(),
        _ => anyhow::bail!(
            "usage: cargo bench --workspace --bench mp -- finality|transfers|serving|handover|function|failover|hostile"
        ),
    };
    println!("{figures}");
    Ok(())
}

/// The value below which so many percent of the samples lie, in milliseconds. Sorts them.
fn percentile_ms(samples: &mut [Duration], percent: usize) -> Result<f64> {
    samples.sort_unstable();
    let last = samples
        .len()
        .checked_sub(1)
        .context("nothing was measured")?;
    Ok(rounded(
        samples[last * percent / 100].as_secs_f64() * 1000.0,
    ))
}

/// Three digits after the point are enough for everything here.
fn rounded(figure: f64) -> f64 {
    (figure * 1000.0).round() / 1000.0
}
