//! Players over the real rows: peers that commit, answer and claim as their strategies say, for months.

use super::strategy::{Answers, Flagged, Strategy};
use crate::dice::Dice;
use crate::fleet::supply::terms;
use crate::fleet::validator::{judge, opening};
use crate::names::{address, registration};
use crate::world::World;
use marketplace::commitment::{self, COMMITMENTS, Status};
use marketplace::units::{
    Address, CommitmentId, DatacenterId, Epoch, Hash, PeerId, ProviderId, Time,
};
use marketplace::{Call, Event, Params, audit, peer, window};
use std::collections::BTreeMap;

const FLT: u128 = 1_000_000_000_000_000_000;
/// Units of a peer of the rest of the fleet, which is honest, and epochs for which it goes on when others have ended.
const CROWD: u16 = 256;
const AFTER: u64 = 2;

/// What is played.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// Units of each strategy, or a little less.
    pub(super) units: u16,
    /// Peers of the rest of the fleet.
    pub(super) crowd: u64,
    /// Epochs in which units prove.
    pub(super) epochs: u64,
    /// Audits of a window among a million units.
    pub(super) audits_ppm: u64,
    /// Collateral of a unit, in what it earns in an epoch.
    pub(super) stake: u64,
}

/// The least collateral that the parameters allow, in what a unit is to earn at most in an epoch.
pub(super) fn least_stake() -> u64 {
    let params = Params::default();
    params.collateral_usd_micro / params.max_reward_usd_micro
}

/// A peer, and what became of its money.
struct Player {
    strategy: Strategy,
    /// Which of the strategies.
    kind: usize,
    name: String,
    id: PeerId,
    operator: Address,
    commitments: Vec<CommitmentId>,
    /// It rests before this window.
    rests: u64,
    /// Leaves left out in windows that may still be audited, among a million; by unit whether it is an honest one.
    skipped: BTreeMap<u64, u64>,
}

/// What a strategy made of a unit of class 1 in an epoch, in millionths of an honest one's.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outcome {
    /// FLT, in wei: what came back and was earned, less what was deposited.
    pub(super) net: i128,
    /// Work done, and work that was owed: leaves of class 1, a million for each window.
    pub(super) work: u128,
    pub(super) owed: u128,
}

impl Outcome {
    /// Millionths of the work owed that were done.
    pub(super) fn work_ppm(&self) -> i128 {
        (self.work * 1_000_000 / self.owed.max(1)) as i128
    }

    /// Net earnings for the work owed, in millionths of what an honest one gets for it.
    pub(super) fn net_ppm(&self, honest: &Self) -> i128 {
        let [own, other] = [self.owed, honest.owed].map(|owed| owed as i128 / 1_000_000);
        let per = |net: i128, owed: i128| net / owed.max(1);
        per(self.net, own) * 1_000_000 / per(honest.net, other).max(1)
    }
}

pub(super) struct Play {
    world: World,
    dice: Dice,
    players: Vec<Player>,
    by_peer: BTreeMap<PeerId, usize>,
    by_commitment: BTreeMap<CommitmentId, usize>,
    first: u64,
    last: u64,
    prices: (u64, u64),
    pub(super) outcomes: Vec<Outcome>,
}

impl Play {
    /// Plays it to the end: until everybody was paid. The last outcome is that of the crowd.
    pub(super) fn run(rules: &Rules, strategies: &[Strategy], seed: u64) -> Vec<Outcome> {
        let mut play = Self::new(rules, strategies, seed);
        let params = play.world.params.clone();
        let vested = params.holdback_epochs + params.vesting_epochs + AFTER + 2;
        let end = params.window_begins(play.last).0 + vested * params.epoch_seconds;
        while play.world.now < end {
            play.block();
        }
        play.world.check_all();
        play.claim_all();
        play.outcomes
    }

    fn new(rules: &Rules, strategies: &[Strategy], seed: u64) -> Self {
        let classes = |strategy: &Strategy| u64::from(rules.units) * u64::from(strategy.class);
        let classes: u64 = strategies.iter().map(classes).sum();
        let classes = classes + rules.crowd * u64::from(CROWD);
        let (params, prices) = economy(rules, classes);
        let mut world = World::of_provers(&params, prices.0, prices.1);
        (world.every, world.audited) = (Some(u64::MAX), false);
        let first = params.first_window(Epoch(2));
        let mut play = Self {
            world,
            dice: Dice::new(seed),
            players: Vec::new(),
            by_peer: BTreeMap::new(),
            by_commitment: BTreeMap::new(),
            first,
            last: first + rules.epochs * params.windows_per_epoch,
            prices,
            outcomes: vec![Outcome::default(); strategies.len() + 1],
        };
        play.supply(rules, strategies);
        play
    }

    fn supply(&mut self, rules: &Rules, strategies: &[Strategy]) {
        let owner = address("owner");
        let place = self.world.provider(owner);
        let crowd = Strategy {
            name: "crowd",
            units: CROWD,
            ..strategies[0]
        };
        for number in 0..rules.crowd {
            self.add(
                place,
                (strategies.len(), crowd),
                format!("c{number}"),
                rules,
            );
        }
        for (kind, strategy) in strategies.iter().enumerate() {
            for number in 0..rules.units / strategy.units {
                self.add(place, (kind, *strategy), format!("s{kind}p{number}"), rules);
            }
        }
    }

    fn add(
        &mut self,
        (provider, datacenter): (ProviderId, DatacenterId),
        (kind, strategy): (usize, Strategy),
        name: String,
        rules: &Rules,
    ) {
        let new = registration(&name, provider, datacenter, strategy.units);
        let (id, operator) = (new.peer, new.operator);
        let call = Call::Peer(peer::Call::Register(new));
        self.world.call(address("owner"), &call).expect("a peer");
        let player = Player {
            strategy,
            kind,
            name,
            id,
            operator,
            commitments: Vec::new(),
            rests: 0,
            skipped: BTreeMap::new(),
        };
        self.by_peer.insert(id, self.players.len());
        self.players.push(player);
        // The crowd stays on, so that the last windows of others are shared with it.
        let last = if strategy.units == CROWD {
            rules.epochs + AFTER
        } else {
            rules.epochs
        };
        self.pledge(self.players.len() - 1, strategy.duration.unwrap_or(last));
    }

    /// Commits a peer's units, at their owner's expense.
    fn pledge(&mut self, player: usize, duration: u64) {
        let owner = address("owner");
        let row = &self.players[player];
        let terms = terms(&row.name, owner, row.strategy.class, duration);
        let id = self.world.pledge(owner, terms);
        let row = self.world.read(|cx| COMMITMENTS.must(cx.store, &id));
        let player = &mut self.players[player];
        player.commitments.push(id);
        self.outcomes[player.kind].net -= row.collateral().0 as i128;
        self.by_commitment.insert(id, self.by_peer[&player.id]);
    }

    fn block(&mut self) {
        let now = Time(self.world.now);
        let due = self.world.read(|cx| audit::due(cx.store, now, 32));
        let verdicts = due.iter().map(|(id, audit)| {
            let answer = audit.answer.as_ref().expect("it was answered");
            (*id, judge(&answer.bytes))
        });
        self.world.verdicts = verdicts.take(16).collect();
        let seconds = if due.len() > 16 { 1 } else { 60 };
        let before = self.world.params.window_at(now);
        self.world.block(seconds);
        if before != self.world.params.window_at(Time(self.world.now)) {
            self.window_begins();
        }
        let events = std::mem::take(&mut self.world.events);
        for (_, event) in events {
            self.heard(&event);
        }
    }

    /// The oracle speaks, and whoever goes on from one commitment to the next makes the next one: once an epoch.
    fn window_begins(&mut self) {
        let params = &self.world.params;
        let window = params.window_at(Time(self.world.now)).unwrap_or(0);
        if window % params.windows_per_epoch != 1 {
            return;
        }
        let epoch = params.epoch_of_window(window);
        let last = params.epoch_of_window(self.last);
        self.world.state_price(self.prices.0, self.prices.1);
        for number in 0..self.players.len() {
            let player = &self.players[number];
            let Some(duration) = player.strategy.duration else {
                continue;
            };
            let id = player.commitments[player.commitments.len() - 1];
            let row = self.world.read(|cx| COMMITMENTS.must(cx.store, &id));
            let ends = match row.status {
                Status::Active { end, .. } => end,
                // What failed is over at once.
                Status::Failed { .. } => epoch.plus(1),
                _ => continue,
            };
            if ends == epoch.plus(1) && ends.plus(duration) <= last {
                self.pledge(number, duration);
            }
        }
    }

    fn heard(&mut self, event: &Event) {
        match event {
            Event::Window(window::Event::Opened { window, .. }) => self.commit_all(*window),
            Event::Audit(event) => self.heard_of_audit(event),
            Event::Commitment(
                commitment::Event::RewardPaid {
                    commitment, amount, ..
                }
                | commitment::Event::CollateralPaid {
                    commitment, amount, ..
                },
            ) => {
                let player = self.by_commitment[commitment];
                let kind = self.players[player].kind;
                self.outcomes[kind].net += amount.0 as i128;
            }
            _ => {}
        }
    }

    fn commit_all(&mut self, window: u64) {
        if window < self.first || self.world.params.builds(window) {
            return;
        }
        for number in 0..self.players.len() {
            let crowd = self.players[number].strategy.units == CROWD;
            if window < self.last || crowd {
                self.commit(number, window);
            }
        }
    }

    /// The commitment under which a peer proves now, if one is active.
    fn current(&self, player: &Player) -> Option<commitment::Commitment> {
        let mut latest = player.commitments.iter().rev();
        latest.find_map(|id| {
            let row = self.world.read(|cx| commitment::get(cx.store, *id))?;
            matches!(row.status, Status::Active { .. }).then_some(row)
        })
    }

    fn commit(&mut self, number: usize, window: u64) {
        let player = &self.players[number];
        let strategy = player.strategy;
        let flagged = self.current(player).is_some_and(|row| row.flag > 0);
        let place = window % self.world.params.windows_per_epoch;
        // Some windows after the first of an epoch, of those that count in it.
        let missed = (10..10 + strategy.misses).contains(&place) || window < player.rests;
        let works = flagged && strategy.flagged == Flagged::Works;
        let skips = if works { 0 } else { strategy.skips_ppm };
        let class = u128::from(strategy.class);
        let outcome = &mut self.outcomes[player.kind];
        let all = u128::from(strategy.units);
        let liars = all - u128::from(strategy.honest);
        outcome.owed += all * class * 1_000_000;
        if missed {
            return;
        }
        // Of the crowd, when its time is over, this is refused.
        let call = Call::Window(window::Call::Commit {
            peer: player.id,
            window,
            root: Hash([7; 32]),
            units: (0..strategy.units).collect(),
        });
        let operator = player.operator;
        if self.world.call(operator, &call).is_ok() {
            outcome.work += all * class * 1_000_000 - liars * class * u128::from(skips);
        }
        let skipped = &mut self.players[number].skipped;
        skipped.insert(window, skips);
        skipped.retain(|other, _| other + 8 > window);
    }

    fn heard_of_audit(&mut self, event: &audit::Event) {
        match event {
            audit::Event::Drawn {
                audit,
                peer,
                window,
                unit,
                leaves,
                ..
            } => self.answer(*audit, self.by_peer[peer], (*window, *unit), *leaves),
            audit::Event::Judged { peer, outcome, .. } => {
                let window = self.world.params.window_at(Time(self.world.now));
                let flag = self.world.params.flag_windows;
                let player = &mut self.players[self.by_peer[peer]];
                let rests = player.strategy.flagged == Flagged::Rests;
                if rests
                    && *outcome != audit::Outcome::Passed
                    && player.rests <= window.unwrap_or(0)
                {
                    player.rests = window.unwrap_or(0) + flag;
                }
            }
            audit::Event::Answered { .. } => {}
        }
    }

    fn answer(
        &mut self,
        audit: marketplace::units::AuditId,
        player: usize,
        (window, unit): (u64, u16),
        leaves: u16,
    ) {
        let Player {
            strategy,
            operator,
            skipped,
            ..
        } = &self.players[player];
        let honest = unit < strategy.honest;
        let skips = if honest { 0 } else { skipped[&window] };
        let left_out = |_: &u16| self.dice.roll() % 1_000_000 < skips;
        let bad = (0..leaves).filter(left_out).count() as u16;
        let silent = match strategy.answers {
            Answers::All => false,
            Answers::Good => bad > 0,
            Answers::Nothing => true,
        };
        if silent {
            return;
        }
        let bytes = opening(leaves, bad);
        let call = Call::Audit(audit::Call::Answer { audit, bytes });
        self.world.call(*operator, &call).expect("it is open");
    }

    fn claim_all(&mut self) {
        for commitment in self.by_commitment.keys().copied().collect::<Vec<_>>() {
            let call = Call::Commitment(commitment::Call::Claim { commitment });
            self.world
                .call(address("owner"), &call)
                .expect("it is over");
            let left = self.world.read(|cx| commitment::get(cx.store, commitment));
            assert_eq!(left, None, "something is owed still");
        }
        let events = std::mem::take(&mut self.world.events);
        for (_, event) in events {
            self.heard(&event);
        }
    }
}

/// Parameters, the price of FLT, and what a unit is to earn: the pool is at its floor and just what units are to earn,
/// so that it stays, and collateral is so many times what a unit earns.
fn economy(rules: &Rules, classes: u64) -> (Params, (u64, u64)) {
    let params = Params::default();
    let pool = u128::from(params.pool_floor_gwei) * 1_000_000_000;
    let reward = pool / u128::from(classes);
    let usd = u128::from(params.collateral_usd_micro) / u128::from(rules.stake);
    let price = usd * FLT / reward;
    let params = Params {
        // Less would take longer, and is no other thing.
        max_step_seconds: 60,
        audit_budget: (classes * rules.audits_ppm).div_ceil(1_000_000),
        // Other stakes are played as well.
        max_reward_usd_micro: params.max_reward_usd_micro.max(usd as u64),
        ..params
    };
    (params, (price as u64, usd as u64))
}
