//! Which deal a request is for, and what its worker is asked. (G1)

use hyper::{
    Uri, header,
    http::{request, uri::PathAndQuery},
};
use marketplace::units::DealId;

/// The deal that a request is for, and what its worker is asked.
pub(super) fn target(head: &request::Parts, domain: &str) -> Option<(DealId, Uri)> {
    let host = host(head);
    let path = head.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    if let Some(deal) = deal_of(host, domain) {
        return Some((deal, path.parse().ok()?));
    }
    let rest = path.strip_prefix('/')?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let deal = number(&rest[..end])?;
    let rest = &rest[end..];
    let slash = if rest.starts_with('/') { "" } else { "/" };
    Some((deal, format!("{slash}{rest}").parse().ok()?))
}

/// The host that a client wants, without the port: of HTTP/2 as it says, of HTTP/1 in a header.
pub(super) fn host(head: &request::Parts) -> &str {
    let named = head
        .uri
        .authority()
        .map(hyper::http::uri::Authority::as_str);
    let header = || head.headers.get(header::HOST)?.to_str().ok();
    let host = named.or_else(header).unwrap_or_default();
    host.split_once(':').map_or(host, |(name, _)| name)
}

fn deal_of(host: &str, domain: &str) -> Option<DealId> {
    let (label, rest) = host.split_once('.')?;
    if rest.eq_ignore_ascii_case(domain) {
        number(label)
    } else {
        None
    }
}

/// One spelling for each deal.
fn number(text: &str) -> Option<DealId> {
    let deal = text.parse().ok()?;
    (u64::to_string(&deal) == text).then_some(DealId(deal))
}
