//! The stories of a peer that commits: its units, its commitments, and the workers on it.

macro_rules! commit {
    ($then:literal) => {
        concat!(
            "commit C of P.de.1 epochs 6 share 500_000\n",
            "stake C by ann with 200_000_000_000_000_000_000\n",
            $then
        )
    };
}

macro_rules! serve {
    ($then:literal) => {
        concat!(
            "demand D of alice escrow 1_000_000 limit 8_000\nend\nrun D/1\n",
            $then
        )
    };
}

macro_rules! successor {
    ($then:literal) => {
        concat!(
            "commit K of P.de.1 epochs 6\nstake K by bea with 200_000_000_000_000_000_000\n",
            $then
        )
    };
}

mod commitments;
mod units;
mod workers;

use crate::scenario::Stage;
use crate::world::SELDOM;
use marketplace::commitment;
use marketplace::{Cx, Event, Origin, worker};

/// Epochs of eight windows of 100 seconds. A window counts 200 seconds after its end; the first of an epoch is not
/// owed. Each unit has 100 FLT of collateral, of which a missed epoch costs 1.
const BEGIN: &str = "
oracle oracle
governance governance
param governance_delay_seconds 0
param windows_per_epoch 8
param epoch_seconds 800
param commit_grace_seconds 10
param answer_seconds 140
param verdict_delay_seconds 50
param max_step_seconds 50
param min_prepaid_epochs 0
param min_charge_seconds 0
param lease_seconds 100_000
param open_commitment_epochs 0
param collateral_wait_epochs 2
param holdback_epochs 2
param vesting_epochs 2
param cool_down_epochs 3
param max_failed_per_unit 2
param price_max_age_seconds 100_000
money alice 10_000_000
provider P
datacenter P.de DE FRA
peer P.de.1 units 2
offer P.o at P.de price 8_000 peers P.de.1 notice 600 max-hold 5_000
flt-price 1_000_000
fund F with 100_000_000_000_000_000_000
prover P.de.1
answers good
";

/// There are so many blocks that checking everything after each would take minutes; scenarios and random calls do.
fn seldom_checked() -> Stage {
    Stage {
        every: Some(SELDOM),
        ..Stage::plain()
    }
}

/// The commitments that are not gone, by name.
fn views(stage: &mut Stage) -> Vec<(String, commitment::View)> {
    let commitments = stage.commitments.clone().into_iter();
    let mut store = stage.world().store.clone();
    let mut view = |id| {
        let (mut events, mut payouts) = (Vec::new(), Vec::new());
        let cx = Cx::open(&mut store, Origin::default(), &mut events, &mut payouts);
        cx.and_then(|mut cx| commitment::view(&mut cx, id)).ok()
    };
    let views = commitments.filter_map(|(name, id)| Some((name, view(id)?)));
    views.collect()
}

/// Thousandths of FLT.
fn milli(amount: u128) -> u128 {
    amount / 1_000_000_000_000_000
}

/// What became of the worker that went last.
fn gone(stage: &mut Stage) -> Option<String> {
    let mut events = stage.world().events.iter().rev();
    events.find_map(|(_, event)| match event {
        Event::Worker(worker::Event::Gone {
            reason, blame, at, ..
        }) => Some(format!("gone at {at}: {reason:?} by {blame:?}")),
        _ => None,
    })
}

pub(super) fn tables() -> String {
    let tables = [units::table(), commitments::table(), workers::table()];
    tables.join("\n\n")
}
