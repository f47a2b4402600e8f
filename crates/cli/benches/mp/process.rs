//! Processes of `mp`, ended by id when they are dropped.

use crate::cpu;
use alloy_primitives::Address;
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
};

/// A process that serves.
pub(crate) struct Process {
    child: Child,
    ready: Value,
}

impl Process {
    /// Starts `mp <noun> <config>` and waits until it says that it serves.
    pub(crate) fn start(noun: &str, config: &Path) -> Result<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mp"));
        command.arg(noun).arg(config);
        Self::spawn(command)
    }

    /// Starts a command whose first line says in JSON that it serves.
    pub(crate) fn spawn(mut command: Command) -> Result<Self> {
        let child = command.stdout(Stdio::piped()).spawn()?;
        let ready = Value::Null;
        let mut process = Self { child, ready }; // From here on it is ended, whatever happens.
        let mut line = String::new();
        let stdout = process.child.stdout.take().context("it is piped")?;
        BufReader::new(stdout).read_line(&mut line)?;
        process.ready = serde_json::from_str(&line).context("it does not start")?;
        Ok(process)
    }

    /// A command that says nothing, and serves soon.
    pub(crate) fn silent(mut command: Command) -> Result<Self> {
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn()?;
        let ready = Value::Null;
        Ok(Self { child, ready })
    }

    /// An address that it named when it was ready.
    pub(crate) fn address(&self, name: &str) -> Result<&str> {
        self.ready[name].as_str().context("an address")
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it in the middle of everything.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Processor time that it has used, in seconds.
    pub(crate) fn cpu(&self) -> Result<f64> {
        Ok(cpu::seconds(&self.child.id().to_string())?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may have ended already.
        let _ = self.child.wait();
    }
}

/// Runs a command of `mp` that ends by itself; gives the one thing that it says.
pub(crate) fn mp<S: AsRef<str>>(arguments: &[S]) -> Result<Value> {
    Ok(serde_json::from_str(&said(arguments)?)?)
}

/// The same of a command that says many things, each in a line.
pub(crate) fn said<S: AsRef<str>>(arguments: &[S]) -> Result<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mp"));
    command.env_remove("MP_KEY").env_remove("MP_RPC");
    command.args(["--output", "json"]);
    command.args(arguments.iter().map(AsRef::as_ref));
    let output = command.output()?;
    let (says, ok) = (
        String::from_utf8_lossy(&output.stderr),
        output.status.success(),
    );
    ensure!(ok, "mp failed: {says}");
    Ok(String::from_utf8(output.stdout)?)
}

/// Starts the validators of a new network in `folder` whose `funded` accounts are rich.
///
/// `parameters` of the network differ, `NAME=VALUE`.
pub(crate) fn network(
    folder: &Path,
    validators: u16,
    funded: &[Address],
    parameters: &[&str],
) -> Result<Vec<Process>> {
    let mut arguments = vec![
        "testnet".to_owned(),
        text(&folder.join("network"))?.to_owned(),
    ];
    arguments.extend([
        format!("--validators={validators}"),
        format!("--p2p-port={}", free_ports(validators)?),
        "--rpc-port=0".to_owned(),
    ]);
    arguments.extend(funded.iter().map(|account| format!("--fund={account}")));
    arguments.extend(
        parameters
            .iter()
            .map(|parameter| format!("--parameter={parameter}")),
    );
    let made = mp(&arguments)?;
    let nodes = made["nodes"].as_array().context("nodes")?;
    let start = |node: &Value| Process::start("node", Path::new(node.as_str().context("a path")?));
    nodes.iter().map(start).collect()
}

/// The first of so many ports in a row that nobody listens on at the moment.
pub(crate) fn free_ports(count: u16) -> Result<u16> {
    let is_free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    // Two benches at once begin at different ports.
    let begin = 20_000 + (std::process::id() % 10_000) as u16;
    let mut ports = (begin..60_000).step_by(count.into());
    let found = ports.find(|first| (*first..first + count).all(is_free));
    found.context("no free ports in a row")
}

pub(crate) fn text(path: &Path) -> Result<&str> {
    path.to_str().context("plain names")
}
