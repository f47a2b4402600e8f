//! A day of a large fleet: every peer commits to every window, audits are drawn, answered and judged, by the real calls
//! and steps of the marketplace, in blocks that hold so much gas. Only hashing is not done: a validator is charged for an
//! audit what one was measured to cost, and has the verdict when its threads have got to it (`validator`).
//!
//! What it is to show:
//! - the load does not grow with the fleet: no window draws more than `audit_budget`;
//! - each kind of liar is found, by the verdict that is meant for it;
//! - no honest unit loses anything, or misses an epoch.
//!
//! `cargo xtask simulate fleet` runs the last test of this file with a million units, and prints one line of JSON.

pub(crate) mod chain;
mod figures;
mod prover;
mod settings;
pub(crate) mod supply;
pub(crate) mod validator;

use crate::dice::Dice;
use chain::{Chain, News};
use figures::{Fate, Series};
use marketplace::commitment::{self, PROOFS};
use marketplace::limits::AUDIT_LEAVES;
use marketplace::units::{Address, CommitmentId, Flt, Hash, PeerId};
use marketplace::{Call, Event, Refusal, audit, window};
use prover::Kind;
use settings::{Settings, short};
use std::collections::BTreeMap;
use validator::Validator;

/// A peer.
pub(crate) struct Peer {
    kind: Kind,
    id: PeerId,
    operator: Address,
    units: u16,
}

/// What a peer does at its time.
enum Deed {
    Commit(u64),
    Answer(audit::Call),
}

pub(crate) struct Fleet {
    settings: Settings,
    chain: Chain,
    dice: Dice,
    peers: Vec<Peer>,
    by_id: BTreeMap<PeerId, usize>,
    by_operator: BTreeMap<Address, usize>,
    by_commitment: BTreeMap<CommitmentId, usize>,
    /// By the second, and peer.
    agenda: BTreeMap<u64, Vec<(usize, Deed)>>,
    /// Windows that are committed to: from the first, and before the last.
    first: u64,
    last: u64,
    fates: [Fate; 7],
    /// First audits, and second ones, by window.
    drawn: BTreeMap<u64, [u64; 2]>,
    blocks: u64,
}

impl Fleet {
    /// Simulates until the last window has counted and no audit is open.
    pub(crate) fn run(settings: Settings) -> Self {
        let mut fleet = Self::commit_all(settings);
        let params = fleet.chain.world.params.clone();
        let over = params.verdict_time(fleet.last - 1).0 + params.answer_seconds;
        let over = over + 2 * params.verdict_delay_seconds;
        while fleet.chain.world.now <= over || fleet.chain.world.is_audited() {
            fleet.block();
        }
        fleet.count_slashed();
        fleet.chain.world.check_all();
        fleet
    }

    fn block(&mut self) {
        let seconds = self.settings.seconds;
        let News { events, refused } = self.chain.block(seconds);
        self.blocks += 1;
        for event in &events {
            self.heard(event);
        }
        for (caller, refusal) in refused {
            let fate = self.fate(self.by_operator[&caller]);
            match refusal {
                Refusal::WrongWindow { .. } => fate.late += 1,
                _ => fate.refused += 1,
            }
        }
        let later = self.agenda.split_off(&(self.chain.world.now + 1));
        let due = std::mem::replace(&mut self.agenda, later);
        for (peer, deed) in due.into_values().flatten() {
            self.act(peer, deed);
        }
    }

    fn fate(&mut self, peer: usize) -> &mut Fate {
        let kind = self.peers[peer].kind;
        &mut self.fates[kind as usize]
    }

    fn heard(&mut self, event: &Event) {
        match event {
            Event::Window(window::Event::Opened { window, .. }) => self.plan_commits(*window),
            Event::Window(window::Event::Committed { peer, .. }) => {
                let peer = self.by_id[peer];
                self.fate(peer).commits += 1;
            }
            Event::Audit(event) => self.heard_of_audit(event),
            Event::Commitment(commitment::Event::EpochClosed {
                commitment, missed, ..
            }) => {
                let peer = self.by_commitment[commitment];
                self.fate(peer).missed += u64::from(*missed);
            }
            _ => {}
        }
    }

    /// Each peer commits some time in the last quarter of a window, or soon after it.
    fn plan_commits(&mut self, window: u64) {
        let params = &self.chain.world.params;
        if !(self.first..self.last).contains(&window) || params.builds(window) {
            return;
        }
        let (begins, length) = (params.window_begins(window).0, params.window().0);
        let (from, last) = (begins + length * 3 / 4, params.commit_by(window).0);
        let until = begins + length + params.commit_grace_seconds / 2;
        for (peer, kind) in self.peers.iter().map(|peer| peer.kind).enumerate() {
            if !kind.commits(&mut self.dice) {
                continue;
            }
            let at = match kind {
                Kind::Late => last + 1,
                _ => from + self.dice.roll() % (until - from),
            };
            let deeds = self.agenda.entry(at).or_default();
            deeds.push((peer, Deed::Commit(window)));
        }
    }

    fn heard_of_audit(&mut self, event: &audit::Event) {
        match event {
            audit::Event::Drawn {
                audit,
                peer,
                leaves,
                window,
                ..
            } => {
                let second = *leaves > AUDIT_LEAVES;
                self.drawn.entry(*window).or_default()[usize::from(second)] += 1;
                let peer = self.by_id[peer];
                let answer = self.peers[peer].kind.answer(*leaves, &mut self.dice);
                let Some(bytes) = answer else {
                    return;
                };
                let spread = self.dice.roll() % (self.settings.spread + 1);
                let deeds = self.agenda.entry(self.chain.world.now + spread);
                let audit = *audit;
                let answer = Deed::Answer(audit::Call::Answer { audit, bytes });
                deeds.or_default().push((peer, answer));
            }
            audit::Event::Judged { peer, outcome, .. } => {
                let peer = self.by_id[peer];
                self.fate(peer).judged(*outcome);
            }
            audit::Event::Answered { .. } => {}
        }
    }

    fn act(&mut self, peer: usize, deed: Deed) {
        let Peer {
            id: peer,
            operator,
            units,
            ..
        } = self.peers[peer];
        let call = match deed {
            Deed::Answer(call) => Call::Audit(call),
            Deed::Commit(window) => Call::Window(window::Call::Commit {
                peer,
                window,
                root: Hash([7; 32]),
                units: (0..units).collect(),
            }),
        };
        self.chain.send(operator, call);
    }

    /// First audits of each window; second ones.
    fn audits(&self, second: bool) -> Series {
        let mut series = Series::default();
        for drawn in self.drawn.values() {
            series.push(drawn[usize::from(second)]);
        }
        series
    }

    /// Counts units that lost some of their collateral.
    fn count_slashed(&mut self) {
        for (commitment, peer) in std::mem::take(&mut self.by_commitment) {
            let proofs = self
                .chain
                .world
                .read(|cx| PROOFS.get(cx.store, &commitment));
            let units = proofs.expect("nobody claims").units;
            let slashed = units.iter().filter(|unit| unit.slashed != Flt::ZERO);
            self.fate(peer).slashed += slashed.count() as u64;
        }
    }
}

/// What is to hold of every fleet.
fn is_sound(fleet: &Fleet) {
    let fates = &fleet.fates;
    let honest = &fates[Kind::Honest as usize];
    assert_eq!(honest.slashed, 0, "an honest unit lost collateral");
    assert_eq!(honest.missed, 0, "an honest unit missed an epoch");
    let lost = honest.no_answer + honest.second + honest.hardware + honest.fraud;
    assert_eq!((lost, honest.late, honest.refused), (0, 0, 0));
    let budget = fleet.settings.audit_budget;
    let drawn = fleet.audits(false).most();
    assert!(drawn <= budget, "{drawn} audits in a window");
    let owed = fleet.settings.windows - 1; // the first builds
    assert_eq!(honest.commits, honest.peers * owed, "a commit was lost");
    let [late, absent] = [Kind::Late, Kind::Absent].map(|kind| &fates[kind as usize]);
    assert_eq!((late.commits, late.late), (0, late.peers * owed));
    assert_eq!(absent.second, 0, "what it did was right");
    if owed > 40 {
        assert_eq!(late.missed, late.units, "the epoch is over");
        assert!(absent.missed > 0 || absent.peers == 0);
    }
    assert_eq!(
        fates[Kind::Fakes as usize].hardware,
        0,
        "no result was right"
    );
    for (kind, fate) in Kind::ALL.into_iter().zip(fates) {
        let found = match kind {
            Kind::Honest | Kind::Late | Kind::Absent => continue,
            Kind::Skips => fate.hardware + fate.fraud,
            Kind::Fakes => fate.fraud,
            Kind::Forges | Kind::Silent => fate.no_answer,
        };
        assert!(found > 0 || fate.peers == 0, "{kind:?}: nobody was found");
    }
}

#[test]
fn liars_of_each_kind_are_found_and_the_load_is_that_of_a_small_fleet() {
    let [small, large] = [6_240, 12_480].map(|units| Fleet::run(short(units)));
    for fleet in [&small, &large] {
        is_sound(fleet);
        assert_eq!(fleet.chain.load.behind, 0, "verdicts were missing");
        assert_eq!(fleet.audits(false).most(), 400, "there are more units");
    }
    let [less, more] = [&small, &large].map(|fleet| fleet.judging().0);
    assert!(more * 4 < less * 5, "{less} and {more} seconds of judging");
}

/// What `cargo xtask simulate fleet` runs; without it a small one.
#[test]
fn a_fleet_is_sound() {
    let settings = match std::env::var_os("MP_FLEET_UNITS") {
        Some(_) => Settings::from_environment(),
        None => short(6_240),
    };
    let fleet = Fleet::run(settings);
    println!("{}", fleet.json());
    eprintln!("{}", fleet.table());
    is_sound(&fleet);
}
