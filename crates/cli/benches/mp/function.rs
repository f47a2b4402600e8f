//! What a request to a function costs: asked at the worker, through gateways, in `wasmtime serve`, and what HTTP alone costs.
//!
//! Worker, `wasmtime serve` and the bare server have the same one processor each, the clients the others. `MP_FUNCTION` is the
//! component, a small one of the tree if it is not said, and `MP_WASMTIME` the `wasmtime` to compare with; without it that row is
//! missing.

use crate::{
    cpu,
    http::{Connection, PATIENCE},
    load::{self, At, Load},
    market::{Layout, Market},
    process::{Process, free_ports, text},
    rounded,
    serving::median,
};
use anyhow::{Context as _, Result, ensure};
use rustix::thread::{CpuSet, sched_setaffinity};
use serde_json::{Value, json};
use std::{
    ffi::OsString,
    fs,
    path::Path,
    process::Command,
    thread::{available_parallelism, sleep},
    time::{Duration, Instant},
};

const ROUNDS: usize = 3;
const WARM_UP: Duration = Duration::from_secs(1);
const MEASURE: Duration = Duration::from_secs(4);
/// The processor of whoever runs the function.
const PROCESSOR: usize = 0;

/// Somebody who is asked.
struct Target {
    name: &'static str,
    at: At,
    path: &'static str,
    connections: usize,
    /// Whose processor time counts.
    processes: Vec<u32>,
    loads: Vec<(Load, f64)>,
}

impl Target {
    fn new(name: &'static str, at: At, path: &'static str, processes: &[u32]) -> Self {
        Self {
            name,
            at,
            path,
            connections: 16,
            processes: processes.to_vec(),
            loads: Vec::new(),
        }
    }

    /// The same, asked over one connection.
    fn alone(&self, name: &'static str) -> Self {
        Self {
            name,
            connections: 1,
            ..Self::new(name, self.at.clone(), self.path, &self.processes)
        }
    }

    fn cpu(&self) -> Result<f64> {
        let seconds = self
            .processes
            .iter()
            .map(|id| cpu::seconds(&id.to_string()));
        Ok(seconds.sum::<std::io::Result<f64>>()?)
    }

    fn ask(&mut self) -> Result<()> {
        let run = |time| load::run(&self.at, self.path, self.connections, time);
        run(WARM_UP).with_context(|| self.name)?;
        let before = self.cpu()?;
        let load = run(MEASURE).with_context(|| self.name)?;
        let used = (self.cpu()? - before) * 1e6 / load.requests as f64;
        self.loads.push((load, used));
        Ok(())
    }

    fn line(&self) -> Value {
        let of = |figure: fn(&Load) -> f64| median(self.loads.iter().map(|(load, _)| figure(load)));
        json!({
            "bench": "function",
            "target": self.name,
            "connections": self.connections,
            "req_per_s": of(|load| load.per_s),
            "p50_us": of(|load| load.p50_us),
            "p99_us": of(|load| load.p99_us),
            "cpu_us_per_req": rounded(median(self.loads.iter().map(|(_, used)| *used))),
        })
    }
}

pub(crate) fn measure() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let beside = format!("peers = [\"{}\"]", text(&folder.path().join("p0"))?);
    let (unit, gateways) = (format!("[{PROCESSOR}]"), [String::new(), beside]);
    let (function, units) = (function()?, [unit.as_str()]);
    let layout = Layout {
        function: &function,
        ..Layout::least(&units, &gateways)
    };
    let market = Market::open(folder.path(), &layout)?;
    market.serves()?;
    let (peer, gateway, beside) = (&market.peers[0], &market.gateways[0], &market.gateways[1]);
    let socket = peer.sockets()?.pop().context("a worker's socket")?;
    let worker = peer.workers()?.pop().context("a worker")?;
    let bare = pinned(std::env::current_exe()?, &["bare"])?;
    let bare = Process::spawn(bare)?;
    let wasmtime =
        std::env::var_os("MP_WASMTIME").map(|program| wasmtime(program, folder.path(), &function));
    let wasmtime = wasmtime.transpose()?;
    elsewhere()?;

    let tcp = |process: &Process| Ok::<_, anyhow::Error>(At::Tcp(process.address("http")?.into()));
    let through = [worker, peer.process.id(), gateway.id()];
    let mut targets = vec![
        Target::new("worker", At::Unix(socket), "/hello", &[worker]),
        Target::new("gateway", tcp(gateway)?, "/1/hello", &through),
        Target::new(
            "gateway_local",
            tcp(beside)?,
            "/1/hello",
            &[worker, beside.id()],
        ),
        Target::new("hyper", tcp(&bare)?, "/hello", &[bare.id()]),
    ];
    if let Some((process, at)) = &wasmtime {
        targets.push(Target::new(
            "wasmtime_serve",
            at.clone(),
            "/hello",
            &[process.id()],
        ));
    }
    let alone = [
        (0, "worker_c1"),
        (1, "gateway_c1_overlay"),
        (2, "gateway_c1_local"),
    ];
    targets.extend(alone.map(|(target, name)| targets[target].alone(name)));
    for _ in 0..ROUNDS {
        targets.iter_mut().try_for_each(Target::ask)?;
    }
    for target in &targets {
        println!("{}", target.line());
    }
    Ok(())
}

/// A command that runs on the processor of functions.
fn pinned(program: impl Into<OsString>, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new("taskset");
    command.args(["-c", &PROCESSOR.to_string()]);
    command.arg(program.into()).args(arguments);
    Ok(command)
}

/// Clients run on the other processors, if there are any.
fn elsewhere() -> Result<()> {
    let mut others = CpuSet::new();
    (0..available_parallelism()?.get())
        .filter(|processor| *processor != PROCESSOR)
        .for_each(|processor| others.set(processor));
    if others.count() > 0 {
        sched_setaffinity(None, &others)?;
    }
    Ok(())
}

/// The trivial function.
fn function() -> Result<Vec<u8>> {
    match std::env::var_os("MP_FUNCTION") {
        Some(file) => fs::read(&file).with_context(|| format!("{} is not read", file.display())),
        None => Ok(functions::HELLO.to_vec()),
    }
}

/// `wasmtime serve` with the same component.
fn wasmtime(program: OsString, folder: &Path, component: &[u8]) -> Result<(Process, At)> {
    let address = format!("127.0.0.1:{}", free_ports(1)?);
    let function = folder.join("served.wasm");
    fs::write(&function, component)?;
    // Which `wasmtime serve` has, too, but does not give to a component that imports it unless it is asked to.
    let arguments = ["serve", "-Scli", "--addr", &address, text(&function)?];
    let process = Process::silent(pinned(program, &arguments)?)?;
    let begin = Instant::now();
    while Connection::tcp(&address).is_err() {
        ensure!(begin.elapsed() < PATIENCE, "wasmtime does not serve");
        sleep(Duration::from_millis(50));
    }
    Ok((process, At::Tcp(address)))
}
