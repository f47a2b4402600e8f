//! What the way over gateway and overlay costs a request: the same worker asked through the gateway, and directly at
//! its socket as its peer does, in turns.

use crate::{
    http::Connection,
    market::{Layout, Market},
    percentile_ms, rounded,
};
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use std::{
    thread,
    time::{Duration, Instant},
};

const CONNECTIONS: usize = 16;
const PAIRS: usize = 3;
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURE: Duration = Duration::from_secs(5);

pub(crate) fn measure() -> Result<Value> {
    let folder = tempfile::tempdir()?;
    let market = Market::open(folder.path(), &Layout::least(&["[]"], &[String::new()]))?;
    market.serves()?;
    let worker = market.peers[0].sockets()?;
    let worker = worker.first().context("a worker's socket")?;
    let gateway = market.gateways[0].address("http")?;
    let direct = |time| load("/hello", time, || Connection::unix(worker));
    let through = |time| load("/1/hello", time, || Connection::tcp(gateway));
    direct(WARM_UP)?;
    through(WARM_UP)?;
    let (mut directly, mut by_gateway) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        directly.push(direct(MEASURE)?);
        by_gateway.push(through(MEASURE)?);
    }
    let pairs = directly.iter().zip(&by_gateway);
    Ok(json!({
        "bench": "serving",
        "connections": CONNECTIONS,
        "pairs": PAIRS,
        "direct": summary(&directly),
        "gateway": summary(&by_gateway),
        "gateway_per_direct": median(pairs.map(|(direct, gateway)| gateway.per_s / direct.per_s)),
    }))
}

/// What came of keeping all connections busy for a while.
struct Load {
    per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
}

fn summary(loads: &[Load]) -> Value {
    json!({
        "requests_per_s": median(loads.iter().map(|load| load.per_s)),
        "p50_ms": median(loads.iter().map(|load| load.p50_ms)),
        "p99_ms": median(loads.iter().map(|load| load.p99_ms)),
    })
}

pub(crate) fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_by(f64::total_cmp);
    // Of an even number the mean of the two in the middle, as usual.
    let middle = [(figures.len() - 1) / 2, figures.len() / 2].map(|index| figures[index]);
    rounded(middle.iter().sum::<f64>() / 2.0)
}

fn load(
    path: &str,
    time: Duration,
    connect: impl Fn() -> Result<Connection> + Sync,
) -> Result<Load> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n");
    let begin = Instant::now();
    let client = || -> Result<Vec<Duration>> {
        let mut connection = connect()?;
        let mut samples = Vec::new();
        while begin.elapsed() < time {
            let asked = Instant::now();
            let (status, _) = connection.ask(request.as_bytes())?;
            ensure!(status == 200, "{path} is answered with {status}");
            samples.push(asked.elapsed());
        }
        Ok(samples)
    };
    let mut samples = thread::scope(|scope| {
        let clients: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(client)).collect();
        let ended = clients.into_iter().map(|client| match client.join() {
            Ok(samples) => samples,
            Err(_) => bail!("a client panicked"),
        });
        ended
            .collect::<Result<Vec<_>>>()
            .map(|samples| samples.concat())
    })?;
    Ok(Load {
        per_s: samples.len() as f64 / begin.elapsed().as_secs_f64(),
        p50_ms: percentile_ms(&mut samples, 50)?,
        p99_ms: percentile_ms(&mut samples, 99)?,
    })
}
