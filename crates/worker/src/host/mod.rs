//! The function host: runs the functions of one artifact as one worker, in a process of its own.
//!
//! [`run`] admits the artifact, compiles it or finds it compiled, and serves it until a supervisor
//! says otherwise, a signal comes or no supervisor is left. One thread speaks with the supervisor;
//! each compute unit is another one, pinned, with a runtime of its own.

mod admission;
mod allowance;
mod answer;
mod code;
mod compiler;
mod conversation;
mod door;
mod engine;
mod filter;
mod functions;
mod given;
mod guest;
mod instance;
mod jail;
mod kept;
mod keyvalue;
mod life;
mod load;
mod log;
mod meter;
mod outbound;
mod pace;
mod process;
mod request;
mod reserved;
mod service;
mod state;
mod stdio;
mod unit;

pub use admission::{Needs, interfaces};
pub use compiler::{compile_if_asked, compiles};

use crate::{
    Config,
    bundle::Name,
    control::{Announcement, Confinement, Reason},
};
use functions::Functions;
use std::{
    fmt,
    fs::File,
    io::{self, Write as _},
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

    /// About this function, if it is not the main one.
    fn of(self, function: &Option<Name>) -> Self {
        match function {
            Some(name) => Self::new(self.reason, format!("function {name}: {}", self.detail)),
            None => self,
        }
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
/// (see [`compile_if_asked`]), limits the rights of the process, prints an [`Announcement`] to the standard output, takes SIGTERM and
/// SIGINT, and leaves it to the end of the process to end threads that hang.
///
/// # Errors
/// The worker cannot start, which the announcement says, too, or it loses one of its threads.
pub fn run(config: &Config) -> Result<(), Refusal> {
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
    let functions = Functions::load(config)?;
    let asks = functions.outbound.asks();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Refusal::host("cannot start a runtime", &error))?;
    let life = runtime.block_on(async {
        functions.probe().await?;
        life::begin(config, functions, confinement).await
    })?;
    // From here on all there is to do is to serve.
    filter::worker(asks)?;
    Ok(Worker {
        life,
        runtime,
        _lock: lock,
    })
}

/// Prints the one line. A supervisor that has gone meanwhile finds the worker by its socket.
fn announce(announcement: &Announcement) {
    let Ok(line) = serde_json::to_string(announcement) else {
        return;
    };
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
