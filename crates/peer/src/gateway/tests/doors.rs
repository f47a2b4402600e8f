//! How clients come in: by TLS, by HTTP/2, slowly, with too much.

use super::{Limits, Manner, PATIENCE, Running, start, start_with, status};
use crate::gateway::certificate::{Certificates, Files};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, Response, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use std::{path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// One request of HTTP/2, in the first breath of a connection.
async fn ask(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Response<String>, hyper::Error> {
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Response::from_parts(head, body))
}

fn request(uri: &str) -> Request<Full<Bytes>> {
    let request = Request::post(uri).header("cookie", "a=1");
    let request = request.header("cookie", "b=2").header("x-kept", "yes");
    request.body("body".into()).expect("a request")
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a port")
    }

    /// What comes back before the gateway closes.
    async fn rest(mut stream: TcpStream) -> String {
        let mut answer = Vec::new();
        // A reset is an end, too.
        let _ = timeout(PATIENCE, stream.read_to_end(&mut answer))
            .await
            .expect("it is closed");
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// (G10)
#[tokio::test]
async fn http_2_is_understood_without_a_word_before() {
    let gateway = start(&[Manner::Good], None).await;
    let uri = "http://7.example.test/a?b";
    let answer = ask(gateway.connect().await, request(uri)).await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.headers()["mp-worker"], "7/1");
    let seen = answer.body();
    assert!(seen.starts_with("POST /a?b HTTP/1.1\r\n"), "{seen}");
    for line in ["host: 7.example.test", "cookie: a=1; b=2", "x-kept: yes"] {
        assert!(
            seen.contains(&format!("\r\n{line}\r\n")),
            "{line} in {seen}"
        );
    }
    assert!(seen.ends_with("body"), "{seen}");
}

/// A certificate for these names, in files of that name.
fn certificate(folder: &Path, file: &str, names: &[&str]) -> Files {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(names).expect("a certificate");
    let files = Files {
        chain: folder.join(format!("{file}.pem")),
        key: folder.join(format!("{file}.key")),
    };
    std::fs::write(&files.chain, cert.pem()).expect("written");
    std::fs::write(&files.key, signing_key.serialize_pem()).expect("written");
    files
}

/// A gateway with two certificates.
struct Secure {
    gateway: Running,
    certificates: Arc<Certificates>,
    files: [Files; 2],
    folder: TempDir,
}

async fn secure() -> Secure {
    let folder = tempfile::tempdir().expect("a folder");
    let files = [
        certificate(folder.path(), "one", &["*.example.test"]),
        certificate(folder.path(), "two", &["own.test"]),
    ];
    let certificates = Certificates::open(files.to_vec(), None).expect("good files");
    let acceptor = certificates.acceptor().expect("TLS");
    let gateway = Running::start(&[Manner::Good], None, Limits::default(), Some(acceptor)).await;
    Secure {
        gateway,
        certificates,
        files,
        folder,
    }
}

impl Secure {
    /// Shakes hands with who has the certificate in this file, and no other.
    async fn shake(
        &self,
        name: &str,
        trusted: &Files,
        protocol: &[u8],
    ) -> Option<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(&trusted.chain).expect("PEM");
        roots.add(certificate).expect("a certificate");
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().expect("TLS");
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let address = self.gateway.https.expect("a port");
        let stream = TcpStream::connect(address).await.expect("a port");
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .ok()
    }
}

/// (G11)
#[tokio::test]
async fn by_tls_the_certificate_is_that_of_the_name() {
    let secure = secure().await;
    let [one, two] = &secure.files;
    for (name, file, other) in [("7.example.test", one, two), ("own.test", two, one)] {
        assert!(secure.shake(name, other, b"h2").await.is_none(), "{name}");
        let stream = secure.shake(name, file, b"h2").await.expect("shaken");
        let answer = ask(stream, request(&format!("https://{name}/7/"))).await;
        let answer = answer.expect("an answer");
        let seen = answer.body();
        assert!(seen.contains("x-forwarded-proto: https"), "{seen}");
    }
    let stream = secure.shake("7.example.test", one, b"http/1.1").await;
    let mut stream = stream.expect("shaken");
    let request = b"GET / HTTP/1.1\r\nhost: 7.example.test\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert_eq!(status(&answer), "200");
}

/// (G11)
#[tokio::test]
async fn a_new_certificate_is_shown_without_a_restart() {
    let secure = secure().await;
    let [one, two] = &secure.files;
    assert!(!secure.certificates.look().expect("nothing new"));
    std::fs::write(&one.key, "half").expect("written");
    assert!(secure.certificates.look().is_err());
    assert!(
        secure.shake("7.example.test", one, b"h2").await.is_some(),
        "the old one does"
    );
    let new = certificate(secure.folder.path(), "one", &["*.example.test"]);
    assert!(secure.certificates.look().expect("good files"));
    assert!(secure.shake("7.example.test", &new, b"h2").await.is_some());
    assert!(secure.shake("own.test", two, b"h2").await.is_some());
}

#[test]
fn files_that_are_no_certificate_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = certificate(folder.path(), "good", &["a.test"]);
    let other = certificate(folder.path(), "other", &["a.test"]);
    let mixed = Files {
        key: other.key.clone(),
        ..good.clone()
    };
    let swapped = Files {
        chain: good.key.clone(),
        key: good.chain.clone(),
    };
    let missing = Files {
        chain: folder.path().join("none"),
        ..good
    };
    for (files, said) in [
        (vec![mixed], "is not the key of"),
        (vec![swapped], "holds no certificate"),
        (vec![missing], "cannot read"),
        (vec![], "[[certificates]]"),
    ] {
        let error = Certificates::open(files, None).expect_err("refused");
        assert!(error.to_string().contains(said), "{error}");
    }
}

/// (G12)
#[tokio::test]
async fn who_is_slow_or_says_nothing_is_let_go_of() {
    let limits = Limits {
        request: Duration::from_millis(100),
        idle: Duration::from_millis(100),
        ..Limits::default()
    };
    let gateway = start_with(&[Manner::Good], None, limits).await;
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for said in ["", "G", "GET /7/ HTTP/1.1\r\nhost: x\r\n", "PRI", preface] {
        let mut stream = gateway.connect().await;
        stream.write_all(said.as_bytes()).await.expect("sent");
        let answer = Running::rest(stream).await;
        assert!(!answer.contains("200 OK"), "{said:?}: {answer}");
    }
    let body = "POST /7/ HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhalf";
    let mut stream = gateway.connect().await;
    stream.write_all(body.as_bytes()).await.expect("sent");
    assert_eq!(status(&Running::rest(stream).await), "408");
    assert_eq!(gateway.dialled(), 0);
}

/// (G12)
#[tokio::test]
async fn too_many_or_too_large_headers_are_refused() {
    let gateway = start(&[Manner::Good], None).await;
    let many: Vec<String> = (0..101).map(|number| format!("x-{number}: 1")).collect();
    let large = [format!("x: {}", "y".repeat(65 << 10))];
    for headers in [&many[..], &large[..]] {
        let mut lines = vec!["GET /7/ HTTP/1.1", "host: x"];
        lines.extend(headers.iter().map(String::as_str));
        let answer = gateway.send(&lines, "").await;
        assert_eq!(status(&answer), "431", "{answer}");
        let mut request = request("http://7.example.test/");
        for header in headers {
            let (name, value) = header.split_once(": ").expect("two parts");
            let name: hyper::header::HeaderName = name.parse().expect("a name");
            request
                .headers_mut()
                .insert(name, value.parse().expect("a value"));
        }
        match ask(gateway.connect().await, request).await {
            Ok(answer) => assert_eq!(answer.status(), 431),
            Err(error) => assert!(!error.is_user(), "{error}"),
        }
    }
    assert_eq!(gateway.dialled(), 0);
}

/// (G12)
#[tokio::test]
async fn a_gateway_is_no_proxy_to_elsewhere() {
    let gateway = start(&[Manner::Good], None).await;
    let lines = ["CONNECT 7.example.test:80 HTTP/1.1", "host: 7.example.test"];
    assert_eq!(status(&gateway.send(&lines, "").await), "405");
    let request = Request::builder().method(Method::CONNECT);
    let request = request.uri("7.example.test:80").body(Full::default());
    let request = request.expect("a request");
    let answer = ask(gateway.connect().await, request).await;
    assert!(answer.is_ok_and(|answer| answer.status() == 405));
    assert_eq!(gateway.dialled(), 0);
}

/// (G13)
#[tokio::test]
async fn a_gateway_that_stops_lets_what_is_under_way_end() {
    let gateway = start(&[Manner::Slow], None).await;
    let mut stream = gateway.connect().await;
    let request = b"GET /7/ HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request).await.expect("sent");
    let asked = ask(gateway.connect().await, self::request("http://x/7/"));
    let asked = tokio::spawn(asked);
    let under_way = async {
        while gateway.dialled() < 2 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, under_way).await.expect("both");
    gateway.stop.send(()).expect("it runs");
    let closed = async { while TcpStream::connect(gateway.address).await.is_ok() {} };
    timeout(PATIENCE, closed)
        .await
        .expect("nobody new comes in");
    gateway.workers.go.add_permits(2);
    assert_eq!(status(&Running::rest(stream).await), "200");
    let answer = asked.await.expect("asked").expect("an answer");
    assert_eq!(answer.status(), 200);
    let ended = timeout(PATIENCE, gateway.task).await;
    ended.expect("it ends").expect("well");
}
