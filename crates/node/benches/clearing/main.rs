//! How fast demands are matched: the pure crate over rows in memory with a block's writes apart, and whole blocks
//! through execution with their state root and journal on disk.
//!
//! `cargo xtask bench clearing` prints a line of JSON for each size of the book. Times are of the processor.

#[path = "../../../cli/benches/mp/cpu.rs"]
mod cpu;
mod executor;
#[expect(dead_code, reason = "the tests of execution use the rest")]
#[path = "../../../execution/tests/blocks/harness.rs"]
mod harness;
mod market;

use commonware_runtime::{
    Runner as _,
    tokio::{Config, Runner},
};
use executor::Executor;
use harness::genesis_for;
use market::Market;
use marketplace::{Event, worker};
use serde_json::json;
use std::{error::Error, fs, process::Command};

const BOOKS: [u64; 3] = [10_000, 100_000, 1_000_000];
/// Workers that demands ask for at once; a small book gets half of its units.
const WORKERS: u64 = 40_000;
const DEMANDS: u64 = 500;
/// One block clears all there is, so that only clearing is measured.
const WHOLE: u64 = 1_000_000_000;
/// What a block of the main network clears.
const USUAL: u64 = 65_536;
/// Each figure is of so much work, in seconds.
const ENOUGH: f64 = 1.5;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    // Each book in a process of its own, so that its memory is.
    let mut arguments = std::env::args().skip_while(|argument| argument != "--book");
    match arguments.nth(1) {
        Some(units) => measure(units.parse()?),
        None => BOOKS.into_iter().try_for_each(|units| {
            let mut book = Command::new(std::env::current_exe()?);
            let status = book.args(["--book", &units.to_string()]).status()?;
            match status.success() {
                true => Ok(()),
                false => Err(format!("a book of {units} units: {status}").into()),
            }
        }),
    }
}

fn measure(units: u64) -> Result<()> {
    let before = resident()?;
    let market = Market::new(units, WHOLE);
    let bytes = resident()?.saturating_sub(before);
    let workers = WORKERS.min(units / 2);
    let matched = rate(
        || {
            let mut market = market.clone();
            market.demand_workers(workers);
            market
        },
        |mut market| market.end(),
    )?;
    let in_vain = rate(
        || {
            let mut market = market.clone();
            (0..DEMANDS).for_each(|_| market.demand_in_vain());
            market
        },
        |mut market| {
            assert_eq!(market.end(), 0);
            DEMANDS
        },
    )?;
    let explained = rate(
        || market.clone(),
        |mut market| {
            (0..DEMANDS).for_each(|_| market.explain());
            DEMANDS
        },
    )?;
    let figures = json!({
        "bench": "clearing",
        "units": units,
        "workers_per_s": matched.round(),
        "committed_per_s": committed(units, workers)?.round(),
        "no_match_us": 1e6 / in_vain,
        "explain_ms": 1e3 / explained,
        "bytes_per_unit": bytes as f64 / units as f64,
    });
    println!("{figures}");
    Ok(())
}

/// Memory that this process holds, in bytes: at least what is on its heap.
fn resident() -> Result<u64> {
    let pages = fs::read_to_string("/proc/self/statm")?;
    let pages = pages.split(' ').nth(1).ok_or("statm has no second field")?;
    Ok(pages.parse::<u64>()? * 4_096)
}

/// How much `act` does in a second, with something new each time that is not counted.
fn rate<T>(prepare: impl Fn() -> T, act: impl Fn(T) -> u64) -> Result<f64> {
    let (mut done, mut spent) = (0, 0.0);
    while spent < ENOUGH {
        let prepared = prepare();
        let began = cpu::seconds("self")?;
        done += act(prepared);
        spent += cpu::seconds("self")? - began;
    }
    Ok(done as f64 / spent)
}

/// Workers that become part of the state in a second, from the execution of their blocks to the rows in memory.
fn committed(units: u64, workers: u64) -> Result<f64> {
    let mut market = Market::new(units, USUAL);
    market.demand_workers(workers);
    let folder = tempfile::tempdir()?;
    let config = Config::default().with_storage_directory(folder.path());
    Runner::new(config).start(async |context| {
        let mut executor = Executor::open(context, &genesis_for(&[])).await?;
        load(&mut executor, market).await?;
        let (mut done, began) = (0, cpu::seconds("self")?);
        loop {
            let assigned = clear(&mut executor).await?;
            if assigned == 0 {
                break;
            }
            done += assigned;
        }
        Ok(done as f64 / (cpu::seconds("self")? - began))
    })
}

/// Takes a market over as if the first block had made it.
async fn load(executor: &mut Executor, mut market: Market) -> Result<()> {
    market.commit();
    let rows = market.store.base.into_iter();
    let rows = rows.map(|(key, row)| (key, Some(row)));
    executor
        .block(Vec::new(), |outcome| outcome.diff.extend(rows))
        .await?;
    Ok(())
}

/// Executes a block without transactions; gives how many workers were assigned.
async fn clear(executor: &mut Executor) -> Result<u64> {
    let outcome = executor.block(Vec::new(), |_| {}).await?;
    let assigned = |event: &&Event| matches!(event, Event::Worker(worker::Event::Assigned { .. }));
    Ok(outcome.events.iter().filter(assigned).count() as u64)
}
