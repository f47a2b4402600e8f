//! The pool of rewards of each epoch, the price of FLT, and the fund that both are paid from.
//!
//! Promises (`docs/spec/commitment.md`):
//! - Z1: the pool of an epoch is what its units were to earn, moved by at most `pool_step_ppm` from the pool before,
//!   within its floor and cap; without units that owed, or with a stale price, it stays.
//! - Z2: units share the pool by windows passed × class; each gets at most `reward_cap_ppm` of what it was to earn.
//! - Z3: rewards come from a fund that was filled before, and are never more than it holds.
//! - Z4: the oracle states price and target within the bounds of the parameters.

use crate::call::Reply;
use crate::cx::Cx;
use crate::flt::{self, Purse};
use crate::params::Params;
use crate::refusal::{Error, Refusal, Role, ensure, fault, within};
use crate::store::Store;
use crate::table::Table;
use crate::units::{Address, Epoch, Flt, Seconds, Time, mul_div};
use borsh::{BorshDeserialize, BorshSerialize};

/// What the oracle said last.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// Price of one FLT, in millionths of a dollar.
    pub flt_price_micro: u64,
    /// What a unit of class 1 is to earn in an epoch, in millionths of a dollar.
    pub reward_usd_micro: u64,
    /// When it said so.
    pub at: Time,
}

/// What a commitment adds to an epoch.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Windows that its good units passed × class.
    pub weight: u64,
    /// Units that owed a window × class.
    pub owing: u64,
    /// Units that earn × class.
    pub earning: u64,
}

/// An epoch: what all commitments proved in it, and once it is closed what that earns.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// Over all commitments.
    pub share: Share,
    /// Commitments that earned in it and have not been credited.
    pub creditors: u32,
    /// What they share; None: some commitment is not counted yet.
    pub pool: Option<Flt>,
    /// Most that a unit of class 1 gets; None: no cap.
    pub cap: Option<Flt>,
}

impl Total {
    /// What a unit of a class earned that passed so many windows. (Z2)
    #[must_use]
    pub fn reward(&self, passed: u16, class: u8) -> Option<Flt> {
        let weight = u128::from(passed).checked_mul(class.into())?;
        let pool = self.pool?;
        let part = mul_div(pool.0, weight, self.share.weight.into())?;
        let cap = match self.cap {
            Some(cap) => cap.0.checked_mul(class.into())?,
            None => u128::MAX,
        };
        Some(Flt(part.min(cap)))
    }
}

/// The one price.
pub const PRICE: Table<(), Price> = Table::new(0x3c, "flt_price");
/// Epochs of which somebody has not been credited, or not been counted.
pub const TOTALS: Table<Epoch, Total> = Table::new(0x3d, "epoch_totals");
/// The pool of the epoch that was closed last.
pub const POOL: Table<(), Flt> = Table::new(0x3e, "pool");

/// Calls about the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// The FLT that comes with the call is for rewards.
    Fund,
    /// The oracle states the price of FLT, and what a unit is to earn.
    SetPrice {
        /// Price of one FLT, in millionths of a dollar.
        flt_price_micro: u64,
        /// What a unit of class 1 is to earn in an epoch, in millionths of a dollar.
        reward_usd_micro: u64,
    },
}

/// What happens to the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody filled the fund.
    Funded {
        /// Who.
        from: Address,
        /// With how much.
        amount: Flt,
    },
    /// The oracle stated a price.
    PriceSet {
        /// Price of one FLT, in millionths of a dollar.
        flt_price_micro: u64,
        /// What a unit of class 1 is to earn in an epoch, in millionths of a dollar.
        reward_usd_micro: u64,
    },
    /// An epoch is closed for all commitments.
    EpochClosed {
        /// Which.
        epoch: Epoch,
        /// The pool that it would have shared.
        pool: Flt,
        /// What it shares: less, if the fund did not hold it, or nobody earned.
        paid: Flt,
        /// What all commitments proved.
        share: Share,
    },
}

/// One handler for each call.
pub(crate) fn apply<S: Store>(cx: &mut Cx<'_, S>, call: Call) -> Result<Reply, Error> {
    match call {
        Call::Fund => fund(cx),
        Call::SetPrice {
            flt_price_micro,
            reward_usd_micro,
        } => set_price(cx, flt_price_micro, reward_usd_micro),
    }?;
    Ok(Reply::Done)
}

fn fund<S: Store>(cx: &mut Cx<'_, S>) -> Result<(), Error> {
    let (from, amount) = (cx.caller(), cx.origin.value);
    ensure(amount != Flt::ZERO, Refusal::NothingSent)?;
    flt::receive(cx, Purse::Fund, amount)?;
    cx.emit(Event::Funded { from, amount });
    Ok(())
}

/// (Z4)
fn set_price<S: Store>(cx: &mut Cx<'_, S>, price: u64, reward: u64) -> Result<(), Error> {
    cx.authenticate(cx.params.oracle, Role::Oracle)?;
    let bounds = (cx.params.min_flt_price_micro, cx.params.max_flt_price_micro);
    within(
        "flt_price_micro",
        price.into(),
        bounds.0.into(),
        bounds.1.into(),
    )?;
    let most = cx.params.max_reward_usd_micro;
    within("reward_usd_micro", reward.into(), 0, most.into())?;
    let row = Price {
        flt_price_micro: price,
        reward_usd_micro: reward,
        at: cx.now(),
    };
    PRICE.put(cx.store, &(), &row)?;
    cx.emit(Event::PriceSet {
        flt_price_micro: price,
        reward_usd_micro: reward,
    });
    Ok(())
}

/// The price, unless it is stale or was never stated.
pub(crate) fn fresh_price<S: Store>(cx: &mut Cx<'_, S>) -> Result<Option<Price>, Error> {
    let age = Seconds(cx.params.price_max_age_seconds);
    let price = PRICE.get(cx.store, &())?;
    Ok(price.filter(|price| cx.now().since(price.at) <= age))
}

/// Counts a commitment in an epoch that it is closed for.
pub(crate) fn add_share<S: Store>(
    cx: &mut Cx<'_, S>,
    epoch: Epoch,
    share: Share,
) -> Result<(), Error> {
    if share == Share::default() {
        return Ok(());
    }
    let mut total = TOTALS.get(cx.store, &epoch)?.unwrap_or_default();
    if total.pool.is_some() {
        return Err(fault("an epoch was closed before all were counted"));
    }
    total.share.weight = total.share.weight.saturating_add(share.weight);
    total.share.owing = total.share.owing.saturating_add(share.owing);
    total.share.earning = total.share.earning.saturating_add(share.earning);
    total.creditors = total.creditors.saturating_add((share.weight > 0).into());
    TOTALS.put(cx.store, &epoch, &total)
}

/// Closes an epoch that all commitments are counted in: its pool leaves the fund. (Z1, Z3)
pub(crate) fn close<S: Store>(cx: &mut Cx<'_, S>, epoch: Epoch) -> Result<(), Error> {
    if cx.params.windows_per_epoch == 0 {
        return Ok(());
    }
    let mut total = TOTALS.get(cx.store, &epoch)?.unwrap_or_default();
    let before = pool(cx.store)?;
    let fresh = fresh_price(cx)?;
    let pool = next_pool(&cx.params, before, total.share.owing, fresh)?;
    if Some(pool) != before {
        POOL.put(cx.store, &(), &pool)?;
    }
    let share = total.share;
    let paid = match share.weight {
        0 => Flt::ZERO,
        _ => pool.min(flt::purse(cx.store, Purse::Fund)?),
    };
    if share.owing > 0 || share.weight > 0 {
        cx.emit(Event::EpochClosed {
            epoch,
            pool,
            paid,
            share,
        });
    }
    if total.creditors == 0 {
        return match share == Share::default() {
            true => Ok(()),
            false => TOTALS.delete(cx.store, &epoch),
        };
    }
    total.pool = Some(paid);
    // A stale price bounds a reward still.
    let last = PRICE.get(cx.store, &())?;
    let last = last.filter(|_| cx.params.reward_cap_ppm > 0);
    let target = last.and_then(|price| price.wanted(1));
    total.cap = target.and_then(|target| target.part(cx.params.reward_cap_ppm));
    // What the cap leaves stays in the fund.
    let most = match total.cap {
        Some(cap) => cap.0.saturating_mul(share.earning.into()),
        None => u128::MAX,
    };
    let taken = Flt(paid.0.min(most));
    flt::transfer(cx, Purse::Fund, Purse::Pool(epoch), taken)?;
    TOTALS.put(cx.store, &epoch, &total)
}

impl Price {
    /// What units of so many classes together are to earn in an epoch, rounded down once.
    fn wanted(&self, classes: u64) -> Option<Flt> {
        const WEI: u128 = 1_000_000_000_000_000_000;
        let usd = u128::from(classes).checked_mul(self.reward_usd_micro.into())?;
        mul_div(usd, WEI, self.flt_price_micro.into()).map(Flt)
    }
}

/// The pool after one of `before`, when units of so many classes owed. (Z1)
fn next_pool(
    params: &Params,
    before: Option<Flt>,
    owing: u64,
    price: Option<Price>,
) -> Result<Flt, Error> {
    let gwei = |amount: u64| u128::from(amount).saturating_mul(1_000_000_000);
    let floor = gwei(params.pool_floor_gwei);
    let cap = gwei(params.pool_cap_gwei).max(floor);
    let before = before.unwrap_or(Flt(floor));
    let (Some(price), true) = (price, owing > 0) else {
        return Ok(before);
    };
    let step = params.pool_step_ppm;
    let least = before.part_up(1_000_000_u64.saturating_sub(step));
    let most = before.part(1_000_000_u64.saturating_add(step));
    let bounds = price.wanted(owing).zip(least.zip(most));
    let (wanted, (least, most)) = bounds.ok_or_else(|| fault("a pool beyond 128 bits"))?;
    let wanted = wanted.clamp(least, most.max(least));
    Ok(Flt(wanted.0.clamp(floor, cap)))
}

/// The pool of the epoch that was closed last; None before the first.
///
/// # Errors
/// Out of work.
pub fn pool<S: Store>(store: &mut S) -> Result<Option<Flt>, Error> {
    POOL.get(store, &())
}

/// What rewards are paid from, and by what they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// What is in the fund.
    pub fund: Flt,
    /// The pool of the epoch that was closed last; zero before the first.
    pub pool: Flt,
    /// What the oracle said last.
    pub price: Option<Price>,
    /// Whether that is not stale.
    pub fresh: bool,
}

/// The pool, the fund and the price as of now.
///
/// # Errors
/// Out of work.
pub fn view<S: Store>(cx: &mut Cx<'_, S>) -> Result<View, Error> {
    Ok(View {
        fund: flt::purse(cx.store, Purse::Fund)?,
        pool: pool(cx.store)?.unwrap_or_default(),
        price: PRICE.get(cx.store, &())?,
        fresh: fresh_price(cx)?.is_some(),
    })
}

/// A creditor of an epoch is done with it: the last one leaves the rest to the fund.
pub(crate) fn credited<S: Store>(
    cx: &mut Cx<'_, S>,
    epoch: Epoch,
    mut total: Total,
) -> Result<(), Error> {
    total.creditors = total.creditors.saturating_sub(1);
    if total.creditors > 0 {
        return TOTALS.put(cx.store, &epoch, &total);
    }
    TOTALS.delete(cx.store, &epoch)?;
    let rest = flt::purse(cx.store, Purse::Pool(epoch))?;
    flt::transfer(cx, Purse::Pool(epoch), Purse::Fund, rest)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "numbers of a test")]
mod tests {
    use super::{Price, Share, Total, next_pool};
    use crate::params::Params;
    use crate::units::{Flt, Time};

    const FLT: u128 = 1_000_000_000_000_000_000;

    /// Pools of so many epochs, in millionths of FLT, of so many units of class 1 that are to earn $0.33 each.
    fn pools(from: u128, units: u64, flt_price_micro: u64, epochs: usize) -> Vec<u128> {
        let params = Params::default();
        let price = Price {
            flt_price_micro,
            reward_usd_micro: 330_000,
            at: Time(0),
        };
        let mut pool = Flt(from * FLT);
        let next = |_| {
            pool = next_pool(&params, Some(pool), units, Some(price)).expect("a pool");
            assert_eq!(
                pool.0 % (FLT / 100_000_000),
                0,
                "of these, nothing is rounded"
            );
            pool.0 / (FLT / 100_000_000)
        };
        (0..epochs).map(next).collect()
    }

    /// Z1, example 15.
    #[test]
    fn the_pool_grows_and_shrinks_by_a_tenth_and_does_not_overshoot() {
        let grown = [
            165_000_000_000,
            181_500_000_000,
            199_650_000_000,
            219_615_000_000,
            241_576_500_000,
            265_734_150_000,
            292_307_565_000,
            300_000_000_000,
            300_000_000_000,
            300_000_000_000,
        ];
        assert_eq!(pools(1_500, 10_000, 1_000_000, 10), grown);
        let shrunk = [
            135_000_000_000,
            121_500_000_000,
            109_350_000_000,
            100_000_000_000,
            100_000_000_000,
        ];
        assert_eq!(pools(1_500, 1_000, 1_000_000, 5), shrunk);
        assert_eq!(pools(1_500, 5_000, 1_000_000, 3), [165_000_000_000; 3]);
        assert_eq!(pools(1_650, 5_000, 500_000, 1), [181_500_000_000]);
    }

    /// Z1.
    #[test]
    fn the_pool_stays_without_units_or_without_a_price() {
        let (params, pool) = (Params::default(), Flt(1_500 * FLT));
        let price = Price {
            flt_price_micro: 1_000_000,
            reward_usd_micro: 330_000,
            at: Time(0),
        };
        for (units, price) in [(0, Some(price)), (10, None)] {
            assert_eq!(next_pool(&params, Some(pool), units, price), Ok(pool));
        }
        assert_eq!(next_pool(&params, None, 0, None), Ok(Flt(1_000 * FLT)));
    }

    /// Z2, example 16: the cap is switched off in it.
    #[test]
    fn units_share_the_pool_by_windows_and_class() {
        let total = Total {
            share: Share {
                weight: 184,
                owing: 5,
                earning: 4,
            },
            creditors: 1,
            pool: Some(Flt(1_500 * FLT)),
            cap: None,
        };
        let shares = [(47, 1), (45, 1), (0, 1), (46, 2)];
        let rewards = shares.map(|(passed, class)| total.reward(passed, class).expect("fits").0);
        let expected = [
            383_152_173_913_043_478_260,
            366_847_826_086_956_521_739,
            0,
            750_000_000_000_000_000_000,
        ];
        assert_eq!(rewards, expected);
        assert_eq!(1_500 * FLT - rewards.iter().sum::<u128>(), 1);
        let capped = Total {
            cap: Some(Flt(FLT)),
            ..total
        };
        assert_eq!(capped.reward(46, 2), Some(Flt(2 * FLT)));
    }
}
