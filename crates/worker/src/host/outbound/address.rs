//! Which addresses a function may reach.

use crate::{config::Outbound, settings::Origin};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use tokio::task::spawn_blocking;
use wasmtime_wasi_http::Error;

/// Addresses of one server that are tried.
const TRIED: usize = 4;

/// IPv4 that is not the public network: address and length of each prefix.
/// Source: IANA IPv4 Special-Purpose Address Registry; multicast (RFC 5771) and reserved (RFC 1112).
const NOT_PUBLIC_4: [([u8; 4], u32); 15] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

/// Where public IPv6 lies. Loopback, addresses that hold an IPv4 address (mapped, compatible, NAT64), private, link-local
/// and multicast ones are all outside.
const PUBLIC_6: ([u16; 2], u32) = ([0x2000, 0], 3);

/// What is not public within. Source: IANA IPv6 Special-Purpose Address Registry: protocol assignments with Teredo,
/// documentation, 6to4, documentation.
const NOT_PUBLIC_6: [([u16; 2], u32); 4] = [
    ([0x2001, 0], 23),
    ([0x2001, 0xdb8], 32),
    ([0x2002, 0], 16),
    ([0x3fff, 0], 20),
];

/// The addresses at which a server may be reached. Who connects to exactly these, and asks no resolver again, reaches
/// nothing else. The place is taken until the system has answered, also when nobody waits for that any more.
pub(super) async fn resolve<P: Send + 'static>(
    origin: &Origin,
    rule: Outbound,
    place: P,
) -> Result<(Vec<SocketAddr>, P), Error> {
    let name = (origin.host.clone(), origin.port);
    let asking = spawn_blocking(move || (name.to_socket_addrs(), place));
    let unknown = || Error::DnsError {
        rcode: None,
        info_code: None,
    };
    let (found, place) = asking.await.map_err(|_| unknown())?;
    let addresses = judge(found.map_err(|_| unknown())?, rule)?;
    Ok((addresses, place))
}

/// Those of some addresses that a function may reach.
fn judge(
    found: impl Iterator<Item = SocketAddr>,
    rule: Outbound,
) -> Result<Vec<SocketAddr>, Error> {
    let mut is_found = false;
    let may = |address: &SocketAddr| {
        is_found = true;
        allows(rule, address.ip())
    };
    let allowed: Vec<_> = found.filter(may).take(TRIED).collect();
    match (allowed.is_empty(), is_found) {
        (false, _) => Ok(allowed),
        (true, true) => Err(Error::DestinationIpProhibited),
        (true, false) => Err(Error::DestinationNotFound),
    }
}

fn allows(rule: Outbound, ip: IpAddr) -> bool {
    match rule {
        Outbound::None => false,
        Outbound::Public => is_public(ip) && !is_own(ip),
        Outbound::Any => true,
    }
}

/// Whether an address belongs to the public network.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !NOT_PUBLIC_4
            .iter()
            .any(|(prefix, length)| same(ip.to_bits(), Ipv4Addr::from(*prefix).to_bits(), *length)),
        IpAddr::V6(ip) => {
            let within = |([high, low], length): ([u16; 2], u32)| {
                let prefix = u32::from(high) << 16 | u32::from(low);
                same(start(ip), prefix, length)
            };
            within(PUBLIC_6) && !NOT_PUBLIC_6.into_iter().any(within)
        }
    }
}

/// The first 32 bits: no prefix here is longer.
fn start(ip: Ipv6Addr) -> u32 {
    let [high, low, ..] = ip.segments();
    u32::from(high) << 16 | u32::from(low)
}

fn same(address: u32, prefix: u32, length: u32) -> bool {
    (address ^ prefix) >> (32 - length) == 0
}

/// Whether this machine itself has the address: only then can a socket have it.
fn is_own(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{allows, is_own, is_public, judge, resolve};
    use crate::config::Outbound;
    use wasmtime_wasi_http::Error;

    /// (W7)
    #[test]
    fn only_the_public_network_is_public() {
        for text in [
            "0.0.0.0",
            "0.255.255.255",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.170",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:1ff::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(text.parse().expect("an address")), "{text}");
        }
        for text in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2000::1",
            "2001:200::1",
            "2606:4700::1111",
            "3fff:1000::1",
        ] {
            assert!(is_public(text.parse().expect("an address")), "{text}");
        }
    }

    /// (W7)
    #[test]
    fn an_address_of_this_machine_is_its_own_whatever_it_is() {
        assert!(is_own([127, 0, 0, 1].into()));
        assert!(!is_own([1, 1, 1, 1].into()));
        assert!(allows(Outbound::Public, [1, 1, 1, 1].into()));
        assert!(!allows(Outbound::None, [1, 1, 1, 1].into()));
    }

    /// (W7)
    #[tokio::test]
    async fn a_name_is_as_good_as_its_addresses() {
        let resolve = async |text: &str, rule| {
            let origin = text.parse().expect("a server");
            resolve(&origin, rule, ()).await.map(|(found, ())| found)
        };
        let any = resolve("http://localhost:80", Outbound::Any)
            .await
            .expect("found");
        assert!(
            any.iter()
                .all(|address| address.ip().is_loopback() && address.port() == 80)
        );
        for text in [
            "http://localhost",
            "http://127.0.0.1",
            "http://[::1]:1",
            "http://10.0.0.1",
        ] {
            let refused = resolve(text, Outbound::Public).await;
            assert!(
                matches!(refused, Err(Error::DestinationIpProhibited)),
                "{text}"
            );
        }
        let public = resolve("http://1.1.1.1:8080", Outbound::Public).await;
        assert_eq!(public.expect("found"), [([1, 1, 1, 1], 8080).into()]);
    }

    /// (W22)
    #[test]
    fn of_a_names_addresses_only_those_that_may_be_reached_are_left() {
        let found = [
            "127.0.0.1:80",
            "1.1.1.1:80",
            "10.0.0.1:80",
            "[::1]:80",
            "8.8.8.8:80",
        ];
        let found = found.map(|text| text.parse().expect("an address"));
        let left = judge(found.into_iter(), Outbound::Public).expect("some");
        assert_eq!(left, [([1, 1, 1, 1], 80).into(), ([8, 8, 8, 8], 80).into()]);
        let none = judge(std::iter::empty(), Outbound::Public);
        assert!(matches!(none, Err(Error::DestinationNotFound)));
    }
}
