//! The certificates that a gateway shows, by the name that the client asks for, and new ones when their files change.

mod ordered;

use ordered::Ordered;
use rustls::{
    ServerConfig,
    client::verify_server_name,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    server::{ClientHello, ParsedCertificate, ResolvesServerCert},
    sign::CertifiedKey,
};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::{sync::mpsc, time::sleep};
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// A chain or key is not larger than this.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// A certificate in two files of PEM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// The certificate, and those that lead from it to who is trusted.
    pub chain: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Why a certificate is of no use.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What is in the file is something else.
    #[error("{path} holds no {what}: {reason}\nhint: it is to be PEM")]
    Parse {
        /// Which.
        path: PathBuf,
        /// What is missed.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The two do not belong together.
    #[error("{key} is not the key of the certificate in {chain}: {reason}")]
    Pair {
        /// The certificate.
        chain: PathBuf,
        /// The key.
        key: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It is somebody else's.
    #[error("the certificate in {path} is not for {name}")]
    Name {
        /// The certificate.
        path: PathBuf,
        /// Whose it should be.
        name: String,
    },
    /// It cannot be known when the next is needed.
    #[error("the certificate in {path} does not say how long it is good")]
    Validity {
        /// The certificate.
        path: PathBuf,
    },
    /// There is none.
    #[error(
        "`https` needs a certificate\nhint: [[certificates]] with `chain` and `key`, two files of PEM, or [acme], which gets them"
    )]
    None,
    /// The library does not agree with itself.
    #[error("TLS cannot begin: {0}")]
    Tls(#[from] rustls::Error),
}

/// All certificates of a gateway: those in files, of which the first is for who asks for none of them, and those that were ordered.
#[derive(Debug)]
pub(super) struct Certificates {
    files: Vec<Files>,
    provider: Arc<CryptoProvider>,
    shown: RwLock<Shown>,
    pub(super) ordered: Ordered,
}

#[derive(Debug)]
struct Shown {
    /// What was in the files, to see whether it is new.
    bytes: Vec<Vec<u8>>,
    keys: Vec<Arc<CertifiedKey>>,
}

impl Certificates {
    /// Reads all files. There need be none if `asked` leads to somebody who orders certificates.
    ///
    /// # Errors
    /// One of them cannot be used.
    pub(super) fn open(
        files: Vec<Files>,
        asked: Option<mpsc::Sender<String>>,
    ) -> Result<Arc<Self>, Error> {
        if files.is_empty() && asked.is_none() {
            return Err(Error::None);
        }
        let provider = Arc::new(ring::default_provider());
        let shown = RwLock::new(shown(&provider, &files, read(&files)?)?);
        Ok(Arc::new(Self {
            files,
            provider,
            shown,
            ordered: Ordered::new(asked),
        }))
    }

    /// What shakes hands with these certificates.
    ///
    /// # Errors
    /// The library has no protocol to offer.
    pub(super) fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, Error> {
        let builder = ServerConfig::builder_with_provider(self.provider.clone());
        let builder = builder.with_safe_default_protocol_versions()?;
        let mut config = builder
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Shows what is in the files from now on, for as long as the gateway lives.
    pub(super) async fn follow(self: Arc<Self>) {
        loop {
            sleep(LOOK).await;
            match self.look() {
                Ok(false) => {}
                Ok(true) => tracing::info!("new certificates are shown"),
                // Half of them may be written; until then the old ones do.
                Err(error) => tracing::warn!(%error, "certificates cannot be renewed"),
            }
        }
    }

    /// True if there was something new.
    pub(super) fn look(&self) -> Result<bool, Error> {
        let bytes = read(&self.files)?;
        let known = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        if known.bytes == bytes {
            return Ok(false);
        }
        drop(known);
        let new = shown(&self.provider, &self.files, bytes)?;
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(true)
    }
}

impl Certificates {
    /// The one in a file that is for this name.
    fn in_file(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        shown.keys.iter().find(|key| is_for(key, name)).cloned()
    }

    /// For who asks for a name that we have nothing for.
    fn any(&self) -> Option<Arc<CertifiedKey>> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        let first = shown.keys.first().cloned();
        first.or_else(|| self.ordered.first())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name();
        let named = name.and_then(|name| self.in_file(name).or_else(|| self.ordered.find(name)));
        named.or_else(|| self.any())
    }
}

fn is_for(key: &CertifiedKey, name: &str) -> bool {
    let first = key.cert.first();
    let parsed = first.and_then(|first| ParsedCertificate::try_from(first).ok());
    let name = ServerName::try_from(name).ok();
    let pair = parsed.zip(name);
    pair.is_some_and(|(parsed, name)| verify_server_name(&parsed, &name).is_ok())
}

/// Chain and key of each certificate, one after the other.
fn read(files: &[Files]) -> Result<Vec<Vec<u8>>, Error> {
    let paths = files.iter().flat_map(|files| [&files.chain, &files.key]);
    paths.map(|path| read_file(path)).collect()
}

fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(source) => Err(Error::Read {
            path: path.into(),
            source,
        }),
    }
}

fn shown(provider: &CryptoProvider, files: &[Files], bytes: Vec<Vec<u8>>) -> Result<Shown, Error> {
    let pairs = files.iter().zip(bytes.chunks(2));
    let keys = pairs.map(|(files, pair)| certified(provider, files, &pair[0], &pair[1]));
    let keys = keys.collect::<Result<_, _>>()?;
    Ok(Shown { bytes, keys })
}

fn certified(
    provider: &CryptoProvider,
    files: &Files,
    chain: &[u8],
    key: &[u8],
) -> Result<Arc<CertifiedKey>, Error> {
    let certificates = certificates(&files.chain, chain)?;
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|error| parse(&files.key, "private key", error.to_string()))?;
    let pair = CertifiedKey::from_der(certificates, key, provider);
    pair.map(Arc::new).map_err(|error| Error::Pair {
        chain: files.chain.clone(),
        key: files.key.clone(),
        reason: error.to_string(),
    })
}

/// The certificates in a file.
#[cfg(feature = "acme")]
pub(super) fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    certificates(path, &read_file(path)?)
}

/// At least one.
fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(parse(path, "certificate", "it is empty".into())),
        Err(error) => Err(parse(path, "certificate", error.to_string())),
    }
}

fn parse(path: &Path, what: &'static str, reason: String) -> Error {
    let path = path.into();
    Error::Parse { path, what, reason }
}
