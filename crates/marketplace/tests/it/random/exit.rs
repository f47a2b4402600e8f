//! From wherever a run has come to, everybody gets out with what is theirs, whoever else keeps still.

use super::Run;
use crate::world::address;
use marketplace::commitment::{self, PLEDGES, Status};
use marketplace::ledger::{Account, BALANCES};
use marketplace::time::DUE;
use marketplace::units::{DealId, OfferId, PeerId, ProviderId, Time, Usdc};
use marketplace::{Call, TABLES, datacenter, deal, offer, peer, provider};
use std::collections::BTreeSet;

/// Tables that may have rows when all deals and all supply are gone.
const STAYS: &[&str] = &[
    "params",
    "clock",
    "counters",
    "balances",
    "held",
    "allowances",
    "permit_nonces",
    "authorizations",
    "records",
    "payers",
    "sweep",
    "versions",
    "changes",
    // What belongs to the network: FLT of the fund, the treasury and dust, its price, and windows.
    "purses",
    "flt_held",
    "flt_price",
    "pool",
    "windows",
    "keys",
    "window_progress",
];

/// Who does nothing until the others have left.
#[derive(Clone, Copy, Debug)]
enum Still {
    Nobody,
    Developers,
    Providers,
}

impl Run {
    /// All leave, in an order that the dice choose. Nothing is left behind: users hold what the auditor says.
    pub(super) fn leave(&mut self) {
        self.wild = false;
        let still = self
            .dice
            .of(&[Still::Nobody, Still::Developers, Still::Providers]);
        println!("all leave; still: {still:?}");
        match still {
            Still::Nobody => {
                self.stop_deals();
                self.providers_leave();
            }
            Still::Developers => {
                self.providers_leave();
                self.deals_hold_only_what_their_owners_get();
                self.stop_deals();
            }
            Still::Providers => {
                self.stop_deals();
                self.pass(20);
                self.providers_leave();
            }
        }
        self.commitments_are_paid();
        self.remove_deals();
        self.close_down();
        self.nothing_is_left();
    }

    /// Time passes: so many blocks of a minute, and those that a drained clock needs to catch up.
    fn pass(&mut self, blocks: u64) {
        for _ in 0..blocks {
            self.judge();
            self.world.block(60);
        }
        let due = |run: &Self| {
            let first = run.world.read(|cx| DUE.first(cx.store, &(), None));
            first.is_some_and(|((at, _), ())| at.0 <= run.world.now)
        };
        while due(self) {
            self.world.block(0);
        }
    }

    fn stop_deals(&mut self) {
        self.pass(1);
        for id in (1..=self.deals).map(DealId) {
            let Some(row) = self.deal_of(id).filter(|deal| !deal.ended()) else {
                continue;
            };
            let stop = Call::Deal(deal::Call::Stop { deal: id });
            self.world.call(row.owner, &stop).expect("the owner stops");
            let over = self.deal_of(id).is_some_and(|deal| deal.ended());
            assert!(over, "deal {id} was stopped");
        }
    }

    /// They take their peers out of the offers, let their leases lapse, withdraw, and remove what they have.
    fn providers_leave(&mut self) {
        for offer in (1..=self.offers).map(OfferId) {
            let Some(row) = self.world.read(|cx| offer::get(cx.store, offer)) else {
                continue;
            };
            let owner = self.owner(row.provider);
            let peers = self
                .world
                .read(|cx| offer::peers(cx.store, offer, None, 256));
            let out = peers
                .into_iter()
                .map(|peer| offer::Call::RemovePeer { offer, peer });
            for call in out.chain([offer::Call::Close { offer }]) {
                let done = self.world.call(owner, &Call::Offer(call));
                done.expect("an offer is closed");
            }
        }
        // Longer than leases, start deadlines and holds.
        self.pass(10);
        for provider in (1..=self.providers).map(ProviderId) {
            self.withdraw_all(provider);
        }
        for (peer, row) in self.world.read(|cx| peer::list(cx.store, None, 256)) {
            let (owner, units) = (self.owner(row.provider), self.units(peer));
            let fewer = peer::Call::RemoveUnits { peer, count: units };
            if self.is_committed(peer) {
                continue;
            }
            let calls = [fewer, peer::Call::Remove { peer }];
            for call in calls.into_iter().skip(usize::from(units == 0)) {
                let done = self.world.call(owner, &Call::Peer(call));
                done.expect("a peer is removed");
            }
        }
        let peers = self.world.read(|cx| peer::list(cx.store, None, 256));
        if !peers.is_empty() {
            self.pass(4);
            self.providers_leave();
        }
    }

    /// Whether a peer has a commitment that is not over; one that waits for collateral, its provider takes back.
    fn is_committed(&mut self, peer: PeerId) -> bool {
        let Some(pledge) = self.world.read(|cx| PLEDGES.get(cx.store, &peer)) else {
            return false;
        };
        for id in pledge.successor.into_iter().chain([pledge.current]) {
            let row = self.world.read(|cx| commitment::get(cx.store, id));
            if let Some(row) = row
                && row.status == Status::WaitCollateral
            {
                let cancel = Call::Commitment(commitment::Call::Cancel { commitment: id });
                let done = self.world.call(self.owner(row.provider), &cancel);
                done.expect("a commitment is cancelled");
            }
        }
        let pledge = self.world.read(|cx| PLEDGES.get(cx.store, &peer));
        pledge.is_some_and(|pledge| pledge.active || pledge.since == Time::NEVER)
    }

    /// Anybody has everything paid that commitments owe.
    fn commitments_are_paid(&mut self) {
        for _ in 0..40 {
            let rows = self.world.read(|cx| commitment::list(cx.store, None, 256));
            if rows.is_empty() {
                return;
            }
            for (commitment, _) in rows {
                let claim = Call::Commitment(commitment::Call::Claim { commitment });
                let paid = self.world.call(address("nobody"), &claim);
                paid.expect("what is over is paid");
            }
            self.pass(4);
        }
        let left = self.world.read(|cx| commitment::list(cx.store, None, 256));
        panic!("not paid out: {left:#?}");
    }

    /// Calls that look at all workers twice, as each goes on where the last stopped.
    fn withdraw_all(&mut self, provider: ProviderId) {
        let owner = self.owner(provider);
        if owner == address("nobody") {
            return; // removed
        }
        for _ in 0..20 {
            let workers = 256;
            let call = provider::Call::Withdraw { provider, workers };
            let paid = self.world.call(owner, &Call::Provider(call));
            paid.expect("a provider withdraws");
        }
    }

    /// No worker is left and none is unpaid, so whatever a deal holds its owner may take by stopping it.
    fn deals_hold_only_what_their_owners_get(&mut self) {
        for id in (1..=self.deals).map(DealId) {
            let Some(deal) = self.deal_of(id) else {
                continue;
            };
            assert_eq!((deal.workers(), deal.unpaid), (0, 0), "deal {id}");
            let escrow = deal.free.floor(self.world.params.epoch());
            assert_eq!(escrow, self.balance(Account::Deal(id)), "deal {id}");
        }
    }

    fn remove_deals(&mut self) {
        for id in (1..=self.deals).map(DealId) {
            let Some(row) = self.deal_of(id) else {
                continue;
            };
            assert_eq!(self.balance(Account::Deal(id)), Usdc::ZERO, "deal {id}");
            let remove = Call::Deal(deal::Call::Remove { deal: id });
            self.world
                .call(row.owner, &remove)
                .expect("a deal is removed");
        }
    }

    /// The last that providers have goes, and all deposits are back.
    fn close_down(&mut self) {
        for (datacenter, row) in self.world.read(|cx| datacenter::list(cx.store, None, 256)) {
            let remove = Call::Datacenter(datacenter::Call::Remove { datacenter });
            let done = self.world.call(self.owner(row.provider), &remove);
            done.expect("a datacenter is removed");
        }
        for (provider, row) in self.world.read(|cx| provider::list(cx.store, None, 256)) {
            let remove = Call::Provider(provider::Call::Remove { provider });
            let done = self.world.call(row.owner, &remove);
            done.expect("a provider is removed");
        }
    }

    fn balance(&self, account: Account) -> Usdc {
        let balance = self.world.read(|cx| BALANCES.get(cx.store, &account));
        balance.unwrap_or_default()
    }

    fn nothing_is_left(&mut self) {
        // What clearing has to show or to wake is soon done.
        for _ in 0..1_000 {
            if self.tables().iter().all(|name| STAYS.contains(name)) {
                break;
            }
            self.world.block(1);
        }
        let left = self.tables();
        let left: Vec<_> = left.iter().filter(|name| !STAYS.contains(name)).collect();
        assert!(left.is_empty(), "rows are left behind in {left:?}");
        for key in self.world.store.rows.keys() {
            let account = BALANCES.decode_key(key);
            let ours = matches!(
                account,
                None | Some(Account::User(_) | Account::Treasury | Account::Dust)
            );
            assert!(ours, "{account:?} keeps money that is nobody's");
        }
        self.world.check_all();
    }

    /// Names of the tables that have rows.
    fn tables(&self) -> BTreeSet<&'static str> {
        let ids: BTreeSet<_> = self.world.store.rows.keys().map(|key| key[0]).collect();
        let tables = TABLES.iter().filter(|(id, _)| ids.contains(id));
        tables.map(|(_, name)| *name).collect()
    }
}
