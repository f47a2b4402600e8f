//! Events and actions as text.

use crate::{
    observer::{Assignment, View},
    planner::{Action, Event, Failure, Planner, Process, Settings},
};
use marketplace::{
    demand::Artifact,
    units::{DealId, Hash, PeerId, WorkerId},
    worker::{Call, Obstacle},
};

pub(super) fn settings() -> Settings {
    let units = (0..4).map(|unit| vec![unit]).collect();
    Settings {
        retain_ms: 0,
        attempts: 3,
        ..Settings::new(PeerId([9; 32]), units, 60_000)
    }
}

/// Runs a table.
pub(super) fn check(table: &str) {
    check_with(settings(), table);
}

/// Runs a table with settings of its own.
pub(super) fn check_with(settings: Settings, table: &str) {
    let mut planner = Planner::new(settings);
    let lines = table.lines().filter(|line| !line.trim().is_empty());
    for (number, line) in lines.enumerate() {
        let (given, expected) = line.split_once('|').expect("an event | actions");
        let (seconds, event) = given.trim().split_once(' ').expect("a time and an event");
        let now = seconds.parse::<u64>().expect("seconds") * 1_000;
        let event = event_of(event.trim(), number as u64 + 1);
        let actions: Vec<_> = planner.handle(event, now).iter().map(show).collect();
        assert_eq!(
            actions.join("; "),
            expected.trim(),
            "after: {}",
            given.trim()
        );
    }
}

fn event_of(text: &str, height: u64) -> Event {
    let words: Vec<_> = text.split_whitespace().collect();
    match words[..] {
        ["tick"] => Event::Tick,
        ["inventory", ref rest @ ..] => inventory(rest),
        ["view", ref rest @ ..] => Event::View(View {
            height,
            workers: rest.iter().map(|text| assignment(text)).collect(),
        }),
        ["view-of-before"] => Event::View(View::default()),
        ["fetched", name, outcome] => Event::Fetched {
            artifact: artifact(name).hash,
            outcome: outcome_of(outcome),
        },
        ["started", worker, outcome] => Event::Started {
            worker: id(worker),
            outcome: outcome_of(outcome),
        },
        ["ended", worker] => Event::Ended { worker: id(worker) },
        ["reported", ref stopped @ .., outcome] => Event::Sent {
            call: Call::Report {
                peer: settings().peer,
                stopped: stopped.iter().map(|worker| id(worker)).collect(),
            },
            ok: outcome == "ok",
        },
        _ => panic!("no event: {text}"),
    }
}

fn inventory(words: &[&str]) -> Event {
    let split = words.iter().position(|word| *word == "have");
    let (workers, artifacts) = words.split_at(split.unwrap_or(words.len()));
    let process = |text: &&str| process(&assignment(text));
    let artifacts = artifacts.iter().skip(1);
    Event::Inventory {
        workers: workers.iter().map(process).collect(),
        artifacts: artifacts.map(|name| artifact(name).hash).collect(),
    }
}

fn assignment(text: &str) -> Assignment {
    let (text, is_paused) = text.strip_suffix('~').map_or((text, false), |t| (t, true));
    let (text, is_running) = text.strip_suffix('+').map_or((text, false), |t| (t, true));
    let (worker, rest) = text.split_once(':').expect("a worker");
    let (name, units) = rest.split_once('@').expect("units");
    let (runs, name) = name.split_once('>').unwrap_or((name, name));
    Assignment {
        worker: id(worker),
        deal: DealId(7),
        artifact: artifact(name),
        runs: artifact(runs).hash,
        units: units
            .split(',')
            .map(|unit| unit.parse().expect("a unit"))
            .collect(),
        is_running,
        is_paused,
    }
}

pub(super) fn process(wanted: &Assignment) -> Process {
    Process {
        worker: wanted.worker,
        deal: wanted.deal,
        artifact: wanted.artifact.hash,
        units: wanted.units.clone(),
    }
}

pub(super) fn artifact(name: &str) -> Artifact {
    Artifact::new(Hash([name.as_bytes()[0]; 32]), 1)
}

fn id(text: &str) -> WorkerId {
    WorkerId(text.parse().expect("the number of a worker"))
}

fn outcome_of(text: &str) -> Result<(), Failure> {
    match text {
        "ok" => Ok(()),
        "trouble" => Err(Failure::Trouble),
        "invalid" => Err(Failure::Never(Obstacle::Invalid)),
        "unsupported" => Err(Failure::Never(Obstacle::Unsupported)),
        _ => panic!("no outcome: {text}"),
    }
}

fn show(action: &Action) -> String {
    let name = |hash: &Hash| char::from(hash.0[0]);
    match action {
        Action::Fetch { artifact, .. } => format!("fetch {}", name(&artifact.hash)),
        Action::Discard { artifact } => format!("discard {}", name(artifact)),
        Action::Start { process, .. } => {
            let units: Vec<_> = process.units.iter().map(ToString::to_string).collect();
            let artifact = name(&process.artifact);
            format!("start {}:{artifact}@{}", process.worker, units.join(","))
        }
        Action::Stop { process } => format!("stop {}", process.worker),
        Action::Send(Call::Running { worker, artifact }) => {
            format!("running {worker}:{}", name(artifact))
        }
        Action::Send(Call::CannotRun {
            worker,
            artifact,
            obstacle,
        }) => {
            let why = format!("{obstacle:?}").to_lowercase();
            format!("cannot-run {worker}:{} {why}", name(artifact))
        }
        Action::Send(Call::Report { stopped, .. }) if stopped.is_empty() => "report".into(),
        Action::Send(Call::Report { stopped, .. }) => {
            let stopped: Vec<_> = stopped.iter().map(ToString::to_string).collect();
            format!("report {} stopped", stopped.join(" "))
        }
        Action::Send(other) => panic!("a planner makes no such call: {other:?}"),
    }
}
