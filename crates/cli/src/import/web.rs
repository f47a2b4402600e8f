//! Requests to registries and gateways: within limits of time and size, and in plain only to this machine.
//!
//! Redirects are followed five times at most, and never from TLS to plain HTTP or from elsewhere to this machine. Credentials do
//! not go along to another host; `reqwest` sees to that.

use super::Refused;
use crate::document::clip;
use reqwest::{
    Client, RequestBuilder, Response, StatusCode, Url,
    header::HeaderMap,
    redirect::{Attempt, Policy},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use std::{error::Error, net::IpAddr, sync::Arc, time::Duration};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long nothing may come.
const SILENCE: Duration = Duration::from_secs(30);
/// How long an answer may take in all.
const ANSWER: Duration = Duration::from_secs(600);
/// Redirects that are followed.
const MAX_REDIRECTS: usize = 5;
/// What is read of an answer that is none of what was asked for.
const MAX_COMPLAINT: usize = 16 << 10;

/// A client.
#[derive(Clone, Debug)]
pub(super) struct Web(Client);

/// All of an answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// If it is no success, the first of it.
    pub(super) body: Vec<u8>,
}

impl Web {
    pub(super) fn new() -> Result<Self, Refused> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| no_requests(&error))?;
        let tls = builder
            .with_root_certificates(roots())
            .with_no_client_auth();
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(Policy::custom(follow))
            .referer(false)
            .user_agent(concat!("mp/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .timeout(ANSWER);
        client
            .build()
            .map(Self)
            .map_err(|error| no_requests(&error))
    }

    pub(super) fn get(&self, url: Url) -> RequestBuilder {
        self.0.get(url)
    }

    pub(super) fn post(&self, url: Url) -> RequestBuilder {
        self.0.post(url)
    }
}

/// Sends a request, and waits for all of the answer: at most `most` bytes.
pub(super) async fn send(request: RequestBuilder, most: u64) -> Result<Answer, Refused> {
    let mut response = request.send().await.map_err(failed)?;
    let status = response.status();
    let headers = std::mem::take(response.headers_mut());
    let body = match status.is_success() {
        true => whole(response, most).await?,
        false => beginning(response).await?,
    };
    Ok(Answer {
        status,
        headers,
        body,
    })
}

async fn whole(mut response: Response, most: u64) -> Result<Vec<u8>, Refused> {
    let too_large = || Refused {
        what: format!("it is larger than {most} bytes"),
        hint: "no more than that is taken of it".into(),
    };
    if response
        .content_length()
        .is_some_and(|length| length > most)
    {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if (body.len() + chunk.len()) as u64 > most {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

async fn beginning(mut response: Response) -> Result<Vec<u8>, Refused> {
    let mut body = Vec::new();
    while body.len() < MAX_COMPLAINT
        && let Some(chunk) = response.chunk().await.map_err(failed)?
    {
        let left = MAX_COMPLAINT - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(left)]);
    }
    Ok(body)
}

/// What went wrong, down to the cause.
fn failed(error: reqwest::Error) -> Refused {
    let host = error
        .url()
        .and_then(Url::host_str)
        .unwrap_or("it")
        .to_owned();
    let error = error.without_url();
    let mut cause: &dyn Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let (what, hint) = if error.is_redirect() {
        ("sends elsewhere", "ask whoever runs it")
    } else if error.is_timeout() {
        ("takes too long", "try again, or from elsewhere")
    } else if error.is_connect() {
        (
            "cannot be reached",
            "look at the name and at the network; with its digest in the plan, what was fetched before needs none",
        )
    } else {
        ("breaks off", "try again")
    };
    Refused {
        what: clip(&format!("{host} {what}: {cause}")),
        hint: hint.into(),
    }
}

fn no_requests(error: &dyn Error) -> Refused {
    Refused {
        what: format!("no requests can be made: {error}"),
        hint: "name a file in the plan".into(),
    }
}

/// The authorities that this machine trusts, or those of Mozilla if it knows none.
fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // One that cannot be read is one that is not trusted.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

fn follow(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let from = attempt.previous().last();
    if attempt.previous().len() > MAX_REDIRECTS {
        return attempt.error("more than five times");
    }
    match from.is_some_and(|from| may_lead(from, attempt.url())) {
        true => attempt.follow(),
        false => {
            let to = attempt.url().origin().ascii_serialization();
            attempt.error(format!("to {to}, where it must not"))
        }
    }
}

/// Whether somebody at `from` may send us to `to`.
pub(super) fn may_lead(from: &Url, to: &Url) -> bool {
    match to.scheme() {
        "https" => !is_here(to) || is_here(from),
        "http" => from.scheme() == "http" && is_here(from) && is_here(to),
        _ => false,
    }
}

/// Whether it is this machine itself.
pub(super) fn is_here(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    match address {
        Some(address) => address.is_loopback(),
        None => host == "localhost" || host.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_COMPLAINT, Web, is_here, may_lead, send};
    use crate::import::server::{Lie, answer_with, ok, serve};
    use reqwest::Url;

    /// What comes of asking for the root.
    async fn asked(lie: impl Fn(&str) -> Lie + Send + 'static) -> Result<Vec<u8>, String> {
        let address = serve(lie);
        let request = Web::new().unwrap().get(url(&format!("http://{address}/")));
        let answer = send(request, 10).await;
        answer
            .map(|answer| answer.body)
            .map_err(|refused| refused.what)
    }

    /// (P24)
    #[tokio::test]
    async fn no_more_is_taken_than_was_asked_for() {
        assert_eq!(asked(|_| ok("ten bytes.")).await.unwrap(), b"ten bytes.");
        let announced = asked(|_| ok("eleven bytes")).await.unwrap_err();
        assert!(announced.contains("larger than 10 bytes"), "{announced}");
        let endless = |status: &'static str| {
            move |_: &str| Lie {
                answer: format!("HTTP/1.1 {status}\r\nconnection: close\r\n\r\n"),
                forever: Some("more"),
            }
        };
        let large = asked(endless("200 OK")).await.unwrap_err();
        assert!(large.contains("larger than 10 bytes"), "{large}");
        let complaint = asked(endless("500 Oh")).await.unwrap();
        assert_eq!(complaint.len(), MAX_COMPLAINT);
        let short = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_owned();
        let short = asked(move |_| short.clone().into()).await.unwrap_err();
        assert!(short.contains("breaks off"), "{short}");
    }

    /// (P24)
    #[tokio::test]
    async fn redirects_are_followed_five_times() {
        let chain = |least: usize| {
            move |path: &str| {
                let hops = path.matches('a').count();
                match hops == least {
                    true => ok("there"),
                    false => answer_with("307 There", &format!("location: {path}a\r\n"), ""),
                }
            }
        };
        assert_eq!(asked(chain(5)).await.unwrap(), b"there");
        let refused = asked(chain(6)).await.unwrap_err();
        assert!(
            refused.contains("sends elsewhere: more than five times"),
            "{refused}"
        );
        let elsewhere = |_: &str| answer_with("307 There", "location: http://192.0.2.1/\r\n", "");
        let refused = asked(elsewhere).await.unwrap_err();
        assert!(
            refused.contains("to http://192.0.2.1, where it must not"),
            "{refused}"
        );
    }

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    /// (P24)
    #[test]
    fn nobody_is_sent_from_tls_to_plain_or_from_elsewhere_to_this_machine() {
        for (from, to, may) in [
            ("https://a.test", "https://b.test", true),
            ("https://a.test", "http://a.test", false),
            ("https://a.test", "http://127.0.0.1", false),
            ("https://a.test", "https://127.0.0.1", false),
            ("https://a.test", "file:///etc/passwd", false),
            ("http://127.0.0.1:5000", "http://127.0.0.1:80", true),
            ("http://127.0.0.1:5000", "https://a.test", true),
            ("http://127.0.0.1:5000", "http://a.test", false),
            (
                "http://localhost:8080",
                "http://x.ipfs.localhost:8080",
                true,
            ),
            ("http://192.0.2.1", "http://192.0.2.1/other", false),
        ] {
            assert_eq!(may_lead(&url(from), &url(to)), may, "{from} -> {to}");
        }
    }

    #[test]
    fn this_machine_is_known_by_its_names() {
        for (text, here) in [
            ("http://127.0.0.1", true),
            ("http://127.1.2.3", true),
            ("http://[::1]:80", true),
            ("http://localhost", true),
            ("http://localhost.test", false),
            ("http://128.0.0.1", false),
            ("http://[::2]", false),
        ] {
            assert_eq!(is_here(&url(text)), here, "{text}");
        }
    }
}
