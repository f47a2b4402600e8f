//! How lines become calls.

use super::Stage;
use super::change::{effectors, is_change, requirements, spread};
use super::words::{Words, attributes, known, value};
use crate::world::{address, peer_id, registration};
use marketplace::attribute::{Predicate, Subject, Test};
use marketplace::datacenter::{Country, Datacenter};
use marketplace::demand::{Artifact, ArtifactKind, Pricing, Terms};
use marketplace::units::{Address, Hash, Price, Seconds, Time, Usdc, WorkerId};
use marketplace::worker::Obstacle;
use marketplace::{Call, Event};
use marketplace::{datacenter, deal, demand, governance, offer, peer, provider, usdc, worker};

impl Stage {
    /// Who makes which call, unless the line says otherwise, and the name of what it makes.
    pub(super) fn understand(
        &mut self,
        verb: &str,
        words: &mut Words<'_>,
    ) -> Result<(String, String, Call), String> {
        let name = words.next()?.to_owned();
        match verb {
            "provider" => {
                let register = provider::Call::Register {
                    name: name.clone(),
                    metadata: Hash::default(),
                    attributes: attributes(words.option("attributes")),
                };
                Ok((name.clone(), name, Call::Provider(register)))
            }
            "propose" | "cancel" => self.govern(verb, name, words),
            "hand-over" | "take-over" | "admit" | "expel" | "remove-provider" => {
                self.provider(verb, &name, words)
            }
            "datacenter" => self.datacenter(name, words),
            "remove-datacenter" => {
                let owner = name.split('.').next().unwrap_or_default().to_owned();
                let datacenter = known(&self.datacenters, &name)?;
                let call = datacenter::Call::Remove { datacenter };
                Ok((owner, name, Call::Datacenter(call)))
            }
            "peer" | "offer" | "add-units" | "remove-units" | "set-price" | "set-terms"
            | "add-peer" | "remove-peer" | "close" | "remove-peer-row" | "set-attributes"
            | "set-endpoints" | "set-operator" => self.supply(verb, name, words),
            "demand" => self.demand(name, words),
            verb if is_change(verb) => self.change(verb, &name, words),
            "run" | "cannot-run" | "report" | "notice" | "notice-all" | "leave" => {
                self.work(verb, name, words)
            }
            "withdraw" => {
                let workers = words.number_option("workers")?.unwrap_or(256);
                let provider = known(&self.providers, &name)?;
                let call = provider::Call::Withdraw { provider, workers };
                Ok((name, String::new(), Call::Provider(call)))
            }
            verb if Self::is_capacity(verb) => self.capacity(verb, name, words),
            "transfer" | "approve" | "transfer-from" | "faucet" => coins(verb, name, words),
            _ => self.deal(verb, &name, words),
        }
    }

    fn govern(
        &mut self,
        verb: &str,
        name: String,
        words: &mut Words<'_>,
    ) -> Result<(String, String, Call), String> {
        let call = match verb {
            "propose" => governance::Call::Propose {
                parameter: words.next()?.to_owned(),
                value: words.small()?,
            },
            _ => governance::Call::Cancel {
                change: known(&self.changes, &name)?,
            },
        };
        Ok(("governance".to_owned(), name, Call::Governance(call)))
    }

    /// A call about a provider, by its owner or by governance.
    fn provider(
        &mut self,
        verb: &str,
        name: &str,
        words: &mut Words<'_>,
    ) -> Result<(String, String, Call), String> {
        let provider = known(&self.providers, name)?;
        let (caller, call) = match verb {
            "hand-over" => {
                let to = words.next()?;
                let to = (to != "nobody").then(|| address(to));
                (name, provider::Call::Transfer { provider, to })
            }
            "remove-provider" => (name, provider::Call::Remove { provider }),
            "take-over" => (words.next()?, provider::Call::Accept { provider }),
            _ => {
                let admitted = verb == "admit";
                ("governance", provider::Call::Admit { provider, admitted })
            }
        };
        Ok((caller.to_owned(), String::new(), Call::Provider(call)))
    }

    fn datacenter(
        &mut self,
        name: String,
        words: &mut Words<'_>,
    ) -> Result<(String, String, Call), String> {
        let owner = name.split('.').next().unwrap_or_default().to_owned();
        let country = words.next()?.as_bytes();
        let datacenter = Datacenter {
            provider: known(&self.providers, &owner)?,
            country: Country(
                country
                    .try_into()
                    .map_err(|_| "a country has two letters")?,
            ),
            city: words.next()?.to_owned(),
            name: name.clone(),
            certifications: words
                .option("certified")
                .map(|text| text.split(',').map(str::to_owned).collect())
                .unwrap_or_default(),
            attributes: attributes(words.option("attributes")),
        };
        Ok((
            owner,
            name,
            Call::Datacenter(datacenter::Call::Register(datacenter)),
        ))
    }

    fn supply(
        &mut self,
        verb: &str,
        name: String,
        words: &mut Words<'_>,
    ) -> Result<(String, String, Call), String> {
        let owner = name.split('.').next().unwrap_or_default().to_owned();
        let peer = peer_id(&name);
        let offer = |stage: &Self| known(&stage.offers, &name);
        let call = match verb {
            "peer" => {
                let place = name.rsplit_once('.').map_or("", |(place, _)| place);
                let place = words.option("at").unwrap_or(place);
                let datacenter = known(&self.datacenters, place)?;
                let signer = words.option("signed-for").unwrap_or(&owner);
                let provider = known(&self.providers, signer)?;
                let units = words.number_option("units")?.unwrap_or(1);
                let mut new = registration(&name, provider, datacenter, units);
                new.attributes = attributes(words.option("attributes"));
                new.newest_version = words.number_option("version")?.unwrap_or(1);
                self.peers.insert(peer, name.clone());
                Call::Peer(peer::Call::Register(new))
            }
            "offer" => return self.offer(name, words),
            "add-units" => Call::Peer(peer::Call::AddUnits {
                peer,
                count: words.small()?,
            }),
            "remove-units" => Call::Peer(peer::Call::RemoveUnits {
                peer,
                count: words.small()?,
            }),
            "remove-peer-row" => Call::Peer(peer::Call::Remove { peer }),
            "set-attributes" => {
                let attributes = attributes(Some(words.next()?));
                Call::Peer(peer::Call::SetAttributes { peer, attributes })
            }
            "set-operator" => {
                let operator = address(words.next()?);
                Call::Peer(peer::Call::SetOperator { peer, operator })
            }
            "set-endpoints" => {
                let endpoints = words.next()?.split(',').map(str::to_owned).collect();
                Call::Peer(peer::Call::SetEndpoints { peer, endpoints })
            }
            "set-price" => {
                let offer = offer(self)?;
                let floor = Price(words.number()?);
                let curve = curve(floor, words)?;
                Call::Offer(offer::Call::SetPrice { offer, curve })
            }
            "set-terms" => {
                let (offer, terms) = (offer(self)?, offer_terms(words)?);
                Call::Offer(offer::Call::SetTerms { offer, terms })
            }
            "close" => Call::Offer(offer::Call::Close {
                offer: offer(self)?,
            }),
            "add-peer" => {
                let (offer, peer) = (offer(self)?, peer_id(words.next()?));
                Call::Offer(offer::Call::AddPeer { offer, peer })
            }
            _ => {
                let (offer, peer) = (offer(self)?, peer_id(words.next()?));
                Call::Offer(offer::Call::RemovePeer { offer, peer })
            }
        };
        Ok((owner, name, call))
    }

    fn offer(
        &mut self,
        name: String,
        words: &mut Words<'_>,
    ) -> Result<(String, String, Call), String> {
        let owner = name.split('.').next().unwrap_or_default().to_owned();
        let datacenter = known(
            &self.datacenters,
            words.option("at").ok_or("at which datacenter?")?,
        )?;
        let peers = words.option("peers").unwrap_or_default();
        let floor = Price(words.number_option("price")?.ok_or("at which price?")?);
        let call = offer::Call::Post {
            datacenter,
            curve: curve(floor, words)?,
            peers: peers
                .split(',')
                .filter(|peer| !peer.is_empty())
                .map(peer_id)
                .collect(),
            terms: offer_terms(words)?,
        };
        Ok((owner, name, Call::Offer(call)))
    }

    fn demand(
        &mut self,
        name: String,
        words: &mut Words<'_>,
    ) -> Result<(String, String, Call), String> {
        let owner = words.option("of").unwrap_or("alice").to_owned();
        let workers = words.option("workers").unwrap_or("1..1");
        let (min, target) = workers.split_once("..").ok_or("workers min..target")?;
        let terms = Terms {
            artifact: Artifact {
                kind: match words.option("kind") {
                    Some("bundle") => ArtifactKind::Bundle,
                    _ => ArtifactKind::Component,
                },
                ..Artifact::new(Hash([7; 32]), 1_000)
            },
            units_per_worker: words.number_option("units")?.unwrap_or(1),
            min_workers: min.parse().map_err(|_| "least workers")?,
            target_workers: target.parse().map_err(|_| "target workers")?,
            limit_price: Price(words.number_option("limit")?.unwrap_or(1_000_000)),
            pricing: pricing_of(words.option("pricing").unwrap_or("epoch")),
            duration: words.number_option("duration")?.map(Seconds),
            requirements: requirements(words)?,
            effectors: effectors(words),
            protocol_version: words.number_option("version")?.unwrap_or(1),
            spread: spread(words)?,
            providers: self.named(words)?,
            hold: Seconds(words.number_option("hold")?.unwrap_or(0)),
            monitor: words.option("monitor").map(address),
        };
        let escrow = Usdc(words.number_option("escrow")?.ok_or("with which escrow?")?);
        Ok((
            owner,
            name,
            Call::Demand(demand::Call::Post { terms, escrow }),
        ))
    }

    /// `deal/1`: the first worker assigned to the deal.
    pub(super) fn worker(&self, name: &str) -> Result<WorkerId, String> {
        let (deal, place) = name.split_once('/').ok_or("worker: deal/number")?;
        let place: usize = place.parse().map_err(|_| "number of the worker")?;
        let workers = self.workers.get(&known(&self.deals, deal)?);
        let worker = workers.and_then(|workers| workers.get(place.checked_sub(1)?));
        worker
            .copied()
            .ok_or_else(|| format!("there is no worker {name}"))
    }

    /// The peer that has or had a worker.
    fn host(&self, id: WorkerId) -> Result<String, String> {
        let events = &self.world.as_ref().ok_or("nothing happened yet")?.events;
        let host = events.iter().find_map(|(_, event)| match event {
            Event::Worker(worker::Event::Assigned { worker, peer, .. }) if *worker == id => {
                self.peers.get(peer).cloned()
            }
            _ => None,
        });
        host.ok_or_else(|| "no such worker".to_owned())
    }

    fn work(
        &mut self,
        verb: &str,
        name: String,
        words: &mut Words<'_>,
    ) -> Result<(String, String, Call), String> {
        if verb == "report" {
            let stopped = words.option("stopped").unwrap_or_default().split(',');
            let stopped = stopped.filter(|worker| !worker.is_empty());
            let stopped = stopped
                .map(|worker| self.worker(worker))
                .collect::<Result<_, _>>()?;
            let call = worker::Call::Report {
                peer: peer_id(&name),
                stopped,
            };
            return Ok((name, String::new(), Call::Worker(call)));
        }
        if verb == "notice-all" {
            let peer = peer_id(&name);
            let call = Call::Worker(worker::Call::GiveNoticeOfAll { peer });
            return Ok((name, String::new(), call));
        }
        let worker = self.worker(&name)?;
        let artifact = words.number_option("artifact")?.unwrap_or(7);
        let call = match verb {
            "run" => worker::Call::Running {
                worker,
                artifact: Hash([artifact; 32]),
            },
            "notice" => worker::Call::GiveNotice { worker },
            "leave" => {
                let host = self.host(worker)?;
                let owner = host.split('.').next().unwrap_or_default().to_owned();
                let call = Call::Worker(worker::Call::Leave { worker });
                return Ok((owner, String::new(), call));
            }
            _ => worker::Call::CannotRun {
                worker,
                artifact: Hash([artifact; 32]),
                obstacle: Obstacle::Invalid,
            },
        };
        Ok((self.host(worker)?, String::new(), Call::Worker(call)))
    }

    fn deal(
        &mut self,
        verb: &str,
        name: &str,
        words: &mut Words<'_>,
    ) -> Result<(String, String, Call), String> {
        if verb == "evict" {
            let call = deal::Call::Evict {
                worker: self.worker(name)?,
            };
            return Ok(("alice".to_owned(), String::new(), Call::Deal(call)));
        }
        let deal = known(&self.deals, name)?;
        let call = match verb {
            "top-up" => deal::Call::TopUp {
                deal,
                amount: Usdc(words.number()?),
            },
            "surplus" => deal::Call::WithdrawSurplus {
                deal,
                amount: Usdc(words.number()?),
            },
            "stop" => deal::Call::Stop { deal },
            "remove" => deal::Call::Remove { deal },
            _ => return Err(format!("{verb}?")),
        };
        Ok(("alice".to_owned(), String::new(), Call::Deal(call)))
    }
}

fn curve(floor: Price, words: &mut Words<'_>) -> Result<offer::Curve, String> {
    let slope = Price(words.number_option("slope")?.unwrap_or(0));
    Ok(offer::Curve { floor, slope })
}

fn offer_terms(words: &mut Words<'_>) -> Result<offer::Terms, String> {
    let pricing = words.option("pricing").unwrap_or("epoch").split(',');
    Ok(offer::Terms {
        pricing: pricing.map(pricing_of).collect(),
        allowed: people(words.option("allow")),
        denied: people(words.option("deny")),
        min_duration: Seconds(words.number_option("min-duration")?.unwrap_or(0)),
        max_duration: words.number_option("max-duration")?.map(Seconds),
        max_units_per_deal: words.number_option("max-units")?,
        notice: Seconds(words.number_option("notice")?.unwrap_or(0)),
        max_hold: Seconds(words.number_option("max-hold")?.unwrap_or(0)),
        valid_until: words.number_option("valid-until")?.map(Time),
        attributes: attributes(words.option("attributes")),
    })
}

fn pricing_of(word: &str) -> Pricing {
    match word {
        "request" => Pricing::Request,
        _ => Pricing::Epoch,
    }
}

fn people(names: Option<&str>) -> Vec<Address> {
    let names = names.unwrap_or_default().split(',');
    let names = names.filter(|name| !name.is_empty());
    names.map(address).collect()
}

/// `subject:key`, `subject:key=value`, `!=`, `<`, `<=`, `>`, `>=`, `~member` (has), `@a|b` (in)
pub(super) fn requirement(text: &str) -> Result<Predicate, String> {
    let (subject, rest) = text.split_once(':').ok_or("requirement: subject:key…")?;
    let subject = match subject {
        "offer" => Subject::Offer,
        "peer" => Subject::Peer,
        "datacenter" => Subject::Datacenter,
        "provider" => Subject::Provider,
        other => return Err(format!("{other} has no attributes")),
    };
    let sign = rest
        .find(['=', '!', '<', '>', '~', '@'])
        .unwrap_or(rest.len());
    let (key, test) = rest.split_at(sign);
    let test = match test.split_at(test.len().min(2)) {
        ("!=", other) => Test::IsNot(value(other)),
        ("<=", bound) => Test::AtMost(value(bound)),
        (">=", bound) => Test::AtLeast(value(bound)),
        ("", _) => Test::Exists,
        _ => match test.split_at(1) {
            ("=", wanted) => Test::Is(value(wanted)),
            ("<", bound) => Test::Below(value(bound)),
            (">", bound) => Test::Above(value(bound)),
            ("~", member) => Test::Has(member.to_owned()),
            (_, values) => Test::In(values.split('|').map(value).collect()),
        },
    };
    Ok(Predicate {
        subject,
        key: key.to_owned(),
        test,
    })
}

fn coins(
    verb: &str,
    name: String,
    words: &mut Words<'_>,
) -> Result<(String, String, Call), String> {
    let call = match verb {
        "transfer" => usdc::Call::Transfer {
            to: address(words.next()?),
            amount: Usdc(words.number()?),
        },
        "approve" => usdc::Call::Approve {
            spender: address(words.next()?),
            amount: Usdc(words.number()?),
        },
        "transfer-from" => usdc::Call::TransferFrom {
            from: address(words.next()?),
            to: address(words.next()?),
            amount: Usdc(words.number()?),
        },
        _ => usdc::Call::Faucet {
            amount: Usdc(words.number()?),
        },
    };
    Ok((name, String::new(), Call::Usdc(call)))
}
