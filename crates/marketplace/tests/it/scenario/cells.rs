//! Every event in every state, of deals, workers, units and commitments, as one table each: `tests/states.txt`. A cell is
//! what the last line of an event comes to in a story that leads to the state. `x`: refused, and nothing changed; `-`:
//! there is nothing the event could be about.

mod capacity;

use super::{Stage, status_name};
use marketplace::{Event, deal, worker};
use std::fmt::Write as _;

/// A state or an event: its name, and the lines that lead to it.
type Story = (&'static str, &'static str);

/// Ten millionths a second for each worker. D wants two workers, on two peers of P.
const BEGIN: &str = "
param min_prepaid_epochs 0
param hold_ppm 0
param epoch_seconds 1_000
param pause_epochs 2
param max_step_seconds 3_600
param lease_seconds 2_000
money alice 10_000_000
money mallory 10_000_000
provider P
datacenter P.de DE FRA
peer P.de.1 units 1
peer P.de.2 units 1
offer P.o at P.de price 10_000 peers P.de.1,P.de.2 max-hold 500 notice 2_500
";

const POST: &str =
    "demand D of alice escrow 30_000 workers 2..2 hold 500 monitor monitor duration 3_500\nend\n";

const DEALS: [Story; 6] = [
    ("Matching", "remove-peer P.o P.de.2\nPOST"),
    ("Starting", "POST"),
    ("Active", "POST\nrun D/1\nrun D/2"),
    ("Degraded", "POST\nrun D/1\nrun D/2\nevict D/2"),
    ("Paused", "POST\nrun D/1\nrun D/2\nat 1_501"),
    ("Ended", "POST\nrun D/1\nrun D/2\nstop D"),
];

macro_rules! supply {
    ($then:literal) => {
        concat!(
            "provider Q\ndatacenter Q.us US NYC\npeer Q.us.1 units 1\npeer Q.us.2 units 1\n",
            "offer Q.o at Q.us price 10_000 peers Q.us.1,Q.us.2 max-hold 500\nend\n",
            $then
        )
    };
}

const OF_DEALS: [Story; 31] = [
    ("supply appears", supply!("")),
    ("the last worker runs", "run D/2"),
    (
        "two providers cannot run it",
        concat!("cannot-run D/1\n", supply!("cannot-run D/3")),
    ),
    ("its first worker is evicted by the owner", "evict D/1"),
    ("by the monitor", "evict D/1 by monitor"),
    ("by anybody else", "evict D/1 by mallory"),
    ("the clock comes to paid-until", "at 1_500\nblock 1"),
    ("to the end of the hold", "at 2_000\nblock 1"),
    ("to the end of the pause", "at 4_000\nblock 1"),
    ("to the end of the duration", "at 3_500\nblock 1"),
    (
        "a top-up of the cover by anybody",
        "top-up D 50_000 by mallory",
    ),
    ("a top-up of less", "top-up D 1"),
    ("the owner takes the surplus", "surplus D 1"),
    ("anybody else takes it", "surplus D 1 by mallory"),
    ("the owner stops it", "stop D"),
    ("anybody else stops it", "stop D by mallory"),
    ("it is removed", "remove D"),
    (
        "it is removed when all are paid",
        "withdraw P\nwithdraw P\nremove D",
    ),
    ("its providers withdraw", "withdraw P"),
    ("the owner wants more workers", "target D 3"),
    (
        "more that supply appears for",
        concat!("target D 3\n", supply!("")),
    ),
    (
        "and no more of them",
        concat!("target D 3\n", supply!("target D 2")),
    ),
    ("the owner pays a higher price", "limit D 20_000"),
    (
        "the owner requires something else",
        "require D need peer:x=1",
    ),
    ("the owner spreads it", "spread D per-provider 2"),
    ("the owner names providers", "providers D deny P"),
    ("the owner names another monitor", "monitor D carol"),
    ("the owner makes it last longer", "duration D open"),
    (
        "the owner makes it as short as it has lasted",
        "at 1_000\nduration D 900",
    ),
    ("the owner changes its artifact", "artifact D 8"),
    (
        "another owner takes it and stops it",
        "offer-deal D bob\naccept-deal D by bob\nstop D by bob",
    ),
];

const WORKERS: [Story; 5] = [
    ("Assigned", "POST"),
    ("Running", "POST\nrun D/1\nrun D/2\nat 100\nreport P.de.1"),
    (
        "Draining",
        "POST\nrun D/1\nrun D/2\nat 100\nreport P.de.1\nnotice D/1",
    ),
    ("Running, deal paused", "POST\nrun D/1\nrun D/2\nat 1_501"),
    (
        "Gone",
        "POST\nrun D/1\nrun D/2\nat 100\nreport P.de.1\nevict D/1",
    ),
];

const OF_WORKERS: [Story; 24] = [
    ("runs the artifact", "run D/1"),
    ("runs another artifact", "run D/1 artifact 8"),
    ("somebody else says that it runs", "run D/1 by mallory"),
    ("cannot run", "cannot-run D/1"),
    ("its start deadline is over", "at 120\nblock 1"),
    ("its peer reports", "at 110\nreport P.de.1"),
    (
        "a report names it as stopped",
        "at 110\nreport P.de.1 stopped D/1",
    ),
    (
        "its lease lapses",
        "at 1_000\nreport P.de.2\ntop-up D 300_000\nat 2_101",
    ),
    ("its peer gives notice", "at 110\nnotice D/1"),
    ("its provider leaves at once", "at 110\nleave D/1"),
    (
        "the notice is over",
        "at 1_000\ntop-up D 300_000\nat 1_900\nreport P.de.1\nreport P.de.2\nat 2_601",
    ),
    ("a replacement runs", supply!("run D/3")),
    ("the developer evicts it", "at 110\nevict D/1"),
    ("the developer stops the deal", "at 110\nstop D"),
    ("the deal pauses", "at 1_501"),
    ("the hold is over", "at 2_001"),
    (
        "the duration is over",
        "at 1_000\ntop-up D 300_000\nat 2_050\nreport P.de.1\nreport P.de.2\nat 3_501",
    ),
    ("its provider withdraws", "withdraw P"),
    ("its provider withdraws again", "withdraw P\nwithdraw P"),
    (
        "the target falls to what cheaper ones fill",
        "target D 4\nprovider Q\ndatacenter Q.us US NYC\npeer Q.us.1 units 1\npeer Q.us.2 units 1\n\
         offer Q.o at Q.us price 9_000 peers Q.us.1,Q.us.2 max-hold 500\nend\ntarget D 2",
    ),
    ("another artifact is rolled out", "artifact D 8"),
    (
        "runs the new artifact in its turn",
        "artifact D 8\nrun D/1 artifact 8",
    ),
    (
        "cannot run the new artifact",
        "artifact D 8\ncannot-run D/1 artifact 8",
    ),
    (
        "runs the new artifact before its turn",
        "artifact D 8\nrun D/2 artifact 8",
    ),
];

/// Tells the stories of a beginning, of a state and of an event, line by line. Gives what the last line came to: `x`,
/// `-` or None.
fn tell(stage: &mut Stage, begin: &str, state: &str, event: &str) -> Option<String> {
    for line in begin.lines().chain(state.lines()) {
        if !line.is_empty() {
            let done = stage.line(line);
            done.unwrap_or_else(|why| panic!("{state}: {line}: {why}"));
        }
    }
    let mut end = None;
    for line in event.lines() {
        end = match stage.line(line) {
            Ok(()) => None,
            Err(why) => match why.split_once("refused ") {
                Some((_, why)) => {
                    let end = why.find(|c: char| !c.is_alphanumeric());
                    Some(format!("x {}", &why[..end.unwrap_or(why.len())]))
                }
                None => Some("-".to_owned()),
            },
        };
    }
    stage.world().check_all();
    end
}

fn deal_cell(state: &str, event: &str) -> String {
    let mut stage = Stage::plain();
    if let Some(end) = tell(&mut stage, BEGIN, &state.replace("POST", POST), event) {
        return end;
    }
    let id = stage.deals["D"];
    let world = stage.world();
    match world.read(|cx| deal::get(cx.store, id)) {
        None => "removed".to_owned(),
        Some(deal) => status_name(deal.status),
    }
}

fn worker_cell(state: &str, event: &str) -> String {
    let mut stage = Stage::plain();
    if let Some(end) = tell(&mut stage, BEGIN, &state.replace("POST", POST), event) {
        return end;
    }
    let id = stage.worker("D/1").expect("a worker");
    let world = stage.world();
    let gone = world
        .events
        .iter()
        .rev()
        .find_map(|(_, event)| match event {
            Event::Worker(worker::Event::Gone {
                worker,
                reason,
                blame,
                at,
                earned,
                ..
            }) if *worker == id => Some(format!("{reason:?} by {blame:?} at {at}, {earned}")),
            _ => None,
        });
    match (world.read(|cx| worker::get(cx.store, id)), gone) {
        (Some(row), None) => {
            let stage = format!("{:?}", row.stage);
            let name = stage.split([' ', '{', '(']).next().unwrap_or_default();
            format!("{name}, {} paid", row.paid)
        }
        (Some(row), Some(gone)) => format!("{gone}, {} paid", row.paid),
        (None, Some(gone)) => format!("{gone}, removed"),
        (None, None) => "removed".to_owned(),
    }
}

fn table(
    title: &str,
    states: &[Story],
    events: &[Story],
    cell: impl Fn(&str, &str) -> String,
) -> String {
    let mut text = format!("{title}\n");
    let width = states.iter().map(|(state, _)| state.len() + 2).max();
    let width = width.unwrap_or_default();
    for (event, lines) in events {
        writeln!(text, "\n{event}").expect("text");
        for (state, story) in states {
            writeln!(text, "    {state:<width$}{}", cell(story, lines)).expect("text");
        }
    }
    text
}

#[test]
fn every_event_in_every_state_does_what_the_table_says() {
    let deals = table("# Deals", &DEALS, &OF_DEALS, deal_cell);
    let workers = table("# Workers", &WORKERS, &OF_WORKERS, worker_cell);
    let capacity = capacity::tables();
    let all = format!("{deals}\n\n{workers}\n\n{capacity}");
    crate::snapshot::compare("states.txt", &all);
}
