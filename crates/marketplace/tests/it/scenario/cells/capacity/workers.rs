//! What a commitment does to the workers on its peer.

use super::super::{Story, tell};
use super::{BEGIN, gone, seldom_checked};
use crate::scenario::words::Words;

macro_rules! assigned {
    ($then:literal) => {
        concat!(
            "param start_timeout_seconds 5_000\n\n",
            commit!("at 1_250\n"),
            "demand D of alice escrow 100_000 limit 8_000\nend\n",
            $then
        )
    };
}

/// Parameters, an empty line, what happens.
const WORKERS: [Story; 6] = [
    ("Assigned", assigned!("")),
    ("Running", assigned!("run D/1")),
    ("Draining", assigned!("run D/1\nat 4_750\nnotice D/1")),
    ("Draining, just matched", assigned!("run D/1\nnotice D/1")),
    (
        "Draining, the other unit misses",
        assigned!("run D/1\nprover P.de.1 stops\nat 4_750\nnotice D/1"),
    ),
    // 25,000 are 1,250 seconds at 10, and a hold of 5,000 at a quarter of that.
    (
        "Running, deal paused",
        concat!(
            "\n\n",
            commit!("at 1_250\n"),
            "demand D of alice escrow 25_000 limit 8_000 hold 5_000\nend\nrun D/1\nat 2_550"
        ),
    ),
];

const OF_WORKERS: [Story; 7] = [
    ("its commitment's notice begins", "at 5_050"),
    ("although there is a successor", successor!("at 5_050")),
    ("its commitment ends", "at 5_650"),
    ("and there is a successor", successor!("at 5_650")),
    ("its commitment fails", "prover P.de.1 stops\nat 4_850"),
    ("a fraud expels its unit", "answers bad 3\nat +250"),
    (
        "a fraud expels another unit",
        "answers bad 3 unit 1\nat +250",
    ),
];

fn worker_cell(state: &str, event: &str) -> String {
    let mut stage = seldom_checked();
    let (params, state) = state.split_once("\n\n").expect("parameters");
    let begin = format!("{params}\n{BEGIN}");
    if let Some(end) = tell(&mut stage, &begin, state, event) {
        return end;
    }
    let mut words = Words { line: vec!["D/1"] };
    let stands = stage.read("worker", &mut words).expect("a worker");
    gone(&mut stage).unwrap_or(stands)
}

pub(super) fn table() -> String {
    super::super::table(
        "# Workers of a committed peer",
        &WORKERS,
        &OF_WORKERS,
        worker_cell,
    )
}
