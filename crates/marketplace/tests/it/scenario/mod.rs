//! Runs the text tables in `tests/scenarios`; their language is explained in the README there.

mod calls;
mod capacity;
mod cells;
mod change;
mod words;

use crate::world::{World, address};
use marketplace::store::Store;
use marketplace::units::{
    Address, ChangeId, CommitmentId, DatacenterId, DealId, Flt, OfferId, Part, PeerId, ProviderId,
    Time, Usdc, WorkerId,
};
use marketplace::worker::{BY_PROVIDER, Stage as WorkerStage};
use marketplace::{Call, Cx, Error, Event, Params, Reply};
use marketplace::{deal, deposit, governance, ledger, offer, record, worker};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use words::{Words, known};

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
    let mut stage = Stage::plain();
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
    changes: BTreeMap<String, ChangeId>,
    commitments: BTreeMap<String, CommitmentId>,
    provers: Vec<capacity::Prover>,
    answers: capacity::Answers,
    /// After how many steps everything is checked; None: as usual.
    every: Option<u64>,
    /// Workers by deal, in the order of their assignment.
    workers: BTreeMap<DealId, Vec<WorkerId>>,
    heard: usize,
    pending: Vec<String>,
}

impl Stage {
    /// On a network without proofs of capacity, unless a line says otherwise.
    fn plain() -> Self {
        Self {
            params: Params::without_commitments(),
            ..Self::default()
        }
    }

    fn world(&mut self) -> &mut World {
        let (params, money, every) = (&self.params, &self.money, self.every);
        self.world.get_or_insert_with(|| {
            let mut world = World::new(params.clone(), money);
            world.every = every;
            world
        })
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
            "governance" => {
                let name = words.next()?;
                self.names.insert(address(name), name.to_owned());
                self.params.governance = address(name);
            }
            "oracle" => {
                let name = words.next()?;
                self.names.insert(address(name), name.to_owned());
                self.params.oracle = address(name);
            }
            "verdict" => self.verdict(&mut words)?,
            "prover" => self.prover(&mut words)?,
            "answers" => self.answers(&mut words)?,
            "at" => self.at(&mut words)?,
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
                self.see(&words.line.join(" ").replace('_', ""))?;
                words.line.clear();
            }
            "unseen" => {
                self.unseen(&words.line.join(" ").replace('_', ""))?;
                words.line.clear();
            }
            "forget" => {
                self.hear();
                self.pending.clear();
            }
            "balance" | "deal" | "worker" | "runs" | "due" | "unpaid" | "look" | "price"
            | "deposits" | "parameter" | "pending" | "record" | "commitment" | "purse" | "unit"
            | "proven" | "received" => {
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

    /// `at 1_000`, or `at +100`: so long after now.
    fn at(&mut self, words: &mut Words<'_>) -> Result<(), String> {
        let word = words.next()?;
        let from = if word.starts_with('+') {
            self.world().now
        } else {
            0
        };
        let mut time = Words {
            line: vec![word.trim_start_matches('+')],
        };
        self.reach(from + time.small::<u64>()?)
    }

    /// Blocks until the clock shows `time`.
    fn reach(&mut self, time: u64) -> Result<(), String> {
        let most = self.params.max_step_seconds;
        let now = self.world().now;
        if time < now {
            return Err(format!("it is {now} already"));
        }
        if self.params.windows_per_epoch > 0 {
            return self.reach_through_windows(time);
        }
        let world = self.world();
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

    fn call(
        &mut self,
        caller: &str,
        call: &Call,
        value: Option<Flt>,
    ) -> Result<Option<Reply>, String> {
        self.names.insert(address(caller), caller.to_owned());
        let caller = address(caller);
        let made = match value {
            Some(value) => self.world().call_with(caller, call, value),
            None => self.world().call(caller, call),
        };
        match made {
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
        let value = words.number_option("with")?.map(Flt);
        let (caller, name, call) = self.understand(verb, words)?;
        let caller = by.unwrap_or(&caller).to_owned();
        let reply = self.call(&caller, &call, value)?;
        match reply {
            None => return Ok(self.pending.pop().unwrap_or_default()),
            Some(Reply::Provider(id)) => _ = self.providers.insert(name, id),
            Some(Reply::Datacenter(id)) => _ = self.datacenters.insert(name, id),
            Some(Reply::Offer(id)) => _ = self.offers.insert(name, id),
            Some(Reply::Deal(id)) => _ = self.deals.insert(name, id),
            Some(Reply::Change(id)) => _ = self.changes.insert(name, id),
            Some(Reply::Commitment(id)) => _ = self.commitments.insert(name, id),
            Some(Reply::Paid(amount)) => return Ok(format!("paid {amount}")),
            Some(Reply::Done) => {}
        }
        Ok("ok".to_owned())
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
            Event::Worker(worker::Event::NoticeGiven {
                worker,
                deal,
                until,
            }) => {
                let worker = self.worker_name(*deal, *worker);
                Some(format!("{worker} leaves by {until}"))
            }
            Event::Worker(worker::Event::Gone {
                worker,
                deal,
                reason,
                blame,
                at,
                earned,
            }) => {
                let worker = self.worker_name(*deal, *worker);
                let reason = format!("{reason:?} by {blame:?}");
                Some(format!("{worker} gone: {reason} at {at} earned {earned}"))
            }
            Event::Deal(deal::Event::StatusChanged { deal, status, at }) => Some(format!(
                "{} is {} at {at}",
                self.deal_name(*deal),
                status_name(*status)
            )),
            Event::Deal(deal::Event::FundsLow {
                deal,
                epochs,
                paid_until,
            }) => {
                let deal = self.deal_name(*deal);
                Some(format!(
                    "{deal} is paid for {epochs} epochs, until {paid_until}"
                ))
            }
            Event::Deal(deal::Event::Ended {
                deal,
                reason,
                blame,
                refund,
            }) => {
                let deal = self.deal_name(*deal);
                Some(format!(
                    "{deal} ended: {reason:?} by {blame:?} refund {refund}"
                ))
            }
            Event::Change(event) => self.tell_change(event),
            other => self.tell_capacity(other),
        }
    }

    /// The next thing that happened, of those not seen yet, that reads so.
    fn see(&mut self, wanted: &str) -> Result<(), String> {
        match self.pending.iter().position(|words| says(words, wanted)) {
            Some(place) => _ = self.pending.drain(..=place),
            None => {
                return {
                    let few = self.pending.len().saturating_sub(12);
                    Err(format!("what happened last: {:#?}", &self.pending[few..]))
                };
            }
        }
        Ok(())
    }

    fn unseen(&mut self, wanted: &str) -> Result<(), String> {
        match self.pending.iter().find(|words| says(words, wanted)) {
            Some(words) => Err(format!("it happened: {words}")),
            None => Ok(()),
        }
    }

    fn read(&mut self, what: &str, words: &mut Words<'_>) -> Result<String, String> {
        let name = words.next()?;
        self.world();
        let world = self.world.as_ref().ok_or("no world")?;
        if let Some(found) = self.read_capacity(world, what, name, words)? {
            return Ok(found);
        }
        match what {
            "balance" => {
                let account = match name {
                    "treasury" => ledger::Account::Treasury,
                    "dust" => ledger::Account::Dust,
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
                Ok(world.read(|cx| unpaid(cx, provider)).to_string())
            }
            "price" => {
                let id = known(&self.offers, name)?;
                Ok(world.read(|cx| {
                    let offer = offer::get(cx.store, id)?.expect("offer");
                    let curve = offer.curve(cx.epoch());
                    Ok(match curve.slope.0 {
                        0 => curve.floor.to_string(),
                        slope => format!("{} slope {slope}", curve.floor),
                    })
                }))
            }
            "deposits" => {
                let flt = world.events.iter().filter_map(|(_, event)| match event {
                    Event::Deposit(deposit::Event::Taken { from, amount }) => {
                        (*from == address(name)).then_some(amount.0.cast_signed())
                    }
                    Event::Deposit(deposit::Event::Returned { to, amount }) => {
                        (*to == address(name)).then_some(-amount.0.cast_signed())
                    }
                    _ => None,
                });
                Ok(flt.sum::<i128>().to_string())
            }
            "record" => {
                let id = known(&self.providers, name)?;
                let record = world.read(|cx| record::get(cx.store, id));
                let count: u128 = match words.next()? {
                    "assigned" => record.assigned,
                    "served" => record.served,
                    "never-started" => record.never_started.into(),
                    "failed" => record.failed.into(),
                    "silent" => record.silent.into(),
                    "declined" => record.declined.into(),
                    "left" => record.left.into(),
                    "notices-kept" => record.notices_kept.into(),
                    "payers" => record.payers.into(),
                    other => return Err(format!("what is {other} of a record?")),
                };
                Ok(count.to_string())
            }
            "parameter" => {
                let table = world.read(|cx| Ok(cx.params.table()));
                let found = table.iter().find(|each| each.name == name);
                Ok(found.ok_or("no such parameter")?.value.to_string())
            }
            "pending" => {
                let all = world.read(|cx| governance::pending(cx.store));
                let all = all.iter().filter(|(_, change)| change.parameter == name);
                let each = all.map(|((at, _), change)| format!("{} at {at}", change.value));
                Ok(each.collect::<Vec<_>>().join(", "))
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
            "runs" | "due" => {
                let id = self.worker(name)?;
                let view = world.read(|cx| deal::worker(cx, id));
                let view = view.ok_or("the worker is removed")?;
                let artifact = match what {
                    "runs" => view.worker.artifact,
                    _ => view.due,
                };
                Ok(artifact.0[0].to_string())
            }
            "worker" => {
                let id = self.worker(name)?;
                Ok(match world.read(|cx| worker::get(cx.store, id)) {
                    None => "removed".to_owned(),
                    Some(worker) => format!("{:?}", worker.stage)
                        .split(|c: char| !c.is_alphanumeric())
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
            "draining" => view.deal.draining.to_string(),
            "cannot-run" => view.deal.cannot_run.len().to_string(),
            "free" => view.free.to_string(),
            "free-exact" => view.deal.spare().to_string(),
            "held-exact" => view.deal.held.whole.to_string(),
            "remainder" => {
                let span = view.paid_until.since(view.deal.at);
                let used = view.deal.rate.over(span).expect("rate");
                let rate = view.deal.rate.over(view.terms.hold).expect("rate");
                let hold = rate.part(view.deal.hold_ppm).and_then(Part::ceil);
                let spare = view.deal.spare().checked_sub(hold.expect("hold"));
                spare
                    .expect("a reserve")
                    .checked_sub(used)
                    .expect("remainder")
                    .to_string()
            }
            "paid-until" => until(view.paid_until),
            "version" => view.deal.artifact_version.to_string(),
            "rollout" => self.rollout(id, view.deal.rollout),
            "previous" => view.previous.map_or_else(
                || "none".to_owned(),
                |artifact| artifact.hash.0[0].to_string(),
            ),
            "ends" => until(view.deal.ends),
            "target" => view.terms.target_workers.to_string(),
            "surplus" => view.surplus.to_string(),
            other => return Err(format!("what is {other} of a deal?")),
        })
    }
}

/// What all workers of a provider have earned up to the last reports and were not paid.
fn unpaid<S: Store>(cx: &mut Cx<'_, S>, provider: ProviderId) -> Result<Usdc, Error> {
    let mut total = 0;
    for ((_, id), ()) in BY_PROVIDER.list(cx.store, &provider, None, usize::MAX)? {
        let worker = worker::get(cx.store, id)?.expect("a worker of the index");
        total += match worker.stage {
            WorkerStage::Gone { earned, .. } => earned.0 - worker.paid.0,
            _ => {
                let workers = deal::view(cx, worker.deal)?.workers;
                let view = workers.iter().find(|view| view.id == id);
                view.expect("a worker that is not gone").unpaid.0
            }
        };
    }
    Ok(Usdc(total))
}

fn status_name(status: deal::Status) -> String {
    match status {
        deal::Status::Paused { since } => format!("paused since {since}"),
        deal::Status::Ended { reason, .. } => format!("ended {reason:?}"),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// Whether some part of `words` reads so; a number is not the beginning or the end of a longer one.
fn says(words: &str, wanted: &str) -> bool {
    let digit = |c: char| c.is_ascii_digit();
    words.match_indices(wanted).any(|(place, _)| {
        let (before, after) = (&words[..place], &words[place + wanted.len()..]);
        let longer_after = wanted.ends_with(digit) && after.starts_with(digit);
        let longer_before = wanted.starts_with(digit) && before.ends_with(digit);
        !longer_after && !longer_before
    })
}

#[test]
fn a_number_is_not_seen_in_a_longer_one() {
    assert!(says("D ended refund 120 by", "refund 120"));
    assert!(!says("D ended refund 120 by", "refund 12"));
    assert!(!says("D ended refund 120 by", "20 by"));
    assert!(says("refund 120 and refund 12", "refund 12"));
}

/// Without an expectation, all is well that is not refused.
fn expect(outcome: Option<&str>, found: &str) -> Result<(), String> {
    let good = match outcome {
        None => !found.starts_with("refused"),
        Some(wanted) if wanted.starts_with("refused") => {
            wanted.split_whitespace().all(|word| says(found, word))
        }
        Some(wanted) => wanted.replace('_', "") == found,
    };
    if good {
        Ok(())
    } else {
        Err(format!("found: {found}"))
    }
}
