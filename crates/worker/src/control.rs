//! What a worker and its supervisor say to each other.
//!
//! A started worker prints one [`Announcement`] to its standard output. From then on a supervisor
//! talks to it through its control socket: one line of JSON asks, one line answers, in turn. The
//! first request on a connection is [`Request::Hello`]. Neither side reads a line longer than it
//! expects.

use crate::{Identity, config::Listen};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::io;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
};

/// The version of everything in this module. The two sides must have the same.
pub const PROTOCOL: u32 = 2;

/// A request is not longer than this.
pub const MAX_REQUEST_BYTES: usize = 4 << 10;

/// A reply or announcement is not longer than this.
pub const MAX_REPLY_BYTES: usize = 1 << 20;

/// The one line that a worker prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Announcement {
    /// It serves.
    Ready(Hello),
    /// It never will.
    CannotRun {
        /// The kind of obstacle.
        reason: Reason,
        /// What exactly, for people.
        detail: String,
    },
}

/// Why a worker cannot run its artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The file cannot be read.
    ArtifactMissing,
    /// The bytes are not the ones the deal names.
    ArtifactMismatch,
    /// The artifact is larger than its limit.
    ArtifactTooLarge,
    /// The bytes are not a component that serves HTTP.
    BadComponent,
    /// The component asks for something that no worker gives.
    ForbiddenImport,
    /// Compiling it took longer than its limit.
    CompileTimeout,
    /// A request cannot even begin within the limits.
    BeyondLimits,
    /// The fault is this machine's.
    Host,
}

/// What a supervisor asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Who are you? Comes first.
    Hello {
        /// The version the supervisor speaks.
        protocol: u32,
    },
    /// How are you?
    Health,
    /// What has been used since the start?
    Metrics,
    /// What was logged from line `from` on?
    Logs {
        /// The first line wanted.
        from: u64,
    },
    /// Take no new requests, end the running ones, exit.
    Drain,
    /// Exit now.
    Stop,
}

/// What a worker answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// To [`Request::Hello`].
    Hello(Hello),
    /// To [`Request::Health`].
    Health(Health),
    /// To [`Request::Metrics`].
    Metrics(Metrics),
    /// To [`Request::Logs`].
    Logs(Logs),
    /// To [`Request::Drain`] and [`Request::Stop`].
    Done,
    /// To anything else.
    Refused {
        /// What was wrong with the request.
        why: String,
    },
}

/// Who a worker is and how it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// The version the worker speaks.
    pub protocol: u32,
    /// Who it is.
    pub identity: Identity,
    /// Its process.
    pub pid: u32,
    /// When it was ready, in milliseconds since 1970.
    pub started_unix_ms: u64,
    /// Where it serves HTTP, with the port it got.
    pub listen: Listen,
    /// Its compute units.
    pub units: Vec<Unit>,
    /// What the kernel holds it to.
    pub confinement: Confinement,
}

/// What the kernel holds a worker to, as it is and not as it should be: an older kernel has less to offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// A control group limits its memory.
    pub memory: bool,
    /// It can touch its own files only.
    pub files: bool,
    /// It can make only the system calls that serving needs.
    pub system_calls: bool,
}

/// One compute unit: a thread of its own with a runtime of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// The logical processors that it should run on.
    pub processors: Vec<u32>,
    /// Whether the kernel holds it there.
    pub pinned: bool,
}

/// How a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// False once it drains.
    pub accepting: bool,
    /// Requests that run now.
    pub in_flight: u32,
    /// Memory of the process that is in RAM, in bytes.
    pub resident_bytes: u64,
}

/// What was used and what came of it, since the start. Every value only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metrics {
    /// Requests that were billed: the sum of the next four.
    pub requests: u64,
    /// The function answered.
    pub answered: u64,
    /// The function failed.
    pub failed: u64,
    /// A time limit ended it.
    pub timed_out: u64,
    /// The client left.
    pub abandoned: u64,
    /// Requests turned away, which cost nothing.
    pub shed: u64,
    /// Processor time of billed requests, in microseconds, rounded up per request.
    pub cpu_us: u64,
    /// Memory limit times wall time of billed requests, in MiB-milliseconds, rounded up per request.
    pub memory_mib_ms: u64,
    /// Bytes of answers' bodies.
    pub egress_bytes: u64,
    /// Requests that the function sent.
    pub outbound_requests: u64,
    /// Bytes of their bodies, and of the answers' bodies.
    pub outbound_bytes: u64,
    /// Lines that the function logged.
    pub log_lines: u64,
    /// Lines that were over the limit.
    pub log_lines_dropped: u64,
}

impl Metrics {
    /// Reserved memory in whole GiB-seconds, rounded down.
    #[must_use]
    pub fn memory_gib_seconds(&self) -> u64 {
        self.memory_mib_ms / (1024 * 1000)
    }
}

/// Part of what was logged. A worker keeps the latest lines only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Logs {
    /// The lines, oldest first.
    pub lines: Vec<LogLine>,
    /// What to ask for next.
    pub next: u64,
}

/// One line. Control characters are escaped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// Counts from 0 without gaps.
    pub number: u64,
    /// When, in milliseconds since 1970.
    pub unix_ms: u64,
    /// The function that it is of; none for the main one of an artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Who wrote it.
    pub source: Source,
    /// What.
    pub text: String,
}

/// Who wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The function, to its standard output.
    Stdout,
    /// The function, to its standard error.
    Stderr,
    /// The worker, about the function.
    Worker,
}

/// Reads one line of at most `most` bytes; `None` if the other side has closed.
///
/// # Errors
/// Reading fails (kind of the cause), or the line is too long, unfinished or not a `Message`
/// (`InvalidData`).
pub async fn receive<Message: DeserializeOwned>(
    from: &mut (impl AsyncBufRead + Unpin),
    most: usize,
) -> io::Result<Option<Message>> {
    let mut line = Vec::new();
    from.take(most as u64).read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Ok(None);
    }
    parse(&line).map(Some)
}

/// Reads a message from one line with its end.
///
/// # Errors
/// `InvalidData`: the line does not end or is not a `Message`.
pub fn parse<Message: DeserializeOwned>(line: &[u8]) -> io::Result<Message> {
    if line.last() != Some(&b'\n') {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a line is too long or does not end",
        ));
    }
    serde_json::from_slice(line).map_err(io::Error::from)
}

/// Writes one line.
///
/// # Errors
/// Writing fails.
pub async fn send(to: &mut (impl AsyncWrite + Unpin), message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    to.write_all(&line).await?;
    to.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ArtifactHash;

    fn hello() -> Hello {
        Hello {
            protocol: PROTOCOL,
            identity: Identity {
                deal: 7,
                worker: 3,
                artifact: ArtifactHash([0xab; 32]),
            },
            pid: 42,
            started_unix_ms: 1_800_000_000_000,
            listen: Listen::Tcp(([127, 0, 0, 1], 8000).into()),
            units: vec![Unit {
                processors: vec![0, 4],
                pinned: true,
            }],
            confinement: Confinement {
                memory: false,
                files: true,
                system_calls: true,
            },
        }
    }

    /// What both sides write. A change here is a new [`PROTOCOL`].
    #[test]
    fn messages_look_like_this_on_the_wire() {
        let artifact = "ab".repeat(32);
        let about = format!(
            r#""protocol":2,"identity":{{"deal":7,"worker":3,"artifact":"{artifact}"}},"pid":42,"started_unix_ms":1800000000000,"listen":{{"tcp":"127.0.0.1:8000"}},"units":[{{"processors":[0,4],"pinned":true}}],"confinement":{{"memory":false,"files":true,"system_calls":true}}"#
        );
        let health = Health {
            accepting: true,
            in_flight: 2,
            resident_bytes: 3,
        };
        let detail = "x".to_owned();
        let reason = Reason::ForbiddenImport;
        same(
            &Announcement::Ready(hello()),
            &format!(r#"{{"event":"ready",{about}}}"#),
        );
        same(
            &Announcement::CannotRun { reason, detail },
            r#"{"event":"cannot_run","reason":"forbidden_import","detail":"x"}"#,
        );
        same(
            &Request::Hello { protocol: PROTOCOL },
            r#"{"request":"hello","protocol":2}"#,
        );
        same(&Request::Logs { from: 5 }, r#"{"request":"logs","from":5}"#);
        same(&Request::Drain, r#"{"request":"drain"}"#);
        same(
            &Reply::Hello(hello()),
            &format!(r#"{{"reply":"hello",{about}}}"#),
        );
        same(
            &Reply::Health(health),
            r#"{"reply":"health","accepting":true,"in_flight":2,"resident_bytes":3}"#,
        );
        same(
            &Reply::Metrics(Metrics::default()),
            r#"{"reply":"metrics","requests":0,"answered":0,"failed":0,"timed_out":0,"abandoned":0,"shed":0,"cpu_us":0,"memory_mib_ms":0,"egress_bytes":0,"outbound_requests":0,"outbound_bytes":0,"log_lines":0,"log_lines_dropped":0}"#,
        );
        same(&Reply::Done, r#"{"reply":"done"}"#);
    }

    fn same<Message>(message: &Message, line: &str)
    where
        Message: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
    {
        assert_eq!(serde_json::to_string(message).expect("JSON"), line);
        let read: Message = parse(format!("{line}\n").as_bytes()).expect("a message");
        assert_eq!(read, *message);
    }

    #[test]
    fn a_line_must_end_within_its_limit() {
        let wrong = |line: &[u8]| parse::<Request>(line).expect_err("an error").kind();
        assert_eq!(wrong(br#"{"request":"stop"}"#), io::ErrorKind::InvalidData);
        assert_eq!(wrong(b"{}\n"), io::ErrorKind::InvalidData);
    }
}
