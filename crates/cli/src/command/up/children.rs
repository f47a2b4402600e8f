//! A process of this program, started and ended by id.

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child as Process, Command},
    time::timeout,
};

/// How long a process may take until it serves.
const READY: Duration = Duration::from_secs(60);
/// How long a process may take to end after it was told to.
const ENDING: Duration = Duration::from_secs(10);
/// Lines of its log that are shown when it fails.
const LINES: usize = 6;

/// A running `mp` of ours.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) name: String,
    /// What it printed when it was ready.
    pub(super) ready: Value,
    process: Process,
    log: PathBuf,
}

impl Child {
    /// Starts `mp` with these arguments, its stderr appended to `log`, and waits until it serves.
    pub(super) async fn start(
        name: &str,
        arguments: &[&OsStr],
        log: PathBuf,
    ) -> anyhow::Result<Self> {
        let failed = || format!("{name} does not start");
        let file = OpenOptions::new().create(true).append(true).open(&log);
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("--parent")
            .arg(std::process::id().to_string())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file.with_context(|| format!("{} cannot be written", log.display()))?)
            // Not in the terminal's foreground: it is ended by us, in order.
            .process_group(0)
            .kill_on_drop(true);
        let mut process = command.spawn().with_context(failed)?;
        let stdout = process.stdout.take().with_context(failed)?;
        let mut line = String::new();
        let mut reader = BufReader::new(stdout);
        let read = timeout(READY, reader.read_line(&mut line)).await;
        let ready = match read {
            Ok(Ok(_)) => serde_json::from_str(&line).ok(),
            _ => None,
        };
        let Some(ready) = ready else {
            let _ = process.kill().await; // It may have ended already.
            anyhow::bail!("{}:\n{}", failed(), tail(&log));
        };
        Ok(Self {
            name: name.to_owned(),
            ready,
            process,
            log,
        })
    }

    /// An address that it said it serves at.
    pub(super) fn address(&self, field: &str) -> anyhow::Result<&str> {
        let address = self.ready[field].as_str();
        address.with_context(|| format!("{} does not say where it serves", self.name))
    }

    /// Ends it in the middle of everything.
    pub(super) async fn kill(&mut self) -> anyhow::Result<()> {
        Ok(self.process.kill().await?)
    }

    /// Tells it to end, and makes sure that it does.
    pub(super) async fn stop(&mut self) {
        let id = self.process.id().and_then(|id| i32::try_from(id).ok());
        if let Some(id) = id.and_then(Pid::from_raw) {
            // It may be ending by itself.
            let _ = kill_process(id, Signal::TERM);
        }
        if timeout(ENDING, self.process.wait()).await.is_err() {
            let _ = self.process.kill().await;
        }
    }

    /// If it has ended: how, and where its last words are.
    pub(super) fn ended(&mut self) -> Option<String> {
        let how = match self.process.try_wait() {
            Ok(None) => return None,
            Ok(Some(status)) => status.to_string(),
            Err(error) => error.to_string(),
        };
        Some(format!(
            "{} ended ({how}); see {}",
            self.name,
            self.log.display()
        ))
    }
}

/// The last lines of a log.
fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// Holds a folder for one process, as long as the file is open.
pub(super) fn lock(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join("lock");
    let file = File::create(&path).with_context(|| format!("{} cannot be used", path.display()))?;
    file.try_lock().with_context(|| {
        format!(
            "{} is in use\nhint: another `mp up` runs there; stop it, or choose another folder with --data",
            folder.display()
        )
    })?;
    Ok(file)
}
