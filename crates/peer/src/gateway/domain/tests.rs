//! A DNS server of the test's own, on loopback.

#[path = "../../../../../tests/dns.rs"]
mod dns;

use super::{Dns, Domain, Domains, NoDomain, REMEMBERED, may_be_proven, proof, registered};
use marketplace::units::DealId;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::net::UdpSocket;

const CHAIN: u64 = 1337;

/// Says to every question for TXT what `record` gives for the name, and counts the questions.
async fn server(record: fn(&str) -> Option<&'static str>) -> (SocketAddr, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let address = socket.local_addr().expect("an address");
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    tokio::spawn(async move {
        let mut question = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut question).await {
            count.fetch_add(1, Ordering::SeqCst);
            let answer = dns::answer(&question[..length], |name, kind| {
                record(name).filter(|_| kind == dns::TEXT).map(dns::text)
            });
            socket.send_to(&answer, from).await.expect("sent");
        }
    });
    (address, asked)
}

fn domains(address: SocketAddr) -> Domains {
    let listed = [("Listed.Test".to_owned(), 5)].into();
    Domains::new(&listed, Some(Dns::Server(address)))
}

/// (G14)
#[tokio::test]
async fn a_domain_is_a_deals_by_its_record() {
    let (address, asked) = server(|name| match name {
        "_marketplace.api.example.com" => Some("1337/7"),
        "_marketplace.other.example.com" => Some("1338/7"),
        "_marketplace.odd.example.com" => Some("v=spf1 -all"),
        _ => None,
    })
    .await;
    let domains = domains(address);
    for (host, deal) in [
        ("api.example.com", Some(DealId(7))),
        ("API.example.com.", Some(DealId(7))),
        ("other.example.com", None),
        ("odd.example.com", None),
        ("none.example.com", None),
        ("listed.test", Some(DealId(5))),
    ] {
        assert_eq!(domains.deal(host, CHAIN).await, deal, "{host}");
    }
    let before = asked.load(Ordering::SeqCst);
    for host in [
        "api.example.com",
        "none.example.com",
        "127.0.0.1",
        "localhost",
    ] {
        domains.deal(host, CHAIN).await;
    }
    assert_eq!(asked.load(Ordering::SeqCst), before, "it is remembered");
}

/// (G14)
#[tokio::test]
async fn nobody_is_asked_who_is_not_configured() {
    let domains = Domains::new(&[].into(), None);
    assert_eq!(domains.deal("api.example.com", CHAIN).await, None);
}

/// (G14)
#[test]
fn no_more_is_remembered_than_there_is_room_for() {
    let domains = Domains::new(&[].into(), None);
    domains.remember("a.test".into(), Some(DealId(1)));
    for number in 0..2 * REMEMBERED {
        domains.remember(format!("{number}.test"), None);
    }
    assert!(domains.found().len() <= REMEMBERED);
    assert_eq!(domains.known("a.test"), Some(Some(DealId(1))));
}

/// (G14)
#[test]
fn who_proves_many_domains_crowds_out_nobody() {
    let domains = Domains::new(&[].into(), None);
    domains.remember("a.test".into(), Some(DealId(1)));
    for number in 0..2 * REMEMBERED {
        domains.remember(format!("{number}.evil.test"), Some(DealId(2)));
    }
    domains.remember("b.test".into(), Some(DealId(3)));
    assert!(domains.found().len() <= REMEMBERED);
    assert_eq!(domains.known("a.test"), Some(Some(DealId(1))));
    assert_eq!(domains.known("b.test"), Some(Some(DealId(3))));
}

#[test]
fn a_registered_domain_is_the_end_of_a_name() {
    for (name, end) in [
        ("example.com", "example.com"),
        ("a.b.example.com", "example.com"),
        ("a.example.co.uk", "example.co.uk"),
        ("example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk"),
        ("a.b1.de", "b1.de"),
        ("a.com.example", "com.example"),
        ("localhost", "localhost"),
        ("", ""),
    ] {
        assert_eq!(registered(name), end, "{name}");
    }
}

#[test]
fn a_proof_names_chain_and_deal_in_one_spelling() {
    assert_eq!(proof(" 1337/7 ", CHAIN), Some(DealId(7)));
    for wrong in [
        "1337/07", "1337/", "/7", "7", "1338/7", "1337/7/8", "1337/7 x",
    ] {
        assert_eq!(proof(wrong, CHAIN), None, "{wrong}");
    }
}

#[test]
fn only_names_that_could_be_in_dns_are_asked_about() {
    assert!(may_be_proven("api.example.com") && may_be_proven("a-1.b"));
    let long = format!("{}.test", "a".repeat(64));
    let longer = format!("{}test", "a.".repeat(130));
    for wrong in [
        "",
        "localhost",
        "1.2.3.4",
        "[::1]",
        "a..b",
        "a_b.c",
        "a b.c",
        &long,
        &longer,
    ] {
        assert!(!may_be_proven(wrong), "{wrong}");
    }
}

#[test]
fn a_configuration_names_a_server_or_the_system() {
    #[derive(serde::Deserialize)]
    struct Config {
        dns: Dns,
    }
    let read = |text| toml::from_str::<Config>(text).map(|config| config.dns);
    assert_eq!(read("dns = \"system\""), Ok(Dns::System));
    let server = "127.0.0.1:53".parse().expect("an address");
    assert_eq!(read("dns = \"127.0.0.1:53\""), Ok(Dns::Server(server)));
    assert!(read("dns = \"elsewhere\"").is_err());
}

/// (G14)
#[tokio::test]
async fn who_has_a_domain_is_told_what_to_say_and_hears_what_is_said() {
    let (address, _) = server(|name| match name {
        "_marketplace.api.example.com" => Some("1337/7"),
        _ => None,
    })
    .await;
    let domain: Domain = "API.example.com.".parse().expect("a domain");
    assert_eq!(domain.to_string(), "api.example.com");
    assert_eq!(domain.record(), "_marketplace.api.example.com");
    assert_eq!(
        proof(&Domain::proof(CHAIN, DealId(7)), CHAIN),
        Some(DealId(7))
    );
    let dns = Dns::Server(address);
    assert_eq!(domain.look_up(dns).await, Ok(vec!["1337/7".to_owned()]));
    let other: Domain = "other.example.com".parse().expect("a domain");
    assert!(other.look_up(dns).await.is_err());
    assert_eq!("localhost".parse::<Domain>(), Err(NoDomain));
}
