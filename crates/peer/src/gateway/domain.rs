//! Domains of deals that are not below the gateway's own: listed in its configuration, or proven by DNS. (G14)
//!
//! Whoever has `api.example.com` publishes `_marketplace.api.example.com TXT "<chain id>/<deal>"`. What was found, and that
//! nothing was, is remembered for a while, so that nobody can make a gateway ask for every request.

use super::target::number;
use iroh::dns::{DnsResolver, NameserverConfig};
use marketplace::units::DealId;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// What the name of the record begins with.
const PREFIX: &str = "_marketplace";
/// A proof is looked at again after so long.
const PROVEN: Duration = Duration::from_secs(300);
/// A domain without a proof is asked about again after so long.
const UNPROVEN: Duration = Duration::from_secs(30);
/// Time for DNS to answer.
const ANSWER: Duration = Duration::from_secs(2);
/// Questions at once; who comes then is told that the domain is nobody's.
const QUESTIONS: usize = 32;
/// Domains that are remembered.
const REMEMBERED: usize = 10_000;
/// Characters of a domain.
const LENGTH: usize = 253;

/// Whom to ask about domains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dns {
    /// Those whom this machine asks.
    System,
    /// This server.
    #[serde(untagged)]
    Server(SocketAddr),
}

/// What a gateway knows of domains.
pub(super) struct Domains {
    listed: BTreeMap<String, DealId>,
    resolver: Option<DnsResolver>,
    found: Mutex<BTreeMap<String, Found>>,
    questions: Semaphore,
}

struct Found {
    deal: Option<DealId>,
    until: Instant,
}

impl Domains {
    pub(super) fn new(listed: &BTreeMap<String, u64>, dns: Option<Dns>) -> Self {
        let listed = listed.iter();
        let listed = listed.map(|(name, deal)| (name.to_ascii_lowercase(), DealId(*deal)));
        Self {
            listed: listed.collect(),
            resolver: dns.map(resolver),
            found: Mutex::default(),
            questions: Semaphore::new(QUESTIONS),
        }
    }

    /// The deal of this chain that a domain belongs to.
    pub(super) async fn deal(&self, host: &str, chain: u64) -> Option<DealId> {
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        if let Some(deal) = self.listed.get(&name) {
            return Some(*deal);
        }
        let resolver = self.resolver.as_ref().filter(|_| may_be_proven(&name))?;
        if let Some(found) = self.known(&name) {
            return found;
        }
        let _question = self.questions.try_acquire().ok()?;
        let deal = ask(resolver, &name, chain).await;
        self.remember(name, deal);
        deal
    }

    fn found(&self) -> MutexGuard<'_, BTreeMap<String, Found>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, name: &str) -> Option<Option<DealId>> {
        let found = self.found();
        let found = found.get(name)?;
        (found.until > Instant::now()).then_some(found.deal)
    }

    fn remember(&self, name: String, deal: Option<DealId>) {
        let now = Instant::now();
        let until = now + if deal.is_some() { PROVEN } else { UNPROVEN };
        let mut found = self.found();
        if found.len() >= REMEMBERED {
            found.retain(|_, found| found.until > now);
        }
        if found.len() >= REMEMBERED {
            // Somebody asks for names that nobody has: those that somebody has stay.
            found.retain(|_, found| found.deal.is_some());
        }
        if found.len() < REMEMBERED {
            found.insert(name, Found { deal, until });
        }
    }
}

fn resolver(dns: Dns) -> DnsResolver {
    let builder = DnsResolver::builder();
    match dns {
        Dns::System => builder.with_system_defaults(),
        Dns::Server(address) => {
            let server = NameserverConfig::udp(address.ip()).with_port(address.port());
            builder.add_nameserver_config(server)
        }
    }
    // Nobody else is asked.
    .disable_fallback()
    .build()
}

/// Names with at least two parts, none of them odd.
fn may_be_proven(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_plain);
    name.len() + PREFIX.len() < LENGTH
        && name.contains('.')
        && name.split('.').all(is_label)
        && name.parse::<IpAddr>().is_err()
}

async fn ask(resolver: &DnsResolver, name: &str, chain: u64) -> Option<DealId> {
    // With a dot at its end it is not looked for below the machine's own domain.
    let record = format!("{PREFIX}.{name}.");
    match resolver.lookup_txt(record, ANSWER).await {
        Ok(mut records) => records.find_map(|record| proof(&record.to_string(), chain)),
        Err(error) => {
            tracing::debug!(%error, name, "a domain is not proven");
            None
        }
    }
}

fn proof(record: &str, chain: u64) -> Option<DealId> {
    let (id, deal) = record.trim().split_once('/')?;
    (id.parse() == Ok(chain)).then(|| number(deal)).flatten()
}

#[cfg(test)]
mod tests;
