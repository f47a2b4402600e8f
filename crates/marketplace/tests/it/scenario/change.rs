//! Lines that change a deal.

use super::Stage;
use super::calls::requirement;
use super::words::{Words, known};
use crate::world::address;
use marketplace::Call;
use marketplace::change::{self, Change};
use marketplace::deal::Rollout;
use marketplace::demand::{Artifact, Providers, Spread};
use marketplace::units::{Address, DealId, Hash, Price, ProviderId, Seconds};

/// Whether a line that begins so changes a deal.
pub(super) fn is_change(verb: &str) -> bool {
    let verbs = [
        "artifact",
        "target",
        "limit",
        "require",
        "spread",
        "duration",
        "providers",
        "monitor",
        "offer-deal",
        "accept-deal",
    ];
    verbs.contains(&verb)
}

impl Stage {
    pub(super) fn change(
        &mut self,
        verb: &str,
        name: &str,
        words: &mut Words<'_>,
    ) -> Result<(String, String, Call), String> {
        let deal = known(&self.deals, name)?;
        let change = match verb {
            "offer-deal" => {
                let to = account(words.next()?);
                return Ok(call(change::Call::Offer { deal, to }));
            }
            "accept-deal" => return Ok(call(change::Call::Accept { deal })),
            "artifact" => Change::Artifact(Artifact::new(
                Hash([words.small()?; 32]),
                words.number_option("size")?.unwrap_or(1_000),
            )),
            "target" => Change::Target(words.small()?),
            "limit" => Change::LimitPrice(Price(words.number()?)),
            "require" => Change::Requirements {
                requirements: requirements(words)?,
                effectors: effectors(words),
                protocol_version: words.number_option("version")?.unwrap_or(1),
            },
            "spread" => Change::Spread(spread(words)?),
            "duration" => Change::Duration(match words.next()? {
                "open" => None,
                seconds => Some(Seconds(
                    seconds.replace('_', "").parse().map_err(|_| "how long?")?,
                )),
            }),
            "providers" => Change::Providers(self.named(words)?),
            _ => Change::Monitor(account(words.next()?)),
        };
        Ok(call(change::Call::Terms { deal, change }))
    }

    /// `allow P,Q deny R`
    pub(super) fn named(&self, words: &mut Words<'_>) -> Result<Providers, String> {
        let list = |text: Option<&str>| -> Result<Vec<ProviderId>, String> {
            let names = text.unwrap_or_default().split(',');
            let names = names.filter(|name| !name.is_empty());
            names.map(|name| known(&self.providers, name)).collect()
        };
        Ok(Providers {
            allow: list(words.option("allow"))?,
            deny: list(words.option("deny"))?,
        })
    }
}

fn call(call: change::Call) -> (String, String, Call) {
    ("alice".to_owned(), String::new(), Call::Change(call))
}

fn account(name: &str) -> Option<Address> {
    (name != "nobody").then(|| address(name))
}

pub(super) fn requirements(
    words: &mut Words<'_>,
) -> Result<Vec<marketplace::attribute::Predicate>, String> {
    let mut requirements = Vec::new();
    while let Some(text) = words.option("need") {
        requirements.push(requirement(text)?);
    }
    Ok(requirements)
}

pub(super) fn effectors(words: &mut Words<'_>) -> Vec<String> {
    let effectors = words.option("effectors").unwrap_or_default().split(',');
    let effectors = effectors.filter(|name| !name.is_empty());
    effectors.map(str::to_owned).collect()
}

pub(super) fn spread(words: &mut Words<'_>) -> Result<Spread, String> {
    Ok(Spread {
        max_per_provider: words.number_option("per-provider")?.unwrap_or(0),
        max_per_datacenter: words.number_option("per-datacenter")?.unwrap_or(0),
        max_per_country: words.number_option("per-country")?.unwrap_or(0),
        min_providers: words.number_option("providers")?.unwrap_or(0),
        min_countries: words.number_option("countries")?.unwrap_or(0),
    })
}

impl Stage {
    /// What changes of a deal did, in words.
    pub(super) fn tell_change(&self, event: &change::Event) -> Option<String> {
        match event {
            change::Event::RolloutChanged {
                deal,
                version,
                rollout,
            } => {
                let rollout = self.rollout(*deal, *rollout);
                Some(format!(
                    "{} version {version}: {rollout}",
                    self.deal_name(*deal)
                ))
            }
            change::Event::Switched {
                deal,
                worker,
                artifact,
            } => Some(format!(
                "{} changes to {}",
                self.worker_name(*deal, *worker),
                artifact.0[0]
            )),
            _ => None,
        }
    }

    pub(super) fn rollout(&self, deal: DealId, rollout: Rollout) -> String {
        match rollout {
            Rollout::Done => "done".to_owned(),
            Rollout::Rolling { next } => format!("next {}", self.worker_name(deal, next)),
            Rollout::Stopped { worker, why } => {
                let worker = self.worker_name(deal, worker);
                format!("stopped at {worker}: {why:?}")
            }
        }
    }
}
