//! A client by TLS that trusts who it is told to trust.

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

/// Time for the other side to say something.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Client(Arc<ClientConfig>);

impl Client {
    /// Trusts the certificates in a text of PEM.
    pub(super) fn new(trusted: &[u8]) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(trusted) {
            roots.add(certificate.expect("PEM")).expect("a certificate");
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().expect("TLS");
        Self(Arc::new(
            builder.with_root_certificates(roots).with_no_client_auth(),
        ))
    }

    /// A connection, if whoever is there shows a certificate of that name by somebody who is trusted.
    pub(super) fn shake(&self, to: SocketAddr, name: &str) -> io::Result<Stream> {
        let mut stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let server = ServerName::try_from(name.to_owned()).expect("a name");
        let connection = ClientConnection::new(self.0.clone(), server);
        let mut connection = connection.expect("a connection");
        connection.complete_io(&mut stream)?;
        Ok(Stream(StreamOwned::new(connection, stream)))
    }
}

/// A connection that one request may follow the other on.
pub(super) struct Stream(StreamOwned<ClientConnection, TcpStream>);

impl Stream {
    /// What the other side has shown.
    pub(super) fn certificate(&self) -> Vec<u8> {
        let shown = self.0.conn.peer_certificates().expect("certificates");
        shown[0].to_vec()
    }

    /// Status and body of an answer.
    pub(super) fn get(&mut self, host: &str, path: &str) -> (u16, String) {
        write!(self.0, "GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n").expect("sent");
        let mut answer = String::new();
        let end = loop {
            if let Some(end) = answer.find("\r\n\r\n") {
                break end + 4;
            }
            self.more(&mut answer);
        };
        let head = answer[..end].to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let is_whole = |body: &str| match length {
            Some(length) => body.len() >= length.parse().expect("a length"),
            None => body.ends_with("0\r\n\r\n"),
        };
        while !is_whole(&answer[end..]) {
            self.more(&mut answer);
        }
        let status = answer[9..12].parse().expect("a status");
        (status, answer.split_off(end))
    }

    fn more(&mut self, answer: &mut String) {
        let mut bytes = [0; 4096];
        let count = self.0.read(&mut bytes).expect("an answer");
        assert!(count > 0, "it breaks off: {answer}");
        answer.push_str(std::str::from_utf8(&bytes[..count]).expect("text"));
    }
}
