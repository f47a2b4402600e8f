//! Whom a function may ask over HTTP.

use serde::{Deserialize, Serialize};
use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// Bytes of a host's name.
const MAX_HOST_BYTES: usize = 253;

/// Hosts that are functions or deals, and never servers: the domain that is reserved for private use.
pub const ZONE: &str = "internal";

/// One server, by scheme, host and port: `https://api.example.com`, `http://203.0.113.7:8080`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin {
    /// Whether it is asked over TLS.
    pub is_secure: bool,
    /// A name in lower case, or an address; of IPv6 without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// The text names no server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no server like \"https://api.example.com\" or \"http://192.0.2.1:8080\"")]
pub struct NotAnOrigin(String);

impl Origin {
    /// The server of a scheme and an authority, `host` or `host:port`.
    #[must_use]
    pub fn new(scheme: &str, authority: &str) -> Option<Self> {
        let (is_secure, usual) = match scheme {
            "https" => (true, 443),
            "http" => (false, 80),
            _ => return None,
        };
        let after_host = authority.rfind(']').map_or(0, |bracket| bracket + 1);
        let (host, port) = match authority.get(after_host..)?.rfind(':') {
            Some(colon) => {
                let (host, port) = authority.split_at(after_host + colon);
                (host, number(&port[1..])?)
            }
            None => (authority, usual),
        };
        let host = host.to_ascii_lowercase();
        let host = match host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            Some(inner) => inner.parse::<Ipv6Addr>().ok()?.to_string(),
            None => name(host)?,
        };
        Some(Self {
            is_secure,
            host,
            port,
        })
    }

    /// What a deal is called, `<deal>.<owner>`, if this is one: functions have names without a dot.
    #[must_use]
    pub fn deal(&self) -> Option<&str> {
        let is_http = !self.is_secure && self.port == 80;
        inside(&self.host).filter(|name| is_http && name.contains('.'))
    }
}

/// What a host is called below the domain of functions and deals; None for servers.
#[must_use]
pub fn inside(host: &str) -> Option<&str> {
    host.strip_suffix(ZONE)?.strip_suffix('.')
}

/// A port in its one spelling, not 0.
fn number(port: &str) -> Option<u16> {
    let number: u16 = port.parse().ok()?;
    (number > 0 && number.to_string() == port).then_some(number)
}

/// A name or an IPv4 address. What some resolvers take for an address, like `0x7f.1`, is neither.
fn name(host: String) -> Option<String> {
    let is_short = (1..=MAX_HOST_BYTES).contains(&host.len());
    let is_label = |label: &str| {
        let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(is_inner)
    };
    if !is_short || !host.split('.').all(is_label) {
        return None;
    }
    let last = host.rsplit('.').next()?;
    let is_number = last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit());
    (!is_number || host.parse::<Ipv4Addr>().is_ok()).then_some(host)
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            is_secure,
            host,
            port,
        } = self;
        let scheme = if *is_secure { "https" } else { "http" };
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}")
        } else {
            write!(f, "{scheme}://{host}:{port}")
        }
    }
}

impl FromStr for Origin {
    type Err = NotAnOrigin;

    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        let origin = text
            .split_once("://")
            .and_then(|(scheme, rest)| Self::new(scheme, rest.strip_suffix('/').unwrap_or(rest)));
        origin.ok_or_else(|| NotAnOrigin(text.chars().take(MAX_HOST_BYTES).collect()))
    }
}

impl TryFrom<String> for Origin {
    type Error = NotAnOrigin;

    fn try_from(text: String) -> Result<Self, NotAnOrigin> {
        text.parse()
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::Origin;

    #[test]
    fn a_server_has_one_spelling() {
        for (text, written) in [
            ("https://api.example.com", "https://api.example.com:443"),
            ("http://API.Example.com/", "http://api.example.com:80"),
            ("http://a_b.example:8080", "http://a_b.example:8080"),
            ("http://203.0.113.7", "http://203.0.113.7:80"),
            ("https://[2001:DB8:0::1]", "https://[2001:db8::1]:443"),
            ("https://[2001:db8::1]:1", "https://[2001:db8::1]:1"),
        ] {
            let origin: Origin = text.parse().expect("a server");
            assert_eq!(origin.to_string(), written);
            assert_eq!(written.parse(), Ok(origin));
        }
    }

    /// (W29)
    #[test]
    fn a_deal_is_asked_at_the_usual_port_in_plain() {
        for (text, name) in [
            ("http://7.0xAb.internal", Some("7.0xab")),
            ("http://a.b.internal:80/", Some("a.b")),
            ("http://words.internal", None),
            ("http://7.0xab.internal:81", None),
            ("https://7.0xab.internal", None),
            ("https://7.0xab.internal:80", None),
            ("http://7.0xab.internal.example", None),
            ("http://7.0xab.xinternal", None),
        ] {
            let origin: Origin = text.parse().expect("a server");
            assert_eq!(origin.deal(), name, "{text}");
        }
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for text in [
            "",
            "example.com",
            "ftp://example.com",
            "HTTPS://example.com",
            "https://",
            "https://user@example.com",
            "https://example.com/path",
            "https://example.com?query",
            "https://example.com:",
            "https://example.com:0",
            "https://example.com:080",
            "https://example.com:65536",
            "https://example..com",
            "https://example.com.",
            "https://*.example.com",
            "https://ex ample.com",
            "https://exämple.com",
            "http://127.1",
            "http://2130706433",
            "http://0x7f000001",
            "http://127.0.0.0x1",
            "http://[::1",
            "http://[127.0.0.1]",
            "http://[fe80::1%25eth0]",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }
}
