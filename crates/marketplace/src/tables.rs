//! The list of all tables, for snapshots and for people who look at rows.

use crate::{
    audit, commitment, datacenter, deal, demand, flt, governance, ledger, matching, offer, params,
    peer, pool, provider, record, time, usdc, window, worker,
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
    flt::PURSES,
    flt::FLT_HELD,
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
    commitment::AGENDA,
    commitment::COMMITMENTS,
    commitment::DELEGATIONS,
    commitment::PLEDGES,
    commitment::PROOFS,
    pool::PRICE,
    pool::TOTALS,
    pool::POOL,
    commitment::REWARDS,
    window::WINDOWS,
    window::KEYS,
    window::COMMITTED,
    window::ENTRIES,
    window::FLAGGED,
    window::PROGRESS,
    audit::AUDITS,
    audit::ANSWERED,
    audit::OPEN,
    audit::ASKED_AGAIN,
    audit::AUDITS_OF,
];
