//! The pool of rewards, its fund, and the price of FLT.

use super::decimal;
use marketplace::pool as domain;
use serde::{Deserialize, Serialize};

/// The pool as of the newest block. Amounts are in wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pool {
    /// What rewards are paid from.
    #[serde(with = "decimal")]
    pub fund: u128,
    /// The pool of the epoch that was closed last; zero before the first.
    #[serde(with = "decimal")]
    pub pool: u128,
    /// What the oracle said last; null: nothing yet.
    pub price: Option<Price>,
}

/// What the oracle said last, in millionths of a dollar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Price {
    /// Price of one FLT.
    pub flt_price_micro: u64,
    /// What a unit of class 1 is to earn in an epoch.
    pub reward_usd_micro: u64,
    /// When it said so.
    pub at: u64,
    /// Whether that is too long ago to count.
    pub stale: bool,
}

impl From<domain::View> for Pool {
    fn from(view: domain::View) -> Self {
        let price = |price: domain::Price| Price {
            flt_price_micro: price.flt_price_micro,
            reward_usd_micro: price.reward_usd_micro,
            at: price.at.0,
            stale: !view.fresh,
        };
        Self {
            fund: view.fund.0,
            pool: view.pool.0,
            price: view.price.map(price),
        }
    }
}
