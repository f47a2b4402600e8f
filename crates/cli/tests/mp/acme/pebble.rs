//! Pebble, the ACME server that Let's Encrypt tests clients with, and the DNS that it asks, both on loopback.

use super::client::Client;
use crate::{
    dns,
    support::{free_ports, text, until},
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::{
    fs::{self, File},
    net::{SocketAddr, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Certificates are good for so many seconds; a gateway orders the next when a third of them is left.
pub(super) const SECONDS: u64 = 45;
/// Kinds of records: an address.
const ADDRESS: u16 = 1;

/// Where everybody is.
#[derive(Clone, Debug)]
pub(super) struct Ports {
    /// Of the gateway, in plain, where the server looks.
    pub(super) http: u16,
    /// Of the gateway, by TLS.
    pub(super) https: u16,
    acme: u16,
    management: u16,
}

impl Ports {
    pub(super) fn new() -> Self {
        let first = free_ports(4);
        Self {
            http: first,
            https: first + 1,
            acme: first + 2,
            management: first + 3,
        }
    }
}

/// A DNS server that knows some domains, until the test is over.
pub(super) struct Names {
    pub(super) server: SocketAddr,
    /// Whether `own.test` is there.
    pub(super) has_own: Arc<AtomicBool>,
}

impl Names {
    pub(super) fn serve() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let server = socket.local_addr().expect("an address");
        let has_own = Arc::new(AtomicBool::new(true));
        let own = has_own.clone();
        std::thread::spawn(move || {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                let has_own = own.load(Ordering::SeqCst);
                let answer = dns::answer(&question[..length], |name, kind| {
                    record(&name.to_ascii_lowercase(), kind, has_own)
                });
                socket.send_to(&answer, from).expect("sent");
            }
        });
        Self { server, has_own }
    }
}

fn record(name: &str, kind: u16, has_own: bool) -> Option<Vec<u8>> {
    match (name, kind) {
        ("own.test", _) if !has_own => None,
        ("fn.test" | "1.fn.test" | "own.test" | "api.test", ADDRESS) => Some(vec![127, 0, 0, 1]),
        ("_marketplace.api.test", dns::TEXT) => Some(dns::text("31337/1")),
        // A deal that is not there.
        ("_marketplace.gone.test", dns::TEXT) => Some(dns::text("31337/99")),
        ("fn.test" | "1.fn.test" | "own.test" | "api.test", _) => Some(Vec::new()),
        _ => None,
    }
}

/// The server.
pub(super) struct Pebble {
    child: Child,
    ports: Ports,
    folder: PathBuf,
    /// Its own certificate.
    pub(super) certificate: PathBuf,
}

impl Pebble {
    /// Starts one that has issued nothing, in a folder of its own.
    pub(super) fn start(program: &Path, folder: &Path, ports: &Ports, names: &Names) -> Self {
        let folder = folder.join("pebble");
        fs::create_dir_all(&folder).expect("a folder");
        let (certificate, key) = (folder.join("pebble.pem"), folder.join("pebble.key"));
        let made = generate_simple_self_signed(["127.0.0.1".to_owned()]);
        let CertifiedKey { cert, signing_key } = made.expect("a certificate");
        fs::write(&certificate, cert.pem()).expect("writes");
        fs::write(&key, signing_key.serialize_pem()).expect("writes");
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{}", ports.acme),
            "managementListenAddress": format!("127.0.0.1:{}", ports.management),
            "certificate": text(&certificate),
            "privateKey": text(&key),
            "httpPort": ports.http,
            "tlsPort": ports.https,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
            "certificateValidityPeriod": SECONDS,
        }});
        fs::write(folder.join("pebble.json"), config.to_string()).expect("writes");
        let log = File::create(folder.join("log")).expect("a log");
        let child = Command::new(program)
            .args(["-config", text(&folder.join("pebble.json"))])
            .args(["-dnsserver", &names.server.to_string()])
            // It looks at once, and looks each time.
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_AUTHZREUSE", "0")
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("pebble runs");
        for port in [ports.acme, ports.management] {
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            until("pebble serves", || TcpStream::connect(address).is_ok());
        }
        Self {
            child,
            ports: ports.clone(),
            folder,
            certificate,
        }
    }

    /// The configuration of a gateway that orders here.
    pub(super) fn config(&self) -> String {
        format!(
            "[acme]\nagree_to_terms = true\ncontact = [\"ops@fn.test\"]\ndirectory = \"https://127.0.0.1:{}/dir\"\nroot = \"{}\"\n",
            self.ports.acme,
            text(&self.certificate),
        )
    }

    /// Who trusts those that it certifies, and nobody else.
    pub(super) fn trusting(&self) -> Client {
        let own = fs::read(&self.certificate).expect("a certificate");
        let management = SocketAddr::from(([127, 0, 0, 1], self.ports.management));
        let mut stream = Client::new(&own)
            .shake(management, "127.0.0.1")
            .expect("pebble");
        let (status, root) = stream.get("127.0.0.1", "/roots/0");
        assert_eq!(status, 200, "{root}");
        Client::new(root.as_bytes())
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).expect("a log")
    }

    /// Certificates that it has issued.
    pub(super) fn issued(&self) -> usize {
        self.log().matches("Issued certificate serial").count()
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may have ended already.
        let _ = self.child.wait();
        if std::thread::panicking() {
            // A second panic would hide the first.
            let log = fs::read_to_string(self.folder.join("log"));
            eprintln!("pebble said:\n{}", log.unwrap_or_default());
        }
    }
}
