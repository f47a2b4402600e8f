//! The first rows.

use crate::cx::{Cx, Origin};
use crate::ledger;
use crate::params::{PARAMS, Params};
use crate::refusal::Error;
use crate::store::Store;
use crate::time::{CLOCK, Clock};
use crate::units::{Address, Usdc};

/// Writes parameters, clock and the first USDC into an empty store.
///
/// # Errors
/// A parameter outside its bounds, or more USDC than can be.
pub fn genesis<S: Store>(
    store: &mut S,
    params: &Params,
    balances: &[(Address, Usdc)],
) -> Result<(), Error> {
    params.check()?;
    PARAMS.put(store, &(), params)?;
    CLOCK.put(store, &(), &Clock::default())?;
    let (mut events, mut payouts) = (Vec::new(), Vec::new());
    let mut cx = Cx::open(store, Origin::default(), &mut events, &mut payouts)?;
    for (owner, amount) in balances {
        ledger::mint(&mut cx, *owner, *amount)?;
    }
    Ok(())
}
