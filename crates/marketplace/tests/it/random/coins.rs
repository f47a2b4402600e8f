//! USDC between holders.

use super::{Made, Run};
use marketplace::Call;
use marketplace::usdc;

impl Run {
    pub(super) fn transfer(&mut self) -> Made {
        let (to, amount) = (self.anybody(), self.amount(100_000));
        let call = usdc::Call::Transfer { to, amount };
        (self.anybody(), Call::Usdc(call))
    }

    pub(super) fn approve(&mut self) -> Made {
        let (spender, amount) = (self.anybody(), self.amount(100_000));
        let call = usdc::Call::Approve { spender, amount };
        (self.anybody(), Call::Usdc(call))
    }

    pub(super) fn transfer_from(&mut self) -> Made {
        let pair = |run: &mut Self| (run.anybody(), run.anybody());
        let allowed = |run: &Self, (from, spender): &_| {
            run.world
                .read(|cx| usdc::allowance(cx.store, *from, *spender))
                .0
                > 0
        };
        let (from, spender) = self.find(pair, allowed);
        let (to, amount) = (self.anybody(), self.amount(20_000));
        let call = usdc::Call::TransferFrom { from, to, amount };
        (spender, Call::Usdc(call))
    }

    pub(super) fn faucet(&mut self) -> Made {
        let amount = self.amount(1_000_000);
        (self.anybody(), Call::Usdc(usdc::Call::Faucet { amount }))
    }
}
