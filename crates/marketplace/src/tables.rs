//! The list of all tables, for snapshots and for people who look at rows.

use crate::{
    datacenter, deal, demand, deposit, governance, ledger, matching, offer, params, peer, provider,
    record, time, usdc, worker,
};

macro_rules! tables {
    ($($table:expr),* $(,)?) => {
        /// Id and name of every table of this crate, by id; all ids are below 0x80.
        pub const TABLES: &[(u8, &str)] = &[$(($table.id, $table.name)),*];
    };
}

tables![
    params::PARAMS,
    time::CLOCK,
    time::COUNTERS,
    time::DUE,
    ledger::BALANCES,
    ledger::HELD,
    usdc::ALLOWANCES,
    usdc::NONCES,
    usdc::AUTHORIZATIONS,
    params::VERSIONS,
    governance::CHANGES,
    deposit::DEPOSITS,
    provider::PROVIDERS,
    datacenter::DATACENTERS,
    peer::PEERS,
    peer::UNITS,
    peer::LEASES,
    offer::OFFERS,
    offer::OFFER_PEERS,
    datacenter::TENANTS,
    record::RECORDS,
    record::PAYERS,
    demand::DEMANDS,
    deal::DEALS,
    worker::WORKERS,
    worker::BY_DEAL,
    worker::BY_PEER,
    worker::BY_PROVIDER,
    worker::UNPAID,
    deal::PREVIOUS,
    matching::queue::QUEUE,
    matching::queue::ASLEEP,
    matching::queue::WAKE,
    matching::queue::FRESH,
    matching::queue::SWEEP,
    matching::LOOKS,
    matching::queue::CHANGED,
];
