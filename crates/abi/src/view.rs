//! JSON types of reads, shared by node and client.
//!
//! Amounts are decimal strings, hashes and addresses hex, points in time seconds of protocol time (see
//! [`time::Time`] for what that is on the wall), prices and amounts of USDC in millionths,
//! amounts of FLT in wei.

pub mod attribute;
pub mod audit;
pub mod commitment;
pub mod datacenter;
pub mod deal;
pub mod decimal;
pub mod demand;
pub mod explain;
pub mod offer;
pub mod params;
pub mod peer;
pub mod pool;
pub mod provider;
pub mod time;
pub mod unit;
pub mod window;
pub mod worker;
