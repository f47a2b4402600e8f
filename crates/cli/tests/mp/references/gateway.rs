//! A gateway of IPFS on loopback, with files of which the importer of Helia has made blocks: `tests/ipfs/gateway.mjs`.

use serde_json::Value;
use std::{
    env,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// The gateway, until the test is over.
pub(super) struct Gateway {
    child: Child,
    ready: Value,
}

impl Gateway {
    /// Starts one with the files of a folder.
    pub(super) fn start(folder: &Path) -> Self {
        let script = env::var_os("MP_IPFS").expect("MP_IPFS: see cargo xtask test references");
        let mut child = Command::new("node")
            .arg(PathBuf::from(script))
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node runs");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let ready = serde_json::from_str(&line);
        let ready = ready.unwrap_or_else(|error| panic!("{error}: the gateway said {line:?}"));
        Self { child, ready }
    }

    pub(super) fn url(&self) -> &str {
        self.ready["url"].as_str().expect("an address")
    }

    /// What a file is called that was added in such a way; a folder of all, without a file's name.
    pub(super) fn cid(&self, way: &str) -> &str {
        let cid = &self.ready["cids"][way];
        cid.as_str().unwrap_or_else(|| panic!("no {way}"))
    }

    pub(super) fn stop(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may have ended already.
        let _ = self.child.wait();
    }
}
