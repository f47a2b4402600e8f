//! Headers as each side may see them. (G5)

use super::door::Client;
use hyper::{
    HeaderMap,
    header::{self, HeaderName, HeaderValue},
};

/// Says which worker answered.
pub(super) const WORKER: HeaderName = HeaderName::from_static("mp-worker");
/// A worker's word that the function has not seen the request.
pub(super) const NOT_STARTED: HeaderName = HeaderName::from_static("mp-not-started");
/// A client's word that a request that is sent twice does what it does once.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Who asks, as far as the gateway knows.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// How they asked.
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// About one connection, not about the request.
const HOP_BY_HOP: [HeaderName; 10] = [
    header::CONNECTION,
    header::EXPECT,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Headers as a worker may see them: without those that only this gateway may speak through.
pub(super) fn clean(headers: &mut HeaderMap, client: &Client) {
    strip(headers);
    let is_claim = |name: &HeaderName| name.as_str().starts_with("x-forwarded-");
    let claims: Vec<_> = headers
        .keys()
        .filter(|name| is_claim(name))
        .cloned()
        .collect();
    for name in claims.into_iter().chain([header::FORWARDED]) {
        headers.remove(name);
    }
    if let Some(address) = client.address {
        if let Ok(address) = HeaderValue::from_str(&address.to_string()) {
            headers.insert(FORWARDED_FOR, address);
        }
        let scheme = if client.is_secure { "https" } else { "http" };
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme));
    }
    join_cookies(headers);
}

/// HTTP/2 may send one cookie a line, HTTP/1.1 has one line for all.
fn join_cookies(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(header::COOKIE).iter();
    if lines.by_ref().take(2).count() < 2 {
        return;
    }
    let lines: Vec<_> = headers.get_all(header::COOKIE).iter().collect();
    let lines: Vec<_> = lines.iter().map(|line| line.as_bytes()).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
    }
}

/// Removes what is about one connection, and what workers and gateways tell each other.
pub(super) fn strip(headers: &mut HeaderMap) {
    let listed = headers.get_all(header::CONNECTION).into_iter();
    let listed = listed.filter_map(|value| value.to_str().ok());
    let listed = listed.flat_map(|value| value.split(','));
    let mut names: Vec<HeaderName> = listed.filter_map(|name| name.trim().parse().ok()).collect();
    names.retain(|name| *name != header::HOST && *name != header::CONTENT_LENGTH);
    let ours = headers
        .keys()
        .filter(|name| name.as_str().starts_with("mp-"));
    names.extend(ours.cloned());
    for name in names.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}
