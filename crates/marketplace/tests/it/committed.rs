//! A network on which peers are committed, and a call of each kind about commitments, windows, audits and the pool that
//! succeeds in it.

use crate::names::{address, peer_id};
use crate::typical::{register_datacenter, register_provider};
use crate::world::{SELDOM, World, registration};
use marketplace::audit::{self, Verdict};
use marketplace::commitment::{self, New};
use marketplace::store::MemoryStore;
use marketplace::units::{AuditId, CommitmentId, DatacenterId, Flt, Hash, Price, ProviderId, Time};
use marketplace::{Call, Origin, Params, peer, pool, window};

const FLT: u128 = 1_000_000_000_000_000_000;
/// Commitments by id: of the peer that proves, and of the one that waits for its collateral.
const ACTIVE: CommitmentId = CommitmentId(1);
const WAITING: CommitmentId = CommitmentId(2);

/// Epochs of eight windows of 100 seconds.
pub(crate) fn params() -> Params {
    Params {
        epoch_seconds: 800,
        windows_per_epoch: 8,
        commit_grace_seconds: 10,
        answer_seconds: 140,
        verdict_delay_seconds: 50,
        max_step_seconds: 100,
        holdback_epochs: 1,
        // So few that their verdicts are listed in time.
        audit_budget: 20,
        deposit_gwei: 0,
        oracle: address("oracle"),
        ..Params::default()
    }
}

/// In the fifth epoch: `one` proved, has vested rewards and a window to commit to; `two` waits for its collateral; `three`
/// has no commitment. Beside them, so many others like `one` and like `two`. Of some peer an audit is to be answered.
pub(crate) struct Network {
    pub(crate) rows: MemoryStore,
    window: u64,
    audit: AuditId,
    audited: String,
}

pub(crate) fn network(others: usize) -> Network {
    let mut market = Making::new(params());
    market.supply(others);
    let last = 8 * 4 + 4;
    for window in 1..=last {
        market.window(window, window == last);
    }
    market.world.check_all();
    let (audit, audited) = market.open().pop().expect("an audit of the last draw");
    Network {
        rows: market.world.store,
        window: last - 1,
        audit,
        audited,
    }
}

/// A network while it is made.
pub(crate) struct Making {
    pub(crate) world: World,
    provers: Vec<String>,
}

impl Making {
    /// One provider with a datacenter, a price of FLT, and a fund.
    pub(crate) fn new(params: Params) -> Self {
        let mut making = Self {
            world: World::new(params, &[]),
            provers: Vec::new(),
        };
        making.world.every = Some(SELDOM);
        making.call("owner", &register_provider());
        making.call("owner", &register_datacenter());
        making.call("oracle", &price());
        making.pay("crowd", &Call::Pool(pool::Call::Fund), Flt(10_000 * FLT));
        making
    }

    pub(crate) fn call(&mut self, caller: &str, call: &Call) {
        let made = self.world.call(address(caller), call);
        made.unwrap_or_else(|error| panic!("{call:?}: {error}"));
    }

    fn pay(&mut self, caller: &str, call: &Call, amount: Flt) {
        let made = self.world.call_with(address(caller), call, amount);
        made.unwrap_or_else(|error| panic!("{call:?}: {error}"));
    }

    fn supply(&mut self, others: usize) {
        self.peer("one", 200);
        self.peer("two", 100);
        self.register("three", 2);
        for number in 0..others {
            self.peer(&format!("other{number}"), 200);
            self.peer(&format!("waits{number}"), 100);
        }
    }

    fn register(&mut self, name: &str, units: u16) {
        let new = registration(name, ProviderId(1), DatacenterId(1), units);
        self.call("owner", &Call::Peer(peer::Call::Register(new)));
    }

    /// A committed peer of so many units, with so much FLT deposited.
    pub(crate) fn committed(&mut self, name: &str, units: u16, staked: u128) -> CommitmentId {
        self.register(name, units);
        self.call("owner", &create(name));
        let pledge = self
            .world
            .read(|cx| commitment::PLEDGES.get(cx.store, &peer_id(name)));
        let commitment = pledge.expect("it committed").current;
        let deposit = Call::Commitment(commitment::Call::Deposit { commitment });
        self.pay("ann", &deposit, Flt(staked * FLT));
        commitment
    }

    /// One of two units, that proves if all of its collateral is there: 200.
    fn peer(&mut self, name: &str, staked: u128) {
        self.committed(name, 2, staked);
        if staked == 200 {
            self.provers.push(name.to_owned());
        }
    }

    /// The three blocks with which a window begins: peers commit to the one before and answer; at last `one` does not,
    /// and nobody answers.
    fn window(&mut self, number: u64, last: bool) {
        for elapsed in [100, 0, 0] {
            // A verdict counts what its commitment passed. So that all are counted alike, none is listed in the first block
            // of an epoch, which credits rewards, nor after the last commits.
            if !last && (elapsed == 0 || !number.is_multiple_of(8)) {
                self.judge(elapsed);
            }
            self.world.block(elapsed);
        }
        for name in self.provers.clone() {
            let owed = number > 9 && number % 8 != 1;
            if owed && !(last && name == "one") {
                self.call(&name, &commit(&name, number - 1, vec![0, 1]));
            }
        }
        if !last {
            for (audit, name) in self.open() {
                self.call(&name, &answer(audit));
            }
        }
    }

    /// Audits that are to be answered, and by whom.
    fn open(&self) -> Vec<(AuditId, String)> {
        let read = |id| self.world.read(|cx| audit::get(cx.store, id));
        let open = self
            .world
            .read(|cx| audit::OPEN.list(cx.store, &(), None, 1_000));
        let by = |id| {
            let peer = read(id).expect("an open audit").peer;
            let name = self.provers.iter().find(|name| peer_id(name) == peer);
            (id, name.expect("it proves").clone())
        };
        open.into_iter().map(|((_, id), ())| by(id)).collect()
    }

    fn judge(&mut self, elapsed: u64) {
        let at = Time(self.world.now + elapsed);
        let due = self.world.read(|cx| audit::due(cx.store, at, 10_000));
        let good = due
            .into_iter()
            .map(|(id, _)| (id, Verdict::Opened { bad: 0 }));
        self.world.verdicts.extend(good);
    }
}

fn create(name: &str) -> Call {
    Call::Commitment(commitment::Call::Create(New {
        peer: peer_id(name),
        duration: 100,
        class: 1,
        share_ppm: 500_000,
        min_ask: Price(0),
        delegator: None,
        payout: address("owner"),
    }))
}

pub(crate) fn commit(name: &str, window: u64, units: Vec<u16>) -> Call {
    Call::Window(window::Call::Commit {
        peer: peer_id(name),
        window,
        root: Hash([1; 32]),
        units,
    })
}

fn answer(audit: AuditId) -> Call {
    let bytes = vec![1; 1_500];
    Call::Audit(audit::Call::Answer { audit, bytes })
}

fn price() -> Call {
    Call::Pool(pool::Call::SetPrice {
        flt_price_micro: 1_000_000,
        reward_usd_micro: 330_000,
    })
}

impl Network {
    /// A call of each kind, in the order of `calls::NAMES`, who makes it, and with how much FLT.
    pub(crate) fn calls(&self) -> Vec<(Origin, Call)> {
        let (commitment, flt) = (WAITING, FLT);
        let calls = [
            ("owner", 0, create("three")),
            (
                "bea",
                50 * flt,
                Call::Commitment(commitment::Call::Deposit { commitment }),
            ),
            (
                "ann",
                0,
                Call::Commitment(commitment::Call::TakeBack { commitment }),
            ),
            (
                "owner",
                0,
                Call::Commitment(commitment::Call::Cancel { commitment }),
            ),
            (
                "nobody",
                0,
                Call::Commitment(commitment::Call::Claim { commitment: ACTIVE }),
            ),
            ("one", 0, commit("one", self.window, vec![0, 1])),
            (self.audited.as_str(), 0, answer(self.audit)),
            ("crowd", flt, Call::Pool(pool::Call::Fund)),
            ("oracle", 0, price()),
        ];
        let with = |(caller, value, call)| {
            let origin = Origin {
                caller: address(caller),
                value: Flt(value),
                ..Origin::default()
            };
            (origin, call)
        };
        calls.into_iter().map(with).collect()
    }
}
