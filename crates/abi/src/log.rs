//! Events as logs.

use crate::{
    MARKETPLACE, USDC, audit, change, commitment, datacenter, deal, demand, deposit, governance,
    offer, peer, pool, provider, usdc, window, worker,
};
use alloy_primitives::Log;
use marketplace::Event;

/// The log of an event: USDC's own are its contract's, all others the marketplace's.
pub fn of(event: &Event) -> Log {
    let (address, data) = match event {
        Event::Ledger(event) => (USDC, usdc::log_of_ledger(event)),
        Event::Usdc(event) => (USDC, usdc::log(event)),
        Event::Deposit(event) => (MARKETPLACE, deposit::log(event)),
        Event::Governance(event) => (MARKETPLACE, governance::log(event)),
        Event::Provider(event) => (MARKETPLACE, provider::log(event)),
        Event::Datacenter(event) => (MARKETPLACE, datacenter::log(event)),
        Event::Peer(event) => (MARKETPLACE, peer::log(event)),
        Event::Offer(event) => (MARKETPLACE, offer::log(event)),
        Event::Demand(event) => (MARKETPLACE, demand::log(event)),
        Event::Deal(event) => (MARKETPLACE, deal::log(event)),
        Event::Change(event) => (MARKETPLACE, change::log(event)),
        Event::Worker(event) => (MARKETPLACE, worker::log(event)),
        Event::Commitment(event) => (MARKETPLACE, commitment::log(event)),
        Event::Window(event) => (MARKETPLACE, window::log(event)),
        Event::Audit(event) => (MARKETPLACE, audit::log(event)),
        Event::Pool(event) => (MARKETPLACE, pool::log(event)),
    };
    Log { address, data }
}
