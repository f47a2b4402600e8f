//! Runs the text tables in `tests/scenarios`; their language is explained in the README there.

use crate::world::{World, address, peer_id, registration};
use marketplace::attribute::{Attribute, Predicate, Subject, Test, Value};
use marketplace::datacenter::{Country, Datacenter};
use marketplace::demand::{Artifact, Pricing, Spread, Terms};
use marketplace::units::{
    Address, DatacenterId, DealId, Hash, OfferId, PeerId, Price, ProviderId, Seconds, Time, Usdc,
    WorkerId,
};
use marketplace::worker::Obstacle;
use marketplace::{Call, Error, Event, Params, Reply};
use marketplace::{datacenter, deal, demand, ledger, offer, peer, provider, usdc, worker};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

#[test]
fn every_scenario_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("folder of scenarios")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "txt"))
        .collect();
    paths.sort();
    assert!(paths.len() > 10, "scenarios are missing");
    let mut failures = String::new();
    for path in paths {
        let name = path
            .file_name()
            .expect("name")
            .to_string_lossy()
            .into_owned();
        let text = std::fs::read_to_string(&path).expect("scenario");
        let outcome = std::panic::catch_unwind(|| run(&text));
        if let Some(why) = outcome.map_or_else(|panic| Some(message(&*panic)), Result::err) {
            writeln!(failures, "{name}: {why}").expect("text");
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

fn message(panic: &dyn std::any::Any) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.unwrap_or_else(|| (*panic.downcast_ref::<&str>().unwrap_or(&"panic")).to_owned())
}

fn run(text: &str) -> Result<(), String> {
    let mut stage = Stage::default();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            let outcome =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| stage.line(line)));
            let outcome = outcome.unwrap_or_else(|panic| Err(message(&*panic)));
            outcome.map_err(|why| format!("line {}: {line}\n    {why}", number + 1))?;
        }
    }
    Ok(())
}

/// What the lines have made so far.
#[derive(Default)]
struct Stage {
    params: Params,
    money: Vec<(Address, Usdc)>,
    world: Option<World>,
    names: BTreeMap<Address, String>,
    providers: BTreeMap<String, ProviderId>,
    datacenters: BTreeMap<String, DatacenterId>,
    peers: BTreeMap<PeerId, String>,
    offers: BTreeMap<String, OfferId>,
    deals: BTreeMap<String, DealId>,
    /// Workers by deal, in the order of their assignment.
    workers: BTreeMap<DealId, Vec<WorkerId>>,
    heard: usize,
    pending: Vec<String>,
}

/// The words of a line.
struct Words<'l> {
    line: Vec<&'l str>,
}

impl<'l> Words<'l> {
    fn next(&mut self) -> Result<&'l str, String> {
        if self.line.is_empty() {
            return Err("a word is missing".to_owned());
        }
        Ok(self.line.remove(0))
    }

    fn number(&mut self) -> Result<u128, String> {
        let word = self.next()?.replace('_', "");
        word.parse().map_err(|_| format!("{word} is no number"))
    }

    fn small<T: TryFrom<u128>>(&mut self) -> Result<T, String> {
        T::try_from(self.number()?).map_err(|_| "number too large".to_owned())
    }

    /// The value after `word`, taken out of the line, if the word is there.
    fn option(&mut self, word: &str) -> Option<&'l str> {
        let place = self.line.iter().position(|other| *other == word)?;
        self.line.remove(place);
        (place < self.line.len()).then(|| self.line.remove(place))
    }

    fn number_option<T: TryFrom<u128>>(&mut self, word: &str) -> Result<Option<T>, String> {
        let Some(text) = self.option(word) else {
            return Ok(None);
        };
        Words { line: vec![text] }.small().map(Some)
    }

    fn end(&self) -> Result<(), String> {
        if self.line.is_empty() {
            Ok(())
        } else {
            Err(format!("not understood: {:?}", self.line))
        }
    }
}

fn known<V: Copy>(names: &BTreeMap<String, V>, name: &str) -> Result<V, String> {
    names
        .get(name)
        .copied()
        .ok_or_else(|| format!("who is {name}?"))
}

fn value(text: &str) -> Value {
    if let Ok(number) = text.parse() {
        return Value::Integer(number);
    }
    if let Some(members) = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'))
    {
        return Value::Set(members.split(',').map(str::to_owned).collect());
    }
    let parts: Option<Vec<u32>> = text
        .strip_prefix('v')
        .and_then(|text| text.split('.').map(|part| part.parse().ok()).collect());
    match parts.as_deref() {
        Some([major, minor, patch]) => Value::Version(*major, *minor, *patch),
        _ => Value::Text(text.to_owned()),
    }
}

/// `key=value,key=value`
fn attributes(text: Option<&str>) -> Vec<Attribute> {
    let pairs = text.into_iter().flat_map(|text| text.split(';'));
    let pairs = pairs.filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(key, text)| Attribute {
            key: key.to_owned(),
            value: value(text),
        })
        .collect()
}

impl Stage {
    fn world(&mut self) -> &mut World {
        let (params, money) = (&self.params, &self.money);
        self.world
            .get_or_insert_with(|| World::new(params.clone(), money))
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        let (action, outcome) = match line.split_once("->") {
            Some((action, outcome)) => (action.trim(), Some(outcome.trim())),
            None => (line, None),
        };
        let mut words = Words {
            line: action.split_whitespace().collect(),
        };
        match words.next()? {
            "param" => {
                let name = words.next()?;
                let known = self.params.set(name, words.small()?);
                if !known {
                    return Err("no such parameter".to_owned());
                }
            }
            "money" => {
                let name = words.next()?;
                self.names.insert(address(name), name.to_owned());
                self.money.push((address(name), Usdc(words.number()?)));
            }
            "at" => self.reach(words.small()?)?,
            "block" => {
                let elapsed = words.small()?;
                self.world().block(elapsed);
            }
            "end" => self.world().block(0),
            "drip" => {
                let (peer, seconds) = (words.next()?.to_owned(), words.small()?);
                self.drip(&peer, seconds)?;
            }
            "see" => {
                self.see(&words.line.join(" "))?;
                words.line.clear();
            }
            "unseen" => {
                self.unseen(&words.line.join(" "))?;
                words.line.clear();
            }
            "forget" => {
                self.hear();
                self.pending.clear();
            }
            "balance" | "deal" | "worker" | "unpaid" | "look" | "price" => {
                let what = action.split_whitespace().next().unwrap_or_default();
                let found = self.read(what, &mut words)?;
                expect(outcome, &found)?;
                return words.end();
            }
            verb => {
                let result = self.act(verb, &mut words)?;
                words.end()?;
                self.hear();
                return expect(outcome, &result);
            }
        }
        self.hear();
        words.end()
    }

    /// Blocks until the clock shows `time`.
    fn reach(&mut self, time: u64) -> Result<(), String> {
        let most = self.params.max_step_seconds;
        let world = self.world();
        if time < world.now {
            return Err(format!("it is {} already", world.now));
        }
        while world.now < time {
            world.block((time - world.now).min(most));
        }
        Ok(())
    }

    /// A block, a report and a withdrawal in every second.
    fn drip(&mut self, peer: &str, seconds: u64) -> Result<(), String> {
        let provider = peer.split('.').next().unwrap_or_default();
        for _ in 0..seconds {
            self.line("block 1")?;
            self.line(&format!("report {peer}"))?;
            self.line(&format!("withdraw {provider}"))?;
        }
        Ok(())
    }

    fn call(&mut self, caller: &str, call: &Call) -> Result<Option<Reply>, String> {
        self.names.insert(address(caller), caller.to_owned());
        match self.world().call(address(caller), call) {
            Ok(reply) => Ok(Some(reply)),
            Err(Error::Refused(refusal)) => {
                self.pending.push(format!("refused {refusal:?}: {refusal}"));
                Ok(None)
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Makes a call; gives `ok`, an amount paid, or the refusal.
    fn act(&mut self, verb: &str, words: &mut Words<'_>) -> Result<String, String> {
        let by = words.option("by");
        let (caller, name, call) = self.understand(verb, words)?;
        let caller = by.unwrap_or(&caller).to_owned();
        let reply = self.call(&caller, &call)?;
        match reply {
            None => return Ok(self.pending.pop().unwrap_or_default()),
            Some(Reply::Provider(id)) => _ = self.providers.insert(name, id),
            Some(Reply::Datacenter(id)) => _ = self.datacenters.insert(name, id),
            Some(Reply::Offer(id)) => _ = self.offers.insert(name, id),
            Some(Reply::Deal(id)) => _ = self.deals.insert(name, id),
            Some(Reply::Paid(amount)) => return Ok(format!("paid {amount}")),
            Some(Reply::Done) => {}
        }
        Ok("ok".to_owned())
    }

    /// Who makes which call, unless the line says otherwise, and the name of what it makes.
    fn understand(
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
            "datacenter" => self.datacenter(name, words),
            "peer" | "offer" | "add-units" | "remove-units" | "set-price" | "add-peer"
            | "remove-peer" | "close" | "remove-peer-row" | "set-attributes" | "set-endpoints" => {
                self.supply(verb, name, words)
            }
            "demand" => self.demand(name, words),
            "run" | "cannot-run" | "report" => self.work(verb, name, words),
            "withdraw" => {
                let workers = words.number_option("workers")?.unwrap_or(256);
                let provider = known(&self.providers, &name)?;
                let call = provider::Call::Withdraw { provider, workers };
                Ok((name, String::new(), Call::Provider(call)))
            }
            "transfer" | "approve" | "transfer-from" | "faucet" => coins(verb, name, words),
            _ => self.deal(verb, &name, words),
        }
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
            "set-endpoints" => {
                let endpoints = words.next()?.split(',').map(str::to_owned).collect();
                Call::Peer(peer::Call::SetEndpoints { peer, endpoints })
            }
            "set-price" => {
                let offer = offer(self)?;
                Call::Offer(offer::Call::SetPrice {
                    offer,
                    price: Price(words.number()?),
                })
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
        let call = offer::Call::Post {
            datacenter,
            price: Price(words.number_option("price")?.ok_or("at which price?")?),
            peers: peers
                .split(',')
                .filter(|peer| !peer.is_empty())
                .map(peer_id)
                .collect(),
            terms: offer::Terms {
                min_duration: Seconds(words.number_option("min-duration")?.unwrap_or(0)),
                max_duration: words.number_option("max-duration")?.map(Seconds),
                max_units_per_deal: words.number_option("max-units")?,
                notice: Seconds(0),
                max_hold: Seconds(words.number_option("max-hold")?.unwrap_or(0)),
                valid_until: words.number_option("valid-until")?.map(Time),
                attributes: attributes(words.option("attributes")),
            },
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
        let mut requirements = Vec::new();
        while let Some(text) = words.option("need") {
            requirements.push(requirement(text)?);
        }
        let effectors = words.option("effectors").unwrap_or_default().split(',');
        let spread = Spread {
            max_per_provider: words.number_option("per-provider")?.unwrap_or(0),
            max_per_datacenter: words.number_option("per-datacenter")?.unwrap_or(0),
            max_per_country: words.number_option("per-country")?.unwrap_or(0),
            min_providers: words.number_option("providers")?.unwrap_or(0),
            min_countries: words.number_option("countries")?.unwrap_or(0),
        };
        let terms = Terms {
            artifact: Artifact {
                hash: Hash([7; 32]),
                size: 1_000,
                sources: Vec::new(),
            },
            units_per_worker: words.number_option("units")?.unwrap_or(1),
            min_workers: min.parse().map_err(|_| "least workers")?,
            target_workers: target.parse().map_err(|_| "target workers")?,
            limit_price: Price(words.number_option("limit")?.unwrap_or(1_000_000)),
            pricing: match words.option("pricing") {
                Some("request") => Pricing::Request,
                _ => Pricing::Epoch,
            },
            duration: words.number_option("duration")?.map(Seconds),
            requirements,
            effectors: effectors
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
            protocol_version: words.number_option("version")?.unwrap_or(1),
            spread,
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
    fn worker(&self, name: &str) -> Result<WorkerId, String> {
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
        let worker = self.worker(&name)?;
        let artifact = words.number_option("artifact")?.unwrap_or(7);
        let call = match verb {
            "run" => worker::Call::Running {
                worker,
                artifact: Hash([artifact; 32]),
            },
            _ => worker::Call::CannotRun {
                worker,
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

    /// Notes what happened since the last time, in words.
    fn hear(&mut self) {
        let Some(world) = &self.world else { return };
        let news: Vec<_> = world.events[self.heard..].to_vec();
        self.heard = world.events.len();
        for (_, event) in news {
            if let Event::Worker(worker::Event::Assigned { worker, deal, .. }) = &event {
                self.workers.entry(*deal).or_default().push(*worker);
            }
            let words = self.tell(&event);
            self.pending.extend(words);
        }
    }

    fn deal_name(&self, id: DealId) -> String {
        let found = self.deals.iter().find(|(_, deal)| **deal == id);
        found.map_or_else(|| id.to_string(), |(name, _)| name.clone())
    }

    fn worker_name(&self, deal: DealId, id: WorkerId) -> String {
        let place = self
            .workers
            .get(&deal)
            .and_then(|all| all.iter().position(|other| *other == id));
        format!(
            "{}/{}",
            self.deal_name(deal),
            place.map_or(0, |place| place + 1)
        )
    }

    /// An event in words; only those that scenarios are about.
    fn tell(&self, event: &Event) -> Option<String> {
        match event {
            Event::Worker(worker::Event::Assigned {
                worker,
                deal,
                peer,
                rate,
                units,
                ..
            }) => {
                let worker = self.worker_name(*deal, *worker);
                let peer = self.peers.get(peer)?;
                Some(format!(
                    "{worker} assigned to {peer} units {units:?} rate {rate}"
                ))
            }
            Event::Worker(worker::Event::Running { worker, deal }) => {
                Some(format!("{} runs", self.worker_name(*deal, *worker)))
            }
            Event::Worker(worker::Event::Gone {
                worker,
                deal,
                reason,
                fault,
                at,
                earned,
            }) => {
                let worker = self.worker_name(*deal, *worker);
                let reason = format!("{reason:?} by {fault:?}");
                Some(format!("{worker} gone: {reason} at {at} earned {earned}"))
            }
            Event::Deal(deal::Event::StatusChanged { deal, status, at }) => Some(format!(
                "{} is {} at {at}",
                self.deal_name(*deal),
                status_name(*status)
            )),
            Event::Deal(deal::Event::Ended {
                deal,
                reason,
                fault,
                refund,
            }) => {
                let deal = self.deal_name(*deal);
                Some(format!(
                    "{deal} ended: {reason:?} by {fault:?} refund {refund}"
                ))
            }
            _ => None,
        }
    }

    /// The next thing that happened, of those not seen yet, that reads so.
    fn see(&mut self, wanted: &str) -> Result<(), String> {
        match self.pending.iter().position(|words| words.contains(wanted)) {
            Some(place) => _ = self.pending.drain(..=place),
            None => return Err(format!("what happened: {:#?}", self.pending)),
        }
        Ok(())
    }

    fn unseen(&mut self, wanted: &str) -> Result<(), String> {
        match self.pending.iter().find(|words| words.contains(wanted)) {
            Some(words) => Err(format!("it happened: {words}")),
            None => Ok(()),
        }
    }

    fn read(&mut self, what: &str, words: &mut Words<'_>) -> Result<String, String> {
        let name = words.next()?;
        self.world();
        let world = self.world.as_ref().ok_or("no world")?;
        match what {
            "balance" => {
                let account = match name {
                    "treasury" => ledger::Account::Treasury,
                    name => match self.deals.get(name) {
                        Some(deal) => ledger::Account::Deal(*deal),
                        None => ledger::Account::User(address(name)),
                    },
                };
                Ok(world
                    .read(|cx| ledger::balance(cx.store, account))
                    .to_string())
            }
            "unpaid" => {
                let provider = known(&self.providers, name)?;
                Ok(world
                    .read(|cx| deal::due_to_withdraw(cx, provider))
                    .to_string())
            }
            "price" => {
                let id = known(&self.offers, name)?;
                Ok(world.read(|cx| {
                    let offer = offer::get(cx.store, id)?.expect("offer");
                    Ok(offer.ask(cx.epoch()).to_string())
                }))
            }
            "look" => {
                let id = known(&self.deals, name)?;
                let look = world.read(|cx| marketplace::matching::LOOKS.get(cx.store, &id));
                let reasons = look.map(|look| look.reasons).unwrap_or_default();
                let reasons = reasons
                    .iter()
                    .map(|(reason, count)| format!("{reason:?} {count}"));
                Ok(reasons.collect::<Vec<_>>().join(", "))
            }
            "worker" => {
                let id = self.worker(name)?;
                Ok(match world.read(|cx| worker::get(cx.store, id)) {
                    None => "removed".to_owned(),
                    Some(worker) => format!("{:?}", worker.stage)
                        .split(' ')
                        .next()
                        .unwrap_or("")
                        .to_owned(),
                })
            }
            _ => self.read_deal(known(&self.deals, name)?, words),
        }
    }

    fn read_deal(&self, id: DealId, words: &mut Words<'_>) -> Result<String, String> {
        let world = self.world.as_ref().ok_or("no world")?;
        let view = world.read(|cx| deal::view(cx, id));
        let until = |time: Time| {
            if time == Time::NEVER {
                "never".to_owned()
            } else {
                time.to_string()
            }
        };
        Ok(match words.next()? {
            "status" => status_name(view.deal.status),
            "workers" => view.workers.len().to_string(),
            "running" => view.deal.running.to_string(),
            "free" => view.free.to_string(),
            "free-exact" => view.deal.free.to_string(),
            "remainder" => {
                let span = view.paid_until.since(view.deal.at);
                let used = view.deal.rate.over(span).expect("rate");
                view.deal
                    .free
                    .checked_sub(used)
                    .expect("remainder")
                    .to_string()
            }
            "paid-until" => until(view.paid_until),
            "surplus" => view.surplus.to_string(),
            other => return Err(format!("what is {other} of a deal?")),
        })
    }
}

fn status_name(status: deal::Status) -> String {
    match status {
        deal::Status::Paused { since } => format!("paused since {since}"),
        deal::Status::Ended { reason, .. } => format!("ended {reason:?}"),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// `subject:key`, `subject:key=value`, `!=`, `<`, `<=`, `>`, `>=`, `~member` (has), `@a|b` (in)
fn requirement(text: &str) -> Result<Predicate, String> {
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

/// Without an expectation, all is well that is not refused.
fn expect(outcome: Option<&str>, found: &str) -> Result<(), String> {
    let good = match outcome {
        None => !found.starts_with("refused"),
        Some(wanted) if wanted.starts_with("refused") => {
            wanted.split_whitespace().all(|word| found.contains(word))
        }
        Some(wanted) => wanted.replace('_', "") == found,
    };
    if good {
        Ok(())
    } else {
        Err(format!("found: {found}"))
    }
}
