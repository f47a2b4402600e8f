//! The function host: runs one function as one worker, in a process of its own.
//!
//! [`run`] admits the artifact, compiles it or finds it compiled, and serves it until a supervisor
//! says otherwise, a signal comes or no supervisor is left. One thread speaks with the supervisor;
//! each compute unit is another one, pinned, with a runtime of its own.

mod admission;
mod answer;
mod code;
mod compiler;
mod conversation;
mod door;
mod engine;
mod filter;
mod given;
mod guest;
mod jail;
mod keyvalue;
mod life;
mod load;
mod log;
mod meter;
mod outbound;
mod process;
mod request;
mod state;
mod stdio;
mod unit;

pub use admission::{Needs, interfaces};

use crate::{
    Config,
    control::{Announcement, Confinement, Reason},
};
use outbound::Outbound;
use request::Function;
use state::State;
use std::{
    fmt,
    fs::File,
    io::{self, Write as _},
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};
use tokio::runtime::Runtime;

/// Why a worker does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kind of obstacle.
    pub reason: Reason,
    /// What exactly, for people.
    pub detail: String,
}

impl Refusal {
    /// Details may quote a stranger's artifact: they are cut and escaped as a line of the log is.
    fn new(reason: Reason, detail: impl AsRef<str>) -> Self {
        let detail = log::printable(detail.as_ref().as_bytes());
        Self { reason, detail }
    }

    fn host(what: &str, error: &dyn fmt::Display) -> Self {
        Self::new(Reason::Host, format!("{what}: {error}"))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Refusal {}

/// Runs a worker until it is told to end. For a process that does nothing else: it starts its program again to compile
/// (that process ends in here, too), limits the rights of the process, prints an [`Announcement`] to the standard output, takes SIGTERM and
/// SIGINT, and leaves it to the end of the process to end threads that hang.
///
/// # Errors
/// The worker cannot start, which the announcement says, too, or it loses one of its threads.
pub fn run(config: &Config) -> Result<(), Refusal> {
    if compiler::is_asked() {
        return compiler::serve(&config.limits);
    }
    match start(config) {
        Ok(worker) => {
            announce(&Announcement::Ready(worker.life.hello().clone()));
            worker.runtime.block_on(worker.life.live())
        }
        Err(refusal) => {
            let Refusal { reason, detail } = refusal.clone();
            announce(&Announcement::CannotRun { reason, detail });
            Err(refusal)
        }
    }
}

/// A worker that serves.
struct Worker {
    life: life::Life,
    runtime: Runtime,
    /// Held as long as the worker lives.
    _lock: File,
}

fn start(config: &Config) -> Result<Worker, Refusal> {
    config
        .check()
        .map_err(|error| Refusal::host("the configuration is wrong", &error))?;
    process::confine()?;
    process::limit_files(config)?;
    let confinement = Confinement {
        memory: process::join(config.group.as_deref())?,
        files: jail::enter(config)?,
        // Comes last, or the worker does not run.
        system_calls: true,
    };
    let lock = process::lock(&config.control)?;
    let function = prepare(config)?;
    let asks = function.outbound.asks();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Refusal::host("cannot start a runtime", &error))?;
    let life = runtime.block_on(async {
        probe(&function).await?;
        life::begin(config, function, confinement).await
    })?;
    // From here on all there is to do is to serve.
    filter::worker(asks)?;
    Ok(Worker {
        life,
        runtime,
        _lock: lock,
    })
}

/// From a file to something that can be instantiated.
fn prepare(config: &Config) -> Result<Arc<Function>, Refusal> {
    let limits = &config.limits;
    let hash = config.identity.artifact;
    let (artifact, needs) = admission::admit(&config.artifact, hash, limits.artifact_bytes)?;
    let units = u32::try_from(config.units.len()).unwrap_or(u32::MAX);
    let engine = engine::engine(limits, limits.concurrency.saturating_mul(units))
        .map_err(|error| Refusal::host("cannot run WebAssembly", &error))?;
    let (component, given) = given::split(&artifact, config.secrets.as_deref())?;
    let component = code::component(&engine, &config.cache, component, limits)?;
    let component = engine::link(&engine, &component)
        .map_err(|error| Refusal::new(Reason::BadComponent, format!("{error:#}")))?;
    let log = Arc::new(log::Log::new(limits.log_lines_per_second));
    let outbound = Outbound::new(config, &given, &log);
    Ok(Arc::new(Function {
        engine,
        component,
        limits: limits.clone(),
        outbound: outbound.map_err(|error| Refusal::host("cannot use TLS", &error))?,
        given: Arc::new(given),
        state: state(config, needs)?,
        log,
        meter: Arc::default(),
        failures: AtomicU64::new(0),
    }))
}

/// What the function keeps, if it needs to.
fn state(config: &Config, needs: Needs) -> Result<Option<Arc<State>>, Refusal> {
    if !needs.state {
        return Ok(None);
    }
    let Some(file) = &config.state else {
        let detail = "the component imports wasi:keyvalue, and this machine keeps no state";
        return Err(Refusal::new(Reason::ForbiddenImport, detail));
    };
    State::open(file, &config.limits).map(Some)
}

/// Makes sure that a request can begin at all within the limits, before anybody relies on it.
async fn probe(function: &Function) -> Result<(), Refusal> {
    let refusal = |why: String| Refusal::new(Reason::BeyondLimits, why);
    let mut store = function.store();
    let limit = Duration::from_millis(function.limits.wall_ms);
    let instance = function.component.instantiate_async(&mut store);
    match tokio::time::timeout(limit, instance).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(refusal(format!("the component does not start: {error:#}"))),
        Err(_) => Err(refusal("the component takes too long to start".into())),
    }
}

/// Prints the one line. A supervisor that has gone meanwhile finds the worker by its socket.
fn announce(announcement: &Announcement) {
    let Ok(line) = serde_json::to_string(announcement) else {
        return;
    };
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
