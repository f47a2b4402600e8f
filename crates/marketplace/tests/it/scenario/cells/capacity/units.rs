//! The stories of a unit.

use super::super::{Story, tell};
use super::{BEGIN, seldom_checked, views};
use crate::world::peer_id;
use marketplace::commitment::Unit;
use marketplace::peer::{self, Whereabouts};
use marketplace::window;
use std::fmt::Write as _;

/// Unit 0 is the one that the cells are about.
const UNITS: [Story; 10] = [
    ("Idle, no commitment", ""),
    ("Idle, commitment waits", commit!("")),
    ("Proving", commit!("at 1_250")),
    ("Cooling", concat!(commit!("at 1_250\n"), serve!("stop D"))),
    (
        "Cooling, provider's fault",
        concat!(commit!("at 1_250\n"), serve!("leave D/1")),
    ),
    (
        "Cooling at the end",
        concat!(commit!("at 1_250\n"), serve!("at 5_550\nstop D")),
    ),
    ("Serving", concat!(commit!("at 1_250\n"), serve!(""))),
    ("Serving, no commitment", serve!("")),
    (
        "Exited",
        commit!("at 1_250\nanswers bad 16 unit 0\nat 1_450\nanswers good"),
    ),
    (
        "Exited, the other serves",
        concat!(
            commit!("at 1_250\nanswers bad 16 unit 0\nat 1_450\nanswers good\n"),
            serve!("")
        ),
    ),
];

const OF_UNITS: [Story; 24] = [
    ("its peer is registered again", "peer P.de.1 units 2"),
    ("its commitment becomes active", successor!("at +850")),
    ("a successor takes over at the end", successor!("at 5_650")),
    ("the next window begins", "at +50"),
    ("and the one after that", "at +150"),
    ("windows are passed", "at +450"),
    ("windows are missed", "prover P.de.1 stops\nat +250"),
    ("and an epoch of them", "prover P.de.1 stops\nat 2_450"),
    (
        "its peer enters it for the next window",
        "prover P.de.1 stops\nat +50\nprove P.de.1 units 0",
    ),
    (
        "for the one after that",
        "prover P.de.1 stops\nat +150\nprove P.de.1 units 0",
    ),
    (
        "a demand appears",
        "demand E of alice escrow 10_000 limit 8_000\nend",
    ),
    (
        "a demand appears where commitments are required",
        "propose X commitments_required 1\nend\ndemand E of alice escrow 10_000 limit 8_000\nend",
    ),
    ("its worker is evicted", "evict D/1"),
    ("its worker's provider leaves", "leave D/1"),
    (
        "and a demand appears",
        "leave D/1\ndemand E of alice escrow 10_000 limit 8_000\nend",
    ),
    (
        "and another after it passed a window",
        "leave D/1\nat +550\ndemand E of alice escrow 10_000 limit 8_000\nend",
    ),
    (
        "an audit is not answered",
        "answers no unit 0\nat +100\nanswers good\nat +50",
    ),
    ("few leaves are bad", "answers bad 2 unit 0\nat +200"),
    ("many leaves are bad", "answers bad 3 unit 0\nat +200"),
    ("its commitment ends", "at 5_650"),
    ("its commitment fails", "prover P.de.1 stops\nat 4_850"),
    ("its owner removes it", "remove-units P.de.1 2"),
    (
        "somebody else removes it",
        "remove-units P.de.1 2 by mallory",
    ),
    (
        "its owner removes it when the commitment is over",
        "prover P.de.1 stops\nat 5_650\nremove-units P.de.1 2",
    ),
];

/// A unit's place, and what its commitment knows of it.
fn unit_cell(state: &str, event: &str) -> String {
    let mut stage = seldom_checked();
    if let Some(end) = tell(&mut stage, BEGIN, state, event) {
        return end;
    }
    let world = stage.world();
    let units = world.read(|cx| peer::units(cx.store, peer_id("P.de.1")));
    let newest = world.read(|cx| window::newest(cx.store));
    let newest = newest.map_or(0, |(window, _)| window);
    let Some(unit) = units.0.first() else {
        return "removed".to_owned();
    };
    let mut text = match unit {
        // A row says so until the unit goes elsewhere.
        Whereabouts::Cooling(from) if *from <= newest => "Proving".to_owned(),
        Whereabouts::Serving(_) => "Serving".to_owned(),
        other => format!("{other:?}"),
    };
    for (name, view) in views(&mut stage) {
        if let Some(Unit { proof, owed, .. }) = view.units.first() {
            let lost = proof.slashed.0 / 1_000_000_000_000_000_000;
            write!(text, ", {name}: owes {owed}, passed {}", proof.passed).expect("text");
            write!(text, ", lost {lost}").expect("text");
        }
    }
    text
}

pub(super) fn table() -> String {
    super::super::table("# Units", &UNITS, &OF_UNITS, unit_cell)
}
