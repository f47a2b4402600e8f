//! What a supervisor tells a worker before it starts: one JSON file, read once.

use crate::Identity;
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{self, Read as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// A configuration file is not larger than this.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// What compiling may wait for the processor: the chain gives a worker not much longer to run.
const COMPILE_WAITS: Duration = Duration::from_secs(30);

/// The kernel takes no longer path for a Unix socket (108 bytes with the closing zero).
const MAX_SOCKET_PATH_BYTES: usize = 107;

/// One worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Who it is.
    pub identity: Identity,
    /// The file that holds the artifact: one component, or several in a bundle.
    pub artifact: PathBuf,
    /// Where its control socket is. A file of the same name with `.lock` at its end is held as long
    /// as the worker lives. Both lie in a folder of the supervisor that nobody else may enter.
    pub control: PathBuf,
    /// Where it serves HTTP.
    pub listen: Listen,
    /// Where its peer may wait to bring requests to other deals, a socket; without it there is no way there.
    #[serde(default)]
    pub deals: Option<PathBuf>,
    /// A folder of code that this machine compiled; workers share it.
    pub cache: PathBuf,
    /// One entry per compute unit: the logical processors that its thread is pinned to. An empty
    /// entry is a unit that is not pinned.
    pub units: Vec<Vec<u32>>,
    /// The document of secrets, if the artifact names one. Only this user can read the file.
    #[serde(default)]
    pub secrets: Option<PathBuf>,
    /// The file of what the function keeps, if this machine keeps anything. No other process has it open.
    #[serde(default)]
    pub state: Option<PathBuf>,
    /// The folder of the control group (version 2) that the worker is to join, if its supervisor has made one.
    #[serde(default)]
    pub group: Option<PathBuf>,
    /// Which of the servers that the artifact names the function may reach.
    #[serde(default)]
    pub outbound: Outbound,
    /// What the function may use.
    #[serde(default)]
    pub limits: Limits,
    /// Without a word from a supervisor for so long, the worker drains and exits.
    pub orphan_seconds: u64,
    /// Requests that run when draining begins have so long to end.
    pub drain_seconds: u64,
}

/// Where a worker serves HTTP/1.1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listen {
    /// A Unix socket.
    Unix(PathBuf),
    /// A port of the loopback interface; 0 takes a free one.
    Tcp(SocketAddr),
}

/// Which servers functions may reach on a machine, as its operator decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outbound {
    /// None.
    None,
    /// Those with public addresses: neither this machine nor its network.
    #[default]
    Public,
    /// Any that the artifact names, this machine and its network among them. For trying on one machine; functions of
    /// strangers could reach whatever listens there.
    Any,
}

/// What one function may use. Each has a default and an upper bound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Size of the artifact.
    pub artifact_bytes: u64,
    /// Time of the processor to compile a function, once per machine; all of an artifact have half a minute more on the wall.
    pub compile_seconds: u64,
    /// Address space of the process that compiles it.
    pub compile_memory_bytes: u64,
    /// Wall time of a request, from its headers to the end of the function.
    pub wall_ms: u64,
    /// Processor time of a request.
    pub cpu_ms: u64,
    /// Linear memory of a request, over all memories of the component.
    pub memory_bytes: u64,
    /// Body of a request.
    pub request_body_bytes: u64,
    /// Headers of a request; also each set of headers that the function makes.
    pub header_bytes: u32,
    /// Requests that run at once, per unit; more are shed.
    pub concurrency: u32,
    /// Connections that are open at once, per unit; more wait to be accepted.
    pub connections: u32,
    /// Lines that the function may log each second; more are dropped and counted.
    pub log_lines_per_second: u32,
    /// Requests that functions of the artifact may send each other for one request of a client.
    pub calls: u32,
    /// Those of them that are under way at once.
    pub calls_in_flight: u32,
    /// Requests that the function may send to others while it serves one.
    pub outbound_requests: u32,
    /// Requests of the function that are under way at once, over all that it serves.
    pub outbound_in_flight: u32,
    /// Body of a request that it sends, and of the answer.
    pub outbound_body_bytes: u64,
    /// Time to reach a server.
    pub outbound_connect_ms: u64,
    /// Keys and values that the function keeps, together.
    pub state_bytes: u64,
    /// Keys that it keeps.
    pub state_keys: u32,
    /// One value that it keeps.
    pub state_value_bytes: u32,
    /// What it may do with them in one request: keys read, written or deleted, and lists.
    pub state_operations: u32,
}

impl Limits {
    /// Time on the wall to compile an artifact. A machine with much to do gets a little more than one that has nothing.
    #[must_use]
    pub fn compile_time(&self) -> Duration {
        Duration::from_secs(self.compile_seconds) + COMPILE_WAITS
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            artifact_bytes: 64 << 20,
            compile_seconds: 60,
            compile_memory_bytes: 2 << 30,
            wall_ms: 30_000,
            cpu_ms: 10_000,
            memory_bytes: 128 << 20,
            request_body_bytes: 8 << 20,
            header_bytes: 32 << 10,
            concurrency: 32,
            connections: 1024,
            log_lines_per_second: 100,
            calls: 64,
            calls_in_flight: 8,
            outbound_requests: 32,
            outbound_in_flight: 64,
            outbound_body_bytes: 8 << 20,
            outbound_connect_ms: 10_000,
            state_bytes: 16 << 20,
            state_keys: 10_000,
            state_value_bytes: 1 << 20,
            state_operations: 1_000,
        }
    }
}

/// A configuration that no worker can run by.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read {0}")]
    Read(PathBuf, #[source] io::Error),
    /// The file is not a configuration.
    #[error("{0} is not a worker's configuration")]
    Parse(PathBuf, #[source] serde_json::Error),
    /// A value is outside its bounds.
    #[error("{field} is {value}, not within {least}..={most}")]
    Bound {
        /// The field.
        field: &'static str,
        /// What it is.
        value: u64,
        /// Its lower bound.
        least: u64,
        /// Its upper bound.
        most: u64,
    },
    /// A socket's path is longer than the kernel takes.
    #[error("{0} is longer than {MAX_SOCKET_PATH_BYTES} bytes, which no socket's path may be")]
    SocketPath(PathBuf),
    /// The address would be open to other machines.
    #[error("{0} is not an address of the loopback interface")]
    NotLoopback(SocketAddr),
}

impl Config {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    /// The file cannot be read, is no configuration or has a value outside its bounds.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let mut text = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut text))
            .map_err(|error| Error::Read(path.into(), error))?;
        let config: Self =
            serde_json::from_slice(&text).map_err(|error| Error::Parse(path.into(), error))?;
        config.check()?;
        Ok(config)
    }

    /// Checks every bound.
    ///
    /// # Errors
    /// The first value outside its bounds.
    pub fn check(&self) -> Result<(), Error> {
        let limits = &self.limits;
        let bounds = [
            ("units", self.units.len() as u64, 1, 256),
            ("orphan_seconds", self.orphan_seconds, 1, 86_400),
            ("drain_seconds", self.drain_seconds, 0, 3_600),
            ("artifact_bytes", limits.artifact_bytes, 1, 256 << 20),
            ("compile_seconds", limits.compile_seconds, 1, 600),
            (
                "compile_memory_bytes",
                limits.compile_memory_bytes,
                1 << 20,
                64 << 30,
            ),
            ("wall_ms", limits.wall_ms, 1, 600_000),
            ("cpu_ms", limits.cpu_ms, 1, 600_000),
            ("memory_bytes", limits.memory_bytes, 64 << 10, 4 << 30),
            ("request_body_bytes", limits.request_body_bytes, 0, 1 << 30),
            ("header_bytes", limits.header_bytes.into(), 1 << 10, 1 << 20),
            ("concurrency", limits.concurrency.into(), 1, 1024),
            ("connections", limits.connections.into(), 1, 65_536),
            (
                "log_lines_per_second",
                limits.log_lines_per_second.into(),
                0,
                10_000,
            ),
            ("calls", limits.calls.into(), 0, 1024),
            ("calls_in_flight", limits.calls_in_flight.into(), 0, 64),
            (
                "outbound_requests",
                limits.outbound_requests.into(),
                0,
                1024,
            ),
            (
                "outbound_in_flight",
                limits.outbound_in_flight.into(),
                0,
                1024,
            ),
            (
                "outbound_body_bytes",
                limits.outbound_body_bytes,
                0,
                1 << 30,
            ),
            ("outbound_connect_ms", limits.outbound_connect_ms, 1, 60_000),
            ("state_bytes", limits.state_bytes, 0, 1 << 30),
            ("state_keys", limits.state_keys.into(), 0, 1 << 20),
            (
                "state_value_bytes",
                limits.state_value_bytes.into(),
                0,
                1 << 20,
            ),
            (
                "state_operations",
                limits.state_operations.into(),
                0,
                1 << 20,
            ),
        ];
        for (field, value, least, most) in bounds {
            if !(least..=most).contains(&value) {
                return Err(Error::Bound {
                    field,
                    value,
                    least,
                    most,
                });
            }
        }
        socket_path(&self.control)?;
        self.deals.as_deref().map_or(Ok(()), socket_path)?;
        match &self.listen {
            Listen::Unix(path) => socket_path(path),
            Listen::Tcp(address) if address.ip().is_loopback() => Ok(()),
            Listen::Tcp(address) => Err(Error::NotLoopback(*address)),
        }
    }
}

fn socket_path(path: &Path) -> Result<(), Error> {
    if path.as_os_str().len() <= MAX_SOCKET_PATH_BYTES {
        Ok(())
    } else {
        Err(Error::SocketPath(path.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, Error, Limits, Listen, Outbound};
    use crate::{ArtifactHash, Identity};

    fn config() -> Config {
        Config {
            identity: Identity {
                deal: 1,
                worker: 2,
                artifact: ArtifactHash([7; 32]),
            },
            artifact: "artifact.wasm".into(),
            control: "control.sock".into(),
            listen: Listen::Unix("http.sock".into()),
            deals: Some("deals.sock".into()),
            cache: "cache".into(),
            units: vec![vec![0, 1]],
            secrets: Some("secrets".into()),
            state: Some("state.redb".into()),
            group: None,
            outbound: Outbound::Any,
            limits: Limits::default(),
            orphan_seconds: 60,
            drain_seconds: 10,
        }
    }

    #[test]
    fn a_configuration_survives_being_written_and_read() {
        let text = serde_json::to_string(&config()).expect("JSON");
        assert_eq!(
            serde_json::from_str::<Config>(&text).expect("a configuration"),
            config()
        );
    }

    #[test]
    fn the_defaults_are_within_their_bounds() {
        config().check().expect("the defaults");
    }

    #[test]
    fn a_worker_serves_this_machine_only() {
        let mut open = config();
        open.listen = Listen::Tcp(([0, 0, 0, 0], 0).into());
        assert!(matches!(open.check(), Err(Error::NotLoopback(_))));
    }

    #[test]
    fn a_value_outside_its_bounds_is_named() {
        let mut wrong = config();
        wrong.units.clear();
        assert!(matches!(
            wrong.check(),
            Err(Error::Bound { field: "units", .. })
        ));
        let mut wrong = config();
        wrong.control = "x".repeat(108).into();
        assert!(matches!(wrong.check(), Err(Error::SocketPath(_))));
    }
}
