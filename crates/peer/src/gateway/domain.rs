//! Domains of deals that are not below the gateway's own: listed in its configuration, or proven by DNS. (G14)
//!
//! Whoever has `api.example.com` publishes `_marketplace.api.example.com TXT "<chain id>/<deal>"`. What was found, and that
//! nothing was, is remembered for a while, so that nobody can make a gateway ask for every request.

use super::target::number;
use iroh::dns::{DnsError, DnsResolver, NameserverConfig};
use marketplace::units::DealId;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
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
/// What countries put before their own part of a domain: others register below `co.uk`.
const SHARED: [&str; 10] = [
    "ac", "co", "com", "edu", "go", "gov", "ne", "net", "or", "org",
];

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

/// A domain that may be proven to be a deal's: at least two parts, none of them odd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain(String);

/// It is no domain that could be proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is no domain: names like api.example.com are, of letters, digits and hyphens, with a dot in them"
)]
pub struct NoDomain;

impl FromStr for Domain {
    type Err = NoDomain;

    fn from_str(text: &str) -> Result<Self, NoDomain> {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        may_be_proven(&name).then_some(Self(name)).ok_or(NoDomain)
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Domain {
    /// The name of the record that proves whose it is.
    #[must_use]
    pub fn record(&self) -> String {
        record(&self.0)
    }

    /// What that record says if it is this deal's.
    #[must_use]
    pub fn proof(chain: u64, deal: DealId) -> String {
        format!("{chain}/{deal}")
    }

    /// What DNS says in that place.
    ///
    /// # Errors
    /// In words, if there is nothing or nobody answers.
    pub async fn look_up(&self, dns: Dns) -> Result<Vec<String>, String> {
        let found = texts(&resolver(dns), &self.0).await;
        found.map_err(|error| match error {
            DnsError::NxDomain { .. } => "there is no such record".to_owned(),
            error => error.to_string(),
        })
    }
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
        if found.len() >= REMEMBERED {
            forget_most(&mut found);
        }
        found.insert(name, Found { deal, until });
    }
}

/// Forgets all that is below the registered domain that most is below: who proves many is not to crowd out others.
fn forget_most(found: &mut BTreeMap<String, Found>) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in found.keys() {
        *counts.entry(registered(name)).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    if let Some(most) = most.map(|(domain, _)| domain.to_owned()) {
        found.retain(|name, _| registered(name) != most);
    }
}

/// The part of a domain that somebody registered, and has all below: the last two parts, or three if the last two are shared.
pub(super) fn registered(name: &str) -> &str {
    let mut parts = name.rsplit('.');
    let (last, before) = (parts.next(), parts.next());
    let is_country = last.is_some_and(|last| last.len() == 2);
    let is_shared = is_country && before.is_some_and(|before| SHARED.contains(&before));
    let dots = 1 + usize::from(is_shared);
    let start = name.rmatch_indices('.').nth(dots);
    start.map_or(name, |(dot, _)| &name[dot + 1..])
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
    match texts(resolver, name).await {
        Ok(records) => records.iter().find_map(|record| proof(record, chain)),
        Err(error) => {
            tracing::debug!(%error, name, "a domain is not proven");
            None
        }
    }
}

fn record(name: &str) -> String {
    format!("{PREFIX}.{name}")
}

/// What the record of a domain says; as many as DNS sends in an answer.
async fn texts(resolver: &DnsResolver, name: &str) -> Result<Vec<String>, DnsError> {
    // With a dot at its end it is not looked for below the machine's own domain.
    let records = resolver
        .lookup_txt(format!("{}.", record(name)), ANSWER)
        .await?;
    Ok(records.map(|record| record.to_string()).collect())
}

fn proof(record: &str, chain: u64) -> Option<DealId> {
    let (id, deal) = record.trim().split_once('/')?;
    (id.parse() == Ok(chain)).then(|| number(deal)).flatten()
}

#[cfg(test)]
mod tests;
