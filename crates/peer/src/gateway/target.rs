//! What the host and the path of a request say. (G1)

use super::proxy::Gateway;
use crate::overlay::Dial;
use hyper::{
    Uri, header,
    http::{
        request,
        uri::{Authority, PathAndQuery},
    },
};
use marketplace::units::{Address, DealId};
use std::sync::atomic::Ordering;

impl<D: Dial> Gateway<D> {
    /// The deal that a request is for, and what its worker is asked. (G1)
    pub(super) async fn target(&self, head: &request::Parts) -> Option<(DealId, Uri)> {
        let host = host(head);
        match (self.named(host).await, below(host, &self.names.domain)) {
            (Some(deal), _) => Some((deal, whole(head)?)),
            (None, None | Some("")) => by_path(head),
            // Whoever asks below the domain says which deal.
            (None, Some(_)) => None,
        }
    }

    /// The deal that a host names, whether it is served or not.
    async fn named(&self, host: &str) -> Option<DealId> {
        let Some(labels) = below(host, &self.names.domain) else {
            let chain = self.chain.load(Ordering::Relaxed);
            return self.names.domains.deal(host, chain).await;
        };
        let (deal, owner) = by_labels(labels)?;
        let is_owners = |owner| self.balancer().owner(deal) == Some(owner);
        owner.is_none_or(is_owners).then_some(deal)
    }

    /// The deal that is served at a host.
    #[cfg(feature = "acme")]
    pub(super) async fn served_at(&self, host: &str) -> Option<DealId> {
        let deal = self.named(host).await?;
        self.balancer().owner(deal).map(|_| deal)
    }
}

/// The host that a client wants, without the port: of HTTP/2 as it says, of HTTP/1 in a header.
pub(super) fn host(head: &request::Parts) -> &str {
    let named = head.uri.authority().map(Authority::as_str);
    let header = || head.headers.get(header::HOST)?.to_str().ok();
    let host = named.or_else(header).unwrap_or_default();
    let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
    if is_port { name } else { host }
}

/// All of the path, for a deal that the host names.
fn whole(head: &request::Parts) -> Option<Uri> {
    path(head).parse().ok()
}

/// The deal that the first part of the path names, and what is left of it.
fn by_path(head: &request::Parts) -> Option<(DealId, Uri)> {
    let rest = path(head).strip_prefix('/')?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let deal = number(&rest[..end])?;
    let rest = &rest[end..];
    let slash = if rest.starts_with('/') { "" } else { "/" };
    Some((deal, format!("{slash}{rest}").parse().ok()?))
}

fn path(head: &request::Parts) -> &str {
    head.uri.path_and_query().map_or("/", PathAndQuery::as_str)
}

/// The part of a host that stands before the gateway's domain; empty if it is the domain itself.
pub(super) fn below<'h>(host: &'h str, domain: &str) -> Option<&'h str> {
    let cut = host.len().checked_sub(domain.len())?;
    let (labels, rest) = host.split_at_checked(cut)?;
    if !rest.eq_ignore_ascii_case(domain) {
        return None;
    }
    match labels {
        "" => Some(""),
        _ => labels.strip_suffix('.'),
    }
}

/// `<deal>`, or `<deal>.<owner>`: such a name is served only as long as the deal is this owner's.
pub(super) fn by_labels(labels: &str) -> Option<(DealId, Option<Address>)> {
    match labels.split_once('.') {
        None => Some((number(labels)?, None)),
        Some((deal, owner)) => Some((number(deal)?, Some(account(owner)?))),
    }
}

/// One spelling for each deal.
pub(super) fn number(text: &str) -> Option<DealId> {
    let deal = text.parse().ok()?;
    (u64::to_string(&deal) == text).then_some(DealId(deal))
}

/// `0x` and 40 hexadecimal digits.
fn account(label: &str) -> Option<Address> {
    let (start, digits) = label.split_at_checked(2)?;
    if !start.eq_ignore_ascii_case("0x") || digits.len() != 40 {
        return None;
    }
    let mut account = Address::default();
    for (byte, pair) in account.0.iter_mut().zip(digits.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        let is_hex = pair.bytes().all(|digit| digit.is_ascii_hexdigit());
        *byte = u8::from_str_radix(is_hex.then_some(pair)?, 16).ok()?;
    }
    Some(account)
}

#[cfg(test)]
mod tests {
    use super::{below, by_labels, host};
    use hyper::Request;
    use marketplace::units::{Address, DealId};

    /// (G1)
    #[test]
    fn a_host_is_read_without_its_port() {
        for (said, name) in [
            ("7.example.test", "7.example.test"),
            ("7.example.test:8080", "7.example.test"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("", ""),
            (":", ""),
        ] {
            let request = Request::get("/").header("host", said).body(());
            let (head, ()) = request.expect("a request").into_parts();
            assert_eq!(host(&head), name, "{said}");
        }
        let request = Request::get("http://a.test:1/").header("host", "b.test");
        let (head, ()) = request.body(()).expect("a request").into_parts();
        assert_eq!(host(&head), "a.test", "what is asked for says more");
    }

    /// (G1)
    #[test]
    fn labels_stand_before_the_domain() {
        for (host, labels) in [
            ("7.example.test", Some("7")),
            ("7.a.Example.Test", Some("7.a")),
            ("example.test", Some("")),
            ("7example.test", None),
            ("7.another.test", None),
            ("test", None),
            ("é.test", None),
        ] {
            assert_eq!(below(host, "example.test"), labels, "{host}");
        }
    }

    /// (G1)
    #[test]
    fn an_owner_stands_in_a_label_of_its_own() {
        let owner = Address([0xab; 20]);
        assert_eq!(by_labels("7"), Some((DealId(7), None)));
        let named = by_labels(&format!("7.{owner}"));
        assert_eq!(named, Some((DealId(7), Some(owner))));
        let upper = format!("7.{owner}").to_uppercase();
        assert_eq!(by_labels(&upper), named);
        let digits = "ab".repeat(20);
        for wrong in [
            String::new(),
            "07".into(),
            "7.".into(),
            format!("7.{digits}"),
            format!("7.0x{digits}0"),
            format!("7.0x{digits}.a"),
            format!("7.0x+b{}", "ab".repeat(19)),
            format!("7.0xé{}", "ab".repeat(19)),
        ] {
            assert_eq!(by_labels(&wrong), None, "{wrong}");
        }
    }
}
