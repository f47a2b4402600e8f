//! USDC transfers through one validator: many accounts, each pays the next, over several connections at once.

use crate::{
    http::{Rpc, number},
    process::{Process, network},
    rounded,
    transaction::{Account, What},
};
use alloy_primitives::Bytes;
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread::{self, sleep},
    time::{Duration, Instant},
};

const ACCOUNTS: usize = 256;
const CONNECTIONS: usize = 16;
/// Transactions that each account has ready.
const TRANSACTIONS: u64 = 320;
/// Transactions that are accepted and in no block yet, at most: enough to fill several blocks.
const BACKLOG: u64 = 4096;
const WARM_UP: Duration = Duration::from_secs(5);
const MEASURE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(5);

/// How far the clients and the chain are.
#[derive(Default)]
struct Progress {
    accepted: AtomicU64,
    /// In blocks.
    included: AtomicU64,
    is_over: AtomicBool,
}

/// What stands when a block has just been seen.
struct Moment {
    at: Instant,
    height: u64,
    accepted: u64,
    cpu: f64,
}

pub(crate) fn measure() -> Result<Value> {
    let folder = tempfile::tempdir()?;
    let accounts = (0..ACCOUNTS)
        .map(Account::new)
        .collect::<Result<Vec<_>>>()?;
    let funded: Vec<_> = accounts.iter().map(|account| account.address).collect();
    let network = network(folder.path(), 1, &funded, &[])?;
    let (node, url) = (&network[0], network[0].address("rpc")?);
    let mut rpc = Rpc::connect(url)?;
    let gas = What::usdc(funded[1], 0).estimate(&accounts[0], &mut rpc)?;
    // Addresses with fewer zeros cost a little more.
    let gas = gas + gas / 50;
    let signed = thread::scope(|scope| {
        let halves = accounts.chunks(ACCOUNTS / 2).zip([0, ACCOUNTS / 2]);
        let sign = |(half, first)| scope.spawn(move || sign(half, first, gas));
        let threads: Vec<_> = halves.map(sign).collect();
        let halves = threads.into_iter().map(join).collect::<Result<Vec<_>>>();
        halves.map(|halves| halves.concat())
    })?;
    let progress = Progress::default();
    let (begin, end) = thread::scope(|scope| {
        let clients: Vec<_> = signed
            .chunks(ACCOUNTS / CONNECTIONS)
            .map(|accounts| scope.spawn(|| submit(url, accounts, &progress)))
            .collect();
        let window = window(node, &mut rpc, &progress);
        progress.is_over.store(true, Relaxed);
        clients.into_iter().try_for_each(join)?;
        window
    })?;

    let included = included(&mut rpc, begin.height + 1..=end.height)?;
    let seconds = (end.at - begin.at).as_secs_f64();
    let blocks = end.height - begin.height;
    Ok(json!({
        "bench": "transfers",
        "accounts": ACCOUNTS,
        "connections": CONNECTIONS,
        "seconds": rounded(seconds),
        "accepted_per_s": rounded((end.accepted - begin.accepted) as f64 / seconds),
        "included_per_s": rounded(included as f64 / seconds),
        "node_cpu_s_per_1000": rounded((end.cpu - begin.cpu) / included as f64 * 1000.0),
        "blocks_per_s": rounded(blocks as f64 / seconds),
        "gas_limit": gas,
    }))
}

fn join<T>(thread: thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|_| bail!("a thread panicked"))
}

/// All transactions of some accounts; each account pays the one after it.
fn sign(accounts: &[Account], first: usize, gas: u64) -> Result<Vec<Vec<Bytes>>> {
    let transactions = |(number, account): (usize, &Account)| {
        let next = Account::new((first + number + 1) % ACCOUNTS)?;
        let what = What::usdc(next.address, gas);
        (0..TRANSACTIONS)
            .map(|nonce| account.sign(nonce, &what))
            .collect()
    };
    accounts.iter().enumerate().map(transactions).collect()
}

/// One connection: submits for its accounts in turn until it is told that it is over.
fn submit(url: &str, accounts: &[Vec<Bytes>], progress: &Progress) -> Result<()> {
    let mut rpc = Rpc::connect(url)?;
    let mut next = vec![0; accounts.len()];
    for account in (0..accounts.len()).cycle() {
        let waits = || {
            progress
                .accepted
                .load(Relaxed)
                .saturating_sub(progress.included.load(Relaxed))
        };
        while waits() >= BACKLOG && !progress.is_over.load(Relaxed) {
            sleep(PAUSE);
        }
        if progress.is_over.load(Relaxed) {
            break;
        }
        let signed = accounts[account].get(next[account]);
        let signed = signed.context("all that was signed has been sent: sign more")?;
        match rpc.ask("eth_sendRawTransaction", &json!([signed]))? {
            Ok(_) => {
                next[account] += 1;
                progress.accepted.fetch_add(1, Relaxed);
            }
            // The account has many that wait; the others go on.
            Err(refusal) if refusal.contains("above the account's") || refusal.contains("full") => {
            }
            Err(refusal) => bail!("refused: {refusal}"),
        }
    }
    Ok(())
}

/// Follows the chain; gives the first blocks after the warm-up and after the time to measure.
fn window(node: &Process, rpc: &mut Rpc, progress: &Progress) -> Result<(Moment, Moment)> {
    let start = Instant::now();
    let (mut seen, mut begin) = (0, None);
    loop {
        let height = rpc.number("eth_blockNumber", &json!([]))?;
        if height == seen {
            sleep(PAUSE);
            continue;
        }
        let moment = Moment {
            at: Instant::now(),
            height,
            accepted: progress.accepted.load(Relaxed),
            cpu: node.cpu()?,
        };
        for height in seen + 1..=height {
            let height = format!("{height:#x}");
            let count = rpc.number("eth_getBlockTransactionCountByNumber", &json!([height]))?;
            progress.included.fetch_add(count, Relaxed);
        }
        seen = height;
        begin = match begin {
            None if start.elapsed() > WARM_UP => Some(moment),
            Some(begin) if start.elapsed() > WARM_UP + MEASURE => return Ok((begin, moment)),
            begin => begin,
        };
    }
}

/// How many transfers the blocks hold, by their receipts.
fn included(rpc: &mut Rpc, heights: impl Iterator<Item = u64>) -> Result<u64> {
    let mut count = 0;
    for height in heights {
        let receipts = rpc.call("eth_getBlockReceipts", &json!([format!("{height:#x}")]))?;
        for receipt in receipts.as_array().context("receipts")? {
            ensure!(receipt["status"] == "0x1", "a transfer failed: {receipt}");
            count += u64::from(number(&receipt["gasUsed"])? > 0);
        }
    }
    Ok(count)
}
