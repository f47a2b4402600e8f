//! Docker's registry on loopback, and skopeo, which pushes to it what `wkg oci push` would.

use crate::support::{free_ports, text, until};
use serde_json::{Value, json};
use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command},
};

/// Types of manifests and of what is in them.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
pub(super) const WASM: &str = "application/wasm";

fn program(variable: &str) -> OsString {
    let program = env::var_os(variable);
    program.unwrap_or_else(|| panic!("{variable}: see cargo xtask test references"))
}

/// The registry, until the test is over.
pub(super) struct Registry {
    child: Child,
    folder: PathBuf,
    /// Host and port.
    pub(super) host: String,
}

impl Registry {
    /// Starts one that is empty and everybody's, in a folder of its own.
    pub(super) fn start(folder: &Path) -> Self {
        Self::start_with(folder, "", "")
    }

    /// The same, with more lines about HTTP and about who may do what.
    pub(super) fn start_with(folder: &Path, http: &str, auth: &str) -> Self {
        let port = free_ports(1);
        let folder = folder.join(format!("registry-{port}"));
        fs::create_dir_all(&folder).expect("a folder");
        let host = format!("127.0.0.1:{port}");
        let config = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {host}\n{http}{auth}",
            text(&folder.join("data")),
        );
        let file = folder.join("config.yml");
        fs::write(&file, config).expect("writes");
        let log = File::create(folder.join("log")).expect("a log");
        let child = Command::new(program("MP_REGISTRY"))
            .args(["serve", text(&file)])
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("docker-registry runs");
        let address: SocketAddr = host.parse().expect("an address");
        until("the registry serves", || {
            TcpStream::connect(address).is_ok()
        });
        Self {
            child,
            folder,
            host,
        }
    }

    pub(super) fn stop(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Pushes a component as its guidance has it; gives the digest of its manifest.
    pub(super) fn push(&self, name: &str, component: &[u8]) -> String {
        self.push_layers(name, &[(WASM, component)], &[])
    }

    /// Pushes something else; `more` are arguments of skopeo.
    pub(super) fn push_layers(
        &self,
        name: &str,
        layers: &[(&str, &[u8])],
        more: &[&str],
    ) -> String {
        let layout = Layout::new(&self.folder.join("layout"));
        let layers = layers.iter();
        let layers: Vec<_> = layers
            .map(|(kind, bytes)| layout.keep(kind, bytes))
            .collect();
        let digests: Vec<_> = layers.iter().map(|layer| &layer["digest"]).collect();
        let config = json!({ "architecture": "wasm", "os": "wasip2", "layerDigests": digests });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": layout.keep(CONFIG, config.to_string().as_bytes()),
            "layers": layers,
        });
        let kept = layout.keep(MANIFEST, manifest.to_string().as_bytes());
        layout.name(&kept);
        self.copy(&layout, name, more);
        kept["digest"].as_str().expect("a digest").to_owned()
    }

    /// Pushes a list with nothing in it.
    pub(super) fn push_list(&self, name: &str) {
        let layout = Layout::new(&self.folder.join("layout"));
        let list = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] });
        let kept = layout.keep(INDEX, list.to_string().as_bytes());
        layout.name(&kept);
        self.copy(&layout, name, &["--all"]);
    }

    fn copy(&self, layout: &Layout, name: &str, more: &[&str]) {
        let output = Command::new(program("MP_SKOPEO"))
            .args([
                "--insecure-policy",
                "copy",
                "--quiet",
                "--dest-tls-verify=false",
            ])
            .arg("--preserve-digests")
            .args(more)
            .arg(format!("oci:{}:it", text(&layout.0)))
            .arg(format!("docker://{}/{name}", self.host))
            .output()
            .expect("skopeo runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {said}");
    }

    /// Where the registry keeps content.
    pub(super) fn blob(&self, digest: &str) -> PathBuf {
        let hash = digest.trim_start_matches("sha256:");
        let blobs = self.folder.join("data/docker/registry/v2/blobs/sha256");
        blobs.join(&hash[..2]).join(hash).join("data")
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).expect("a log")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may have ended already.
        let _ = self.child.wait();
        if std::thread::panicking() {
            // A second panic would hide the first.
            let log = fs::read_to_string(self.folder.join("log"));
            eprintln!("the registry said:\n{}", log.unwrap_or_default());
        }
    }
}

/// A folder as the specification of images lays it out.
struct Layout(PathBuf);

impl Layout {
    fn new(folder: &Path) -> Self {
        if folder.exists() {
            fs::remove_dir_all(folder).expect("it was ours");
        }
        fs::create_dir_all(folder.join("blobs/sha256")).expect("a folder");
        fs::write(
            folder.join("oci-layout"),
            r#"{"imageLayoutVersion":"1.0.0"}"#,
        )
        .expect("writes");
        Self(folder.to_owned())
    }

    /// Keeps some content; gives its description.
    fn keep(&self, kind: &str, bytes: &[u8]) -> Value {
        let hash = sha256(bytes);
        fs::write(self.0.join("blobs/sha256").join(&hash), bytes).expect("writes");
        json!({ "mediaType": kind, "digest": format!("sha256:{hash}"), "size": bytes.len() })
    }

    /// Says that this manifest is what it holds.
    fn name(&self, manifest: &Value) {
        let mut manifest = manifest.clone();
        manifest["annotations"] = json!({ "org.opencontainers.image.ref.name": "it" });
        let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
        fs::write(self.0.join("index.json"), index.to_string()).expect("writes");
    }
}

/// In digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest as _, Sha256};
    alloy_primitives::hex::encode(Sha256::digest(bytes))
}
