//! `mp deploy domain`: a domain of a deal's own, as gateways serve it. (P17 of `docs/spec/plan.md`; G14 of
//! `docs/spec/peer.md`)

use crate::chain::Chain;
use crate::document::clip;
use crate::http::{self, Message};
use crate::printer::Printer;
use anyhow::Context as _;
use clap::Args;
use client::marketplace::units::DealId;
use hyper::{
    Method, Uri,
    header::{HOST, HeaderMap, HeaderValue},
};
use peer::gateway::{Dns, Domain};
use serde::Serialize;
use std::net::{IpAddr, SocketAddr};

/// Texts of one record that are shown to people.
const MAX_SHOWN: usize = 5;

/// Which domain, and whose.
#[derive(Debug, Args)]
pub(crate) struct Attach {
    /// The deal.
    deal: u64,
    /// The domain, such as api.example.com.
    domain: Domain,
    /// Ask DNS and the gateway whether it is so already. The gateway is asked by a HEAD request, which the function gets.
    #[arg(long)]
    check: bool,
    /// The gateway, at the address that clients reach it by.
    #[arg(long, value_name = "URL", env = "MP_GATEWAY", default_value = super::GATEWAY)]
    gateway: String,
    /// The DNS server that is asked; if not given, those whom this machine asks.
    #[arg(long, value_name = "IP:PORT")]
    dns: Option<SocketAddr>,
}

/// What DNS is to say, and what it says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    deal: u64,
    domain: String,
    records: [Record; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<Check>,
}

/// A record that is to be set.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Record {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    value: String,
}

/// How far it is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    /// What DNS has in the place of the proof.
    proofs: Vec<String>,
    /// Why there is nothing.
    dns_error: Option<String>,
    /// The gateway's status, and which worker answered: `<deal>/<worker>`.
    status: u16,
    worker: Option<String>,
}

pub(super) async fn run(chain: &Chain, printer: &Printer, attach: &Attach) -> anyhow::Result<()> {
    let client = chain.client()?;
    let deal = DealId(client.deal(DealId(attach.deal)).await?.id);
    let proof = Domain::proof(client.chain_id().await?, deal);
    let host = host(&attach.gateway)?;
    let mut shown = Shown {
        deal: deal.0,
        domain: attach.domain.to_string(),
        records: records(&attach.domain, &host, &proof),
        check: None,
    };
    if attach.check {
        shown.check = Some(Check::ask(attach).await?);
    } else {
        printer.note(&advice(&host));
    }
    printer.result(&shown, &shown.text(&proof));
    match &shown.check {
        Some(check) => check.succeeds(deal, &proof),
        None => Ok(()),
    }
}

/// The gateway's own host.
fn host(gateway: &str) -> anyhow::Result<String> {
    let uri: Option<Uri> = gateway.parse().ok();
    let host = uri.as_ref().and_then(Uri::host);
    let host = host.with_context(|| {
        format!("{gateway:?} is no address\nhint: write http://host:port with --gateway")
    })?;
    Ok(host.trim_matches(['[', ']']).to_owned())
}

/// Where clients find the gateway, and whose the domain is.
fn records(domain: &Domain, host: &str, proof: &str) -> [Record; 2] {
    let (kind, value) = match host.parse() {
        Ok(IpAddr::V4(address)) => ("A", address.to_string()),
        Ok(IpAddr::V6(address)) => ("AAAA", address.to_string()),
        Err(_) => ("CNAME", format!("{}.", host.trim_end_matches('.'))),
    };
    let name = format!("{domain}.");
    let proof = Record {
        name: format!("{}.", domain.record()),
        kind: "TXT",
        value: format!("\"{proof}\""),
    };
    [Record { name, kind, value }, proof]
}

fn advice(host: &str) -> String {
    let is_here = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    if is_here {
        return "note: only this machine reaches that gateway\nhint: name one that clients reach, with --gateway"
            .to_owned();
    }
    "hint: at the top of a zone no CNAME may stand: write the gateway's addresses there, as A and AAAA; \
     `--check` tells when the gateway serves it"
        .to_owned()
}

impl Check {
    async fn ask(attach: &Attach) -> anyhow::Result<Self> {
        let dns = attach.dns.map_or(Dns::System, Dns::Server);
        let (proofs, dns_error) = match attach.domain.look_up(dns).await {
            Ok(proofs) => (proofs, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let named = HeaderValue::from_str(&attach.domain.to_string())?;
        let message = Message {
            method: Method::HEAD,
            headers: HeaderMap::from_iter([(HOST, named)]),
            ..Message::default()
        };
        let answer = http::request(&attach.gateway, message).await;
        let answer = answer.context(
            "the gateway cannot be asked\nhint: name another with --gateway or MP_GATEWAY",
        )?;
        Ok(Self {
            proofs,
            dns_error,
            status: answer.status,
            worker: answer.worker,
        })
    }

    /// Whether the gateway brings requests for the domain to the deal.
    fn succeeds(&self, deal: DealId, proof: &str) -> anyhow::Result<()> {
        let is_proven = self.proofs.iter().any(|found| found.trim() == proof);
        let served = self.worker.as_deref().and_then(|name| name.split_once('/'));
        match (served, self.status) {
            (Some((served, _)), _) if served == deal.to_string() => Ok(()),
            (Some((other, _)), _) => anyhow::bail!(
                "the gateway serves deal {other} there\nhint: it remembers what DNS said for five minutes; or its list of [domains] says so"
            ),
            (None, 503) => anyhow::bail!(
                "nobody can serve it now\nhint: does a worker run? see `mp deploy status {deal}`"
            ),
            (None, _) if is_proven => anyhow::bail!(
                "the domain is proven, and the gateway does not serve it yet\nhint: it asks again within half a minute, if its configuration says `dns`; see docs/guides/gateway.md"
            ),
            (None, _) => anyhow::bail!(
                "the domain is not proven\nhint: set the TXT record, and ask again: DNS takes its time"
            ),
        }
    }
}

impl Shown {
    fn text(&self, proof: &str) -> String {
        let mut text = String::new();
        for record in &self.records {
            let Record { name, kind, value } = record;
            text += &format!("{name}  {kind}  {value}\n");
        }
        let Some(check) = &self.check else {
            return text;
        };
        let found = match (&check.dns_error, check.proofs.as_slice()) {
            (Some(error), _) => error.clone(),
            (None, proofs) if proofs.iter().any(|found| found.trim() == proof) => "proven".into(),
            (None, proofs) => {
                let shown = proofs.iter().take(MAX_SHOWN);
                format!(
                    "it says {}",
                    shown
                        .map(|proof| clip(proof))
                        .collect::<Vec<_>>()
                        .join("; ")
                )
            }
        };
        let worker = check.worker.as_ref();
        let served = worker.map_or_else(
            || format!("HTTP {}", check.status),
            |worker| format!("served by worker {worker}"),
        );
        text + &format!("dns      {found}\ngateway  {served}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::{Check, host, records};
    use client::marketplace::units::DealId;

    /// (P17)
    #[test]
    fn the_records_say_where_the_gateway_is_and_whose_the_domain_is() {
        let domain = "api.example.org".parse().unwrap();
        let said = |gateway: &str| {
            let records = records(&domain, &host(gateway).unwrap(), "1337/7");
            records.map(|record| format!("{} {} {}", record.name, record.kind, record.value))
        };
        let proof = "_marketplace.api.example.org. TXT \"1337/7\"";
        for (gateway, record) in [
            (
                "http://fn.example.com",
                "api.example.org. CNAME fn.example.com.",
            ),
            ("http://192.0.2.1:8080/", "api.example.org. A 192.0.2.1"),
            (
                "http://[2001:db8::1]:80",
                "api.example.org. AAAA 2001:db8::1",
            ),
        ] {
            assert_eq!(said(gateway), [record, proof]);
        }
        assert!(host("nowhere at all").is_err());
    }

    /// (P17)
    #[test]
    fn each_way_that_it_is_not_served_yet_has_its_hint() {
        let said = |proofs: &[&str], status, worker: Option<&str>| {
            let check = Check {
                proofs: proofs.iter().map(|proof| (*proof).to_owned()).collect(),
                dns_error: None,
                status,
                worker: worker.map(str::to_owned),
            };
            let done = check.succeeds(DealId(7), "1337/7");
            done.map_err(|error| error.to_string().replace("\nhint: ", ": "))
        };
        assert_eq!(said(&[], 200, Some("7/12")), Ok(()));
        assert_eq!(said(&["1337/7"], 500, Some("7/12")), Ok(()));
        for (proofs, status, worker, part) in [
            (&[][..], 404, None, "not proven"),
            (&["1337/8"], 404, None, "not proven"),
            (&["1337/7"], 404, None, "within half a minute"),
            (&["1337/7"], 503, None, "mp deploy status 7"),
            (&["1337/7"], 200, Some("77/1"), "serves deal 77"),
        ] {
            let error = said(proofs, status, worker).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
