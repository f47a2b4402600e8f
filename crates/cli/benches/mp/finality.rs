//! From `eth_sendRawTransaction` of an FLT transfer to its receipt, one transaction at a time.

use crate::{
    http::{PATIENCE, Rpc},
    percentile_ms,
    process::network,
    transaction::{Account, What},
};
use alloy_primitives::Address;
use anyhow::{Result, ensure};
use serde_json::{Map, Value, json};
use std::{
    thread::sleep,
    time::{Duration, Instant},
};

const TRANSACTIONS: u64 = 100;
const WARM_UP: u64 = 5;
/// Pause between two questions for the receipt.
const POLL: Duration = Duration::from_millis(2);

/// When the next transaction is sent.
#[derive(Clone, Copy)]
enum Rhythm {
    /// When the one before has its receipt: the least time between blocks is part of what is measured.
    AtOnce,
    /// After a pause, each time another one up to a second, so that blocks and transactions do not fall into step.
    Spread,
}

pub(crate) fn measure() -> Result<Value> {
    let mut figures = Map::new();
    figures.insert("bench".into(), "finality".into());
    figures.insert("transactions".into(), TRANSACTIONS.into());
    figures.insert(
        "poll_ms".into(),
        POLL.as_millis().try_into().map(u64::into)?,
    );
    for validators in [1, 4] {
        let folder = tempfile::tempdir()?;
        let sender = Account::new(0)?;
        let network = network(folder.path(), validators, &[sender.address], &[])?;
        let mut rpc = Rpc::connect(network[0].address("rpc")?)?;
        let mut nonces = 0..;
        sample(
            &mut rpc,
            &sender,
            nonces.by_ref().take(WARM_UP as usize),
            Rhythm::AtOnce,
        )?;
        for (name, rhythm) in [("spread", Rhythm::Spread), ("at_once", Rhythm::AtOnce)] {
            let nonces = nonces.by_ref().take(TRANSACTIONS as usize);
            let mut samples = sample(&mut rpc, &sender, nonces, rhythm)?;
            let figure = json!({
                "p50_ms": percentile_ms(&mut samples, 50)?,
                "p95_ms": percentile_ms(&mut samples, 95)?,
            });
            figures.insert(format!("validators_{validators}_{name}"), figure);
        }
    }
    Ok(figures.into())
}

fn sample(
    rpc: &mut Rpc,
    sender: &Account,
    nonces: impl Iterator<Item = u64>,
    rhythm: Rhythm,
) -> Result<Vec<Duration>> {
    let what = What::flt(Address::repeat_byte(0xbb));
    let mut samples = Vec::new();
    for nonce in nonces {
        let signed = sender.sign(nonce, &what)?;
        if let Rhythm::Spread = rhythm {
            sleep(Duration::from_millis(nonce * 370 % 1000));
        }
        let begin = Instant::now();
        let hash = rpc.call("eth_sendRawTransaction", &json!([signed]))?;
        let receipt = loop {
            let receipt = rpc.call("eth_getTransactionReceipt", &json!([hash]))?;
            if !receipt.is_null() {
                break receipt;
            }
            ensure!(begin.elapsed() < PATIENCE, "no receipt of {hash}");
            sleep(POLL);
        };
        samples.push(begin.elapsed());
        ensure!(receipt["status"] == "0x1", "transaction {hash} failed");
    }
    Ok(samples)
}
