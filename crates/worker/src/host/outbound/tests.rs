//! TLS against a server on this machine whose authority only the test trusts.

use super::{Outbound, connector, roots};
use crate::{
    config::{self, Limits},
    host::log::{Log, Logger},
    settings::Origin,
};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use std::sync::{Arc, OnceLock};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use wasmtime_wasi_http::Error;

const AUTHORITY: &[u8] = include_bytes!("../../../tests/tls/authority.pem");
const SERVER: &[u8] = include_bytes!("../../../tests/tls/server.pem");
const KEY: &[u8] = include_bytes!("../../../tests/tls/server.key.pem");

/// Greets everybody over TLS, as `localhost`; gives its port.
async fn server() -> u16 {
    let certificate = CertificateDer::from_pem_slice(SERVER).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(KEY).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a server");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // The client hangs up, or does not want to speak with this server.
            let _ = acceptor.accept(stream).await;
        }
    });
    port
}

async fn connect(tls: TlsConnector, host: &str) -> Result<(), Error> {
    let origin = Origin {
        is_secure: true,
        host: host.into(),
        port: server().await,
    };
    let limits = Limits::default();
    let outbound = Outbound {
        allowed: vec![origin.clone()],
        rule: config::Outbound::Any,
        places: Arc::new(Semaphore::new(1)),
        limits,
        tls,
        deals: OnceLock::new(),
    };
    let log = Logger {
        log: Arc::new(Log::new(10)),
        function: None,
    };
    outbound.connect(&origin, (), &log).await.map(drop)
}

fn trusting() -> TlsConnector {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(AUTHORITY).expect("a certificate");
    roots.add(authority).expect("an authority");
    connector(roots).expect("TLS")
}

/// (W22)
#[tokio::test]
async fn a_server_must_prove_the_name_it_is_asked_by() {
    connect(trusting(), "localhost")
        .await
        .expect("its own name");
    let other = connect(trusting(), "127.0.0.1").await;
    assert!(matches!(other, Err(Error::Tls(_))), "{other:?}");
}

/// (W22)
#[tokio::test]
async fn a_server_must_be_known_to_an_authority_that_browsers_trust() {
    let unknown = connect(connector(roots()).expect("TLS"), "localhost").await;
    assert!(matches!(unknown, Err(Error::Tls(_))), "{unknown:?}");
}
