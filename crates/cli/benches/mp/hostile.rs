//! What a hostile function costs its neighbours: on one peer with two units, one serves a function that says hello, the other a
//! stranger's. The neighbour is asked at a steady pace through the gateway, in rounds in which nobody asks the stranger's
//! function, and rounds in which clients do all the time; in rounds of the same layout, in which strangers only deploy
//! what cannot run. Its p99 may at most double.

use crate::{
    http::PATIENCE,
    load::{self, At},
    market::{Layout, Market},
    rounded,
    serving::median,
};
use anyhow::{Context as _, Result, bail, ensure};
use client::marketplace::units::DealId;
use functions::{FETCH, hostile};
use serde_json::{Value, json};
use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    thread::{self, sleep},
    time::{Duration, Instant},
};

/// Pairs of rounds.
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(4);
/// Clients of the neighbour, and the pause of each between two requests.
const CLIENTS: usize = 4;
const PAUSE: Duration = Duration::from_millis(10);
/// Clients of the hostile function. They read no more than so much of an answer at once, and rest between: what is measured is
/// the function, not them.
const STRANGERS: usize = 4;
const REST: Duration = Duration::from_millis(10);
/// Times the p99 that it may be.
const MOST: f64 = 2.0;

struct Hostile {
    name: &'static str,
    function: &'static [u8],
    /// Servers in its plan, and what is asked of it.
    outbound: &'static [&'static str],
    path: &'static str,
    /// What its developer is told, among other words.
    says: &'static str,
}

impl Hostile {
    const fn new(name: &'static str, function: &'static [u8], says: &'static str) -> Self {
        Self {
            name,
            function,
            outbound: &[],
            path: "/",
            says,
        }
    }

    const fn asks(self, outbound: &'static [&'static str], path: &'static str) -> Self {
        Self {
            outbound,
            path,
            ..self
        }
    }
}

/// What serves, and fails when it is asked.
const SERVES: [Hostile; 12] = [
    Hostile::new("spin", hostile::SPIN, "processor time"),
    Hostile::new(
        "memory_bomb",
        hostile::MEMORY_BOMB,
        "memory beyond the limit",
    ),
    Hostile::new("stack_bomb", hostile::RECURSION, "call stack exhausted"),
    Hostile::new("huge_logs", hostile::CHATTER, "dropped"),
    Hostile::new("huge_headers", hostile::HEADERS, "exceeds limit"),
    Hostile::new("endless_body", hostile::FLOOD, "too long"),
    Hostile::new("slow_body", hostile::SLOW_BODY, "too long"),
    Hostile::new("resources", hostile::HOARDER, "table has no free keys"),
    Hostile::new("trap", hostile::TRAP, "unreachable"),
    Hostile::new("loopback", FETCH, "127.0.0.1")
        .asks(&["http://127.0.0.1:80"], "/http/127.0.0.1:80/"),
    Hostile::new("link_local", FETCH, "169.254")
        .asks(&["http://169.254.169.254"], "/http/169.254.169.254/"),
    // A name of the developer's that leads to this machine, as one that is bound anew does.
    Hostile::new("rebinding", FETCH, "localhost")
        .asks(&["http://localhost:80"], "/http/localhost:80/"),
];

pub(crate) fn measure() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let beside = format!("peers = [{:?}]", folder.path().join("p0"));
    let units = ["[0]", "[1]"];
    let market = Market::open(folder.path(), &Layout::least(&units, &[beside]))?;
    market.serves()?;
    let mut worst = 0.0_f64;
    for hostile in &SERVES {
        let figures = serving(&market, hostile).with_context(|| hostile.name)?;
        worst = worst.max(figures["p99_ratio"].as_f64().context("a ratio")?);
        println!("{figures}");
    }
    let figures = compiling(&market)?;
    worst = worst.max(figures["p99_ratio"].as_f64().context("a ratio")?);
    println!("{figures}");
    ensure!(
        worst <= MOST,
        "a neighbour's p99 grew to {worst} times what it was"
    );
    Ok(())
}

/// A function that serves, asked and not asked in turns.
fn serving(market: &Market, hostile: &Hostile) -> Result<Value> {
    let deal = market.deploy(hostile.name, hostile.function, 1, hostile.outbound)?;
    let stranger = Stranger::of(market, deal, hostile)?;
    stranger.runs()?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let idle = neighbour(market)?;
        let stop = AtomicBool::new(false);
        let busy = thread::scope(|scope| {
            for _ in 0..STRANGERS {
                scope.spawn(|| stranger.asks_until(&stop));
            }
            let busy = neighbour(market);
            stop.store(true, Ordering::Relaxed);
            busy
        })?;
        rounds.push((idle, busy));
    }
    let reason = stranger.told(hostile.says)?;
    stop(market, deal)?;
    Ok(line(hostile.name, &rounds, &reason))
}

/// A function that cannot be compiled within the limits, deployed in every second round.
fn compiling(market: &Market) -> Result<Value> {
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let idle = neighbour(market)?;
        let name = format!("compile_bomb_{round}");
        let deal = market.deploy(&name, &labelled(hostile::COMPILE_BOMB, round), 1, &[])?;
        sleep(Duration::from_secs(1)); // It is matched, fetched and being compiled by then.
        rounds.push((idle, neighbour(market)?));
        given_up(market, deal)?;
        stop(market, deal)?;
    }
    Ok(line("compile_bomb", &rounds, &refused(market)?))
}

/// What its developer reads before it is paid for.
fn refused(market: &Market) -> Result<String> {
    let plan = market.plan("compile_bomb_0")?;
    let refusal = market.as_developer(&["deploy", "plan", &plan]);
    let Err(refusal) = refusal else {
        bail!("the plan of a function that cannot be compiled is good");
    };
    let refusal = format!("{refusal:#}");
    ensure!(refusal.contains("compil"), "{refusal}");
    Ok(refusal)
}

/// Another component of the same code.
fn labelled(component: &[u8], number: usize) -> Vec<u8> {
    let (section, name) = (0, [b'0' + number as u8]);
    [component, &[section, 2, 1], &name].concat()
}

/// Waits until the peer has given the worker up.
fn given_up(market: &Market, deal: DealId) -> Result<()> {
    let begin = Instant::now();
    loop {
        let status = market.as_developer(&["deploy", "status", &deal.0.to_string()])?;
        let said = status.to_string();
        if said.contains("excluded") {
            return Ok(());
        }
        ensure!(begin.elapsed() < 2 * PATIENCE, "it is not given up: {said}");
        sleep(Duration::from_millis(500));
    }
}

fn line(name: &str, rounds: &[(f64, f64)], reason: &str) -> Value {
    json!({
        "bench": "hostile",
        "function": name,
        "idle_p99_us": rounded(median(rounds.iter().map(|(idle, _)| *idle))),
        "p99_us": rounded(median(rounds.iter().map(|(_, busy)| *busy))),
        "p99_ratio": rounded(median(rounds.iter().map(|(idle, busy)| busy / idle))),
        "reason": reason,
    })
}

/// Ends a deal, and waits until its unit is free.
fn stop(market: &Market, deal: DealId) -> Result<()> {
    market.as_developer(&["deploy", "stop", &deal.0.to_string()])?;
    let begin = Instant::now();
    // The neighbour's.
    while market.peers[0].workers()?.len() > 1 {
        ensure!(
            begin.elapsed() < PATIENCE,
            "the worker of deal {deal} does not end"
        );
        sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// The neighbour's p99 in microseconds, over a round.
fn neighbour(market: &Market) -> Result<f64> {
    let at = At::Tcp(market.gateways[0].address("http")?.into());
    Ok(load::paced(&at, "/1/hello", CLIENTS, PAUSE, ROUND)?.p99_us)
}

/// Who asks a hostile function.
struct Stranger<'a> {
    market: &'a Market,
    deal: DealId,
    address: &'a str,
    request: Vec<u8>,
}

impl<'a> Stranger<'a> {
    fn of(market: &'a Market, deal: DealId, hostile: &Hostile) -> Result<Self> {
        let head = format!("GET /{deal}{} HTTP/1.1\r\nhost: bench\r\n", hostile.path);
        Ok(Self {
            market,
            deal,
            address: market.gateways[0].address("http")?,
            request: format!("{head}connection: close\r\n\r\n").into_bytes(),
        })
    }

    /// Waits until the function is asked at all, whatever comes of it.
    fn runs(&self) -> Result<()> {
        let begin = Instant::now();
        loop {
            let deal = self
                .market
                .runtime
                .block_on(self.market.client.deal(self.deal))?;
            if deal.running > 0 {
                return Ok(());
            }
            ensure!(
                begin.elapsed() < PATIENCE,
                "deal {} does not run",
                self.deal
            );
            sleep(Duration::from_millis(100));
        }
    }

    /// Asks again and again.
    fn asks_until(&self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            // Broken answers are what such functions give.
            let _ = self.ask(stop);
            sleep(REST);
        }
    }

    /// Reads an answer slowly, and to its end unless it is to stop.
    fn ask(&self, stop: &AtomicBool) -> Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(10 * REST))?;
        stream.write_all(&self.request)?;
        let mut bytes = [0; 1 << 14];
        while !stop.load(Ordering::Relaxed) {
            match stream.read(&mut bytes) {
                Ok(0) => break,
                Ok(_) => sleep(REST),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The line that tells the developer why, in its log or, where the function is told itself, in the answer.
    fn told(&self, says: &str) -> Result<String> {
        let begin = Instant::now();
        let asked = AtomicBool::new(false);
        self.ask(&asked)?; // To its end.
        loop {
            let log =
                self.market
                    .as_developer_lines(&["deploy", "logs", &self.deal.0.to_string()])?;
            if let Some(line) = log.iter().find(|line| line.contains(says)) {
                return Ok(line.clone());
            }
            ensure!(
                begin.elapsed() < PATIENCE,
                "nobody says {says:?} but {:?}",
                log.last()
            );
            sleep(Duration::from_millis(500));
        }
    }
}
