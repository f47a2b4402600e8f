//! Who gives tokens for a registry, as GitHub and Docker have it: to anybody for what is public, to one developer for the rest. The
//! registry checks each token.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use rcgen::{CertifiedKey, KeyPair, SigningKey as _, generate_simple_self_signed};
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// The developer, and what may be given in place of name and password.
pub(super) const NAME: &str = "dev";
pub(super) const PASSWORD: &str = "secret";
pub(super) const IDENTITY: &str = "identity";

const ISSUER: &str = "tests";
const SERVICE: &str = "registry";

/// The server of tokens; it runs until the test is over.
pub(super) struct Tokens {
    url: String,
    certificate: PathBuf,
}

impl Tokens {
    pub(super) fn serve(folder: &Path) -> Self {
        let made = generate_simple_self_signed(["tokens.test".to_owned()]);
        let CertifiedKey { cert, signing_key } = made.expect("a certificate");
        let certificate = folder.join("tokens.pem");
        fs::write(&certificate, cert.pem()).expect("writes");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!(
            "http://{}/token",
            listener.local_addr().expect("an address")
        );
        let der = cert.der().to_vec();
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                answer(stream, &der, &signing_key);
            }
        });
        Self { url, certificate }
    }

    /// The configuration of a registry that believes them.
    pub(super) fn config(&self) -> String {
        format!(
            "auth:\n  token:\n    realm: {}\n    service: {SERVICE}\n    issuer: {ISSUER}\n    rootcertbundle: {}\n",
            self.url,
            self.certificate.display(),
        )
    }
}

fn answer(mut stream: TcpStream, certificate: &[u8], key: &KeyPair) {
    let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).expect("a line") == 0 || line == "\r\n" {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let header = |name: &str| {
        let mut lines = head.iter().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_owned())
    };
    let length = header("content-length").map_or(0, |length| length.parse().expect("a length"));
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let body = String::from_utf8(body).expect("text");
    let target = head[0].split(' ').nth(1).expect("a target");
    let asked = pairs(target.split_once('?').map_or(&body, |(_, query)| query));
    let login = STANDARD.encode(format!("{NAME}:{PASSWORD}"));
    let is_known = header("authorization").is_some_and(|value| value == format!("Basic {login}"))
        || asked
            .get("refresh_token")
            .is_some_and(|token| token == IDENTITY);
    let scope: Vec<_> = asked["scope"].split(':').collect();
    let [_, name, actions] = scope[..] else {
        panic!("{scope:?}")
    };
    let actions = match is_known || name.starts_with("public/") {
        true => actions.split(',').collect(),
        false => vec![],
    };
    let token = token(certificate, key, name, &actions);
    // As it is answered to those who ask in either way.
    let field = if body.is_empty() {
        "token"
    } else {
        "access_token"
    };
    let body = json!({ field: token }).to_string();
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .expect("sent");
}

/// Names and values of a form; only what is asked here is decoded.
fn pairs(form: &str) -> BTreeMap<String, String> {
    let decoded = |text: &str| {
        text.replace("%3A", ":")
            .replace("%2F", "/")
            .replace("%2C", ",")
    };
    let pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), decoded(value)))
        .collect()
}

/// A token that is good for a minute.
fn token(certificate: &[u8], key: &KeyPair, name: &str, actions: &[&str]) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock")
        .as_secs();
    let head = json!({ "typ": "JWT", "alg": "ES256", "x5c": [STANDARD.encode(certificate)] });
    let claims = json!({
        "iss": ISSUER,
        "sub": "",
        "aud": SERVICE,
        "exp": now + 60,
        "nbf": now - 60,
        "iat": now,
        "jti": now.to_string(),
        "access": [{ "type": "repository", "name": name, "actions": actions }],
    });
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(head), part(claims));
    let signature = key.sign(signed.as_bytes()).expect("a signature");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(plain(&signature)))
}

/// The two numbers of a signature, each of 32 bytes, out of their DER.
fn plain(der: &[u8]) -> Vec<u8> {
    let mut rest = &der[2..];
    let mut plain = Vec::new();
    for _ in 0..2 {
        let length = usize::from(rest[1]);
        let number = &rest[2..2 + length];
        let number = &number[number.len().saturating_sub(32)..];
        plain.extend(std::iter::repeat_n(0, 32 - number.len()));
        plain.extend_from_slice(number);
        rest = &rest[2 + length..];
    }
    plain
}
