//! Tests of the marketplace as a whole: text tables, an auditor, random calls, snapshots of rows.

mod auditor;
mod broken;
mod budget;
mod calls;
mod committed;
mod costs;
#[path = "../../../../tests/dice.rs"]
mod dice;
mod economics;
mod explain;
mod failures;
mod fleet;
mod fuzz;
mod names;
mod promises;
mod random;
mod scenario;
mod snapshot;
mod twice;
mod typical;
mod windows;
mod work;
mod world;
