//! Tests of the marketplace as a whole: text tables, an auditor, random calls, snapshots of rows.

mod auditor;
mod broken;
mod budget;
mod calls;
#[path = "../../../../tests/dice.rs"]
mod dice;
mod random;
mod scenario;
mod snapshot;
mod work;
mod world;
