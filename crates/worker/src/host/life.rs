//! A worker's life: serving, draining, gone.

use super::{
    Refusal, conversation,
    door::{self, Listener, Way},
    functions::Functions,
    log::unix_ms,
    unit::{self, Phase},
};
use crate::{
    Config,
    config::Listen,
    control::{Confinement, Hello, PROTOCOL},
};
use std::{fs, io, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    net::UnixListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};

/// How long threads may take to notice that the worker has stopped. A function pauses every tick.
const STOP: Duration = Duration::from_secs(1);

/// What the worker and the conversations with its supervisor share.
pub(super) struct Shared {
    pub(super) functions: Arc<Functions>,
    pub(super) hello: Hello,
    pub(super) phase: watch::Sender<Phase>,
    /// When a supervisor last said something.
    pub(super) contact: watch::Sender<Instant>,
}

impl Shared {
    /// Goes on to `phase`, never back.
    pub(super) fn advance(&self, phase: Phase) {
        self.phase.send_if_modified(|current| {
            let is_later = phase > *current;
            *current = phase.max(*current);
            is_later
        });
    }
}

/// A worker that serves.
pub(super) struct Life {
    shared: Arc<Shared>,
    /// One message for each unit that has ended.
    ended: mpsc::UnboundedReceiver<()>,
    terminate: Signal,
    interrupt: Signal,
    orphan: Duration,
    drain: Duration,
    sockets: Vec<PathBuf>,
}

/// Binds the sockets and starts the units.
///
/// # Errors
/// This machine does not allow it.
pub(super) async fn begin(
    config: &Config,
    functions: Arc<Functions>,
    confinement: Confinement,
) -> Result<Life, Refusal> {
    begin_or_fail(config, functions, confinement)
        .await
        .map_err(|error| Refusal::host("cannot start to serve", &error))
}

async fn begin_or_fail(
    config: &Config,
    functions: Arc<Functions>,
    confinement: Confinement,
) -> io::Result<Life> {
    let (listener, listen) = Listener::bind(&config.listen)?;
    let mut sockets = vec![config.control.clone()];
    if let Listen::Unix(path) = &listen {
        sockets.push(path.clone());
    }
    if let Some(path) = &config.deals {
        functions.outbound.open_deals(path)?;
        sockets.push(path.clone());
    }
    let (phase, phases) = watch::channel(Phase::Serving);
    let (thread_ended, ended) = mpsc::unbounded_channel();
    let mut units = Vec::new();
    let mut ways = Vec::new();
    for processors in config.units.iter().cloned() {
        let (way, connections) = Way::new(config.limits.connections as usize);
        let (functions, phase) = (functions.clone(), phases.clone());
        let ended = thread_ended.clone();
        units.push(unit::start(functions, processors, connections, phase, ended).await?);
        ways.push(way);
    }
    let control = UnixListener::from_std(door::bind_unix(&config.control)?)?;
    let hello = Hello {
        protocol: PROTOCOL,
        identity: config.identity,
        pid: std::process::id(),
        started_unix_ms: unix_ms(),
        listen,
        units,
        confinement,
    };
    let shared = Arc::new(Shared {
        functions,
        hello,
        phase,
        contact: watch::Sender::new(Instant::now()),
    });
    tokio::spawn(door::share(listener, ways, phases));
    // Goes on as long as the runtime, so that a supervisor can still ask while the worker drains.
    tokio::spawn(conversation::accept(control, shared.clone()));
    Ok(Life {
        shared,
        ended,
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
        orphan: Duration::from_secs(config.orphan_seconds),
        drain: Duration::from_secs(config.drain_seconds),
        sockets,
    })
}

impl Life {
    /// What the worker says about itself.
    pub(super) fn hello(&self) -> &Hello {
        &self.shared.hello
    }

    /// Serves until the end.
    ///
    /// # Errors
    /// A unit ended that should not have.
    pub(super) async fn live(mut self) -> Result<(), Refusal> {
        let outcome = self.serve().await;
        self.end().await;
        outcome
    }

    async fn serve(&mut self) -> Result<(), Refusal> {
        let phase = self.shared.phase.subscribe();
        // In this order: a unit that ends because the worker was told to stop is no fault.
        tokio::select! {
            biased;
            () = unit::reached(phase, Phase::Draining) => Ok(()),
            _ = self.terminate.recv() => Ok(()),
            _ = self.interrupt.recv() => Ok(()),
            () = orphaned(&self.shared, self.orphan) => Ok(()),
            _ = self.ended.recv() => Err(Refusal::host("the worker broke", &"a unit has ended")),
        }
    }

    /// Drains, then stops what is left.
    async fn end(&mut self) {
        self.shared.advance(Phase::Draining);
        let phase = self.shared.phase.subscribe();
        tokio::select! {
            _ = timeout(self.drain, all(&mut self.ended)) => {}
            () = unit::reached(phase, Phase::Stopped) => {}
        }
        self.shared.advance(Phase::Stopped);
        // A unit that hangs ends with the process.
        let _ = timeout(STOP, all(&mut self.ended)).await;
        self.flush();
        for socket in &self.sockets {
            // A new worker would replace it anyway.
            let _ = fs::remove_file(socket);
        }
    }
}

impl Life {
    /// Puts on disk what the function keeps.
    fn flush(&self) {
        let functions = &self.shared.functions;
        if let Some(Err(error)) = functions.state.as_ref().map(|state| state.flush()) {
            eprintln!("error: the state cannot be written: {error}");
        }
    }
}

/// Waits until every unit has ended.
async fn all(ended: &mut mpsc::UnboundedReceiver<()>) {
    while ended.recv().await.is_some() {}
}

/// Waits until no supervisor has said anything for `patience`.
async fn orphaned(shared: &Shared, patience: Duration) {
    let contact = shared.contact.subscribe();
    loop {
        let deadline = *contact.borrow() + patience;
        if Instant::now() >= deadline {
            return;
        }
        sleep_until(deadline).await;
    }
}
