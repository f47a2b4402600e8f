//! Lines about commitments, windows, audits and rewards.

use super::Stage;
use super::words::{Words, known};
use crate::world::{World, address, peer_id};
use marketplace::audit::{self, Outcome, Verdict};
use marketplace::commitment::{self, Status};
use marketplace::flt::{self, Purse};
use marketplace::units::{Address, AuditId, CommitmentId, Epoch, Flt, Hash, PeerId, Price};
use marketplace::{Call, Event, peer, pool, window};

/// A peer that commits to each window in time.
pub(super) struct Prover {
    name: String,
    /// None: all its units.
    units: Option<Vec<u16>>,
}

/// What comes of audits by itself: all units do the same, or one does and the others are good.
#[derive(Clone, Copy, Default)]
pub(super) struct Answers {
    /// How many leaves are found bad; None: there is no answer, unless a line gives it.
    bad: Option<u16>,
    unit: Option<u16>,
}

impl Answers {
    fn of(self, unit: u16) -> Option<u16> {
        match self.unit {
            Some(other) if other != unit => Some(0),
            _ => self.bad,
        }
    }
}

impl Stage {
    /// Whether a line begins with a word of this file.
    pub(super) fn is_capacity(verb: &str) -> bool {
        matches!(
            verb,
            "commit"
                | "stake"
                | "take-back"
                | "cancel-commitment"
                | "claim"
                | "prove"
                | "answer"
                | "flt-price"
                | "fund"
        )
    }

    pub(super) fn capacity(
        &mut self,
        verb: &str,
        name: String,
        words: &mut Words<'_>,
    ) -> Result<(String, String, Call), String> {
        let commitment = |stage: &Self| known(&stage.commitments, &name);
        let by = words.option("by").unwrap_or("dan").to_owned();
        let (caller, call) = match verb {
            "commit" => return self.commit(name, words),
            "stake" => {
                let commitment = commitment(self)?;
                (
                    by,
                    Call::Commitment(commitment::Call::Deposit { commitment }),
                )
            }
            "take-back" => {
                let commitment = commitment(self)?;
                (
                    by,
                    Call::Commitment(commitment::Call::TakeBack { commitment }),
                )
            }
            "cancel-commitment" => {
                let commitment = commitment(self)?;
                (
                    by,
                    Call::Commitment(commitment::Call::Cancel { commitment }),
                )
            }
            "claim" => {
                let commitment = commitment(self)?;
                (by, Call::Commitment(commitment::Call::Claim { commitment }))
            }
            "prove" => {
                let newest = self.newest_window()?;
                let window = words.number_option("window")?.unwrap_or(newest);
                let units = units(words.option("units"))?;
                let units = units.unwrap_or_else(|| self.all_units(&name));
                (name.clone(), proof(&name, window, units))
            }
            "answer" => {
                let id = AuditId(name.parse().map_err(|_| "which audit?")?);
                let bytes = vec![1; words.number_option("bytes")?.unwrap_or(100)];
                let caller = self.audited(id).unwrap_or(by);
                (
                    caller,
                    Call::Audit(audit::Call::Answer { audit: id, bytes }),
                )
            }
            "flt-price" => {
                let set = pool::Call::SetPrice {
                    flt_price_micro: number(&name)?,
                    reward_usd_micro: words.number_option("reward")?.unwrap_or(330_000),
                };
                ("oracle".to_owned(), Call::Pool(set))
            }
            _ => (name.clone(), Call::Pool(pool::Call::Fund)),
        };
        Ok((caller, String::new(), call))
    }

    fn commit(
        &mut self,
        name: String,
        words: &mut Words<'_>,
    ) -> Result<(String, String, Call), String> {
        let of = words.option("of").ok_or("of which peer?")?;
        let owner = of.split('.').next().unwrap_or_default().to_owned();
        let new = commitment::New {
            peer: peer_id(of),
            duration: words.number_option("epochs")?.unwrap_or(10),
            class: words.number_option("class")?.unwrap_or(1),
            share_ppm: words.number_option("share")?.unwrap_or(0),
            min_ask: Price(words.number_option("min-ask")?.unwrap_or(0)),
            delegator: words.option("delegator").map(address),
            payout: address(words.option("payout").unwrap_or(&owner)),
        };
        Ok((owner, name, Call::Commitment(commitment::Call::Create(new))))
    }

    fn newest_window(&mut self) -> Result<u64, String> {
        let newest = self.world().read(|cx| window::newest(cx.store));
        newest
            .map(|(window, _)| window)
            .ok_or("no window began".to_owned())
    }

    fn all_units(&mut self, name: &str) -> Vec<u16> {
        let units = self.world().read(|cx| peer::units(cx.store, peer_id(name)));
        (0..units.registered()).collect()
    }

    fn audited(&mut self, id: AuditId) -> Option<String> {
        let audit = self.world().read(|cx| audit::get(cx.store, id))?;
        self.peers.get(&audit.peer).cloned()
    }

    /// `verdict 1 good`: the next block lists it.
    pub(super) fn verdict(&mut self, words: &mut Words<'_>) -> Result<(), String> {
        let id = AuditId(words.small()?);
        let verdict = match words.next()? {
            "good" => Verdict::Opened { bad: 0 },
            "malformed" => Verdict::Malformed,
            "bad" => Verdict::Opened {
                bad: words.small()?,
            },
            other => return Err(format!("what verdict is {other}?")),
        };
        self.world().verdicts.push((id, verdict));
        Ok(())
    }

    /// `prover P.de.1 [units 0,1]`: it commits to each window from now on; `prover P.de.1 stops`.
    pub(super) fn prover(&mut self, words: &mut Words<'_>) -> Result<(), String> {
        let name = words.next()?.to_owned();
        self.provers.retain(|prover| prover.name != name);
        if words.line.first() == Some(&"stops") {
            words.line.clear();
            return Ok(());
        }
        let units = units(words.option("units"))?;
        self.provers.push(Prover { name, units });
        Ok(())
    }

    /// `answers good`, `answers no`, `answers bad 3`; `unit 0`: that unit alone, the others are good.
    pub(super) fn answers(&mut self, words: &mut Words<'_>) -> Result<(), String> {
        let bad = match words.next()? {
            "good" => Some(0),
            "no" => None,
            "bad" => Some(words.small()?),
            other => return Err(format!("what answers are {other}?")),
        };
        let unit = words.number_option("unit")?;
        self.answers = Answers { bad, unit };
        Ok(())
    }

    /// Blocks until the clock shows `time`, with those in which windows begin and get their challenge; provers commit
    /// to the window before.
    pub(super) fn reach_through_windows(&mut self, time: u64) -> Result<(), String> {
        let (most, length) = (self.params.max_step_seconds, self.params.window().0);
        loop {
            let now = self.world().now;
            if now >= time {
                return Ok(());
            }
            let next = (now / length + 1) * length;
            let step = (time.min(next) - now).min(most);
            self.judged_block(step);
            if now + step == next {
                self.judged_block(0);
                self.judged_block(0);
                self.hear();
                self.commit_all(next / length - 1);
                self.answer_all()?;
            }
            self.hear();
        }
    }

    /// A block that lists the verdicts which are due in it, of audits that are answered by themselves.
    fn judged_block(&mut self, elapsed: u64) {
        let answers = self.answers;
        let world = self.world();
        let at = marketplace::units::Time(world.now + elapsed);
        for (id, audit) in world.read(|cx| audit::due(cx.store, at, 1_000)) {
            if let Some(bad) = answers.of(audit.unit) {
                let bad = bad.min(audit.leaves);
                world.verdicts.push((id, Verdict::Opened { bad }));
            }
        }
        world.block(elapsed);
    }

    fn commit_all(&mut self, window: u64) {
        for place in 0..self.provers.len() {
            let prover = &self.provers[place];
            let (name, own) = (prover.name.clone(), prover.units.clone());
            let units = own.unwrap_or_else(|| self.all_units(&name));
            // What is refused is not owed: a first window, or one in which all serve.
            let _ = self
                .world()
                .call(address(&name), &proof(&name, window, units));
        }
    }

    /// Answers the audits that are answered by themselves, at once.
    fn answer_all(&mut self) -> Result<(), String> {
        let open = self
            .world()
            .read(|cx| audit::OPEN.list(cx.store, &(), None, 1_000));
        for ((_, id), ()) in open {
            let Some(audit) = self.world().read(|cx| audit::get(cx.store, id)) else {
                continue;
            };
            let Some(name) = self.peers.get(&audit.peer).cloned() else {
                continue;
            };
            if self.answers.of(audit.unit).is_none() {
                continue;
            }
            let bytes = vec![1; 100];
            let call = Call::Audit(audit::Call::Answer { audit: id, bytes });
            let answered = self.world().call(address(&name), &call);
            answered.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    pub(super) fn tell_capacity(&self, event: &Event) -> Option<String> {
        match event {
            Event::Commitment(event) => self.tell_commitment(event),
            Event::Audit(audit::Event::Drawn {
                audit,
                peer,
                window,
                unit,
                leaves,
                answer_by,
            }) => {
                let peer = self.peers.get(peer)?;
                let unit = format!("unit {unit} of {peer}");
                Some(format!(
                    "audit {audit} asks {leaves} leaves of {unit} in window {window} by {answer_by}"
                ))
            }
            Event::Audit(audit::Event::Judged { audit, outcome, .. }) => {
                let outcome = match outcome {
                    Outcome::Passed => "passed",
                    Outcome::NoAnswer => "no answer",
                    Outcome::AskedAgain => "asked again",
                    Outcome::Hardware => "hardware",
                    Outcome::Fraud => "fraud",
                };
                Some(format!("audit {audit}: {outcome}"))
            }
            Event::Pool(pool::Event::EpochClosed {
                epoch,
                pool,
                paid,
                share,
            }) => Some(format!(
                "epoch {epoch} shares {paid} of {pool}, weight {} owing {}",
                share.weight, share.owing
            )),
            _ => None,
        }
    }

    fn tell_commitment(&self, event: &commitment::Event) -> Option<String> {
        Some(match event {
            commitment::Event::Created {
                commitment,
                collateral,
                ..
            } => {
                let name = self.commitment_name(*commitment);
                format!("{name} asks for {collateral}")
            }
            commitment::Event::StatusChanged { commitment, status } => {
                let name = self.commitment_name(*commitment);
                format!("{name} is {}", status.name())
            }
            commitment::Event::EpochClosed {
                commitment,
                epoch,
                passed,
                missed,
            } => {
                let name = self.commitment_name(*commitment);
                format!("{name} in epoch {epoch}: passed {passed} missed {missed}")
            }
            commitment::Event::Slashed {
                commitment,
                offence,
                amount,
            } => {
                let name = self.commitment_name(*commitment);
                format!("{name} loses {amount}: {offence:?}")
            }
            commitment::Event::Credited {
                commitment,
                epoch,
                amount,
                lost,
            } => {
                let name = self.commitment_name(*commitment);
                format!("{name} is credited {amount} of epoch {epoch}, lost {lost}")
            }
            commitment::Event::Closed { commitment } => {
                format!("{} is closed", self.commitment_name(*commitment))
            }
            _ => return None,
        })
    }

    fn commitment_name(&self, id: CommitmentId) -> String {
        let found = self.commitments.iter().find(|(_, other)| **other == id);
        found.map_or_else(|| id.to_string(), |(name, _)| name.clone())
    }

    /// What a line of this file reads; None: it is another's.
    pub(super) fn read_capacity(
        &self,
        world: &World,
        what: &str,
        name: &str,
        words: &mut Words<'_>,
    ) -> Result<Option<String>, String> {
        Ok(Some(match what {
            "commitment" => {
                let id = known(&self.commitments, name)?;
                let row = world.read(|cx| commitment::get(cx.store, id));
                let what = words.next()?;
                let Some(row) = row else {
                    return Ok(Some("gone".to_owned()));
                };
                match what {
                    "status" => status(row.status),
                    "missed" => row.missed.to_string(),
                    "staked" => row.staked.to_string(),
                    "flag" => row.flag.to_string(),
                    "audits" => row.audits.to_string(),
                    "workers" => row.workers.to_string(),
                    other => return Err(format!("what is {other} of a commitment?")),
                }
            }
            "purse" => {
                let purse = match name {
                    "fund" => Purse::Fund,
                    "treasury" => Purse::Treasury,
                    "dust" => Purse::Dust,
                    "epoch" => Purse::Pool(Epoch(words.small()?)),
                    name => Purse::Commitment(known(&self.commitments, name)?),
                };
                world.read(|cx| flt::purse(cx.store, purse)).to_string()
            }
            "unit" => {
                let (peer, index) = name.rsplit_once('/').ok_or("unit: peer/index")?;
                let units = world.read(|cx| peer::units(cx.store, peer_id(peer)));
                let index: usize = index.parse().map_err(|_| "index of the unit")?;
                let unit = units.0.get(index).ok_or("there is no such unit")?;
                format!("{unit:?}")
                    .split('(')
                    .next()
                    .unwrap_or("")
                    .to_owned()
            }
            "proven" => {
                let id: PeerId = peer_id(name);
                let pledge = world.read(|cx| commitment::PLEDGES.get(cx.store, &id));
                pledge.ok_or("it never committed")?.proven.to_string()
            }
            "received" => received(world, address(name)).to_string(),
            _ => return Ok(None),
        }))
    }
}

pub(super) fn status(status: Status) -> String {
    match status {
        Status::Active { start, end } => format!("active {start}..{end}"),
        Status::WaitStart { start } => format!("starts {start}"),
        Status::Failed { epoch } => format!("failed {epoch}"),
        Status::Ended { end } => format!("ended {end}"),
        Status::WaitCollateral => "waiting".to_owned(),
    }
}

/// FLT that commitments paid to an account.
pub(super) fn received(world: &World, account: Address) -> u128 {
    let paid = world.events.iter().filter_map(|(_, event)| match event {
        Event::Commitment(
            commitment::Event::RewardPaid { to, amount, .. }
            | commitment::Event::CollateralPaid { to, amount, .. }
            | commitment::Event::TakenBack {
                delegator: to,
                amount,
                ..
            },
        ) if *to == account => Some(amount),
        _ => None,
    });
    paid.map(|Flt(amount)| amount).sum()
}

fn proof(name: &str, window: u64, units: Vec<u16>) -> Call {
    let byte = u8::try_from(window % 251).unwrap_or(0);
    Call::Window(window::Call::Commit {
        peer: peer_id(name),
        window,
        root: Hash([byte; 32]),
        units,
    })
}

fn units(text: Option<&str>) -> Result<Option<Vec<u16>>, String> {
    let Some(text) = text else { return Ok(None) };
    let units = text.split(',').map(str::parse::<u16>);
    let units = units.collect::<Result<_, _>>();
    units.map(Some).map_err(|_| format!("{text}: units 0,1,2"))
}

fn number<T: TryFrom<u128>>(word: &str) -> Result<T, String> {
    Words { line: vec![word] }.small()
}
