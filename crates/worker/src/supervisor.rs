//! The supervisor's side: start a worker, or adopt one that runs, and talk to it.

use crate::{
    Config, Identity,
    control::{
        Announcement, Health, Hello, Logs, MAX_REPLY_BYTES, Metrics, PROTOCOL, Reason, Reply,
        Request, receive, send,
    },
};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::BufReader,
    net::UnixStream,
    process::{Child, Command},
    time::timeout,
};

/// A worker that lives answers within this.
const ANSWER: Duration = Duration::from_secs(5);

/// What a worker may need beyond compiling before it announces itself.
const START: Duration = Duration::from_secs(10);

/// Why a worker could not be started, adopted or asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The worker cannot run its artifact; another attempt here would end the same unless the
    /// reason is [`Reason::Host`] or [`Reason::ArtifactMissing`].
    #[error("the worker cannot run: {detail}")]
    CannotRun {
        /// The kind of obstacle.
        reason: Reason,
        /// What exactly, for people.
        detail: String,
    },
    /// The configuration cannot be written or the process not started.
    #[error("cannot start a worker")]
    Start(#[source] io::Error),
    /// The process ended, or said nothing in time.
    #[error("the worker did not announce itself")]
    Silent,
    /// Nobody answers at the control socket, or the conversation broke off; connecting again may help.
    #[error("cannot talk to the worker")]
    Talk(#[from] io::Error),
    /// Another worker answers than the one looked for.
    #[error("worker {} answers in place of {}", .found, .wanted)]
    Stranger {
        /// Who answers.
        found: Identity,
        /// Who should.
        wanted: Identity,
    },
    /// The worker refuses the request.
    #[error("the worker refuses: {0}")]
    Refused(String),
}

/// Starts `command` with the path of a configuration as its last argument, and waits until the
/// worker serves. The configuration is written to `file`, readable by this user only. The process
/// outlives `Child` being dropped, and a signal that a terminal sends to its supervisor.
///
/// # Errors
/// See [`Error`]; no process is left behind.
pub async fn start(
    mut command: Command,
    config: &Config,
    file: &Path,
) -> Result<(Child, Control), Error> {
    write_private(file, &serde_json::to_vec(config).map_err(io::Error::from)?)
        .map_err(Error::Start)?;
    command
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0);
    let mut child = command.spawn().map_err(Error::Start)?;
    match ready(&mut child, config).await {
        Ok(control) => Ok((child, control)),
        Err(error) => {
            // It may have ended by itself already.
            let _ = child.kill().await;
            Err(error)
        }
    }
}

async fn ready(child: &mut Child, config: &Config) -> Result<Control, Error> {
    let mut output = BufReader::new(child.stdout.take().ok_or(Error::Silent)?);
    let patience = START + config.limits.compile_time();
    let line = timeout(patience, receive(&mut output, MAX_REPLY_BYTES));
    match line.await.map_err(|_| Error::Silent)?? {
        Some(Announcement::Ready(_)) => adopt(&config.control, &config.identity).await,
        Some(Announcement::CannotRun { reason, detail }) => {
            Err(Error::CannotRun { reason, detail })
        }
        None => Err(Error::Silent),
    }
}

/// Connects to the control socket at `path` and makes sure who answers there.
///
/// # Errors
/// Nobody answers, or somebody else.
pub async fn adopt(path: &Path, wanted: &Identity) -> Result<Control, Error> {
    let connect = timeout(ANSWER, UnixStream::connect(path));
    let mut line = BufReader::new(connect.await.map_err(io::Error::from)??);
    let greeting = Request::Hello { protocol: PROTOCOL };
    match ask(&mut line, &greeting).await? {
        Reply::Hello(hello) if hello.identity == *wanted => Ok(Control { line, hello }),
        Reply::Hello(hello) => Err(Error::Stranger {
            found: hello.identity,
            wanted: *wanted,
        }),
        other => Err(unexpected(&other)),
    }
}

/// Whether the worker whose control socket is at `path` lives: it holds a lock as long as it does, however slow it is.
#[must_use]
pub fn lives(path: &Path) -> bool {
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    let held = File::open(&lock).map(|file| file.try_lock());
    matches!(held, Ok(Err(TryLockError::WouldBlock)))
}

/// A conversation with one worker. After an [`Error::Talk`] it is of no more use: adopt again.
#[derive(Debug)]
pub struct Control {
    line: BufReader<UnixStream>,
    hello: Hello,
}

impl Control {
    /// What the worker said about itself when the conversation began.
    #[must_use]
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// How the worker is.
    ///
    /// # Errors
    /// See [`Error::Talk`] and [`Error::Refused`], here and below.
    pub async fn health(&mut self) -> Result<Health, Error> {
        match ask(&mut self.line, &Request::Health).await? {
            Reply::Health(health) => Ok(health),
            other => Err(unexpected(&other)),
        }
    }

    /// What has been used since the start.
    ///
    /// # Errors
    /// As [`Self::health`].
    pub async fn metrics(&mut self) -> Result<Metrics, Error> {
        match ask(&mut self.line, &Request::Metrics).await? {
            Reply::Metrics(metrics) => Ok(metrics),
            other => Err(unexpected(&other)),
        }
    }

    /// Some lines of the log from number `from` on; none if there are no newer ones.
    ///
    /// # Errors
    /// As [`Self::health`].
    pub async fn logs(&mut self, from: u64) -> Result<Logs, Error> {
        match ask(&mut self.line, &Request::Logs { from }).await? {
            Reply::Logs(logs) => Ok(logs),
            other => Err(unexpected(&other)),
        }
    }

    /// Lets the worker end its requests and exit.
    ///
    /// # Errors
    /// As [`Self::health`].
    pub async fn drain(&mut self) -> Result<(), Error> {
        self.done(&Request::Drain).await
    }

    /// Makes the worker exit now.
    ///
    /// # Errors
    /// As [`Self::health`].
    pub async fn stop(&mut self) -> Result<(), Error> {
        self.done(&Request::Stop).await
    }

    async fn done(&mut self, request: &Request) -> Result<(), Error> {
        match ask(&mut self.line, request).await? {
            Reply::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }
}

async fn ask(line: &mut BufReader<UnixStream>, request: &Request) -> Result<Reply, Error> {
    let exchange = async {
        send(line, request).await?;
        receive(line, MAX_REPLY_BYTES).await
    };
    let reply = timeout(ANSWER, exchange).await.map_err(io::Error::from)??;
    reply.ok_or_else(|| Error::Talk(io::ErrorKind::UnexpectedEof.into()))
}

fn unexpected(reply: &Reply) -> Error {
    match reply {
        Reply::Refused { why } => Error::Refused(why.clone()),
        other => Error::Refused(format!("answered {other:?} instead")),
    }
}

/// Writes `bytes` to `file`, whole or not at all, such that only this user can read them.
fn write_private(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut fresh = file.as_os_str().to_owned();
    fresh.push(".new");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(&fresh)?.write_all(bytes)?;
    fs::rename(fresh, file)
}
