//! Keeps one worker: starts or adopts it, hears that it lives, ends it.

use super::groups::Groups;
use crate::planner::{Event, Failure, Process};
use marketplace::{units::WorkerId, worker::Obstacle};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    process::{Child, Command},
    sync::mpsc,
    time::{sleep, timeout},
};
use worker::{
    ArtifactHash, Config, Identity,
    config::{Limits, Listen, Outbound},
    control::Reason,
    supervisor::{self, Control, Error},
};

/// Distance of questions how a worker is: also what keeps it from believing that it has no peer.
const HEALTH: Duration = Duration::from_secs(1);
/// Requests under way have so long to end.
const DRAIN: Duration = Duration::from_secs(30);

/// One worker, as its process is started.
#[derive(Clone, Debug)]
pub(super) struct Keeper {
    pub(super) process: Process,
    pub(super) processors: Vec<Vec<u32>>,
    /// Its own, with everything it needs.
    pub(super) folder: PathBuf,
    pub(super) artifact: PathBuf,
    pub(super) secrets: Option<PathBuf>,
    pub(super) state: Option<PathBuf>,
    /// Where it takes connections for requests to other deals, if it names any.
    pub(super) deals: Option<PathBuf>,
    pub(super) groups: Option<Groups>,
    pub(super) outbound: Outbound,
    pub(super) cache: PathBuf,
    pub(super) command: Vec<String>,
    pub(super) orphan_seconds: u64,
    pub(super) events: mpsc::Sender<Event>,
}

impl Keeper {
    /// Starts the worker, or adopts it if it runs, and keeps it until it has ended. It is ended when
    /// `stop` says so; when `stop` is closed, it goes on without us.
    pub(super) async fn run(self, mut stop: mpsc::Receiver<()>) {
        let worker = self.process.worker;
        let outcome = match self.adopt().await {
            Ok(control) => Ok((None, control)),
            Err(_) => self.start().await,
        };
        match outcome {
            Ok((child, control)) => {
                self.tell(Event::Started {
                    worker,
                    outcome: Ok(()),
                })
                .await;
                self.keep(child, control, &mut stop).await;
            }
            Err(failure) => self.failed(failure).await,
        }
    }

    /// Says that the worker does not start.
    pub(super) async fn failed(&self, failure: Failure) {
        let worker = self.process.worker;
        let outcome = Err(failure);
        self.tell(Event::Started { worker, outcome }).await;
    }

    /// Keeps a worker that was adopted already.
    pub(super) async fn resume(self, control: Control, mut stop: mpsc::Receiver<()>) {
        self.keep(None, control, &mut stop).await;
    }

    pub(super) async fn adopt(&self) -> Result<Control, Error> {
        supervisor::adopt(&self.control(), &identity(&self.process)).await
    }

    async fn start(&self) -> Result<(Option<Child>, Control), Failure> {
        let started = match self.prepare() {
            Ok(config) => {
                let mut command = Command::new(&self.command[0]);
                command.args(&self.command[1..]);
                supervisor::start(command, &config, &self.folder.join("worker.json")).await
            }
            Err(error) => Err(Error::Start(error)),
        };
        match started {
            Ok((child, control)) => Ok((Some(child), control)),
            Err(error) => {
                tracing::warn!(worker = %self.process.worker, %error, "a worker does not start");
                Err(failure(&error))
            }
        }
    }

    /// Makes the folder. What the worker is stands in it, so that a restarted peer knows.
    fn prepare(&self) -> std::io::Result<Config> {
        let config = self.config()?;
        config.check().map_err(std::io::Error::other)?;
        super::executor::make_folder(&self.folder)?;
        super::executor::make_folder(&self.cache)?;
        super::executor::remember(&self.folder, &self.process)?;
        Ok(config)
    }

    fn config(&self) -> std::io::Result<Config> {
        let group = |groups: &Groups| groups.make(self.process.worker, self.processors.len());
        Ok(Config {
            identity: identity(&self.process),
            artifact: self.artifact.clone(),
            control: self.control(),
            listen: Listen::Unix(self.folder.join("http.sock")),
            deals: self.deals.clone(),
            cache: self.cache.clone(),
            units: self.processors.clone(),
            secrets: self.secrets.clone(),
            state: self.state.clone(),
            group: self.groups.as_ref().map(group).transpose()?,
            outbound: self.outbound,
            limits: Limits::default(),
            orphan_seconds: self.orphan_seconds,
            drain_seconds: DRAIN.as_secs(),
        })
    }

    pub(super) fn control(&self) -> PathBuf {
        control(&self.folder)
    }

    async fn keep(
        &self,
        mut child: Option<Child>,
        control: Control,
        stop: &mut mpsc::Receiver<()>,
    ) {
        let hello = control.hello();
        let (id, confinement) = (hello.pid, hello.confinement);
        tracing::info!(worker = %self.process.worker, ?confinement, "a worker runs");
        let is_asked = tokio::select! {
            () = self.watch(child.as_mut(), control) => false,
            asked = stop.recv() => match asked {
                Some(()) => true,
                None => return,
            },
        };
        if is_asked {
            self.end().await;
        }
        self.kill(child, id).await;
        // Whatever is left of it is in the way of the next one.
        let _ = std::fs::remove_dir_all(&self.folder);
        if let Some(groups) = &self.groups {
            groups.remove(self.process.worker);
        }
        let worker = self.process.worker;
        self.tell(Event::Ended { worker }).await;
    }

    /// Until the worker is no more.
    async fn watch(&self, child: Option<&mut Child>, mut control: Control) {
        let asking = async {
            loop {
                sleep(HEALTH).await;
                let lives = control.health().await.is_ok();
                if !lives {
                    match self.adopt().await {
                        Ok(again) => control = again,
                        Err(_) => return,
                    }
                }
            }
        };
        match child {
            // That it is gone is all there is to know.
            Some(child) => tokio::select! {
                _ = child.wait() => {}
                () = asking => {}
            },
            None => asking.await,
        }
    }

    /// Lets requests end, then makes sure.
    async fn end(&self) {
        if let Ok(mut control) = self.adopt().await {
            let _ = control.drain().await;
        }
        let gone = async {
            while supervisor::lives(&self.control()) {
                sleep(HEALTH / 5).await;
            }
        };
        if timeout(DRAIN + HEALTH * 5, gone).await.is_err()
            && let Ok(mut control) = self.adopt().await
        {
            let _ = control.stop().await;
        }
    }

    /// Makes sure that its process is no more: until then its units are not free. (P4)
    async fn kill(&self, child: Option<Child>, id: u32) {
        if let Some(mut child) = child {
            // Ended already, unless it hangs.
            let _ = child.kill().await;
        }
        while supervisor::lives(&self.control()) {
            tracing::warn!(worker = %self.process.worker, "a worker does not end by itself");
            // Whoever holds the lock is the worker, so the id is its own.
            if let Some(id) = i32::try_from(id).ok().and_then(Pid::from_raw) {
                let _ = kill_process(id, Signal::KILL);
            }
            sleep(HEALTH / 5).await;
        }
    }

    async fn tell(&self, event: Event) {
        // Nobody listens when the peer stops.
        let _ = self.events.send(event).await;
    }
}

fn failure(error: &Error) -> Failure {
    let Error::CannotRun { reason, .. } = error else {
        return Failure::Trouble;
    };
    match reason {
        Reason::BadComponent => Failure::Never(Obstacle::Invalid),
        Reason::ForbiddenImport
        | Reason::BeyondLimits
        | Reason::CompileTimeout
        | Reason::ArtifactTooLarge => Failure::Never(Obstacle::Unsupported),
        // Bytes were checked when they came: if they are wrong now, this machine's disk is.
        Reason::ArtifactMissing | Reason::ArtifactMismatch | Reason::Host => Failure::Trouble,
    }
}

/// Where a worker of this folder serves.
pub(super) fn http(folder: &Path) -> Listen {
    Listen::Unix(folder.join("http.sock"))
}

/// Where a worker of the peer with this data folder serves.
pub(crate) fn served(data: &Path, worker: WorkerId) -> Listen {
    http(&data.join("workers").join(folder_name(worker)))
}

/// Where a worker of this folder takes connections for requests to other deals.
pub(super) fn deals(folder: &Path) -> PathBuf {
    folder.join("deals.sock")
}

/// The control socket of the worker of this folder.
pub(super) fn control(folder: &Path) -> PathBuf {
    folder.join("control.sock")
}

/// Who the worker of a process is.
pub(super) fn identity(process: &Process) -> Identity {
    Identity {
        deal: process.deal.0,
        worker: process.worker.0,
        artifact: ArtifactHash(process.artifact.0),
    }
}

/// The name of a worker's folder.
pub(super) fn folder_name(worker: WorkerId) -> String {
    worker.to_string()
}
