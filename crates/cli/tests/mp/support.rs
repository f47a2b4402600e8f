//! Networks of real processes in a temporary folder, ended by id when the test is over.

use crate::dice::Dice;
use alloy_primitives::Address;
use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
};
use tempfile::TempDir;

/// The program under test.
pub(crate) fn mp() -> Command {
    Command::new(env!("CARGO_BIN_EXE_mp"))
}

/// A running validator.
struct Node {
    config: PathBuf,
    child: Child,
    rpc: String,
}

/// Validators of one network folder.
pub(crate) struct Network {
    nodes: Vec<Node>,
    _folder: TempDir,
}

impl Network {
    /// Makes a network whose `funded` accounts are rich, and starts it.
    pub(crate) fn start(validators: usize, funded: &[Address]) -> Self {
        Self::with_parameters(validators, funded, &[])
    }

    /// The same on a network whose parameters differ as said, by NAME=VALUE.
    pub(crate) fn with_parameters(
        validators: usize,
        funded: &[Address],
        parameters: &[&str],
    ) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let network = folder.path().join("network");
        let mut command = mp();
        command.arg("testnet").arg(&network);
        command.args(["--validators", &validators.to_string(), "--rpc-port", "0"]);
        command.args(["--p2p-port", &free_ports(validators).to_string()]);
        for account in funded {
            command.args(["--fund", &account.to_string()]);
        }
        for parameter in parameters {
            command.args(["--parameter", parameter]);
        }
        assert!(command.output().expect("mp runs").status.success());
        let nodes =
            (0..validators).map(|index| launch(network.join(format!("node-{index}/node.toml"))));
        Self {
            nodes: nodes.collect(),
            _folder: folder,
        }
    }

    /// Where a validator serves JSON-RPC.
    pub(crate) fn rpc(&self, index: usize) -> &str {
        &self.nodes[index].rpc
    }

    /// Ends a validator in the middle of everything (SIGKILL).
    pub(crate) fn kill(&mut self, index: usize) {
        let child = &mut self.nodes[index].child;
        child.kill().expect("it runs");
        child.wait().expect("it ends");
    }

    /// What a validator has complained about since it was first started.
    pub(crate) fn log(&self, index: usize) -> String {
        let log = self.nodes[index].config.with_extension("log");
        std::fs::read_to_string(log).expect("a log")
    }

    /// Starts a validator that was killed.
    pub(crate) fn restart(&mut self, index: usize) {
        self.nodes[index] = launch(self.nodes[index].config.clone());
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for index in 0..self.nodes.len() {
            if std::thread::panicking() {
                eprintln!("validator {index}:\n{}", self.log(index));
            }
        }
        for node in &mut self.nodes {
            let _ = node.child.kill(); // It may have ended already.
            let _ = node.child.wait();
        }
    }
}

fn launch(config: PathBuf) -> Node {
    let log = File::options()
        .create(true)
        .append(true)
        .open(config.with_extension("log"));
    let mut child = mp()
        .arg("node")
        .arg(&config)
        .stdout(Stdio::piped())
        .stderr(log.expect("a log"))
        .spawn()
        .expect("mp runs");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("piped");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    let ready: serde_json::Value = serde_json::from_str(&line).expect("the node is ready");
    let rpc = ready["rpc"].as_str().expect("an address").to_owned();
    Node { config, child, rpc }
}

/// The first of `count` ports in a row that nobody listens on at the moment.
fn free_ports(count: usize) -> u16 {
    // Tests of one process ask at the same time and must not get the same ports.
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let asked = ASKED.fetch_add(1, Ordering::Relaxed);
    let mut dice = Dice::new(u64::from(std::process::id()) + (asked << 32));
    for _ in 0..100 {
        let first = 20_000 + dice.below(30_000) as u16;
        let last = first + count as u16;
        if (first..last).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return first;
        }
    }
    panic!("no {count} free ports in a row");
}
