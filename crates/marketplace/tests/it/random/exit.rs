//! From wherever a run has come to, everybody can get out with what is theirs.

use super::Run;
use marketplace::ledger::{self, Account};
use marketplace::units::{DealId, ProviderId, Usdc};
use marketplace::{Call, deal, provider};

impl Run {
    /// Owners stop their deals, providers withdraw, and no deal holds anything any more.
    pub(super) fn settle_up(&mut self) {
        self.world.block(60);
        for id in (1..=self.deals).map(DealId) {
            let Some(deal) = self.deal_of(id).filter(|deal| !deal.ended()) else {
                continue;
            };
            let stop = Call::Deal(deal::Call::Stop { deal: id });
            let stopped = self.world.call(deal.owner, &stop);
            // A deadline that the drained clock had not reached may have ended it first.
            assert!(stopped.is_ok() || !self.world.audited, "stop: {stopped:?}");
        }
        for _ in 0..50 {
            self.world.block(60);
        }
        for provider in (1..=self.providers).map(ProviderId) {
            let owner = self.owner(provider);
            for _ in 0..20 {
                let call = provider::Call::Withdraw {
                    provider,
                    workers: 256,
                };
                let paid = self.world.call(owner, &Call::Provider(call));
                paid.expect("withdraw");
            }
        }
        for id in (1..=self.deals).map(DealId) {
            let account = Account::Deal(id);
            let left = self.world.read(|cx| ledger::balance(cx.store, account));
            assert_eq!(left, Usdc::ZERO, "deal {id} keeps money that is nobody's");
        }
    }
}
