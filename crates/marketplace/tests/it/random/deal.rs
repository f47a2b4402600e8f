//! Deals, as developers see them.

use super::{Made, Run};
use crate::world::address;
use marketplace::deal::{self, Deal};
use marketplace::units::{Address, DealId, Usdc};
use marketplace::{Call, worker};

impl Run {
    pub(super) fn deal_of(&self, id: DealId) -> Option<Deal> {
        self.world.read(|cx| deal::get(cx.store, id))
    }

    /// A deal of which `fits` holds, most of the time, with its owner.
    pub(super) fn deal_that(&mut self, fits: impl Fn(&Deal) -> bool) -> (DealId, Address) {
        let id = self.find(Self::any_deal, |run, id| {
            run.deal_of(*id).is_some_and(|deal| fits(&deal))
        });
        let owner = self.deal_of(id).map(|deal| deal.owner);
        (id, owner.unwrap_or(address("nobody")))
    }

    pub(super) fn top_up(&mut self) -> Made {
        let (deal, _) = self.deal_that(|deal| !deal.ended());
        let amount = self.amount(50_000);
        let call = deal::Call::TopUp { deal, amount };
        (self.anybody(), Call::Deal(call))
    }

    pub(super) fn withdraw_surplus(&mut self) -> Made {
        let surplus = |run: &Self, id: &DealId| {
            let view = run.world.read(|cx| {
                let known = deal::get(cx.store, *id)?.is_some();
                known.then(|| deal::view(cx, *id)).transpose()
            });
            view.map_or(Usdc::ZERO, |view| view.surplus)
        };
        let deal = self.find(Self::any_deal, |run, id| surplus(run, id) > Usdc::ZERO);
        let most = u64::try_from(surplus(self, &deal).0).unwrap_or(u64::MAX);
        let amount = match self.odd(2) {
            true => Usdc(u128::from(most) + 1),
            false => self.amount(most),
        };
        let owner = self.deal_of(deal).map(|deal| deal.owner);
        let call = deal::Call::WithdrawSurplus { deal, amount };
        (owner.unwrap_or(address("nobody")), Call::Deal(call))
    }

    pub(super) fn evict(&mut self) -> Made {
        let worker = self.any_worker();
        let row = self.world.read(|cx| worker::get(cx.store, worker));
        let owner = row
            .and_then(|row| self.deal_of(row.deal))
            .map(|deal| deal.owner);
        let caller = match self.dice.one_in(3) {
            true => address("erin"),
            false => owner.unwrap_or(address("nobody")),
        };
        (caller, Call::Deal(deal::Call::Evict { worker }))
    }

    pub(super) fn stop(&mut self) -> Made {
        let (deal, owner) = self.deal_that(|deal| !deal.ended());
        (owner, Call::Deal(deal::Call::Stop { deal }))
    }

    pub(super) fn remove_deal(&mut self) -> Made {
        let (deal, owner) = self.deal_that(|deal| deal.ended() && deal.unpaid == 0);
        (owner, Call::Deal(deal::Call::Remove { deal }))
    }
}
